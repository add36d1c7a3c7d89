//! Whoever receives notifications: a webhook on loopback that may be out of order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;

/// One post.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// What it answers, and what it got.
#[derive(Default)]
struct Desk {
    received: Mutex<Vec<Received>>,
    /// Statuses of the next answers; 200 after them.
    answers: Mutex<VecDeque<u16>>,
    /// What it says to a search, if it has something else to say.
    found: Mutex<Option<Value>>,
}

/// A running webhook.
pub(crate) struct Receiver {
    pub(crate) url: String,
    desk: Arc<Desk>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let desk = Arc::new(Desk::default());
        let router = Router::new().fallback(receive).with_state(Arc::clone(&desk));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks/<notification_type>/<userId>", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, desk }
    }

    /// What it answers next.
    pub(crate) fn answer(&self, statuses: &[u16]) {
        self.desk.answers.lock().unwrap().extend(statuses);
    }

    /// What it says to a search.
    pub(crate) fn finds(&self, found: Value) {
        *self.desk.found.lock().unwrap() = Some(found);
    }

    /// What it got since it was asked last, by path and type.
    pub(crate) fn take(&self) -> Vec<Received> {
        let mut received = std::mem::take(&mut *self.desk.received.lock().unwrap());
        received.sort_by_key(|one| (one.path.clone(), one.body["dataId"].to_string()));
        received
    }
}

async fn receive(State(desk): State<Arc<Desk>>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let status = desk.answers.lock().unwrap().pop_front().unwrap_or(200);
    let body: Value = serde_json::from_slice(&body).unwrap();
    let found = desk.found.lock().unwrap().clone().filter(|_| uri.path().ends_with("/search"));
    let answer = found.unwrap_or_else(|| serde_json::json!({"got": body["data"]["notification_type"]})).to_string();
    desk.received.lock().unwrap().push(Received { path: uri.path().to_owned(), headers, body });
    (StatusCode::from_u16(status).unwrap(), answer)
}
