//! A JSON document that names a file and its checksum, as Grype's `latest.json` does.

use serde::Deserialize;

use super::{TEXT_BYTES, name_of};
use crate::feeds::error::{FeedError, shown};
use crate::feeds::lists;
use crate::feeds::transfer::{Checksum, Wanted};
use crate::feeds::work::Task;

/// <https://github.com/anchore/grype/blob/main/grype/db/v6/distribution/latest.go>, as far as it is needed.
#[derive(Deserialize)]
struct Pointer {
    path: String,
    checksum: String,
}

pub(super) async fn fetch(task: &Task, file: &str, prefix: &str) -> Result<(), FeedError> {
    let url = task.url(file)?;
    let malformed = |detail: String| FeedError::Malformed { url: shown(&url), detail };
    let document = task.text(&url, TEXT_BYTES).await?.ok_or_else(|| FeedError::Missing { url: shown(&url) })?;
    let pointer: Pointer = serde_json::from_slice(&document).map_err(|error| malformed(error.to_string()))?;
    let sum = lists::checksum(&pointer.checksum).ok_or_else(|| malformed("it has no SHA-256".to_owned()))?;
    if !lists::is_document(&pointer.path) || !name_of(&pointer.path).starts_with(prefix) {
        return Err(malformed(format!("`{}` is not the name of a file it should name", pointer.path)));
    }
    let wanted = Wanted {
        url: task.url(&pointer.path)?,
        path: task.place(name_of(&pointer.path)),
        is_optional: false,
        is_growing: false,
        version: Some(sum.clone()),
        checksum: Some(Checksum::File(sum)),
    };
    task.fetch(&wanted).await?;
    for old in task.known_below(&task.place(prefix)) {
        if old != wanted.path {
            task.remove(&old)?;
        }
    }
    Ok(())
}
