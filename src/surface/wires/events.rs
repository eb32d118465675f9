//! Server-sent events of a run in progress.
//!
//! `GET /rhn/manager/runs/{id}/events` with the session of the JSON surface. The events have the form
//! of two methods' results, and need the permissions for these methods:
//! - `run`: the struct of `registrysync.getRun`, immediately and after each change.
//! - `log`: a line of `registrysync.getRunLog`. Its id is the line's number; a client that reconnects
//!   with it (`Last-Event-ID`) gets the lines that it missed.
//! - `end`: the run's final status, after its last line. A client that reconnects after that is told to
//!   stop (204).
//!
//! The stream also ends when the session ends or the server stops.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::poll_fn;
use tokio::sync::mpsc::{Sender, channel, error::SendError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::json;
use super::streams::StreamPlace;
use crate::api::error::code;
use crate::api::namespaces::{RunNews, RunWatcher};
use crate::api::{ApiError, Dispatcher};
use crate::service::error::shortened;
use crate::surface::requests::arrival::Arrival;
use crate::surface::requests::cookie::Carried;
use crate::surface::state::Surface;

/// The path of the events of the run `{id}`.
pub(in crate::surface) const PATH: &str = "/rhn/manager/runs/{id}/events";
/// How often the session is checked.
const SESSION_EVERY: Duration = Duration::from_secs(10);
/// Number of events buffered for a slow client.
const AHEAD: usize = 16;
const LAST_EVENT: &str = "last-event-id";
const UNBUFFERED: &str = "x-accel-buffering";

/// Answers a request for the events of a run.
pub(in crate::surface) async fn listen(
    State(surface): State<Arc<Surface>>,
    Path(id): Path<String>,
    Extension(arrival): Extension<Arrival>,
    headers: HeaderMap,
) -> Response {
    let carried = Carried::of(&headers);
    let (key, caller) = match json::session(&surface, &carried).await {
        Ok((key, caller)) => (key.to_owned(), caller),
        Err(refusal) => return refusal.for_streams(),
    };
    arrival.visit.known();
    let Ok(id) = id.parse() else {
        let error = ApiError::not_found(format!(
            "there is no run with the id {}; ids are integers",
            shortened(&id)
        ));
        return failure(&error);
    };
    let heard = headers.get(LAST_EVENT).and_then(|id| id.to_str().ok());
    let heard = heard.and_then(|seq| seq.parse().ok()).unwrap_or(0);
    let Some(place) = surface.streams.place(caller.account_id()) else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "10")]).into_response();
    };
    let mut watcher = match RunWatcher::new(&surface.dispatcher, &caller, id, heard) {
        Ok(watcher) => watcher,
        Err(error) => return failure(&error),
    };
    match watcher.news().await {
        Err(error) => failure(&error),
        Ok(news) if heard > 0 && is_old(&news) => StatusCode::NO_CONTENT.into_response(),
        Ok(news) => {
            let watch = Watch {
                dispatcher: surface.dispatcher.clone(),
                key,
                watcher,
            };
            watch.stream(news, place, surface.streams.stop.clone())
        }
    }
}

/// Whether the run has ended and there is no new line.
fn is_old(news: &[RunNews]) -> bool {
    let has_lines = news.iter().any(|news| matches!(news, RunNews::Line(..)));
    matches!(news.last(), Some(RunNews::End(_))) && !has_lines
}

/// 404 for a run that doesn't exist; 503 for a temporary problem. A browser's `EventSource`
/// reconnects when a stream is interrupted, but after neither of these (HTML standard, 9.2.2: any
/// status but 200 fails the connection): its page has to create a new one.
fn failure(error: &ApiError) -> Response {
    json::fault(error).for_streams()
}

/// One client that watches one run.
struct Watch {
    dispatcher: Dispatcher,
    key: String,
    watcher: RunWatcher,
}

impl Watch {
    fn stream(self, first: Vec<RunNews>, place: StreamPlace, stop: CancellationToken) -> Response {
        let (sender, mut receiver) = channel(AHEAD);
        tokio::spawn(async move {
            let gone = sender.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                // Without news, nothing is sent that would fail.
                () = gone.closed() => {}
                _ = self.tell(first, sender) => {}
            }
            drop(place);
        });
        let events = poll_fn(move |context| receiver.poll_recv(context));
        let stream = Sse::new(events).keep_alive(KeepAlive::default());
        // Tells proxies to pass events on immediately.
        ([(UNBUFFERED, "no")], stream).into_response()
    }

    /// Sends all events until the run or the session ends.
    async fn tell(
        mut self,
        first: Vec<RunNews>,
        client: Sender<Told>,
    ) -> Result<(), SendError<Told>> {
        let mut news: Result<Vec<RunNews>, ApiError> = Ok(first);
        let mut asked = Instant::now();
        loop {
            match news {
                Ok(news) => {
                    for news in news {
                        let is_end = matches!(news, RunNews::End(_));
                        client.send(Ok(event(news))).await?;
                        if is_end {
                            return Ok(());
                        }
                    }
                }
                Err(error) if error.code() == code::UNAVAILABLE => {}
                // The run was deleted, or is no longer visible.
                Err(_) => return Ok(()),
            }
            self.watcher.wait(SESSION_EVERY).await;
            if asked.elapsed() >= SESSION_EVERY {
                asked = Instant::now();
                match self.dispatcher.session_peek(&self.key).await {
                    Ok(Some(caller)) if RunWatcher::admit(&caller).is_ok() => {}
                    Ok(_) => return Ok(()),
                    // The next check reports this too.
                    Err(_) => {}
                }
            }
            news = self.watcher.news().await;
        }
    }
}

fn event(news: RunNews) -> Event {
    match news {
        RunNews::Run(run) => Event::default().event("run").data(run),
        RunNews::Line(seq, line) => {
            let event = Event::default().event("log").id(seq.to_string());
            event.data(line)
        }
        RunNews::End(status) => Event::default().event("end").data(status),
    }
}

type Told = Result<Event, Infallible>;
