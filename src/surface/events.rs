//! Server-sent events of a run: what it does, while it does it.
//!
//! `GET /rhn/manager/runs/{id}/events` with the session of the JSON surface. The events are what
//! two methods answer, so whoever may not call these is told nothing:
//! - `run`: the struct of `registrysync.getRun`, at once and whenever it has changed.
//! - `log`: a line of `registrysync.getRunLog`. Its id is the line's number; a client that comes
//!   back with it (`Last-Event-ID`) hears what it missed.
//! - `end`: the run's final status, after its last line. A client that comes back after that is
//!   told to stay away (204).
//!
//! The stream also ends with the session and with the server.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Path, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use dxr::Value;
use futures_util::stream::poll_fn;
use serde_json::Value as Json;
use tokio::sync::mpsc::{Sender, channel, error::SendError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::cookie::Carried;
use super::json;
use super::server::Surface;
use crate::api::error::code;
use crate::api::{ApiError, Dispatcher, Peer};
use crate::service::Caller;

/// Where the events of the run `{id}` are.
pub(super) const PATH: &str = "/rhn/manager/runs/{id}/events";
/// A run writes its progress down once a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Whether the session still lives is asked at each such look.
const SESSION_LOOKS: u32 = 10;
/// Lines read at once.
const PAGE: u16 = 500;
/// Events that may wait for a slow client.
const AHEAD: usize = 16;
/// Streams at once; each costs two small queries a second.
const STREAMS: usize = 256;
const LAST_EVENT: &str = "last-event-id";

/// What all streams share.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Streams {
    /// Streams that end at `stop`.
    pub(super) fn new(stop: CancellationToken) -> Streams {
        Streams {
            places: Arc::new(Semaphore::new(STREAMS)),
            stop,
        }
    }
}

/// Answers a request for the events of a run.
pub(super) async fn listen(
    State(surface): State<Surface>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    Path(id): Path<i32>,
    headers: HeaderMap,
) -> Response {
    let carried = Carried::of(&headers);
    let (key, caller) = match json::session(&surface, &carried).await {
        Ok((key, caller)) => (key.to_owned(), caller),
        Err(refusal) => return refusal.into_response(),
    };
    let heard = headers.get(LAST_EVENT).and_then(|id| id.to_str().ok());
    let mut watch = Watch {
        dispatcher: surface.dispatcher.clone(),
        peer: Peer {
            address: address.ip(),
        },
        key,
        caller,
        id,
        run: Json::Null,
        heard: heard.and_then(|seq| seq.parse().ok()).unwrap_or(0),
    };
    match watch.news().await {
        Err(error) => {
            let mut response = json::fault(&error).into_response();
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
        Ok(news) if news.has_ended && news.lines.is_empty() && watch.heard > 0 => {
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(news) => match Arc::clone(&surface.streams.places).try_acquire_owned() {
            Ok(place) => watch.stream(news, place, surface.streams.stop),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "10")]).into_response(),
        },
    }
}

/// One client that watches one run.
struct Watch {
    dispatcher: Dispatcher,
    peer: Peer,
    key: String,
    caller: Caller,
    id: i32,
    /// What was told of the run last.
    run: Json,
    /// The number of the last line that was told.
    heard: i32,
}

/// What has changed since the last look.
struct News {
    run: Option<Json>,
    lines: Vec<Json>,
    /// No more lines are there now.
    is_whole: bool,
    has_ended: bool,
}

impl Watch {
    fn stream(self, first: News, place: OwnedSemaphorePermit, stop: CancellationToken) -> Response {
        let (sender, mut receiver) = channel(AHEAD);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // An error says that the client has gone.
                _ = self.tell(first, sender) => {}
            }
            drop(place);
        });
        let events = poll_fn(move |context| receiver.poll_recv(context));
        Sse::new(events)
            .keep_alive(KeepAlive::default())
            .into_response()
    }

    /// Tells all there is until the run or the session ends.
    async fn tell(mut self, first: News, client: Sender<Told>) -> Result<(), SendError<Told>> {
        let mut news: Result<News, ApiError> = Ok(first);
        for look in 1_u32.. {
            match news {
                Ok(news) => {
                    self.pass_on(&news, &client).await?;
                    if news.is_whole && news.has_ended {
                        let status = self.run["status"].as_str().unwrap_or_default();
                        let event = Event::default().event("end").data(status);
                        return client.send(Ok(event)).await;
                    }
                    if news.is_whole {
                        tokio::time::sleep(LOOK_EVERY).await;
                    }
                }
                Err(error) if error.code() == code::UNAVAILABLE => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                // The run was deleted, or may not be seen any more.
                Err(_) => return Ok(()),
            }
            if look % SESSION_LOOKS == 0 {
                match self.dispatcher.session_peek(&self.key).await {
                    Ok(Some(caller)) => self.caller = caller,
                    Ok(None) => return Ok(()),
                    // Told by the next look, too.
                    Err(_) => {}
                }
            }
            news = self.news().await;
        }
        Ok(())
    }

    async fn pass_on(&self, news: &News, client: &Sender<Told>) -> Result<(), SendError<Told>> {
        if let Some(run) = &news.run {
            let event = Event::default().event("run").data(run.to_string());
            client.send(Ok(event)).await?;
        }
        for line in &news.lines {
            let event = Event::default().event("log").id(line["seq"].to_string());
            client.send(Ok(event.data(line.to_string()))).await?;
        }
        Ok(())
    }

    /// Looks: the run first, so that an ended one has no line that isn't seen.
    async fn news(&mut self) -> Result<News, ApiError> {
        let run = self.ask("registrysync.getRun", &[]).await?;
        let page = [("offset", self.heard), ("limit", PAGE.into())];
        let lines = self.ask("registrysync.getRunLog", &page).await?;
        let lines = lines.as_array().cloned().unwrap_or_default();
        if let Some(seq) = lines.last().and_then(|line| line["seq"].as_i64()) {
            self.heard = i32::try_from(seq).unwrap_or(i32::MAX);
        }
        let status = run["status"].as_str().unwrap_or_default();
        let has_ended = !matches!(status, "READY" | "RUNNING");
        let run = (run != self.run).then(|| {
            self.run = run.clone();
            run
        });
        Ok(News {
            run,
            is_whole: lines.len() < usize::from(PAGE),
            lines,
            has_ended,
        })
    }

    async fn ask(&self, method: &str, more: &[(&str, i32)]) -> Result<Json, ApiError> {
        let mut args = BTreeMap::from([("runId".to_owned(), Value::Integer(self.id))]);
        args.extend(
            more.iter()
                .map(|(name, number)| ((*name).to_owned(), Value::Integer(*number))),
        );
        let caller = Some(self.caller.clone());
        let reply = self.dispatcher.call_named(self.peer, caller, method, args);
        reply.await?.json().await
    }
}

type Told = Result<Event, Infallible>;
