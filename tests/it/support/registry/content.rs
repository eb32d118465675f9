//! The bytes of a blob: stored, generated, or only counted.

use std::ops::Range;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use sha2::{Digest as _, Sha256};

/// Bytes in one block of a generated blob.
const BLOCK: u64 = 64 * 1024;

/// A gzip header: copiers check a layer's first bytes to see whether it is compressed.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// The bytes of a blob.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// All of them.
    Kept(Bytes),
    /// `size` bytes generated from `base` when they are read.
    Generated { base: Bytes, size: u64 },
    /// A sink has hashed and counted them, but stored nothing.
    Counted(u64),
}

impl Content {
    /// `size` bytes generated from `seed`, none of them in memory. Each block has its own start, so
    /// a reader that joins ranges incorrectly gets another digest.
    pub(crate) fn generated(seed: u64, size: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let base = (0..BLOCK / 8).flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        Self::Generated {
            base: base.collect(),
            size,
        }
    }

    /// Length in bytes.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Kept(bytes) => bytes.len() as u64,
            Self::Generated { size, .. } | Self::Counted(size) => *size,
        }
    }

    /// `sha256:…` of what [`Content::chunks`] gives.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for chunk in self.clone().chunks(0..self.size()) {
            hasher.update(&chunk);
        }
        digest_text(hasher)
    }

    /// The bytes of `range`, a block at a time; nothing if a sink stored nothing.
    pub(crate) fn chunks(self, range: Range<u64>) -> impl Iterator<Item = Bytes> + Send + 'static {
        let mut at = range.start;
        std::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let chunk = match &self {
                Self::Kept(bytes) => bytes.slice(index(at)..index(range.end)),
                Self::Generated { base, .. } => {
                    let start = at % BLOCK;
                    let end = BLOCK.min(start + (range.end - at));
                    block(base, at / BLOCK).slice(index(start)..index(end))
                }
                Self::Counted(_) => return None,
            };
            at += chunk.len() as u64;
            Some(chunk)
        })
    }

    /// The bytes of `range` as a body.
    pub(crate) fn body(&self, range: Range<u64>) -> Body {
        let chunks = self.clone().chunks(range);
        Body::from_stream(stream::iter(chunks.map(Ok::<_, std::io::Error>)))
    }
}

/// Block `number` of the blob generated from `base`.
fn block(base: &Bytes, number: u64) -> Bytes {
    let mut bytes = base.to_vec();
    bytes[16..24].copy_from_slice(&number.to_le_bytes());
    if number == 0 {
        bytes[..GZIP_HEADER.len()].copy_from_slice(&GZIP_HEADER);
    }
    bytes.into()
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("an offset within memory")
}

/// `sha256:…` of the bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    digest_text(Sha256::new_with_prefix(bytes))
}

/// `sha256:…` of what the hasher has seen.
pub(crate) fn digest_text(hasher: Sha256) -> String {
    format!("sha256:{}", hex::encode(hasher.finalize()))
}
