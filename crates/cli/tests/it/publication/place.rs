//! A web server over a folder, in this process; it takes uploads too, as a bucket does.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use killick_model::digest::Digest;

/// Whose signatures count.
pub(crate) const ACCESS_KEY: &str = "AKIDTEST";

/// A running server; it ends with the value.
pub(crate) struct Server {
    pub(crate) url: String,
    folder: Arc<Folder>,
    _runtime: tokio::runtime::Runtime,
}

struct Folder {
    root: PathBuf,
    has_parts: bool,
    sent: AtomicUsize,
    /// After so many bytes of bodies it breaks off, and knows nothing any more.
    breaks_at: usize,
}

impl Server {
    pub(crate) fn start(root: &Path) -> Self {
        Self::of(root, true, usize::MAX)
    }

    /// One that ignores `Range`, as simple servers do.
    pub(crate) fn start_without_parts(root: &Path) -> Self {
        Self::of(root, false, usize::MAX)
    }

    /// One that breaks off after so many bytes, in the middle of an answer.
    pub(crate) fn start_breaking(root: &Path, breaks_at: usize) -> Self {
        Self::of(root, true, breaks_at)
    }

    fn of(root: &Path, has_parts: bool, breaks_at: usize) -> Self {
        let folder = Arc::new(Folder { root: root.to_owned(), has_parts, sent: AtomicUsize::new(0), breaks_at });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).expect("loopback is there");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&folder));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, folder, _runtime: runtime }
    }

    /// Bytes of bodies that were sent.
    pub(crate) fn sent(&self) -> usize {
        self.folder.sent.load(Ordering::Relaxed)
    }
}

async fn answer(State(folder): State<Arc<Folder>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 26).await.expect("a body");
    let path = folder.root.join(parts.uri.path().trim_start_matches('/'));
    match parts.method {
        Method::PUT if is_signed(&parts.headers, &body) => {
            fs_err::create_dir_all(path.parent().expect("below the root")).expect("the folder is writable");
            fs_err::write(path, body).expect("the folder is writable");
            StatusCode::OK.into_response()
        }
        Method::PUT => StatusCode::FORBIDDEN.into_response(),
        _ => match fs_err::read(path) {
            Ok(bytes) => folder.give(&parts.headers, &bytes),
            Err(_) => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

/// That the signature is the documented one is for the tests of signing; here, that the request has one over its body.
fn is_signed(headers: &HeaderMap, body: &Bytes) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization = text("authorization");
    let scope = format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260921/eu-test-1/s3/aws4_request, ");
    authorization.starts_with(&scope)
        && authorization.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date, ")
        && text("x-amz-content-sha256") == Digest::of(body).hex()
}

impl Folder {
    fn give(&self, headers: &HeaderMap, bytes: &[u8]) -> Response {
        let left = self.breaks_at.saturating_sub(self.sent.load(Ordering::Relaxed));
        if left == 0 {
            return StatusCode::NOT_FOUND.into_response();
        }
        if left < bytes.len() {
            self.sent.fetch_add(left, Ordering::Relaxed);
            // The connection ends where the body does, which is not where it should.
            return ([(header::CONTENT_LENGTH, bytes.len().to_string())], bytes[..left].to_vec()).into_response();
        }
        let range = headers.get(header::RANGE).filter(|_| self.has_parts).and_then(|value| value.to_str().ok());
        let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let Some((first, last)) = range else {
            self.sent.fetch_add(bytes.len(), Ordering::Relaxed);
            return bytes.to_vec().into_response();
        };
        let (first, last): (usize, usize) = (first.parse().expect("a number"), last.parse().expect("a number"));
        let part = bytes[first..=last].to_vec();
        self.sent.fetch_add(part.len(), Ordering::Relaxed);
        let range = format!("bytes {first}-{last}/{}", bytes.len());
        (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, range)], part).into_response()
    }
}
