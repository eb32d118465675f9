//! Request bodies: bounded in size (as sent and decompressed) and in the time without progress.

use std::io::Read as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::BytesMut;
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt as _;

/// A client that sends nothing for this long in the middle of a body is taken for gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// So much beyond the limit is still read, since many clients only read the answer after they
/// have written everything.
const DRAIN_FACTOR: usize = 16;

/// Why a body can't be used. The texts are for the user.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum BodyError {
    #[error(
        "the request body is larger than {0} bytes; send less at once, or raise the server's limit"
    )]
    TooLarge(usize),
    #[error("the request body broke off, or nothing came for {} seconds", PATIENCE.as_secs())]
    Broken,
    #[error(
        "the request body is compressed in a way that isn't supported; send it plain or with gzip"
    )]
    Encoding,
    #[error("the request body is no valid gzip")]
    Gzip,
}

/// Reads a whole body, decompressed.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Bytes, BodyError> {
    if announced(headers) > limit.saturating_mul(DRAIN_FACTOR) {
        return Err(BodyError::TooLarge(limit));
    }
    let sent = collect(body, limit).await?;
    let encodings = headers.get_all(CONTENT_ENCODING).iter();
    let names: Vec<String> = encodings
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(sent),
        ["gzip" | "x-gzip"] => gunzip(&sent, limit),
        _ => Err(BodyError::Encoding),
    }
}

/// How much the client says that it will send; nothing where it doesn't say.
fn announced(headers: &HeaderMap) -> usize {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    // A number that is too large is a length all the same.
    length.map_or(0, |digits| digits.parse().unwrap_or(usize::MAX))
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, BodyError> {
    let mut chunks = body.into_data_stream();
    let mut kept = BytesMut::new();
    let mut total = 0_usize;
    loop {
        let next = tokio::time::timeout(PATIENCE, chunks.next()).await;
        match next.map_err(|_| BodyError::Broken)? {
            None if total > limit => return Err(BodyError::TooLarge(limit)),
            None => return Ok(kept.freeze()),
            Some(Err(_)) => return Err(BodyError::Broken),
            Some(Ok(chunk)) => {
                total = total.saturating_add(chunk.len());
                if total <= limit {
                    kept.extend_from_slice(&chunk);
                } else if total > limit.saturating_mul(DRAIN_FACTOR) {
                    return Err(BodyError::TooLarge(limit));
                } else {
                    kept.clear();
                }
            }
        }
    }
}

fn gunzip(sent: &[u8], limit: usize) -> Result<Bytes, BodyError> {
    let mut plain = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut decoder = MultiGzDecoder::new(sent).take(bound);
    decoder
        .read_to_end(&mut plain)
        .map_err(|_| BodyError::Gzip)?;
    if plain.len() > limit {
        return Err(BodyError::TooLarge(limit));
    }
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use super::{BodyError, gunzip, read};
    use axum::body::Body;
    use axum::http::{
        HeaderMap, HeaderValue,
        header::{CONTENT_ENCODING, CONTENT_LENGTH},
    };
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).expect("written");
        encoder.finish().expect("finished")
    }

    #[test]
    fn decompression_stops_at_the_limit() {
        assert_eq!(
            gunzip(&gzip(b"hello"), 5).as_deref(),
            Ok(b"hello".as_slice())
        );
        assert_eq!(gunzip(&gzip(b"hello!"), 5), Err(BodyError::TooLarge(5)));
        assert_eq!(
            gunzip(&gzip(&vec![0; 50 << 20]), 1 << 20),
            Err(BodyError::TooLarge(1 << 20))
        );
        assert_eq!(gunzip(b"no gzip", 100), Err(BodyError::Gzip));
        // Its end is never reached, where it would turn out to be damaged.
        let mut damaged = gzip(&vec![0; 50 << 20]);
        let crc = damaged.len() - 8;
        damaged[crc] ^= 1;
        assert_eq!(gunzip(&damaged, 1 << 20), Err(BodyError::TooLarge(1 << 20)));
    }

    #[tokio::test]
    async fn size_and_encoding_are_checked() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            read(&headers, Body::from("12345"), 5).await.as_deref(),
            Ok(b"12345".as_slice())
        );
        assert_eq!(
            read(&headers, Body::from("123456"), 5).await,
            Err(BodyError::TooLarge(5))
        );
        // So much isn't waited for.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("81"));
        assert_eq!(
            read(&headers, Body::empty(), 5).await,
            Err(BodyError::TooLarge(5))
        );
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
        assert_eq!(
            read(&headers, Body::from("1"), 5).await,
            Err(BodyError::Encoding)
        );
    }
}
