//! Connections with TLS, by a certificate that is read again when its files change.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::report_error::with_hint;

/// Between looks at the files.
const LOOK: Duration = Duration::from_secs(2);
/// Time of a handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes at once.
const HANDSHAKES: usize = 128;

/// Hands out connections whose handshake is over, so that none of them keeps others waiting.
pub(super) struct Listener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl Listener {
    pub(super) async fn bind(address: SocketAddr, certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let bytes = files.read()?;
        let (current, settings) = watch::channel(files.settings(&bytes)?);
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}`"))?;
        let address = listener.local_addr().context("the socket has no address")?;
        tokio::spawn(files.follow(bytes, current));
        let (connections, ready) = mpsc::channel(HANDSHAKES);
        tokio::spawn(accept(listener, settings, connections));
        Ok(Self { ready, address })
    }
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // Whoever accepts is gone: the process ends.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}

async fn accept(
    listener: TcpListener,
    settings: watch::Receiver<Arc<ServerConfig>>,
    connections: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let turns = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("a connection was lost: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&settings.borrow()));
        let connections = connections.clone();
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(connections.send((stream, peer)).await),
                Ok(Err(error)) => tracing::debug!("{peer}: {error}"),
                Err(_) => tracing::debug!("{peer}: no handshake in {HANDSHAKE:?}"),
            }
            drop(turn);
        });
    }
}

/// The files of a certificate and its key.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn read(&self) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        Ok((fs_err::read(&self.certificate)?, fs_err::read(&self.key)?))
    }

    fn settings(&self, (certificate, key): &(Vec<u8>, Vec<u8>)) -> anyhow::Result<Arc<ServerConfig>> {
        let no_pem = |path: &Path, block: &str| {
            with_hint(
                format!("`{}` holds no PEM block of a {block}", path.display()),
                format!("it must have a line `-----BEGIN {}-----`", block.to_uppercase()),
            )
        };
        let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| no_pem(&self.certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| no_pem(&self.key, "private key"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let settings = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let settings = settings.context("TLS cannot be set up")?.with_no_client_auth().with_single_cert(chain, key);
        let mut settings = settings.map_err(|error| {
            let (certificate, key) = (self.certificate.display(), self.key.display());
            with_hint(
                format!("the key `{key}` is not that of the certificate `{certificate}`: {error}"),
                "give the files of one certificate, as `tls.crt` and `tls.key` of one secret are",
            )
        })?;
        settings.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(settings))
    }

    /// Takes over what the files hold from now on. While they are no good, what was good counts.
    async fn follow(self, mut known: (Vec<u8>, Vec<u8>), current: watch::Sender<Arc<ServerConfig>>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let Ok(bytes) = self.read() else { continue };
            if bytes == known {
                continue;
            }
            match self.settings(&bytes) {
                Ok(settings) => {
                    tracing::info!("took over the certificate in `{}`", self.certificate.display());
                    let _ = current.send(settings);
                }
                Err(error) => tracing::error!("the certificate stays as it was: {error}"),
            }
            known = bytes;
        }
    }
}
