//! An archive of all documents, and what was changed and deleted since it was made.
//!
//! Providers read a single document before the archive's of the same name. So the archive is fetched once, and then the
//! documents that its publisher lists as changed after it; when the archive is a newer one, those in it go.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use killick_model::feed::Archive;

use super::{TEXT_BYTES, hours_before, name_of, open, unreadable};
use crate::feeds::error::{FeedError, shown};
use crate::feeds::has_extension;
use crate::feeds::lists;
use crate::feeds::transfer::{Checksum, Got, Wanted};
use crate::feeds::work::Task;

/// Changed documents of more than which an archive that is always made anew is fetched again instead.
const DOCUMENTS: usize = 2000;

/// Documents that are fetched at most. An archive of more changes is too old to be of use.
const MOST_DOCUMENTS: usize = 60_000;

/// Hours that an archive may be older than its server says: it takes time to be made.
const MARGIN: i64 = 12;

pub(super) async fn fetch(task: &Task, archive: Archive, documents: &str, has_deletions: bool) -> Vec<FeedError> {
    match lists_and_archive(task, archive, documents, has_deletions).await {
        Ok(wanted) => task.documents(wanted).await,
        Err(error) => vec![error],
    }
}

/// Fetches the lists and the archive; the documents that are to be fetched.
async fn lists_and_archive(
    task: &Task,
    archive: Archive,
    documents: &str,
    has_deletions: bool,
) -> Result<Vec<Wanted>, FeedError> {
    let changes = list(task, &format!("{documents}changes.csv"), false).await?;
    let changed: BTreeMap<String, Timestamp> = latest(task, &changes)?;
    let mut made = match archive {
        Archive::Latest(name) => latest_archive(task, name).await?,
        Archive::Fixed(name) => fixed_archive(task, name, false).await?,
    };
    let mut later = after(&changed, made);
    if let Archive::Fixed(name) = archive
        && later.len() > DOCUMENTS
    {
        made = fixed_archive(task, name, true).await?;
        later = after(&changed, made);
    }
    if later.len() > MOST_DOCUMENTS {
        let url = task.url(documents)?.to_string();
        return Err(FeedError::Malformed {
            url,
            detail: format!("{} documents changed since its archive", later.len()),
        });
    }
    let deleted = if has_deletions {
        latest(task, &list(task, &format!("{documents}deletions.csv"), true).await?)?
    } else {
        BTreeMap::new()
    };
    later.retain(|(name, at)| deleted.get(*name).is_none_or(|deleted| deleted < at));
    // Documents that the archive has by now, and those that were taken back.
    let folder = task.place(documents);
    let wanted: BTreeSet<&str> = later.iter().map(|(name, _)| *name).collect();
    for path in task.known_below(&folder) {
        let name = path.strip_prefix(&folder).unwrap_or_default();
        if has_extension(name, "json") && !wanted.contains(name) {
            task.remove(&path)?;
        }
    }
    later
        .into_iter()
        .map(|(name, at)| {
            let url = task.url(&format!("{documents}{name}"))?;
            Ok(Wanted::document(url, format!("{folder}{name}"), &at.to_string()))
        })
        .collect()
}

/// Fetches a list; its path.
async fn list(task: &Task, name: &str, is_optional: bool) -> Result<String, FeedError> {
    let (url, path) = (task.url(name)?, task.place(name));
    let (version, checksum) = (None, None);
    let wanted = Wanted { url, path, is_optional, is_growing: false, version, checksum };
    if task.fetch(&wanted).await? == Got::Missing {
        task.remove(&wanted.path)?;
    }
    Ok(wanted.path)
}

/// The latest change of each document on a list; of a list that is not here, none.
fn latest(task: &Task, path: &str) -> Result<BTreeMap<String, Timestamp>, FeedError> {
    let mut found: BTreeMap<String, Timestamp> = BTreeMap::new();
    if task.known(path).is_none() {
        return Ok(found);
    }
    for change in lists::changes(open(task, path)?).map_err(unreadable(task, path))? {
        let at = found.entry(change.name).or_insert(change.at);
        *at = (*at).max(change.at);
    }
    Ok(found)
}

/// What changed after the archive was made.
fn after(changed: &BTreeMap<String, Timestamp>, made: Option<Timestamp>) -> Vec<(&str, Timestamp)> {
    let since = made.map(|made| hours_before(made, MARGIN));
    let is_later = |at: Timestamp| since.is_none_or(|since| at >= since);
    changed
        .iter()
        .filter(|(name, at)| has_extension(name, "json") && is_later(**at))
        .map(|(name, at)| (name.as_str(), *at))
        .collect()
}

/// Fetches the archive that is named; when it was made.
async fn latest_archive(task: &Task, pointer: &str) -> Result<Option<Timestamp>, FeedError> {
    let url = task.url(pointer)?;
    let text = task.text(&url, TEXT_BYTES).await?.ok_or_else(|| FeedError::Missing { url: shown(&url) })?;
    let name = String::from_utf8_lossy(&text).trim().to_owned();
    if !lists::is_name(&name) || !name.ends_with(".tar.zst") {
        return Err(FeedError::Malformed { url: shown(&url), detail: "it names no archive".to_owned() });
    }
    let folder = task.place("");
    let path = format!("{folder}{name}");
    let is_dated = day_of(&name).is_some();
    if task.known(&path).is_none() || !is_dated {
        let sum = task.text(&task.url(&format!("{name}.sha256"))?, TEXT_BYTES).await?;
        let sum = sum.and_then(|text| lists::checksum(&String::from_utf8_lossy(&text)));
        let wanted = Wanted {
            url: task.url(&name)?,
            path: path.clone(),
            is_optional: false,
            is_growing: !is_dated,
            version: sum.clone(),
            checksum: sum.map(Checksum::File),
        };
        task.fetch(&wanted).await?;
    }
    // First the archive, then its name, then the others go.
    task.folder().write(&format!("{folder}{pointer}"), name.as_bytes())?;
    for old in task.known_below(&folder) {
        if old != path && name_of(&old).ends_with(".tar.zst") {
            task.remove(&old)?;
        }
    }
    Ok(made(task, &path).or_else(|| day_of(&name)))
}

/// Fetches the archive that has always the same name, if it is not here or `is_wanted` anew; when it was made.
async fn fixed_archive(task: &Task, name: &str, is_wanted: bool) -> Result<Option<Timestamp>, FeedError> {
    let path = task.place(name);
    if task.known(&path).is_none() || is_wanted {
        let (version, checksum) = (None, None);
        let url = task.url(name)?;
        let wanted = Wanted { url, path: path.clone(), is_optional: false, is_growing: true, version, checksum };
        task.fetch(&wanted).await?;
    }
    Ok(made(task, &path))
}

/// When an archive was made, by its server.
fn made(task: &Task, path: &str) -> Option<Timestamp> {
    let said = task.known(path)?.last_modified?;
    Some(rfc2822::parse(&said).ok()?.timestamp())
}

/// The day in `csaf_vex_2024-08-04.tar.zst`.
fn day_of(name: &str) -> Option<Timestamp> {
    let day = name.split('.').next()?.rsplit('_').next()?;
    format!("{day}T00:00:00Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::day_of;

    #[test]
    fn archives_tell_their_day() {
        let day = |name| day_of(name).map(|at| at.to_string());
        assert_eq!(day("csaf_vex_2024-08-04.tar.zst").as_deref(), Some("2024-08-04T00:00:00Z"));
        assert_eq!(day("vex-archive.tar.zst"), None);
    }
}
