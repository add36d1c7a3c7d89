//! Removes what was deleted and what is older than it is kept.

use std::sync::Arc;
use std::time::Duration;

use killick_store::StoreError;

use super::{Job, endured};
use crate::app::App;
use crate::config::Role;
use crate::records::now;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Package identities that one run looks at.
const PACKAGES: i64 = 10_000;

/// The job.
pub(super) const JOB: Job = Job {
    name: "retention",
    roles: &[Role::Scheduler],
    copies: |_| 1,
    every: |config| Duration::from_secs(config.retention.every_seconds),
    // Who deletes an image may want it back at once, from the archive: not while it is going.
    nudge: Some(|app| Arc::clone(&app.nudges().deletions)),
    run: |app| {
        Box::pin(async move {
            if let Err(error) = clean(&app).await {
                tracing::error!(error = %error, "old things cannot be removed: {error}");
            }
        })
    },
};

/// Removes it, each kind and each image by itself: what cannot be removed keeps no other.
pub(crate) async fn clean(app: &App) -> Result<(), StoreError> {
    let (store, retention) = (app.records().store(), &app.config().retention);
    for image in endured(store.deleting_images().await, || "looking for deleted images".to_owned())? {
        let gone = store.purge_image(&image.account, &image.digest.to_string()).await;
        endured(gone, || format!("removing the image `{}` of the account `{}`", image.digest, image.account))?;
    }
    let before = |days: u32| now().saturating_sub(i64::from(days).saturating_mul(DAY));
    let evaluations = before(retention.evaluations_days);
    let events = before(retention.events_days);
    told("archived analyses that were deleted", store.purge_archived().await)?;
    told("old tasks", store.delete_old_tasks(before(retention.tasks_days)).await)?;
    told("old evaluations", store.delete_old_evaluations(evaluations).await)?;
    told("old alerts", store.delete_old_alerts(evaluations).await)?;
    told("old events", store.delete_old_events(events).await)?;
    told("packages of no image", store.prune_packages(PACKAGES).await)?;
    told("facts of layers", store.delete_old_layer_facts(before(retention.layer_facts_days)).await)?;
    told("known packages", store.delete_old_known_packages(before(retention.known_files_days)).await)?;
    told("what rules of the archive did", store.delete_old_archive_history(events).await)?;
    told("old entries of the audit log", store.delete_old_audit(before(retention.audit_days)).await)?;
    told("API keys that expired long ago", store.delete_old_api_keys(before(retention.api_keys_days)).await)
}

/// Says how many of a kind were removed.
fn told(what: &'static str, removed: Result<u64, StoreError>) -> Result<(), StoreError> {
    let removed = endured(removed, || format!("removing {what}"))?;
    tracing::debug!(removed, "removed {what}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode, header};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use futures_util::FutureExt as _;
    use killick_model::digest::Digest;
    use killick_store::events::EventFilter;
    use killick_store::images::{Naming, NewImage, TagName};
    use killick_store::known_files::NewKnownPackage;
    use killick_store::tasks::NewTask;
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;
    use crate::config::Config;
    use crate::herald::Service;

    async fn service() -> (App, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.data_dir = dir.path().join("data");
        config.accounts.admin_password = "foobar".into();
        (App::open(config).await.unwrap(), dir)
    }

    #[tokio::test]
    async fn a_deleted_image_goes_at_once() {
        let (app, _dir) = service().await;
        let [registry, repository, tag] = ["r.io", "a", "1"].map(str::to_owned);
        let image = NewImage {
            account: "admin".to_owned(),
            digest: Digest::of(b"manifest"),
            index_digest: None,
            naming: Naming::Image,
            config_digest: Digest::of(b"config"),
            given_id: None,
            import: None,
            tag: TagName { registry, repository, tag },
            other_tags: Vec::new(),
            detected_at: now(),
            size_bytes: 1,
            architecture: "amd64".to_owned(),
            layer_count: 1,
            dockerfile: None,
            manifest: None,
            annotations: [].into(),
            force: false,
            autosubscribe: false,
            resubscribe: false,
            task: NewTask {
                kind: "analyze_image",
                account: "admin".to_owned(),
                payload: String::new(),
                priority: 0,
                run_after: 0,
                dedupe: None,
                max_attempts: 1,
            },
        };
        app.records().store().add_image(&image, now()).await.unwrap();
        let nudge = JOB.nudge.unwrap()(&app);
        assert!(nudge.notified().now_or_never().is_none());
        let request = Request::delete(format!("/images/{}?force=true", image.digest))
            .header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode("admin:foobar")));
        let answer = crate::api::router(app.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(nudge.notified().now_or_never().is_some(), "the job is woken");
        app.close().await;
    }

    #[tokio::test]
    async fn things_are_kept_for_their_days() {
        let (app, _dir) = service().await;
        let store = app.records().store();
        for at in [now() - 91 * DAY, now() - 89 * DAY] {
            let kind = &crate::events::SYNC_STARTED;
            let news = app.herald().event(kind, Service::PolicyEngine, "admin", None, Value::Null, at);
            store.tell(&news, at).await.unwrap();
        }
        let (old, new) = (Digest::of(b"old layer"), Digest::of(b"new layer"));
        store.put_layer_fact(&old, "1", &Digest::of(b"facts"), now() - 91 * DAY).await.unwrap();
        store.put_layer_fact(&new, "1", &Digest::of(b"facts"), now() - 89 * DAY).await.unwrap();
        for (name, days) in [("old", 366), ("new", 364)] {
            let known = NewKnownPackage { document: name.to_owned(), files: vec!["00".to_owned()] };
            store.learn_files("admin", &[known], 9, now() - days * DAY).await.unwrap();
        }
        clean(&app).await.unwrap();
        assert_eq!(store.events("admin", &EventFilter::default(), 9, 0).await.unwrap().len(), 1);
        assert_eq!(store.layer_fact(&old, "1", now()).await.unwrap(), None);
        assert!(store.layer_fact(&new, "1", now()).await.unwrap().is_some());
        let known = store.known_files("admin", &["00".to_owned()]).await.unwrap();
        assert_eq!(known.iter().map(|file| file.document.as_str()).collect::<Vec<_>>(), ["new"]);
        app.close().await;
    }
}
