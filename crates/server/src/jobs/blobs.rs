//! Removes documents that nothing names any more. It looks at every one, so it runs seldom.

use std::time::Duration;

use super::Job;
use crate::config::Role;
use crate::records::now;

/// A document may be written so long before what names it, in microseconds: a day.
const GRACE: i64 = 86_400_000_000;

/// The job.
pub(super) const JOB: Job = Job {
    name: "blobs",
    roles: &[Role::Scheduler],
    copies: |_| 1,
    every: |_| Duration::from_hours(1),
    nudge: None,
    run: |app| {
        Box::pin(async move {
            match app.records().store().delete_orphan_blobs(now().saturating_sub(GRACE)).await {
                Ok(removed) => tracing::debug!(removed, "removed documents that nothing names"),
                Err(error) => tracing::error!(error = %error, "documents cannot be removed: {error}"),
            }
        })
    },
};

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::app::App;
    use crate::config::Config;

    #[tokio::test]
    async fn what_nothing_names_goes_after_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.data_dir = dir.path().to_owned();
        config.accounts.admin_password = "foobar".into();
        let app = App::open(config).await.unwrap();
        let blobs = app.records().store().blobs();
        let (old, new) = (blobs.put(b"old".to_vec()).await.unwrap(), blobs.put(b"new".to_vec()).await.unwrap());
        let file = dir.path().join("blobs").join(&old.hex()[..2]).join(old.hex());
        let written_at = SystemTime::UNIX_EPOCH;
        fs_err::OpenOptions::new().write(true).open(file).unwrap().file().set_modified(written_at).unwrap();
        (JOB.run)(app.clone()).await;
        assert!(!blobs.exists(&old).await.unwrap());
        assert!(blobs.exists(&new).await.unwrap());
        app.close().await;
    }
}
