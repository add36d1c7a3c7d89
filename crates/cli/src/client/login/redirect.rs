//! The answer of a provider, which a browser brings to this machine (RFC 8252, section 7.3).

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use killick_fetch::oidc::Authorization;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Sender, channel};

/// What a browser brings.
pub(super) type Answer = Vec<(String, String)>;

/// A place of this machine that a browser can be sent to, and its address.
pub(super) async fn place() -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("nothing can listen on this machine")?;
    let uri = format!("http://{}/", listener.local_addr()?);
    Ok((listener, uri))
}

/// Waits there for the answer to a question. Whatever else comes is turned away.
pub(super) async fn answer(listener: TcpListener, question: Arc<Authorization>) -> anyhow::Result<Answer> {
    let (sender, mut answers) = channel(1);
    let router = Router::new().route("/", get(take)).with_state((question, sender));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async { stopped.await.unwrap_or_default() });
    let serving = tokio::spawn(async move { serving.await });
    let answer = answers.recv().await.context("nothing listens on this machine any more")?;
    let _ = stop.send(());
    // The browser is told first, if it listens.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), serving).await;
    Ok(answer)
}

async fn take(
    State((question, answers)): State<(Arc<Authorization>, Sender<Answer>)>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let answer: Answer = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let (status, text) = if question.is_answered_by(&answer) && answers.try_send(answer).is_ok() {
        (StatusCode::OK, "Close this page: the terminal tells how the login ended.\n")
    } else {
        (StatusCode::BAD_REQUEST, "No login waits for this.\n")
    };
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];
    (status, headers, text).into_response()
}
