//! Replies as response bodies: a short one is sent in one piece with its length, a long one is streamed
//! as fast as the client reads. If a stream fails, the connection is aborted, so that the client doesn't
//! take the part for the whole. A request's share of the memory budget is released with the last piece.

use axum::body::Body;
use futures_util::{StreamExt as _, stream};

use crate::api::reply::{Fault, IntoReply, Pieces};
use crate::api::value::Wire;
use crate::api::{ApiError, Reply};
use crate::surface::requests::body::BodyShare;

/// The text around a result of XML-RPC.
pub(in crate::surface) const XML: (&str, &str) = (
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><params><param>",
    "</param></params></methodResponse>",
);
const FAULT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><fault>";

/// The response of JSON over HTTP. Only errors before the first piece are returned.
pub(in crate::surface) async fn json(reply: Reply, held: BodyShare) -> Result<Body, ApiError> {
    body(
        reply.pieces(Wire::Json, "{\"success\":true,\"result\":", "}"),
        Some(held),
    )
    .await
}

/// The document of XML-RPC.
pub(in crate::surface) async fn xml(reply: Reply, held: BodyShare) -> Result<Body, ApiError> {
    let (before, after) = XML;
    body(reply.pieces(Wire::Xml, before, after), Some(held)).await
}

/// The document of a fault.
pub(in crate::surface) async fn fault(error: &ApiError) -> Body {
    let members = serde_json::to_value(Fault::of(error)).unwrap_or_default();
    let pieces = members
        .into_reply()
        .pieces(Wire::Xml, FAULT, "</fault></methodResponse>");
    // Can't fail: it is a number and a text.
    body(pieces, None).await.unwrap_or_default()
}

async fn body(mut pieces: Pieces, held: Option<BodyShare>) -> Result<Body, ApiError> {
    let first = pieces.next().await?.unwrap_or_default();
    if pieces.is_done() {
        return Ok(Body::from(first));
    }
    // A slow reader must not delay other large requests.
    let held = held.filter(|held| matches!(held, BodyShare::Share(_)));
    let rest = stream::unfold(
        (Some(first), pieces, held),
        |(first, mut pieces, held)| async move {
            let piece = match first {
                Some(first) => Ok(Some(first)),
                None => pieces.next().await,
            };
            let piece = piece.inspect_err(|error| {
                tracing::warn!(%error, "a long response was aborted");
            });
            piece.transpose().map(|piece| (piece, (None, pieces, held)))
        },
    );
    // The compressor polls once more after the end.
    Ok(Body::from_stream(rest.fuse()))
}
