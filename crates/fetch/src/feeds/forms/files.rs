//! Whole files, asked for again only if they changed.

use killick_model::feed::{Each, File, Proof};

use super::{TEXT_BYTES, words};
use crate::feeds::error::{FeedError, shown};
use crate::feeds::lists;
use crate::feeds::transfer::{Checksum, Got, Wanted};
use crate::feeds::work::Task;

pub(super) async fn fetch(task: &Task, each: Each, files: &'static [File]) -> Vec<FeedError> {
    let words = match words(task, each).await {
        Ok(words) => words,
        Err(error) => return vec![error],
    };
    let (mut errors, mut found) = (Vec::new(), 0);
    for word in words {
        let (mut here, mut failed) = (0, 0);
        for file in files {
            let is_optional = file.is_optional || each != Each::Once;
            match fetch_one(task, file, &word.text, is_optional).await {
                Ok(Got::Missing) => {}
                Err(error) if word.is_guess && error.is_forbidden() => {}
                Ok(Got::Same | Got::Changed) => here += 1,
                Err(error) => {
                    failed += 1;
                    errors.push(error);
                }
            }
        }
        found += here;
        // Where a guess fails, it is not known whether there are more: nothing is lost, they come next time.
        if word.is_guess && (here == 0 || failed > 0) {
            break;
        }
    }
    // Every file of a series may be missing; all of them may not.
    if each != Each::Once && found == 0 && errors.is_empty() {
        errors.extend(task.url("").map(|url| FeedError::Missing { url: shown(&url) }));
    }
    errors
}

async fn fetch_one(task: &Task, file: &File, word: &str, is_optional: bool) -> Result<Got, FeedError> {
    let from = file.from.replace("{}", word);
    let mut wanted = Wanted {
        url: task.url(&from)?,
        path: task.place(&file.to.replace("{}", word)),
        is_optional,
        is_growing: true,
        version: None,
        checksum: None,
    };
    if file.proof == Proof::Meta {
        let stem = from.strip_suffix(".json.gz").unwrap_or(&from);
        let text = task.text(&task.url(&format!("{stem}.meta"))?, TEXT_BYTES).await?;
        let checksum = text.and_then(|text| lists::meta(&String::from_utf8_lossy(&text)));
        wanted.version.clone_from(&checksum);
        wanted.checksum = checksum.map(Checksum::Unpacked);
        // The file of late changes holds some days, busy ones or not.
        wanted.is_growing = !from.contains("modified");
    }
    task.fetch(&wanted).await
}
