//! The connections that are answered. `axum::serve` waits for ever for a request that does not come, and for a client
//! that takes nothing of its answer, and each connection is an open file of the process: a few hundred silent ones would
//! keep out everybody else.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::serve::Listener;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio_io_timeout::TimeoutStream;
use tower::Layer as _;

/// How long a client may take nothing of its answer: longer than people look at a page of a long one.
const STALLED: Duration = Duration::from_mins(5);

/// Answers until `stopped` is ready, and then what was begun.
///
/// A connection has `patience` for the header of its first request, and after each answer for that of the next one; it
/// is ended when its client takes nothing of an answer any more. It speaks HTTP/1, which proxies and all our clients do without TLS.
pub async fn serve<L>(listener: L, api: Router, patience: Duration, stopped: impl Future<Output = ()>)
where
    L: Listener<Addr = SocketAddr>,
{
    serve_within(listener, api, patience, STALLED, stopped).await;
}

async fn serve_within<L>(
    mut listener: L,
    api: Router,
    patience: Duration,
    stalled: Duration,
    stopped: impl Future<Output = ()>,
) where
    L: Listener<Addr = SocketAddr>,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    let connections = GracefulShutdown::new();
    let mut stopped = pin!(stopped);
    loop {
        // Of a TCP listener too it is that of the trait, which waits when the process has no files left, and tries again.
        let (stream, client) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = &mut stopped => break,
        };
        let service = TowerToHyperService::new(Extension(ConnectInfo(client)).layer(api.clone()));
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(stalled));
        let connection = connections.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended: {error}");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use axum::body::Body;
    use axum::routing::get;
    use futures_util::StreamExt as _;
    use futures_util::stream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::{Notify, oneshot};

    use super::*;

    /// Longer than anything here takes: a test that waits in vain is to fail.
    const LONG: Duration = Duration::from_mins(2);

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// What is answered until the other side ends the connection.
    async fn answered(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        // An end that is not polite is one, too.
        let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("the connection is ended");
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn who_does_not_finish_a_header_is_not_waited_for() {
        let (listener, address) = listener().await;
        let api = Router::new()
            .route("/", get(|ConnectInfo(client): ConnectInfo<SocketAddr>| async move { client.ip().to_string() }));
        tokio::spawn(serve(listener, api, Duration::from_millis(50), std::future::pending()));
        let whole = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
        let one_and_a_half = format!("{whole}GET /");
        for (sent, answers) in [
            ("", 0),
            ("P", 0),
            ("PRI * HTTP/2.0\r\n", 0),
            ("GET / HTTP/1.1\r\nhost: h\r\nx-slow: ", 0),
            // One that is kept for the next request, which does not come.
            (whole, 1),
            (one_and_a_half.as_str(), 1),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            let answer = answered(stream).await;
            assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), answers, "{sent}: {answer}");
            assert_eq!(answer.matches("127.0.0.1").count(), answers, "who asks is known: {answer}");
        }
    }

    /// Tells that an answer is over, one way or the other.
    struct End(Arc<Notify>);

    impl Drop for End {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }

    #[tokio::test]
    async fn who_takes_nothing_is_not_waited_for() {
        // More than the buffers between the two hold.
        const CHUNK: usize = 1 << 16;
        const CHUNKS: usize = 1 << 10;
        let ended = Arc::new(Notify::new());
        for (patience, reads) in [(LONG, true), (Duration::from_millis(50), false)] {
            let (listener, address) = listener().await;
            let ends = ended.clone();
            let api = Router::new().route(
                "/",
                get(move || {
                    let end = End(ends.clone());
                    let chunks = stream::repeat(vec![b'x'; CHUNK]).take(CHUNKS).map(move |chunk| {
                        let _ends_with_it = &end;
                        Ok::<_, Infallible>(chunk)
                    });
                    async { Body::from_stream(chunks) }
                }),
            );
            tokio::spawn(serve_within(listener, api, LONG, patience, std::future::pending()));
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
            if reads {
                assert!(answered(stream).await.len() > CHUNK * CHUNKS);
                tokio::time::timeout(LONG, ended.notified()).await.expect("the answer is over");
            } else {
                tokio::time::timeout(LONG, ended.notified()).await.expect("the answer is given up");
                drop(stream);
            }
        }
    }

    #[tokio::test]
    async fn what_was_begun_is_answered_at_the_end() {
        let (listener, address) = listener().await;
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begins, goes_on) = (begun.clone(), go_on.clone());
        let api = Router::new().route(
            "/",
            get(move || async move {
                begins.notify_one();
                goes_on.notified().await;
                "done"
            }),
        );
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, api, LONG, async move {
            let _ = stopped.await;
        }));
        let silent = TcpStream::connect(address).await.unwrap();
        let mut asking = TcpStream::connect(address).await.unwrap();
        asking.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        begun.notified().await;
        stop.send(()).unwrap();
        assert_eq!(answered(silent).await, "", "who asked for nothing does not hold it up");
        go_on.notify_one();
        assert!(answered(asking).await.ends_with("done"));
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    }
}
