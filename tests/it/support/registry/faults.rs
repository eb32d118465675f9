//! Misbehaviour. A [`Fault`] is a rule for some requests, for a time; a [`Quirk`] is permanent.

use std::{
    future::{pending, ready},
    io,
    sync::Mutex,
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use regex::Regex;

/// How a registry differs from the specification, or from most registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Quirk {
    /// HEAD of a manifest has no `Docker-Content-Digest`.
    HeadWithoutDigest,
    /// HEAD of a manifest has no `Content-Length`.
    HeadWithoutLength,
    /// `Docker-Content-Digest` of a manifest is that of other bytes.
    WrongDigestHeader,
    /// A manifest's `Content-Type` has `; charset=utf-8`.
    ContentTypeCharset,
    /// A manifest has no `Content-Type`.
    ContentTypeMissing,
    /// A manifest is sent as `text/plain`.
    ContentTypeWrong,
    /// A mount always starts an upload (202).
    MountIgnored,
    /// POST of an upload with a digest only starts a session.
    SinglePostIgnored,
    /// PUT at the end of an upload must not have content (413).
    PutBodyRefused,
    /// PUT of a blob or manifest answers 202.
    PutAccepted,
    /// PUT of a blob or manifest answers 204.
    PutNoContent,
    /// An existing tag can't be moved (409), not even to where it is.
    ImmutableTags,
    /// An index may be pushed without its children.
    SparseAllowed,
    /// No referrers API: 404, and no `OCI-Subject`.
    NoReferrers,
    /// No `OCI-Subject` after the push of a manifest with a subject.
    NoOciSubject,
    /// A repository without tags answers `"tags": null`.
    TagsNull,
    /// A repository without tags answers without the key.
    TagsMissing,
    /// `Range` is ignored.
    RangeIgnored,
    /// Uploaded blobs are hashed and counted, not stored.
    Sink,
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// This response instead of the registry's.
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// The connection closes after this many body bytes: of the request, if it has content, else of
    /// the response.
    Cut { after: u64 },
    /// The request is executed, but the connection closes before the response.
    AnswerLost,
    /// The request is executed, but there is never a response.
    AnswerHeld,
    /// The request is executed, but this is the response.
    AnswerReplaced { status: u16 },
    /// The response's body is properly sent, but truncated to this many bytes.
    Truncated { to: u64 },
    /// The response's body is this many bytes too long.
    TooLong { by: usize },
    /// The response's byte at this offset is changed.
    Corrupted { at: u64 },
    /// There is never a response.
    Hang,
    /// The response stops after this many body bytes, with the connection open.
    Stall { after: u64 },
    /// The response comes in pieces of this many bytes, with a pause before each.
    Slow { bytes: usize, pause: Duration },
    /// The request is only processed after this time.
    Delay(Duration),
}

/// A rule: which requests, from when, how often, and what happens.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    method: Method,
    target: Regex,
    spared: usize,
    left: usize,
    action: Action,
}

impl Fault {
    /// For requests of this method whose path and query match the regular expression.
    pub(crate) fn on(method: &str, target: &str, action: Action) -> Self {
        Self {
            method: method.parse().expect("a method"),
            target: Regex::new(target).expect("a regular expression"),
            spared: 0,
            left: usize::MAX,
            action,
        }
    }

    /// A response with this status, no headers and no body.
    pub(crate) fn status(method: &str, target: &str, status: u16) -> Self {
        let action = Action::Answer {
            status,
            headers: Vec::new(),
            body: String::new(),
        };
        Self::on(method, target, action)
    }

    /// Skips the first `hits` of them.
    pub(crate) fn after(mut self, hits: usize) -> Self {
        self.spared = hits;
        self
    }

    /// Ends after this many.
    pub(crate) fn times(mut self, hits: usize) -> Self {
        self.left = hits;
        self
    }

    fn hit(&mut self, method: &Method, target: &str) -> Option<Action> {
        if self.left == 0 || self.method != method || !self.target.is_match(target) {
            return None;
        }
        if self.spared > 0 {
            self.spared -= 1;
            return None;
        }
        self.left -= 1;
        Some(self.action.clone())
    }
}

/// The rules of a registry; the first that matches a request applies.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        self.0.lock().unwrap().push(fault);
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// What should happen to this request.
    pub(crate) fn action(&self, request: &Request) -> Option<Action> {
        let uri = request.uri();
        let target = uri.path_and_query().map_or(uri.path(), |t| t.as_str());
        let mut faults = self.0.lock().unwrap();
        (faults.iter_mut()).find_map(|fault| fault.hit(request.method(), target))
    }
}

/// Applies an action to a request that `answer` would answer.
pub(crate) async fn faulty<A: Future<Output = Response>>(
    action: Action,
    request: Request,
    answer: impl FnOnce(Request) -> A,
) -> Response {
    match action {
        Action::Answer {
            status,
            headers,
            body,
        } => scripted(status, headers, body),
        Action::Cut { after } if brings_content(request.method()) => {
            answer(request.map(|body| cut(body, after))).await;
            closing()
        }
        Action::Cut { after } => answer(request).await.map(|body| cut(body, after)),
        Action::AnswerLost => {
            answer(request).await;
            closing()
        }
        Action::AnswerHeld => {
            answer(request).await;
            pending().await
        }
        Action::AnswerReplaced { status } => {
            answer(request).await;
            scripted(status, Vec::new(), String::new())
        }
        Action::Truncated { to } => truncated(answer(request).await, to),
        Action::TooLong { by } => too_long(answer(request).await, by),
        Action::Corrupted { at } => answer(request).await.map(|body| corrupted(body, at)),
        Action::Hang => pending().await,
        Action::Stall { after } => answer(request).await.map(|body| {
            let stalled = stream::once(pending::<io::Result<Bytes>>());
            Body::from_stream(first(body, after).chain(stalled))
        }),
        Action::Slow { bytes, pause } => answer(request).await.map(|body| slow(body, bytes, pause)),
        Action::Delay(time) => {
            tokio::time::sleep(time).await;
            answer(request).await
        }
    }
}

fn brings_content(method: &Method) -> bool {
    matches!(*method, Method::PUT | Method::POST | Method::PATCH)
}

fn scripted(status: u16, headers: Vec<(&'static str, String)>, body: String) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body.into()).expect("a scripted answer")
}

/// The first `bytes` of a body.
fn first(body: Body, bytes: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let data = body.into_data_stream().map(|d| d.map_err(io::Error::other));
    data.scan(bytes, |left, data| {
        if *left == 0 {
            return ready(None);
        }
        ready(Some(data.map(|mut data| {
            data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= data.len() as u64;
            data
        })))
    })
}

/// A body that fails after this many bytes; for a response this closes the connection.
fn cut(body: Body, after: u64) -> Body {
    // The pause lets the bytes before the end be sent.
    let end = stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::ErrorKind::ConnectionReset.into())
    });
    Body::from_stream(first(body, after).chain(end))
}

/// Marks a response of which nothing is sent.
#[derive(Clone)]
pub(crate) struct Unsent;

/// A response of which nothing is sent: its body fails before its head was sent.
fn closing() -> Response {
    let failure = stream::once(ready(Err::<Bytes, io::Error>(
        io::ErrorKind::ConnectionReset.into(),
    )));
    let mut response = Response::new(Body::from_stream(failure));
    response.extensions_mut().insert(Unsent);
    response
}

fn truncated(mut response: Response, to: u64) -> Response {
    *response.status_mut() = StatusCode::OK;
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, to.into());
    response.map(|body| Body::from_stream(first(body, to)))
}

fn too_long(mut response: Response, by: usize) -> Response {
    response.headers_mut().remove(header::CONTENT_LENGTH);
    let more = stream::once(ready(Ok(Bytes::from(vec![b'x'; by]))));
    response.map(|body| Body::from_stream(body.into_data_stream().chain(more)))
}

fn slow(body: Body, bytes: usize, pause: Duration) -> Body {
    let pieces = body.into_data_stream().flat_map(move |data| {
        let pieces: Vec<Result<Bytes, axum::Error>> = match data {
            Ok(data) => (data.chunks(bytes).map(|piece| Ok(data.slice_ref(piece)))).collect(),
            failed => vec![failed],
        };
        stream::iter(pieces)
    });
    Body::from_stream(pieces.then(move |piece| async move {
        tokio::time::sleep(pause).await;
        piece
    }))
}

fn corrupted(body: Body, at: u64) -> Body {
    let mut start = 0;
    let data = body.into_data_stream().map(move |data| {
        data.map(|data| {
            let offset = usize::try_from(at.wrapping_sub(start)).unwrap_or(usize::MAX);
            start += data.len() as u64;
            if offset >= data.len() {
                return data;
            }
            let mut bytes = data.to_vec();
            bytes[offset] ^= 1;
            bytes.into()
        })
    });
    Body::from_stream(data)
}
