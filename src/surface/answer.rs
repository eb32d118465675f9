//! Replies as bodies: short ones in one piece with their length, long ones as the client takes
//! them. One that can't go on breaks off, so that nobody takes a part for the whole.

use axum::body::Body;
use futures_util::{StreamExt as _, stream};

use crate::api::reply::{Fault, IntoReply, Pieces};
use crate::api::value::Wire;
use crate::api::{ApiError, Reply};

const PROLOGUE: &str =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><params><param>";
const FAULT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><fault>";

/// The answer of JSON over HTTP. The error is one from before anything was sent.
pub(super) async fn json(reply: Reply) -> Result<Body, ApiError> {
    body(reply.pieces(Wire::Json, "{\"success\":true,\"result\":", "}")).await
}

/// The document of XML-RPC.
pub(super) async fn xml(reply: Reply) -> Result<Body, ApiError> {
    let end = "</param></params></methodResponse>";
    body(reply.pieces(Wire::Xml, PROLOGUE, end)).await
}

/// The document of a fault.
pub(super) async fn fault(error: &ApiError) -> Body {
    let members = serde_json::to_value(Fault::of(error)).unwrap_or_default();
    let pieces = members
        .into_reply()
        .pieces(Wire::Xml, FAULT, "</fault></methodResponse>");
    // Nothing of it can fail: it is a number and a text.
    body(pieces).await.unwrap_or_default()
}

async fn body(mut pieces: Pieces) -> Result<Body, ApiError> {
    let first = pieces.next().await?.unwrap_or_default();
    if pieces.is_done() {
        return Ok(Body::from(first));
    }
    let rest = stream::unfold((Some(first), pieces), |(first, mut pieces)| async move {
        let piece = match first {
            Some(first) => Ok(Some(first)),
            None => pieces.next().await,
        };
        let piece = piece.inspect_err(|error| {
            tracing::warn!(%error, "a long answer breaks off");
        });
        piece.transpose().map(|piece| (piece, (None, pieces)))
    });
    // Compression asks once more after the end.
    Ok(Body::from_stream(rest.fuse()))
}
