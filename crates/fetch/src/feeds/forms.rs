//! One file for each way in which upstreams are kept up to date.

mod bucket;
mod changes;
mod files;
mod listing;
mod pointer;
mod releases;
mod repositories;
mod windows;

use std::io::BufReader;

use jiff::{SignedDuration, Timestamp, ToSpan as _};
use killick_model::feed::{Each, Form};

use super::error::{FeedError, shown};
use super::lists;
use super::work::Task;

/// Bytes of a list or description that is held.
const TEXT_BYTES: usize = 4 << 20;

/// Numbers that are tried after the last known one.
const MORE_NUMBERS: u32 = 50;

/// Fetches an upstream. What could not be fetched; the rest is here.
pub(super) async fn fetch(task: &Task) -> Vec<FeedError> {
    if is_recent(task) {
        return Vec::new();
    }
    let errors = match task.upstream.form {
        Form::Files { each, files } => files::fetch(task, each, files).await,
        Form::Repositories { each, paths, mirrors } => repositories::fetch(task, each, paths, mirrors).await,
        Form::Changes { archive, documents, has_deletions } => {
            changes::fetch(task, archive, documents, has_deletions).await
        }
        Form::Bucket => bucket::fetch(task).await,
        Form::Listing { index, prefix } => listing::fetch(task, index, prefix).await,
        Form::Pointer { file, prefix } => pointer::fetch(task, file, prefix).await.err().into_iter().collect(),
        Form::Releases => releases::fetch(task).await,
        Form::Windows => windows::fetch(task).await.err().into_iter().collect(),
    };
    if errors.is_empty() {
        task.set_mark("fetched", Some(task.now().to_string()));
    }
    errors
}

/// Whether it was fetched so lately that it need not be asked for, and is still here.
fn is_recent(task: &Task) -> bool {
    let hours = i64::from(task.upstream.hours);
    let Some(fetched) = task.instant("fetched") else { return false };
    let age = task.now().duration_since(fetched);
    let is_young = age >= SignedDuration::ZERO && age < SignedDuration::from_hours(hours);
    let files = task.known_below(&task.place(""));
    is_young && !task.options().is_forced && !files.is_empty() && files.iter().all(|path| task.known(path).is_some())
}

/// A word that stands for the braces in names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    text: String,
    /// Whether it was guessed: where nothing exists under it, nothing is tried after it.
    is_guess: bool,
}

/// The words that stand for the braces.
pub(super) async fn words(task: &Task, each: Each) -> Result<Vec<Word>, FeedError> {
    let known = |text: String| Word { text, is_guess: false };
    Ok(match each {
        Each::Once => vec![known(String::new())],
        Each::Number { first, known: last } => {
            let guesses = last.saturating_add(1)..=last.saturating_add(MORE_NUMBERS);
            let guess = |number: u32| Word { text: number.to_string(), is_guess: true };
            (first..=last).map(|number| known(number.to_string())).chain(guesses.map(guess)).collect()
        }
        Each::Year { first } => {
            let year = u32::try_from(jiff::tz::TimeZone::UTC.to_datetime(task.now()).year()).unwrap_or(first);
            (first..=year.min(first + 200)).map(|year| known(year.to_string())).collect()
        }
        Each::Topic(document) => {
            let url = task.url(document)?;
            let malformed =
                |detail: serde_json::Error| FeedError::Malformed { url: shown(&url), detail: detail.to_string() };
            match task.text(&url, TEXT_BYTES).await? {
                Some(bytes) => lists::topics(&bytes).map_err(malformed)?.into_iter().map(known).collect(),
                None => Vec::new(),
            }
        }
    })
}

/// Opens a list that was fetched to a path below the feeds folder.
fn open(task: &Task, path: &str) -> Result<BufReader<fs_err::File>, FeedError> {
    let path = task.folder().at(path);
    let failed = |source| FeedError::File { path: path.clone(), source };
    Ok(BufReader::new(fs_err::File::open(&path).map_err(failed)?))
}

/// That a list cannot be read.
fn unreadable(task: &Task, path: &str) -> impl Fn(std::io::Error) -> FeedError {
    let path = task.folder().at(path);
    move |source| FeedError::File { path: path.clone(), source }
}

/// A time some hours before another.
fn hours_before(at: Timestamp, hours: i64) -> Timestamp {
    at.checked_sub(hours.hours()).unwrap_or(at)
}

/// The name at the end of a path.
fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
