//! What runs by itself: on a timer, on a nudge, until the service stops.
//!
//! A job takes no hint about what changed and may run any number of times. Its panic is caught and logged; the next
//! run comes as if nothing had happened.

mod accounts;
pub(crate) mod alerts;
pub(crate) mod analysis;
mod archive;
mod blobs;
mod feeds;
mod imports;
mod index;
mod leases;
mod notifications;
pub(crate) mod policy_eval;
mod presence;
mod publication;
mod repo_update;
pub(crate) mod retention;
mod tag_update;
pub(crate) mod vuln_update;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use killick_store::StoreError;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::app::App;
use crate::config::{Config, Role};
use crate::records::now;

/// A running job.
type Run = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Something that runs by itself.
pub(crate) struct Job {
    /// Name, in logs.
    pub(crate) name: &'static str,
    /// Which processes run it: those that have any of these.
    pub(crate) roles: &'static [Role],
    /// How many at the same time in one process.
    pub(crate) copies: fn(&Config) -> usize,
    /// How often, at least.
    pub(crate) every: fn(&Config) -> Duration,
    /// What wakes it earlier.
    pub(crate) nudge: Option<fn(&App) -> Arc<Notify>>,
    /// Does it once.
    pub(crate) run: fn(App) -> Run,
}

/// Every job.
pub(crate) const JOBS: &[Job] = &[
    accounts::JOB,
    alerts::JOB,
    analysis::JOB,
    archive::JOB,
    blobs::JOB,
    feeds::JOB,
    imports::JOB,
    index::JOB,
    leases::JOB,
    notifications::JOB,
    policy_eval::JOB,
    presence::JOB,
    publication::JOB,
    repo_update::JOB,
    retention::JOB,
    tag_update::JOB,
    vuln_update::JOB,
];

/// The types of subscription that a job watches.
const WATCHED: &[&Job] = &[&alerts::JOB, &policy_eval::JOB, &repo_update::JOB, &tag_update::JOB, &vuln_update::JOB];

/// Looks at every active subscription at once, whatever is due.
pub(crate) async fn look_now(app: &App) -> Result<(), StoreError> {
    for job in WATCHED {
        app.records().store().hasten_watches(job.name, None, now()).await?;
    }
    look_due(app).await;
    Ok(())
}

/// Looks at the active subscriptions that are due.
pub(crate) async fn look_due(app: &App) {
    for job in WATCHED {
        (job.run)(app.clone()).await;
    }
}

/// Removes what deleted accounts own.
pub(crate) async fn drain(app: &App) -> Result<(), StoreError> {
    accounts::drain(app).await
}

/// Sends the notifications that are due at an instant.
pub(crate) async fn deliver(app: &App, due_at: i64) -> Result<(), StoreError> {
    notifications::deliver(app, due_at).await
}

/// Goes on after what cannot be done to one thing, which is told: others must not wait for it. Only while the database is away
/// there is nothing to go on with.
pub(crate) fn endured<T: Default>(done: Result<T, StoreError>, what: impl FnOnce() -> String) -> Result<T, StoreError> {
    done.or_else(|error| {
        if error.is_unavailable() {
            return Err(error);
        }
        tracing::error!(error = %error, "{} failed, and is tried again: {error}", what());
        Ok(T::default())
    })
}

/// Starts the jobs of this process; they end when `stop` turns true.
pub(crate) fn start(app: &App, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut running = JoinSet::new();
    for job in JOBS.iter().filter(|job| job.roles.iter().any(|role| app.config().server.has(*role))) {
        for _ in 0..(job.copies)(app.config()) {
            running.spawn(repeat(job, app.clone(), stop.clone()));
        }
    }
    running
}

async fn repeat(job: &'static Job, app: App, mut stop: watch::Receiver<bool>) {
    let every = (job.every)(app.config());
    let nudge = job.nudge.map(|nudge| nudge(&app));
    while !*stop.borrow() {
        // `notify_one` leaves a permit: what nudges during the run is not missed.
        let nudged = async {
            match &nudge {
                Some(nudge) => nudge.notified().await,
                None => std::future::pending().await,
            }
        };
        if AssertUnwindSafe((job.run)(app.clone())).catch_unwind().await.is_err() {
            tracing::error!(job.name = job.name, "the job `{}` panicked", job.name);
        }
        tokio::select! {
            () = nudged => {}
            () = tokio::time::sleep(every) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_file_is_registered() {
        let mut names: Vec<&str> = JOBS.iter().map(|job| job.name).collect();
        names.sort_unstable();
        let mut files: Vec<String> = fs_err::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/jobs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        assert_eq!(names, files);
    }
}
