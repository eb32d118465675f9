//! Incremental decompression of a body.

use std::io::Write as _;

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use flate2::write::MultiGzDecoder;

use super::body_error::BodyError;

/// Maximum memory of a parsed document per byte of its text; an array of empty values needs most.
pub(super) const PARSED: usize = 16;
/// Memory of a decompressor's state.
const GZIP_STATE: usize = 80 * 1024;
/// Compressed bytes per step; the size is checked after each. A byte expands to a thousand at most.
const GZIP_STEP: usize = 256;

/// A body's decompressed content.
pub(super) enum Plain {
    Identity(Vec<u8>),
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Plain {
    pub(super) fn of(headers: &HeaderMap) -> Result<Plain, BodyError> {
        let encodings = headers.get_all(CONTENT_ENCODING).iter();
        let names: Vec<String> = encodings
            .flat_map(|value| value.to_str().unwrap_or("?").split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty() && name != "identity")
            .collect();
        match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Ok(Plain::Identity(Vec::new())),
            ["gzip" | "x-gzip"] => Ok(Plain::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))),
            _ => Err(BodyError::Encoding),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Plain::Identity(bytes) => bytes,
            Plain::Gzip(decoder) => decoder.get_ref(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Memory that it takes while it is read and parsed.
    pub(super) fn weight(&self) -> usize {
        let state = match self {
            Plain::Identity(_) => 0,
            Plain::Gzip(_) => GZIP_STATE,
        };
        self.len().saturating_mul(PARSED).saturating_add(state)
    }

    /// Takes bytes until there are more than `bound`; returns those that are left.
    pub(super) fn take<'b>(
        &mut self,
        mut rest: &'b [u8],
        bound: usize,
    ) -> Result<&'b [u8], BodyError> {
        match self {
            Plain::Identity(bytes) => {
                let room = (bound + 1).saturating_sub(bytes.len()).min(rest.len());
                let (taken, left) = rest.split_at(room);
                bytes.extend_from_slice(taken);
                Ok(left)
            }
            Plain::Gzip(decoder) => {
                while !rest.is_empty() && decoder.get_ref().len() <= bound {
                    let (step, left) = rest.split_at(rest.len().min(GZIP_STEP));
                    decoder.write_all(step).map_err(|_| BodyError::Gzip)?;
                    rest = left;
                }
                Ok(rest)
            }
        }
    }

    /// Flushes the decompressor at the end of the body.
    pub(super) fn finish(self) -> Result<Plain, BodyError> {
        match self {
            Plain::Identity(bytes) => Ok(Plain::Identity(bytes)),
            Plain::Gzip(decoder) => {
                let bytes = decoder.finish().map_err(|_| BodyError::Gzip)?;
                Ok(Plain::Identity(bytes))
            }
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Plain::Identity(bytes) => bytes.into(),
            Plain::Gzip(_) => Bytes::new(),
        }
    }
}

impl Default for Plain {
    fn default() -> Plain {
        Plain::Identity(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::{GZIP_STEP, Plain};
    use axum::http::header::CONTENT_ENCODING;
    use axum::http::{HeaderMap, HeaderValue};
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;

    /// The whole bomb arrives as one piece of a body.
    #[test]
    fn decompression_stops_one_step_beyond_the_limit() {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
        let mut plain = Plain::of(&headers).expect("gzip is known");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&vec![0; 50 << 20]).expect("written");
        let bomb = encoder.finish().expect("finished");
        let rest = plain.take(&bomb, 1000).expect("valid gzip");
        assert!(plain.len() > 1000 && !rest.is_empty());
        assert!(plain.len() < 1000 + 1100 * GZIP_STEP, "{}", plain.len());
    }
}
