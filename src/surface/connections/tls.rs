//! The server's own TLS: a certificate and its key from files, reloaded when they change, or a
//! self-signed pair for testing.
//!
//! A change takes effect once both files form a pair; until then the old pair stays in use. Open
//! connections keep theirs.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{Datelike as _, Utc};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::private_file;

/// How often the files are checked.
const RELOAD_EVERY: Duration = Duration::from_secs(2);
/// The names of the self-signed files in the data directory.
const TRIAL: [&str; 2] = ["tls-self-signed.crt", "tls-self-signed.key"];
/// Validity of a self-signed certificate in years.
const TRIAL_YEARS: i32 = 5;

/// Why the server can't use TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or written.
    #[error("`{path}`: {source}")]
    File {
        /// The file.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// A file has no certificate.
    #[error("`{0}` has no certificate in PEM form")]
    NoCertificate(String),
    /// A file has no private key.
    #[error("`{0}` has no private key in PEM form (encrypted keys aren't supported)")]
    NoKey(String),
    /// The files don't belong together.
    #[error("the certificate `{certificate}` and the key `{key}` can't be used together: {detail}")]
    Pair {
        /// The file with the certificate.
        certificate: String,
        /// The file with the key.
        key: String,
        /// What is wrong.
        detail: String,
    },
    /// The certificate can't be created.
    #[error("can't create a certificate: {0}")]
    Trial(#[from] rcgen::Error),
}

impl TlsError {
    /// Whether the reason is this file, and not the pair.
    pub fn is_about(&self, file: &Path) -> bool {
        match self {
            Self::File { path, .. } | Self::NoCertificate(path) | Self::NoKey(path) => {
                *path == file.display().to_string()
            }
            Self::Pair { .. } | Self::Trial(_) => false,
        }
    }
}

/// A certificate with its key, from two files.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    /// The files' content at the last check, even if it was invalid.
    seen: RwLock<[Vec<u8>; 2]>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// From the PEM files of the certificate (with its chain) and its key.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(default_provider());
        let seen = [contents(certificate)?, contents(key)?];
        let current = pair(&provider, [certificate, key], &seen)?;
        Ok(Arc::new(Self {
            chain: certificate.to_owned(),
            key: key.to_owned(),
            provider,
            seen: RwLock::new(seen),
            current: RwLock::new(Arc::new(current)),
        }))
    }

    /// The self-signed pair in `directory`, created if it is missing. It is valid for this
    /// machine's own names, `names`, and the address that the server listens on.
    pub fn self_signed(
        directory: &Path,
        listen: SocketAddr,
        names: &[String],
    ) -> Result<Arc<Self>, TlsError> {
        let [certificate, key] = TRIAL.map(|name| directory.join(name));
        if !certificate.exists() || !key.exists() {
            trial_make(&certificate, &key, listen, names)?;
        }
        Self::from_files(&certificate, &key)
    }

    /// The certificate's file, which a client may have to trust.
    pub fn path(&self) -> &Path {
        &self.chain
    }

    /// The TLS configuration of connections: TLS 1.2 or 1.3, HTTP/2 or HTTP/1.1.
    pub(super) fn config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let resolver = Arc::clone(self) as Arc<dyn ResolvesServerCert>;
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Checks the files for as long as this is polled.
    pub(in crate::surface) async fn watch(self: Arc<Self>) -> Infallible {
        loop {
            tokio::time::sleep(RELOAD_EVERY).await;
            let this = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || this.reload()).await {
                Ok(Ok(true)) => tracing::info!("the TLS certificate was reloaded"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(
                        "the changed TLS certificate can't be used, the old one stays in use: {error}"
                    );
                }
                Err(error) => tracing::error!(%error, "can't read the TLS files"),
            }
        }
    }

    /// Loads the pair if the files have changed. An error is logged once for each change.
    fn reload(&self) -> Result<bool, TlsError> {
        // A file that can't be read may just be being replaced; the next check will show.
        let (Ok(certificate), Ok(key)) = (contents(&self.chain), contents(&self.key)) else {
            return Ok(false);
        };
        let found = [certificate, key];
        if *self.seen.read().unwrap_or_else(PoisonError::into_inner) == found {
            return Ok(false);
        }
        let new = pair(&self.provider, [&self.chain, &self.key], &found);
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = found;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new?);
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

fn file_error(path: &Path) -> impl Fn(io::Error) -> TlsError {
    move |source| TlsError::File {
        path: path.display().to_string(),
        source,
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(file_error(path))
}

fn pair(
    provider: &CryptoProvider,
    [certificate, key]: [&Path; 2],
    [chain_pem, key_pem]: &[Vec<u8>; 2],
) -> Result<CertifiedKey, TlsError> {
    let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain_pem).collect();
    let chain = chain.unwrap_or_default();
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate));
    }
    let Ok(private) = PrivateKeyDer::from_pem_slice(key_pem) else {
        return Err(TlsError::NoKey(key));
    };
    CertifiedKey::from_der(chain, private, provider).map_err(|error| TlsError::Pair {
        certificate,
        key,
        detail: error.to_string(),
    })
}

fn trial_make(
    certificate: &Path,
    key: &Path,
    listen: SocketAddr,
    names: &[String],
) -> Result<(), TlsError> {
    let mut subjects = ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    let host = hostname::get().unwrap_or_default();
    let host = host.to_string_lossy().into_owned();
    subjects.extend(names.iter().cloned().chain([host]));
    let address: IpAddr = listen.ip();
    subjects.extend((!address.is_unspecified()).then(|| address.to_string()));
    subjects.retain(|name| !name.is_empty());
    subjects.sort();
    subjects.dedup();
    let mut params = rcgen::CertificateParams::new(subjects)?;
    let (year, month, day) = (Utc::now().year(), Utc::now().month(), Utc::now().day());
    // Backdated, so that a clock that is behind doesn't matter. Not every year has February 29.
    let [month, day] = [month, day.min(28)].map(|part| u8::try_from(part).unwrap_or(1));
    params.not_before = rcgen::date_time_ymd(year - 1, month, day);
    params.not_after = rcgen::date_time_ymd(year + TRIAL_YEARS, month, day);
    let common_name = rcgen::DnType::CommonName;
    params
        .distinguished_name
        .push(common_name, "registrysync trial");
    let pair = rcgen::KeyPair::generate()?;
    let made = params.self_signed(&pair)?;
    file_write(key, &pair.serialize_pem(), 0o600)?;
    file_write(certificate, &made.pem(), 0o644)
}

fn file_write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    private_file::replace_with_mode(path, text.as_bytes(), mode).map_err(file_error(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_pair_is_taken_when_it_is_whole() {
        let files = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:1".parse().unwrap();
        let make = |name: &str| {
            let directory = files.path().join(name);
            fs::create_dir(&directory).unwrap();
            Certificate::self_signed(&directory, listen, &[]).unwrap();
            TRIAL.map(|file| directory.join(file))
        };
        let ([certificate, key], [new_certificate, new_key]) = (make("old"), make("new"));
        let pair = Certificate::from_files(&certificate, &key).unwrap();
        let shown = || pair.current.read().unwrap().cert.clone();
        let old = shown();
        assert!(!pair.reload().unwrap());
        fs::copy(&new_certificate, &certificate).unwrap();
        assert!(matches!(pair.reload(), Err(TlsError::Pair { .. })));
        assert!(!pair.reload().unwrap(), "told once");
        assert_eq!(shown(), old);
        fs::remove_file(&key).unwrap();
        assert!(!pair.reload().unwrap(), "a file on its way");
        fs::copy(&new_key, &key).unwrap();
        assert!(pair.reload().unwrap());
        assert_ne!(shown(), old);
    }
}
