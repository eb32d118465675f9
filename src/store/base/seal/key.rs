//! Credentials at rest: XChaCha20-Poly1305 with a key in a file, not in the database.
//!
//! A sealed value is `1 | key id (8) | nonce (24) | ciphertext`. The table and the row's id are
//! authenticated with it, so a value copied to another row can't be opened.

use crate::private_file;
use crate::store::base::seal::error::SealError;
use crate::store::schema::image_store;
use crate::store::{DbConnection, Error};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use diesel::prelude::*;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const KEY_ID_LEN: usize = 8;
const NONCE_LEN: usize = 24;
const HEAD_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;

type KeyId = [u8; KEY_ID_LEN];

/// The key of the sealed credentials. Clones share it; it is wiped from memory with the last one.
#[derive(Clone)]
pub struct SealKey(Arc<Inner>);

struct Inner {
    key: Zeroizing<[u8; 32]>,
    id: KeyId,
    /// Set as long as a generated key isn't written yet.
    unwritten: Option<PathBuf>,
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealKey({})", hex::encode(self.0.id))
    }
}

impl SealKey {
    /// Reads the key file (64 hexadecimal digits). If there is none, generates a new key, which
    /// [`crate::store::Db::open`] writes (0600) unless the database needs the old one.
    pub fn from_file(path: &Path) -> Result<Self, SealError> {
        let fault = |reason: String| SealError::File {
            path: path.to_owned(),
            reason,
        };
        // A pipe without a writer would block the start forever.
        if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
            return Err(fault("it isn't a file".to_owned()));
        }
        let mut key = Zeroizing::new([0; 32]);
        let unwritten = match std::fs::read(path).map(Zeroizing::new) {
            Ok(text) => {
                hex::decode_to_slice(text.trim_ascii(), &mut *key)
                    .map_err(|_| fault("it must hold 64 hexadecimal digits".to_owned()))?;
                if private_file::is_open_to_others(path) {
                    tracing::warn!(
                        "other users can read the key file `{}`: restrict it to its owner (chmod 600)",
                        path.display()
                    );
                }
                None
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                getrandom::fill(&mut *key).map_err(SealError::Random)?;
                Some(path.to_owned())
            }
            Err(error) => return Err(fault(error.to_string())),
        };
        let digest = Sha256::new()
            .chain_update(b"registrysync key id")
            .chain_update(*key)
            .finalize();
        let mut id = KeyId::default();
        id.copy_from_slice(&digest[..KEY_ID_LEN]);
        Ok(Self(Arc::new(Inner { key, id, unwritten })))
    }

    /// Seals `secret` for one row.
    pub fn seal(&self, table: &str, id: i64, secret: &SecretString) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(SealError::Random)?;
        let payload = Payload {
            msg: secret.expose_secret().as_bytes(),
            aad: &row_name(table, id),
        };
        let text = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::Damaged)?;
        let mut sealed = Vec::with_capacity(HEAD_LEN + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.0.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// Opens what [`SealKey::seal`] sealed for the same row.
    pub fn unseal(&self, table: &str, id: i64, sealed: &[u8]) -> Result<SecretString, SealError> {
        let wanted = key_id(sealed).ok_or(SealError::Damaged)?;
        if wanted != self.0.id {
            return Err(self.other_key(wanted));
        }
        let (head, text) = sealed
            .split_at_checked(HEAD_LEN)
            .ok_or(SealError::Damaged)?;
        let nonce = head.last_chunk::<NONCE_LEN>().ok_or(SealError::Damaged)?;
        let payload = Payload {
            msg: text,
            aad: &row_name(table, id),
        };
        let plain = self
            .cipher()
            .decrypt(&XNonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| SealError::Damaged)?;
        let plain = std::str::from_utf8(&plain).map_err(|_| SealError::Damaged)?;
        Ok(SecretString::from(plain))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0.key).into())
    }

    fn other_key(&self, wanted: KeyId) -> SealError {
        let wanted = hex::encode(wanted);
        match &self.0.unwritten {
            Some(path) if !path.exists() => SealError::Missing {
                path: path.clone(),
                wanted,
            },
            _ => SealError::OtherKey {
                wanted,
                have: hex::encode(self.0.id),
            },
        }
    }

    /// Writes a new key; if another process created the same file first, its key is used.
    fn written(self) -> Result<SealKey, SealError> {
        let Some(path) = self.0.unwritten.clone() else {
            return Ok(self);
        };
        let mut text = Zeroizing::new(hex::encode(*self.0.key));
        text.push('\n');
        match private_file::create(&path, text.as_bytes()) {
            Ok(()) => Ok(self),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => SealKey::from_file(&path),
            Err(error) => Err(SealError::File {
                path,
                reason: error.to_string(),
            }),
        }
    }
}

fn key_id(sealed: &[u8]) -> Option<KeyId> {
    let (version, rest) = sealed.split_first()?;
    (*version == VERSION).then_some(())?;
    rest.first_chunk().copied()
}

fn row_name(table: &str, id: i64) -> Vec<u8> {
    format!("{table}/{id}").into_bytes()
}

/// Checks that `key` opens everything sealed in the database; then writes a new key. Returns the
/// key to use: another process's key if that wrote the file first.
pub(in crate::store::base) fn key_check(
    conn: &mut DbConnection,
    key: SealKey,
) -> Result<SealKey, Error> {
    key_fits(conn, &key)?;
    let key = key.written()?;
    key_fits(conn, &key)?;
    Ok(key)
}

/// Refuses a key that doesn't open what is sealed in the database. Checked again before sealing:
/// processes with different keys could start while nothing was sealed.
pub(in crate::store) fn key_fits(conn: &mut DbConnection, key: &SealKey) -> Result<(), Error> {
    let sealed: Vec<Option<Vec<u8>>> = image_store::table
        .filter(image_store::credential.is_not_null())
        .select(image_store::credential)
        .load(conn)?;
    // A damaged value is reported when it is used; it must not prevent the server from starting.
    for wanted in sealed.iter().flatten().filter_map(|value| key_id(value)) {
        if wanted != key.0.id {
            return Err(key.other_key(wanted).into());
        }
    }
    Ok(())
}
