//! TLS to a PostgreSQL server, verified like `libpq` does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};

use super::address::{Address, SslMode};
use crate::private_file;

/// The handshake's parameters, or an error in the files.
pub(super) fn config(address: &Address) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(address, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let files = &address.files;
    let home = |name: &str| Some(home_file(name)?).filter(|path| path.exists());
    let certificate = files.certificate.clone().or_else(|| home("postgresql.crt"));
    let Some(certificate) = certificate else {
        return Ok(builder.with_no_client_auth());
    };
    let key = files.key.clone().or_else(|| home("postgresql.key"));
    let key = key.ok_or("`sslcert` is given without `sslkey`")?;
    if private_file::is_open_to_others(&key) {
        tracing::warn!(
            "other users can read the key file `{}`: restrict it to its owner (chmod 600)",
            key.display()
        );
    }
    let chain = certificates(&certificate)?;
    let key = PrivateKeyDer::from_pem_file(&key)
        .map_err(|error| format!("`{}`: {error}", key.display()))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| format!("`{}`: {error}", certificate.display()))
}

fn home_file(name: &str) -> Option<PathBuf> {
    Some(
        Path::new(&std::env::var_os("HOME")?)
            .join(".postgresql")
            .join(name),
    )
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(all) if all.is_empty() => Err(format!("`{}` has no certificate", path.display())),
        Ok(all) => Ok(all),
        Err(error) => Err(format!("`{}`: {error}", path.display())),
    }
}

/// What is verified of the server's certificate.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// `None`: nothing.
    roots: Option<Roots>,
}

#[derive(Debug)]
struct Roots {
    verifier: Arc<WebPkiServerVerifier>,
    /// A server's own certificate may be among the roots.
    given: Vec<CertificateDer<'static>>,
    /// The name is checked, too.
    name: bool,
}

impl Verifier {
    fn new(address: &Address, provider: &Arc<CryptoProvider>) -> Result<Verifier, String> {
        let (asked, name) = match address.ssl {
            SslMode::VerifyFull => (true, true),
            SslMode::VerifyCa => (true, false),
            // Like libpq: if roots are given, they are used.
            SslMode::Require => (address.files.roots.is_some(), false),
            SslMode::Prefer | SslMode::Disable => (false, false),
        };
        let provider = Arc::clone(provider);
        if !asked {
            return Ok(Verifier {
                provider,
                roots: None,
            });
        }
        let file = address
            .files
            .roots
            .clone()
            .or_else(|| home_file("root.crt"));
        let given = match file {
            Some(file) if file.as_os_str() == "system" => {
                rustls_native_certs::load_native_certs().certs
            }
            Some(file) if file.exists() => certificates(&file)?,
            Some(file) => {
                return Err(format!(
                    "the root certificate file `{}` doesn't exist: name one with `sslrootcert`, or use \
                     `sslrootcert=system` for those that this machine trusts",
                    file.display()
                ));
            }
            None => return Err("`sslrootcert` is missing".to_owned()),
        };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(given.iter().cloned());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                .build()
                .map_err(|error| format!("`sslrootcert`: {error}"))?;
        let roots = Roots {
            verifier,
            given,
            name,
        };
        Ok(Verifier {
            provider,
            roots: Some(roots),
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let Some(roots) = &self.roots else {
            return Ok(ServerCertVerified::assertion());
        };
        if roots.given.iter().any(|root| **root == **certificate) {
            if roots.name {
                let parsed = ParsedCertificate::try_from(certificate)?;
                rustls::client::verify_server_name(&parsed, name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        let verified = roots
            .verifier
            .verify_server_cert(certificate, chain, name, ocsp, now);
        match verified {
            // The chain is checked before the name.
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !roots.name => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
