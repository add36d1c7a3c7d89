//! Following a new advisory index: the watched tags whose images it may concern are looked at first, and at once.
//!
//! What two indexes say otherwise gives names of packages; those of the stored packages under these names that have other
//! matches now lead to the images that carry them. The other tags wait for their turn in the cycle: their matches are the
//! same, but verdicts also depend on the age of data, on ends of support and on scores that change every day.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use killick_model::digest::Digest;
use killick_store::StoreError;
use killick_store::carriers::Noted;
use killick_store::packages::StoredDocument;
use killick_store::watches::Watch;
use killick_vulns::fleet::{ChangeOptions, Changes, PackageIdentity, differing};
use tokio::sync::Mutex;

use crate::app::App;
use crate::cpu;
use crate::knowledge::Current;
use crate::records::now;
use crate::watching::{Seen, look_at_all};

/// Microseconds for which a process waits for its index to become as new as that of another: a day.
const PATIENCE: i64 = 24 * 3600 * 1_000_000;

/// Packages that a change may concern; where it concerns more, everything is looked at instead.
const CONCERNED: usize = 100_000;

/// Passes of one run, each by another index that arrived in the one before.
const PASSES: usize = 3;

/// Packages that are judged by both indexes at once.
const AT_ONCE: usize = 2_000;

/// Looks at everything of one type of subscription that is due, by advisories as new as any process knows.
pub(crate) async fn look_by_advisories<F, Looking>(app: &App, kind: &str, cycle_seconds: u64, look: F)
where
    F: Fn(App, Watch) -> Looking,
    Looking: Future<Output = Seen> + Send,
{
    for _ in 0..PASSES {
        let follows = follow(app, kind).await.unwrap_or_else(|error| {
            tracing::error!(error = %error, "the state of the advisories cannot be read: {error}");
            false
        });
        if !follows || look_at_all(app, kind, cycle_seconds, &look).await {
            return;
        }
    }
}

/// The index that was followed last, by which watches are looked at; nothing, if this process does not have it. Between
/// two watches, another process may have followed a newer one: what was told by that must not be taken back.
///
/// What was seen before has to be read first: then whatever that was made by is followed by now.
pub(crate) async fn followed(app: &App, kind: &str) -> Result<Option<Arc<Current>>, StoreError> {
    let followed = app.records().store().setting(&setting(kind)).await?.unwrap_or_default();
    let is_it = |current: &Arc<Current>| followed.split(' ').next() == Some(current.digest.to_string().as_str());
    if let Some(current) = app.knowledge().current().filter(is_it) {
        return Ok(Some(current));
    }
    take_new(app);
    Ok(app.knowledge().current().filter(is_it))
}

/// Takes over the index that lies there now.
fn take_new(app: &App) {
    if let Err(error) = app.knowledge().reload() {
        tracing::error!(error = %error, "the new advisory index cannot be opened, the old one stays: {error}");
    }
}

/// Where it is kept which index was followed for a type of subscription.
fn setting(kind: &str) -> String {
    format!("watch.followed.{kind}")
}

/// Whether this process judges by advisories as new as any other's; where they are newer than those that were followed,
/// what they concern becomes due.
async fn follow(app: &App, kind: &str) -> Result<bool, StoreError> {
    take_new(app);
    let Some(current) = app.knowledge().current() else { return Ok(false) };
    let built = app.knowledge().built().map_or(0, jiff::Timestamp::as_microsecond);
    let store = app.records().store();
    let name = setting(kind);
    let followed = store.setting(&name).await?.unwrap_or_default();
    let mut words = followed.split(' ');
    let digest = words.next().unwrap_or_default();
    let mut number = || words.next().and_then(|word| word.parse::<i64>().ok()).unwrap_or(i64::MIN);
    let (followed_built, noted_at) = (number(), number());
    if digest == current.digest.to_string() {
        return Ok(true);
    }
    if followed_built > built && now() < noted_at.saturating_add(PATIENCE) {
        // Another process knows more, and this one will; or else somebody went back to an older index.
        return Ok(false);
    }
    // The one that was followed is at hand if this process opened it before the current one.
    let before = app.knowledge().previous().filter(|previous| digest == previous.digest.to_string());
    let concerned = match before {
        Some(before) => app.concerned().between(app, before, current.clone()).await?,
        None => None,
    };
    let packages = concerned.as_ref().map(|packages| packages.as_slice());
    let value = format!("{} {built} {}", current.digest, now());
    let noted = Noted { key: &name, before: &followed, value: &value };
    // Where another process followed one meanwhile, that may be a newer one.
    let Some(watches) = store.follow_index(kind, packages, noted, now()).await? else { return Ok(false) };
    if let Some(packages) = packages {
        let packages = packages.len();
        tracing::info!("the new advisories concern {packages} packages and {watches} watches of type {kind}");
    }
    Ok(true)
}

/// What the last change of the advisories concerns: found out once for all types of subscription.
#[derive(Default)]
pub(crate) struct Concerned(Mutex<Option<Change>>);

/// From one index to the next.
struct Change {
    from: Digest,
    to: Digest,
    packages: Option<Arc<Vec<i64>>>,
}

impl Concerned {
    async fn between(
        &self,
        app: &App,
        old: Arc<Current>,
        new: Arc<Current>,
    ) -> Result<Option<Arc<Vec<i64>>>, StoreError> {
        let (from, to) = (old.digest.clone(), new.digest.clone());
        let mut known = self.0.lock().await;
        if let Some(change) = known.as_ref().filter(|change| change.from == from && change.to == to) {
            return Ok(change.packages.clone());
        }
        let packages = concerned(app, old, new).await?.map(Arc::new);
        *known = Some(Change { from, to, packages: packages.clone() });
        Ok(packages)
    }
}

/// The packages that may have other matches by the new index; `None` where that cannot be told, or is too many.
async fn concerned(app: &App, old: Arc<Current>, new: Arc<Current>) -> Result<Option<Vec<i64>>, StoreError> {
    let (before, after) = (old.clone(), new.clone());
    let changes = cpu::run(move || Changes::between(&before.index, &after.index, ChangeOptions::default())).await;
    let changes = match changes {
        Ok(changes) => changes,
        Err(error) => {
            tracing::error!(error = %error, "the advisory indexes cannot be compared, all images are judged: {error}");
            return Ok(None);
        }
    };
    let store = app.records().store();
    let mut packages = Vec::new();
    for ecosystem in &changes.ecosystems {
        packages.extend(store.packages_of_ecosystem(ecosystem).await?);
        if packages.len() > CONCERNED {
            return Ok(None);
        }
    }
    let names: Vec<(String, String)> = changes
        .names
        .into_iter()
        .flat_map(|(ecosystem, names)| names.into_iter().map(move |name| (ecosystem.clone(), name)))
        .collect();
    packages.extend(store.packages_looked_up(&names).await?);
    packages.sort_unstable();
    packages.dedup();
    if packages.len() > CONCERNED {
        return Ok(None);
    }
    let mut differing = Vec::new();
    for packages in packages.chunks(AT_ONCE) {
        differing.extend(otherwise_matched(app, &old, &new, packages).await?);
    }
    Ok(Some(differing))
}

/// Those of the packages that have other matches by the new index, or may have them.
async fn otherwise_matched(
    app: &App,
    old: &Arc<Current>,
    new: &Arc<Current>,
    packages: &[i64],
) -> Result<Vec<i64>, StoreError> {
    let (documents, packages) = (app.records().store().package_documents(packages).await?, packages.to_vec());
    let (old, new) = (old.clone(), new.clone());
    Ok(cpu::run(move || {
        let read = |stored: &StoredDocument| PackageIdentity::from_document(stored.document.as_bytes());
        let identities: Result<Vec<_>, _> = documents.iter().map(read).collect();
        let differ = |identities: Vec<_>| differing(&old.index, &new.index, &identities, ChangeOptions::default()).ok();
        let Some(differs) = identities.ok().and_then(differ) else { return packages };
        let known: BTreeSet<i64> = documents.iter().map(|stored| stored.package_id).collect();
        let judged = documents.iter().zip(differs);
        let differing = judged.filter(|(_, differs)| *differs).map(|(stored, _)| stored.package_id);
        let unknown = packages.into_iter().filter(|package| !known.contains(package));
        differing.chain(unknown).collect::<BTreeSet<_>>().into_iter().collect()
    })
    .await)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::config::{Config, Keeping};

    const KIND: &str = "vuln_update";

    fn build(index: &Path, id: &str) {
        let feeds = tempfile::tempdir().unwrap();
        let branch = feeds.path().join("alpine-secdb/v3.20");
        fs_err::create_dir_all(&branch).unwrap();
        let document = serde_json::json!({"packages": [{"pkg": {"name": "musl", "secfixes": {"9-r0": [id]}}}]});
        fs_err::write(branch.join("main.json"), document.to_string()).unwrap();
        killick_vulns::build(&[feeds.path().to_owned()], index, &killick_vulns::BuildOptions::default()).unwrap();
    }

    async fn open(data: &Path, index: &Path) -> App {
        let mut config = Config::default();
        config.storage.data_dir = data.to_owned();
        config.accounts.admin_password = "foobar".into();
        config.knowledge.update = Keeping::Off;
        config.knowledge.index = index.to_owned();
        App::open(config).await.unwrap()
    }

    #[tokio::test]
    async fn an_index_that_arrives_in_a_pass_is_followed_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (index, newer) = (dir.path().join("index"), dir.path().join("newer"));
        build(&index, "CVE-2099-1");
        build(&newer, "CVE-2099-2");
        let app = open(&dir.path().join("data"), &index).await;
        let store = app.records().store();
        for key in ["r.io/x:1", "r.io/x:2"] {
            store.add_subscription("admin", key, KIND, None, true, 1).await.unwrap();
        }
        let (seen, has_arrived) = (std::sync::Mutex::new(Vec::new()), AtomicBool::new(false));
        let shared = Arc::new((seen, has_arrived));
        look_by_advisories(&app, KIND, 3600, |app, watch| {
            let (shared, index, newer) = (shared.clone(), index.clone(), newer.clone());
            async move {
                // As if another job of this process opened it.
                if !shared.1.swap(true, Ordering::Relaxed) {
                    fs_err::copy(newer, index).unwrap();
                    app.knowledge().reload().unwrap();
                }
                let Some(current) = followed(&app, KIND).await.unwrap() else { return Seen::outdated(&watch) };
                shared.0.lock().unwrap().push((watch.key, current.digest.clone()));
                Seen::well("")
            }
        })
        .await;
        let mut seen = std::mem::take(&mut *shared.0.lock().unwrap());
        seen.sort_by(|(one, _), (other, _)| one.cmp(other));
        let by_the_newer = |key: &str| (key.to_owned(), digest_of(&app).unwrap());
        assert_eq!(seen, ["r.io/x:1", "r.io/x:2"].map(by_the_newer));
        let watches = store.due_watches(KIND, 9, i64::MAX).await.unwrap();
        let is_over = |watch: &Watch| watch.failures == 0 && watch.due_at > now();
        assert!(watches.len() == 2 && watches.iter().all(is_over), "{watches:?}");
        app.close().await;
    }

    /// Of two processes on one database, each with its own index.
    #[tokio::test]
    async fn who_has_an_older_index_does_not_look() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        build(&old, "CVE-2099-1");
        let late = open(&data, &old).await;
        assert!(followed(&late, KIND).await.unwrap().is_none(), "none was followed yet");
        assert!(follow(&late, KIND).await.unwrap());
        assert!(followed(&late, KIND).await.unwrap().is_some());

        // The file of the first stays as it is, while the second goes on.
        build(&new, "CVE-2099-2");
        let early = open(&data, &new).await;
        assert!(follow(&early, KIND).await.unwrap());
        let is_the_new = |found: Option<Arc<Current>>| found.map(|found| found.digest.clone()) == digest_of(&early);
        assert!(is_the_new(followed(&early, KIND).await.unwrap()));
        assert!(followed(&late, KIND).await.unwrap().is_none());
        // As soon as it is there, it is taken over, in the midst of a pass.
        fs_err::copy(&new, &old).unwrap();
        assert!(is_the_new(followed(&late, KIND).await.unwrap()));
        for app in [late, early] {
            app.close().await;
        }
    }

    fn digest_of(app: &App) -> Option<Digest> {
        app.knowledge().current().map(|current| current.digest.clone())
    }
}
