//! Where waiting work meets computing work.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tokio::sync::oneshot;
use tracing::Span;

/// Runs CPU-bound work on the rayon pool and waits without blocking the runtime.
///
/// A panic of the work is carried over to the caller, where the panic catcher of the API or of the job deals with it.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    bridge(work, rayon::spawn).await
}

/// The same on a pool of its own, for work that may wait for the network and must not keep others from computing.
pub(crate) async fn run_on<T: Send + 'static>(
    pool: &rayon::ThreadPool,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    bridge(work, |work| pool.spawn(work)).await
}

async fn bridge<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    spawn: impl FnOnce(Box<dyn FnOnce() + Send>),
) -> T {
    let (send, receive) = oneshot::channel();
    let span = Span::current();
    spawn(Box::new(move || drop(send.send(span.in_scope(|| catch_unwind(AssertUnwindSafe(work)))))));
    match receive.await.expect("the closure always sends") {
        Ok(value) => value,
        Err(panic) => resume_unwind(panic),
    }
}
