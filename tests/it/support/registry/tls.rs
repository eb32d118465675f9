//! TLS for a test registry: one certificate of the whole test process, and connections accepted with it.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, LazyLock},
};

use axum::serve::Listener;
use rcgen::{CertificateParams, CertifiedKey, KeyPair};
use rustls::{ServerConfig, crypto::ring::default_provider, pki_types::PrivateKeyDer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// For `localhost` and 127.0.0.1; not trusted unless configured.
static CERTIFICATE: LazyLock<CertifiedKey<KeyPair>> = LazyLock::new(|| {
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let signing_key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(names).expect("names of a certificate");
    let cert = params.self_signed(&signing_key).expect("a certificate");
    CertifiedKey { cert, signing_key }
});

/// The certificate of all test registries with TLS, PEM: what a client has to trust.
pub(crate) fn certificate() -> String {
    CERTIFICATE.cert.pem()
}

fn acceptor() -> TlsAcceptor {
    let chain = vec![CERTIFICATE.cert.der().clone()];
    let key = PrivateKeyDer::try_from(CERTIFICATE.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let builder = builder.with_no_client_auth();
            builder.with_single_cert(chain, key)
        });
    TlsAcceptor::from(Arc::new(config.expect("a TLS configuration")))
}

/// A listener whose connections use TLS. Each handshake has its own task, so that a silent client
/// doesn't block others.
pub(super) struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    pub(super) fn new(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("the listener's address");
        let (sender, ready) = mpsc::channel(16);
        tokio::spawn(async move {
            let acceptor = acceptor();
            while let Ok((stream, peer)) = listener.accept().await {
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    stream.set_nodelay(true)?;
                    let stream = acceptor.accept(stream).await?;
                    let _ = sender.send((stream, peer)).await;
                    io::Result::Ok(())
                });
            }
        });
        Self { address, ready }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}
