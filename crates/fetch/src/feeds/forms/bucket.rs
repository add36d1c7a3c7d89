//! An ecosystem of OSV's bucket: one archive, and single records of what changed since.
//!
//! <https://google.github.io/osv.dev/data/>. `modified_id.csv` tells when each record was changed. Providers read a single
//! record before the archive's of the same id.

use std::collections::BTreeMap;

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};

use super::{hours_before, name_of, open, unreadable};
use crate::feeds::error::FeedError;
use crate::feeds::lists;
use crate::feeds::transfer::Wanted;
use crate::feeds::work::Task;

/// Changed records of more than which the archive is fetched again instead.
const RECORDS: usize = 500;

/// Days after which it is fetched again where anything changed: some records vanish without a word.
const DAYS: i64 = 7;

/// Hours that the archive may lag behind the list.
const MARGIN: i64 = 3;

pub(super) async fn fetch(task: &Task) -> Vec<FeedError> {
    match list_and_archive(task).await {
        Ok((wanted, newest)) => {
            let errors = task.documents(wanted).await;
            if let (true, Some(newest)) = (errors.is_empty(), newest) {
                task.set_mark("until", Some(newest.to_string()));
            }
            errors
        }
        Err(error) => vec![error],
    }
}

/// Fetches the list, and if need be the archive; the records that are to be fetched, and how new the newest is.
async fn list_and_archive(task: &Task) -> Result<(Vec<Wanted>, Option<Timestamp>), FeedError> {
    let list = fetch_file(task, "modified_id.csv").await?;
    let rows = lists::modified(open(task, &list)?).map_err(unreadable(task, &list))?;
    let newest = rows.iter().map(|row| row.at).max();
    let changed: BTreeMap<&str, Timestamp> = rows.iter().map(|row| (row.name.as_str(), row.at)).collect();
    let later = |until: Option<Timestamp>| -> Vec<(&str, Timestamp)> {
        let is_later = |at: &Timestamp| until.is_none_or(|until| *at > until);
        changed.iter().filter(|(_, at)| is_later(at)).map(|(name, at)| (*name, *at)).collect()
    };
    let archive = task.place("all.zip");
    let mut until = task.instant("until");
    let is_old =
        task.instant("archive").is_none_or(|at| task.now().duration_since(at) > SignedDuration::from_hours(24 * DAYS));
    let records = later(until).len();
    if task.known(&archive).is_none() || until.is_none() || records > RECORDS || (is_old && records > 0) {
        fetch_file(task, "all.zip").await?;
        let said = task.known(&archive).and_then(|file| file.last_modified);
        let made = said.and_then(|said| Some(rfc2822::parse(&said).ok()?.timestamp()));
        // An archive of unknown age is as old as the list would let it be, less a day.
        let made = made.or_else(|| newest.map(|newest| hours_before(newest, 24)));
        until = made.map(|made| hours_before(made, MARGIN)).map(|made| newest.map_or(made, |newest| made.min(newest)));
        for mark in ["base", "until"] {
            task.set_mark(mark, until.map(|until| until.to_string()));
        }
        task.set_mark("archive", Some(task.now().to_string()));
    }
    // Records that the archive has by now, and those that are on no list any more.
    let folder = task.place("records/");
    for path in task.known_below(&folder) {
        let at = changed.get(name_of(&path).trim_end_matches(".json"));
        let known = task.known(&path).and_then(|file| file.version?.parse::<Timestamp>().ok());
        let is_newer = known.is_some_and(|known| task.instant("base").is_none_or(|base| known > base));
        if at.is_none() || !is_newer {
            task.remove(&path)?;
        }
    }
    let wanted = later(until).into_iter().map(|(name, at)| {
        let url = task.url(&format!("{name}.json"))?;
        Ok(Wanted::document(url, format!("{folder}{name}.json"), &at.to_string()))
    });
    Ok((wanted.collect::<Result<_, FeedError>>()?, newest))
}

/// Fetches a file that must exist; its path.
async fn fetch_file(task: &Task, name: &str) -> Result<String, FeedError> {
    let (url, path) = (task.url(name)?, task.place(name));
    let (version, checksum) = (None, None);
    let wanted = Wanted { url, path, is_optional: false, is_growing: name == "all.zip", version, checksum };
    task.fetch(&wanted).await?;
    Ok(wanted.path)
}
