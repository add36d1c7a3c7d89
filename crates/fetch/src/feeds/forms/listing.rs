//! A list of documents that do not change once they are published: those are fetched that are not here.

use std::collections::BTreeSet;

use super::{name_of, open, unreadable};
use crate::feeds::error::FeedError;
use crate::feeds::lists;
use crate::feeds::transfer::Wanted;
use crate::feeds::work::Task;

/// Documents of a list.
const DOCUMENTS: usize = 100_000;

pub(super) async fn fetch(task: &Task, index: &str, prefix: &str) -> Vec<FeedError> {
    match missing(task, index, prefix).await {
        Ok(wanted) => task.documents(wanted).await,
        Err(error) => vec![error],
    }
}

/// The documents that are to be fetched.
async fn missing(task: &Task, index: &str, prefix: &str) -> Result<Vec<Wanted>, FeedError> {
    let (url, path) = (task.url(index)?, task.place(index));
    let wanted =
        Wanted { url, path: path.clone(), is_optional: false, is_growing: true, version: None, checksum: None };
    task.fetch(&wanted).await?;
    let listed = lists::listing(open(task, &path)?, prefix).map_err(unreadable(task, &path))?;
    let listed: BTreeSet<String> = listed.into_iter().take(DOCUMENTS).collect();
    let folder = task.place("");
    for known in task.known_below(&folder) {
        let name = known.strip_prefix(&folder).unwrap_or_default();
        if name_of(name).starts_with(prefix) && !listed.contains(name) {
            task.remove(&known)?;
        }
    }
    listed.iter().map(|name| Ok(Wanted::document(task.url(name)?, format!("{folder}{name}"), "published"))).collect()
}
