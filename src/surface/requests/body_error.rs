//! Why a body can't be used.

use std::time::Duration;

use super::budget::NoRoom;
use crate::api::ApiError;
use crate::text::Bytes;

/// Why a body can't be used. The texts are for the user.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(in crate::surface) enum BodyError {
    #[error(
        "the request body is larger than {}; send less at once, or raise the server's \
         limit (`request_mib`)", Bytes(*.0 as u64)
    )]
    TooLarge(usize),
    #[error(
        "the request body is larger than {}, the limit without a valid session; log in \
         first, or send less", Bytes(*.0 as u64)
    )]
    Stranger(usize),
    #[error("the request body ended early, or nothing came for {} seconds", .0.as_secs())]
    Broken(Duration),
    #[error("the request body took longer than {} seconds; send less at once", .0.as_secs())]
    Slow(Duration),
    #[error(
        "the request body is compressed in a way that isn't supported; send it plain or with gzip"
    )]
    Encoding,
    #[error("the request body is not valid gzip")]
    Gzip,
    #[error("too many requests without a session are in progress; try again later")]
    Crowded,
    #[error("{0}")]
    Session(ApiError),
}

impl From<NoRoom> for BodyError {
    fn from(_: NoRoom) -> BodyError {
        BodyError::Crowded
    }
}
