//! Removes what was deleted and what is older than it is kept.

use std::time::Duration;

use killick_store::StoreError;
use killick_store::images::{ImageFilter, ImageStatus};

use super::Job;
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
    role: Role::Scheduler,
    copies: |_| 1,
    every: |config| Duration::from_secs(config.retention.every_seconds.max(1)),
    nudge: None,
    run: |app| {
        Box::pin(async move {
            if let Err(error) = clean(&app).await {
                tracing::error!(error = %error, "old things cannot be removed: {error}");
            }
        })
    },
};

pub(crate) async fn clean(app: &App) -> Result<(), StoreError> {
    let (store, retention) = (app.records().store(), &app.config().retention);
    let deleting = ImageFilter { image_status: Some(ImageStatus::Deleting), analysis_status: None };
    for account in store.accounts().await? {
        for image in store.images(&account.name, deleting).await? {
            store.purge_image(&account.name, &image.digest.to_string()).await?;
        }
    }
    let archived = store.purge_archived().await?;
    let before = |days: u32| now().saturating_sub(i64::from(days).saturating_mul(DAY));
    let tasks = store.delete_old_tasks(before(retention.tasks_days)).await?;
    let evaluations = store.delete_old_evaluations(before(retention.evaluations_days)).await?;
    let events = store.delete_old_events(before(retention.events_days)).await?;
    let packages = store.prune_packages(PACKAGES).await?;
    let layers = store.delete_old_layer_facts(before(retention.layer_facts_days)).await?;
    let known = store.delete_old_known_packages(before(retention.known_files_days)).await?;
    let history = store.delete_old_archive_history(before(retention.events_days)).await?;
    tracing::debug!(archived, history, "removed what left the archive");
    let audit = store.delete_old_audit(before(retention.audit_days)).await?;
    let keys = store.delete_old_api_keys(before(retention.api_keys_days)).await?;
    tracing::debug!(audit, keys, "removed old entries of the audit log, and keys that expired long ago");
    tracing::debug!(tasks, evaluations, events, packages, layers, known, "removed what is older than it is kept");
    Ok(())
}

#[cfg(test)]
mod tests {
    use killick_model::digest::Digest;
    use killick_store::events::EventFilter;
    use killick_store::known_files::NewKnownPackage;
    use serde_json::Value;

    use super::*;
    use crate::config::Config;
    use crate::herald::Service;

    #[tokio::test]
    async fn things_are_kept_for_their_days() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.data_dir = dir.path().join("data");
        config.accounts.admin_password = "foobar".into();
        let app = App::open(config).await.unwrap();
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
