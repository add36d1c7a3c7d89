use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use killick_model::reference::Reference;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::registry::timer::Timer;
use crate::stage::StageOptions;

const SIZE: u64 = 100;

/// A clock that goes on when it is told to.
#[derive(Default)]
struct Clock(Mutex<Duration>);

impl Clock {
    fn advance(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }
}

impl Timer for Clock {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(ready(()))
    }

    fn chance(&self) -> f64 {
        0.0
    }
}

/// A registry, and the download of a blob of [`SIZE`] bytes from it.
async fn registry(resumes: u32) -> (TcpListener, Download, Arc<Clock>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clock = Arc::new(Clock::default());
    let mut options = StageOptions::default();
    options.registry.plain_http = true;
    options.registry.timer = Arc::<Clock>::clone(&clock);
    options.registry.retry.resumes = resumes;
    let registry = listener.local_addr().unwrap().to_string();
    let reference = Reference { registry, repository: "app".to_owned(), tag: None, digest: None };
    let upstreams = Upstreams::connect(&reference, &options).unwrap();
    (listener, Download::new(upstreams, Digest::of(b"blob"), SIZE, Vec::new()), clock)
}

/// Takes the next request, and begins an answer: the bytes of the blob from `first` on, of which one comes.
async fn begin(listener: &TcpListener, first: u64) -> TcpStream {
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(connection.read_u8().await.unwrap());
    }
    let wanted = format!("range: bytes={first}-\r\n");
    assert_eq!(String::from_utf8_lossy(&request).to_lowercase().contains(&wanted), first > 0);
    let status = if first == 0 { "200 OK" } else { "206 Partial Content" };
    let (last, left) = (SIZE - 1, SIZE - first);
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-range: bytes {first}-{last}/{SIZE}\r\ncontent-length: {left}\r\n\r\nx");
    connection.write_all(head.as_bytes()).await.unwrap();
    connection
}

/// How many bytes came next.
async fn next(download: &mut Download) -> Result<usize, String> {
    let bytes = download.next().await.map_err(|error| error.to_string())?;
    Ok(bytes.map_or(0, |bytes| bytes.len()))
}

#[tokio::test]
async fn a_reader_that_pauses_is_no_silence_of_the_registry() {
    let (listener, mut download, _) = registry(0).await;
    let (mut connection, first) = tokio::join!(begin(&listener, 0), next(&mut download));
    assert_eq!(first, Ok(1));
    tokio::time::pause();
    tokio::time::advance(Duration::from_hours(1)).await;
    tokio::time::resume();
    connection.write_all(&[b'x'; 99]).await.unwrap();
    assert_eq!(next(&mut download).await, Ok(99));
    assert_eq!(next(&mut download).await, Ok(0));
}

#[tokio::test]
async fn what_breaks_off_while_the_reader_pauses_counts_for_nothing() {
    for (pause, want) in [(PAUSE, None), (PAUSE / 2, Some("broke off"))] {
        let (listener, mut download, clock) = registry(2).await;
        let answering = tokio::spawn(async move {
            for first in 0.. {
                drop(begin(&listener, first).await);
            }
        });
        let mut came = Ok(1);
        for _ in 0..6 {
            if came == Ok(1) {
                came = next(&mut download).await;
                clock.advance(pause);
            }
        }
        answering.abort();
        match want {
            None => assert_eq!(came, Ok(1)),
            Some(want) => assert!(came.clone().is_err_and(|error| error.contains(want)), "{came:?}"),
        }
    }
}
