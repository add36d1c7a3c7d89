//! Composes the other crates into a service.
//!
//! [`serve`] is what `killick serve` calls; [`app`] builds the same API for tests, in process. State is [`App`]:
//! settings, the store, the open advisory index. What runs by itself is listed in `jobs`.

mod alerts;
mod api;
mod app;
mod archive;
mod auth;
mod clock;
mod config;
pub mod connections;
mod cpu;
mod events;
mod following;
mod herald;
mod images;
mod imports;
mod inspections;
mod jobs;
mod judge;
mod knowledge;
mod metrics;
mod notifications;
pub mod passwords;
mod presence;
mod progress;
pub mod publications;
mod records;
mod registry;
mod repositories;
pub mod storage;
mod streams;
mod subscriptions;
mod syncing;
pub mod update;
mod watched_images;
mod watching;
mod webhooks;
mod wildcard;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use app::{App, OpenError};
pub use archive::{ArchiveLabel, PackError, check_archive, pack_archive};
pub use auth::{LoginsError, TokensError};
pub use config::{
    AccountsConfig, AnalysisConfig, ArchiveConfig, Config, ConfigError, CycleTimersConfig, DEFAULT_FILE, EgressConfig,
    EventLevel, EventLogConfig, InspectionsConfig, Keeping, KnowledgeConfig, LoginsConfig, Network, OauthConfig,
    OidcConfig, PoliciesConfig, PublicationKey, RateLimitsConfig, RegistriesConfig, RetentionConfig, Role, Secret,
    ServerConfig, SettingError, StorageConfig, TakenPlatforms, WebhookConfig, WebhooksConfig,
};
pub use inspections::{InspectionsError, compile as compile_inspections};
pub use knowledge::KnowledgeError;
pub use notifications::formats::WebhookSettingError;

/// Why the service ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It could not start.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nobody can connect.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The API over an open service.
pub fn app(state: App) -> Router {
    api::router(state)
}

/// The OpenAPI document of the API.
pub fn openapi() -> serde_json::Value {
    serde_json::to_value(api::document()).unwrap_or_default()
}

/// Runs the service until `shutdown` is ready: its API, its jobs, or both, by the configured roles.
///
/// Requests and tasks that run then have `server.shutdown_seconds` to end; what does not is done again by whoever
/// runs next, because its lease runs out.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
    let grace = Duration::from_secs(config.server.shutdown_seconds);
    let patience = Duration::from_secs(config.server.header_timeout_seconds);
    // Before anything is made: who cannot answer must not tell a password that is told only once.
    let answers = config.server.has(Role::Api);
    let address = if answers { Some(config.server.listen) } else { config.server.probes };
    let listener = match address {
        Some(address) => {
            let bound = TcpListener::bind(address).await;
            Some((address, bound.map_err(|source| ServeError::Listen { address, source })?))
        }
        None => None,
    };
    let state = App::open(config).await?;
    let (stop, stopped) = watch::channel(false);
    let mut jobs = jobs::start(&state, &stopped);
    let (trigger, streaming) = (stop.clone(), state.clone());
    tokio::spawn(async move {
        shutdown.await;
        streaming.streams().end();
        let _ = trigger.send(true);
    });
    if let Some((address, listener)) = listener {
        tracing::info!("listening on {address}");
        let routes = if answers { app(state.clone()) } else { api::probes(&state) };
        answer(listener, routes, patience, stopped.clone(), grace).await;
    } else {
        let mut stopped = stopped.clone();
        let _ = stopped.wait_for(|stop| *stop).await;
    }
    let _ = stop.send(true);
    let _ = tokio::time::timeout(grace, async { while jobs.join_next().await.is_some() {} }).await;
    jobs.shutdown().await;
    if let Err(error) = presence::leave(&state).await {
        tracing::warn!("that this process ends cannot be noted: {error}");
    }
    state.close().await;
    Ok(())
}

async fn answer(
    listener: TcpListener,
    api: Router,
    patience: Duration,
    mut stopped: watch::Receiver<bool>,
    grace: Duration,
) {
    let mut also_stopped = stopped.clone();
    let server = connections::serve(listener, api, patience, async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    });
    let deadline = async move {
        let _ = also_stopped.wait_for(|stop| *stop).await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        () = server => {}
        () = deadline => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever has the address of the API starts when it likes.
    #[tokio::test]
    async fn who_answers_no_calls_is_probed_elsewhere() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let (busy, free) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let probes = free.local_addr().unwrap();
        drop(free);
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.listen = busy.local_addr().unwrap();
        config.server.probes = Some(probes);
        config.server.roles = vec![Role::Worker];
        config.storage.data_dir = dir.path().join("data");
        config.accounts.admin_password = "foobar".into();
        config.knowledge.update = Keeping::Off;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(serve(config, async {
            let _ = stopped.await;
        }));
        let asked = async |path: &str| {
            let mut stream = loop {
                match tokio::net::TcpStream::connect(probes).await {
                    Ok(stream) => break stream,
                    Err(error) => assert!(!running.is_finished(), "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        assert!(asked("/health").await.starts_with("HTTP/1.1 200 "));
        assert!(asked("/images").await.starts_with("HTTP/1.1 404 "));
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_busy_port_is_told_before_anything_is_made() {
        let busy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.listen = busy.local_addr().unwrap();
        config.storage.data_dir = dir.path().join("data");
        let data = config.storage.data_dir.clone();
        let error = Box::pin(serve(config, std::future::pending())).await.unwrap_err();
        assert!(matches!(error, ServeError::Listen { .. }), "{error:?}");
        assert!(!data.exists());
    }
}
