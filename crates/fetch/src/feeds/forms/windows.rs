//! Pages of the NVD's API 2.0: all records once, and then those that changed in windows of time.
//!
//! <https://nvd.nist.gov/developers/vulnerabilities> and "start-here": windows of at most 120 days, pages of 2000 records,
//! 5 requests in 30 seconds without a key and 50 with one. A walk that broke off goes on at its page. Windows overlap by
//! some hours, because records change while pages are read. Pages are named by the end of their walk, so that a later
//! one goes before an earlier one.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::hours_before;
use crate::feeds::error::{FeedError, shown};
use crate::feeds::work::Task;

/// Records of a page.
const RECORDS: u64 = 2000;

/// Pages of one walk.
const PAGES: u64 = 2000;

/// Pages after which everything is walked through again, and they are deleted.
const MOST_PAGES: usize = 600;

/// Days of a window.
const DAYS: i64 = 119;

/// Hours by which windows overlap.
const OVERLAP: i64 = 4;

/// Times that a page is asked for while the API refuses because it was asked too often (403).
const PATIENCE: u32 = 4;

/// A walk through pages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Walk {
    /// From when on records were changed; all of them without one.
    from: Option<Timestamp>,
    to: Timestamp,
    /// The first record that is not here.
    next: u64,
}

/// A page, as far as it tells where we are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    results_per_page: u64,
    total_results: u64,
}

pub(super) async fn fetch(task: &Task) -> Result<(), FeedError> {
    let now = task.now();
    let mut walk = match task.mark("walk").and_then(|walk| serde_json::from_str::<Walk>(&walk).ok()) {
        Some(walk) => walk,
        None => first(task, now),
    };
    loop {
        follow(task, &mut walk).await?;
        task.set_mark("until", Some(walk.to.to_string()));
        task.set_mark("walk", None);
        if walk.from.is_none() {
            // Everything is here again: what was here before says nothing more.
            let stamp = stamp(walk.to);
            for path in task.known_below(&task.place("")) {
                if !path.contains(&stamp) {
                    task.remove(&path)?;
                }
            }
        }
        if walk.to >= now {
            return Ok(());
        }
        walk = next(walk.to, now);
    }
}

/// The walk to begin with.
fn first(task: &Task, now: Timestamp) -> Walk {
    let pages = task.known_below(&task.place(""));
    let is_here = pages.len() <= MOST_PAGES && pages.iter().all(|path| task.known(path).is_some());
    match task.instant("until").filter(|until| is_here && *until < now) {
        Some(until) => next(until, now),
        None => Walk { from: None, to: now, next: 0 },
    }
}

/// The window after a time.
fn next(until: Timestamp, now: Timestamp) -> Walk {
    let from = hours_before(until, OVERLAP);
    let end = from.checked_add((24 * DAYS).hours()).unwrap_or(now);
    Walk { from: Some(from), to: end.min(now), next: 0 }
}

async fn follow(task: &Task, walk: &mut Walk) -> Result<(), FeedError> {
    for _ in 0..PAGES {
        let (bytes, page) = page(task, walk).await?;
        let name = task.place(&format!("{}-{:07}.json", stamp(walk.to), walk.next));
        let is_whole = page.total_results <= walk.next.saturating_add(page.results_per_page);
        if page.results_per_page > 0 {
            task.put(&name, &bytes)?;
        }
        walk.next = walk.next.saturating_add(page.results_per_page);
        task.set_mark("walk", serde_json::to_string(walk).ok());
        task.work.save()?;
        if is_whole || page.results_per_page == 0 {
            return Ok(());
        }
        let pause = if task.options().nvd_api_key.is_some() { 600 } else { 6000 };
        task.options().timer.sleep(Duration::from_millis(pause)).await;
    }
    Err(FeedError::Malformed { url: task.url("")?.to_string(), detail: format!("it has more than {PAGES} pages") })
}

/// Asks for a page.
async fn page(task: &Task, walk: &Walk) -> Result<(Vec<u8>, Page), FeedError> {
    let mut url = task.url("2.0")?;
    url.query_pairs_mut()
        .append_pair("resultsPerPage", &RECORDS.to_string())
        .append_pair("startIndex", &walk.next.to_string());
    if let Some(from) = walk.from {
        let time = |at: Timestamp| at.round(jiff::Unit::Second).unwrap_or(at).to_string();
        url.query_pairs_mut()
            .append_pair("lastModStartDate", &time(from))
            .append_pair("lastModEndDate", &time(walk.to));
    }
    let mut headers = Vec::new();
    if let Some(key) = &task.options().nvd_api_key
        && let Ok(mut value) = HeaderValue::from_str(key.expose_secret())
    {
        value.set_sensitive(true);
        headers.push((HeaderName::from_static("apikey"), value));
    }
    let limit = usize::try_from(task.upstream.max_bytes).unwrap_or(usize::MAX);
    let mut attempt = 0;
    let bytes = loop {
        match task.text_with(&url, limit, &headers).await {
            Ok(bytes) => break bytes.ok_or_else(|| FeedError::Missing { url: shown(&url) })?,
            // So it says that it was asked too often.
            Err(FeedError::Status { status: 403, after, .. }) if attempt < PATIENCE => {
                attempt += 1;
                task.pause(attempt, Some(after.unwrap_or(Duration::from_secs(30))), &url).await;
            }
            Err(error) => return Err(error),
        }
    };
    let page: Page = serde_json::from_slice(&bytes)
        .map_err(|error| FeedError::Malformed { url: shown(&url), detail: error.to_string() })?;
    Ok((bytes, page))
}

/// A time as it stands in names, in order.
fn stamp(at: Timestamp) -> String {
    let second = at.duration_since(Timestamp::UNIX_EPOCH).max(SignedDuration::ZERO).as_secs();
    Timestamp::from_second(second).unwrap_or(at).to_string().replace([':', '-'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_overlap_and_are_short_enough() {
        let now: Timestamp = "2026-11-28T10:00:00.5Z".parse().unwrap();
        let mut until: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut found = Vec::new();
        while until < now {
            let walk = next(until, now);
            found.push(format!("{} {}", walk.from.unwrap(), walk.to));
            until = walk.to;
        }
        assert_eq!(
            found,
            [
                "2025-12-31T20:00:00Z 2026-04-29T20:00:00Z",
                "2026-04-29T16:00:00Z 2026-08-26T16:00:00Z",
                "2026-08-26T12:00:00Z 2026-11-28T10:00:00.5Z",
            ]
        );
        assert_eq!(stamp(now), "20261128T100000Z");
    }
}
