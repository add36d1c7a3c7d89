//! How watchers go about: claim what is due, look, note what was seen and when to look again.
//!
//! What a watcher sees is written by the store only if nobody else wrote it first, so that two that look at the same
//! thing tell of it once. A watcher that vanishes leaves a claim that runs out.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use killick_store::StoreError;
use killick_store::watches::Watch;
use tokio::sync::{Notify, Semaphore};

use crate::app::App;
use crate::records::now;

/// Things looked at at the same time by one watcher of this process.
const AT_ONCE: usize = 4;

/// Looked up, and of these claimed, at once: what is claimed is held while it waits for its turn.
const DUE: i64 = 1024;
const BATCH: usize = 16;

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// Microseconds after which somebody else looks at what was claimed, and seconds between renewals of a claim: what is
/// looked at by a process that is killed waits no longer.
const CLAIM: i64 = 20 * SECOND;
const RENEW_SECONDS: u64 = 5;

/// Microseconds between looks at what fails again and again, at most: six hours.
const LONGEST: i64 = 6 * 3600 * SECOND;

/// Seconds between looks at what is due.
pub(crate) const LOOK_SECONDS: u64 = 15;

/// What wakes each watcher before its time.
#[derive(Debug, Default)]
pub(crate) struct Nudges {
    /// What drains deleted accounts.
    pub(crate) accounts: Arc<Notify>,
    /// What removes deleted images.
    pub(crate) deletions: Arc<Notify>,
    /// The one of repositories.
    pub(crate) repositories: Arc<Notify>,
    /// The one of verdicts.
    pub(crate) verdicts: Arc<Notify>,
    /// The one of alerts.
    pub(crate) alerts: Arc<Notify>,
    /// The one of vulnerabilities.
    pub(crate) vulnerabilities: Arc<Notify>,
}

impl Nudges {
    /// Wakes whoever judges by policies and exceptions, which are others.
    pub(crate) fn decisions(&self) {
        self.verdicts.notify_one();
        self.alerts.notify_one();
    }

    /// Wakes whoever judges by images and advisories, which are others.
    pub(crate) fn facts(&self) {
        self.decisions();
        self.vulnerabilities.notify_one();
    }
}

/// What came of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What the watcher wants to know next time.
    pub(crate) state: String,
    /// How it went.
    pub(crate) end: End,
}

/// How a look went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Well: again after the cycle.
    Well,
    /// There is more to do at once.
    More,
    /// Not: again later, the more often it fails the later.
    Badly,
    /// Not, because a newer advisory index has to be followed first: again at once, when that is done.
    Outdated,
}

impl Seen {
    /// All was well.
    pub(crate) fn well(state: impl Into<String>) -> Self {
        Self { state: state.into(), end: End::Well }
    }

    /// It did not work; what was known stays.
    pub(crate) fn badly(watch: &Watch) -> Self {
        Self { state: watch.state.clone(), end: End::Badly }
    }

    /// This process does not know what others judge by.
    pub(crate) fn outdated(watch: &Watch) -> Self {
        Self { state: watch.state.clone(), end: End::Outdated }
    }
}

/// Looks at everything of one type of subscription that is due. Whether it got that far: a newer advisory index that has to
/// be followed ends it.
pub(crate) async fn look_at_all<F, Looking>(app: &App, kind: &str, cycle_seconds: u64, look: F) -> bool
where
    F: Fn(App, Watch) -> Looking,
    Looking: Future<Output = Seen> + Send,
{
    // What is claimed in this run is not due again in it, unless there is more to do.
    loop {
        let due = match app.records().store().due_watches(kind, DUE, now()).await {
            Ok(due) if due.is_empty() => return true,
            Ok(due) => due,
            Err(error) => {
                tracing::error!(error = %error, "nothing can be watched: {error}");
                return true;
            }
        };
        for due in due.chunks(BATCH) {
            match claim(app, due).await {
                Ok(claimed) => {
                    if !look_at(app, claimed, cycle_seconds, &look).await {
                        return false;
                    }
                }
                Err(error) => {
                    tracing::error!(error = %error, "nothing can be watched: {error}");
                    return true;
                }
            }
        }
    }
}

/// Those that no other watcher took.
async fn claim(app: &App, due: &[Watch]) -> Result<Vec<Watch>, StoreError> {
    let mut claimed = Vec::with_capacity(due.len());
    for watch in due {
        let until = now().saturating_add(CLAIM);
        if app.records().store().claim_watch(watch, until).await? {
            claimed.push(Watch { due_at: until, ..watch.clone() });
        }
    }
    Ok(claimed)
}

/// Whether to go on.
async fn look_at<F, Looking>(app: &App, claimed: Vec<Watch>, cycle_seconds: u64, look: &F) -> bool
where
    F: Fn(App, Watch) -> Looking,
    Looking: Future<Output = Seen> + Send,
{
    let turns = Semaphore::new(AT_ONCE);
    let looking = claimed.into_iter().map(|mut watch| {
        let seen = AssertUnwindSafe(look(app.clone(), watch.clone())).catch_unwind();
        let in_turn = async {
            let _turn = turns.acquire().await;
            seen.await
        };
        async move {
            let seen = hold(app, &mut watch, in_turn).await.unwrap_or_else(|_| {
                tracing::error!(subscription.key = watch.key, "a watcher of `{}` panicked", watch.key);
                Seen::badly(&watch)
            });
            if let Err(error) = note(app, &watch, &seen, cycle_seconds).await {
                tracing::error!(error = %error, "what a watcher saw cannot be noted: {error}");
            }
            seen.end
        }
    });
    // All at once, those too that wait for their turn: their claims are renewed meanwhile.
    let ends: Vec<End> = looking.collect::<FuturesUnordered<_>>().collect().await;
    !ends.contains(&End::Outdated)
}

/// Renews a claim until the work is done. One that cannot be renewed was hastened, or is looked at by another too: of what
/// both see, one is kept.
async fn hold<T>(app: &App, watch: &mut Watch, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(Duration::from_secs(RENEW_SECONDS)) => {}
        }
        let until = now().saturating_add(CLAIM);
        match app.records().store().claim_watch(watch, until).await {
            Ok(true) => watch.due_at = until,
            Ok(false) => return work.await,
            Err(error) => tracing::warn!(error = %error, "the claim of a watch cannot be renewed: {error}"),
        }
    }
}

async fn note(app: &App, watch: &Watch, seen: &Seen, cycle_seconds: u64) -> Result<(), StoreError> {
    let failures = match seen.end {
        End::Badly => watch.failures.saturating_add(1),
        End::Outdated => watch.failures,
        End::Well | End::More => 0,
    };
    let due_at = match seen.end {
        End::More | End::Outdated => now(),
        End::Well | End::Badly => now().saturating_add(pause(cycle_seconds, failures)),
    };
    app.records().store().finish_watch(watch, &seen.state, failures, due_at).await
}

/// Microseconds until the next look: a cycle, doubled with each failure.
fn pause(cycle_seconds: u64, failures: i64) -> i64 {
    let cycle = i64::try_from(cycle_seconds.max(1)).unwrap_or(i64::MAX).saturating_mul(SECOND);
    let doubled = (0..failures.saturating_sub(1).min(16)).fold(cycle, |pause, _| pause.saturating_mul(2));
    doubled.min(LONGEST.max(cycle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_looked_at_less_often() {
        assert_eq!(pause(60, 0), 60 * SECOND);
        assert_eq!(pause(60, 1), 60 * SECOND);
        assert_eq!(pause(60, 3), 240 * SECOND);
        assert_eq!(pause(60, i64::MAX), LONGEST);
        assert_eq!(pause(100_000, 9), 100_000 * SECOND, "a long cycle is no shorter for failing");
        assert_eq!(pause(u64::MAX, 9), i64::MAX);
    }
}
