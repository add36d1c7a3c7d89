//! Matches watched tags again when advisories or the image have changed, and tells what is otherwise than last time.
//!
//! Of a tag, the image it points to now is held against the one it pointed to last time; the first time is no news.

use std::collections::BTreeMap;
use std::time::Duration;

use killick_report::vulnerabilities::{Kind, WontFix};
use killick_store::news::News;
use killick_store::watches::{NewWatchResult, Watch};
use serde_json::{Value, json};

use super::Job;
use crate::api::error::ApiError;
use crate::app::App;
use crate::config::Role;
use crate::following::{followed, look_by_advisories};
use crate::judge::{self, Freshness};
use crate::records::{Image, now};
use crate::watched_images;
use crate::watching::{LOOK_SECONDS, Seen};

/// The type of subscription.
pub(crate) const KIND: &str = "vuln_update";

/// Bytes of what was seen last time, at most.
const RESULT_BYTES: u64 = 256 << 20;

/// The members of a row that is told, and those of a vulnerability they are.
const ROW: &[(&str, &str)] = &[
    ("CVE_ID", "vuln"),
    ("Severity", "severity"),
    ("Vulnerable_Package", "package"),
    ("Fix_Available", "fix"),
    ("URL", "url"),
    ("Package_Name", "package_name"),
    ("Package_Version", "package_version"),
    ("Package_Type", "package_type"),
    ("Feed", "feed"),
    ("Feed_Group", "feed_group"),
];

/// The job.
pub(super) const JOB: Job = Job {
    name: KIND,
    roles: &[Role::Scheduler],
    copies: |config| usize::from(config.cycle_timers.vulnerability_scan > 0),
    every: |config| Duration::from_secs(config.cycle_timers.vulnerability_scan.clamp(1, LOOK_SECONDS)),
    nudge: Some(|app| app.nudges().vulnerabilities.clone()),
    run: |app| {
        Box::pin(async move {
            look_by_advisories(&app, KIND, app.config().cycle_timers.vulnerability_scan, |app, watch| async move {
                look(&app, &watch).await
            })
            .await;
        })
    },
};

async fn look(app: &App, watch: &Watch) -> Seen {
    let images = match watched_images::of(app, watch).await {
        Ok(images) => images,
        Err(error) => {
            tracing::error!(error = %error, "the images of a watched tag cannot be read: {error}");
            return Seen::badly(watch);
        }
    };
    for (subject, image) in images {
        match compare(app, watch, &subject, &image).await {
            Ok(true) => {}
            Ok(false) => return Seen::outdated(watch),
            Err(error) => {
                tracing::warn!("the watched tag `{}` cannot be matched: {}", watch.key, error.message());
                return Seen::badly(watch);
            }
        }
    }
    Seen::well("")
}

/// Whether this process could: it knows what others judge by.
async fn compare(app: &App, watch: &Watch, subject: &str, image: &Image) -> Result<bool, ApiError> {
    let store = app.records().store();
    let before = store.watch_result(&watch.account, &watch.id, subject).await?;
    let Some(knowledge) = followed(app, KIND).await? else { return Ok(false) };
    let analyzed = image.analyzed_at.map_or(0, jiff::Timestamp::as_microsecond);
    let basis = format!("{} {} {analyzed}", knowledge.digest, image.digest);
    if before.as_ref().is_some_and(|before| before.basis == basis) {
        return Ok(true);
    }
    let found = judge::vulnerabilities(app, image, Kind::All, WontFix::LeftOut, Freshness::Kept).await?;
    let rows: Vec<Value> = found.iter().map(row).collect();
    let last = match before.as_ref().and_then(|before| before.result.as_ref()) {
        Some(blob) => serde_json::from_slice::<Vec<Value>>(&store.blobs().get(blob, RESULT_BYTES).await?).ok(),
        None => None,
    };
    let difference = last.and_then(|last| difference(&last, &rows));
    let news = difference.map_or_else(News::default, |difference| {
        let about = (watch.account.as_str(), watch.key.as_str(), image.digest.as_str());
        app.herald().vulnerabilities(about, &image.annotations, &difference, now())
    });
    let seen = NewWatchResult {
        account: watch.account.clone(),
        subscription: watch.id.clone(),
        subject: subject.to_owned(),
        before: before.map(|before| before.basis),
        basis,
        result: Some(store.blobs().put(serde_json::to_vec(&rows).unwrap_or_default()).await?),
    };
    store.put_watch_result(&seen, &news, now()).await?;
    Ok(true)
}

fn row(found: &Value) -> Value {
    ROW.iter().map(|(name, member)| ((*name).to_owned(), found.get(member).cloned().unwrap_or_default())).collect()
}

/// What is otherwise; nothing where nothing is.
fn difference(before: &[Value], now: &[Value]) -> Option<Value> {
    let keyed = |rows: &[Value]| -> BTreeMap<Vec<String>, Value> {
        let key = |row: &Value| {
            let member = |name: &&str| row[*name].as_str().unwrap_or_default().to_owned();
            ["CVE_ID", "Vulnerable_Package", "Package_Type", "Feed_Group"].iter().map(member).collect()
        };
        rows.iter().map(|row| (key(row), row.clone())).collect()
    };
    let (before, now) = (keyed(before), keyed(now));
    let without = |rows: &BTreeMap<Vec<String>, Value>, others: &BTreeMap<Vec<String>, Value>| -> Vec<Value> {
        rows.iter().filter(|(key, _)| !others.contains_key(*key)).map(|(_, row)| row.clone()).collect()
    };
    let (added, removed) = (without(&now, &before), without(&before, &now));
    let is_other = |(key, row): &(&Vec<String>, &Value)| before.get(*key).is_some_and(|other| other != *row);
    let updated: Vec<Value> = now.iter().filter(is_other).map(|(_, row)| row.clone()).collect();
    if added.is_empty() && removed.is_empty() && updated.is_empty() {
        return None;
    }
    Some(json!({"added": added, "removed": removed, "updated": updated}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: &str, package: &str, severity: &str) -> Value {
        row(&json!({
            "vuln": id, "severity": severity, "url": "http://x", "fix": "None", "package": package,
            "package_name": "p", "package_version": "1", "package_type": "APKG", "feed": "vulnerabilities",
            "feed_group": "alpine:3.20", "nvd_data": [],
        }))
    }

    #[test]
    fn rows_have_the_names_of_version_1() {
        insta::assert_json_snapshot!(found("CVE-1", "p-1", "Low"), @r#"
        {
          "CVE_ID": "CVE-1",
          "Severity": "Low",
          "Vulnerable_Package": "p-1",
          "Fix_Available": "None",
          "URL": "http://x",
          "Package_Name": "p",
          "Package_Version": "1",
          "Package_Type": "APKG",
          "Feed": "vulnerabilities",
          "Feed_Group": "alpine:3.20"
        }
        "#);
    }

    #[test]
    fn what_is_otherwise_is_told() {
        let before = [found("CVE-1", "p-1", "Low"), found("CVE-2", "p-1", "Low"), found("CVE-3", "p-1", "Low")];
        let now = [found("CVE-4", "p-1", "Low"), found("CVE-3", "p-1", "High"), found("CVE-1", "p-1", "Low")];
        let told = difference(&before, &now).unwrap();
        let ids = |name: &str| -> Vec<String> {
            told[name].as_array().unwrap().iter().map(|row| row["CVE_ID"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(
            (ids("added"), ids("removed"), ids("updated")),
            (vec!["CVE-4".into()], vec!["CVE-2".into()], vec!["CVE-3".into()])
        );
        assert_eq!(difference(&before, &before), None);
        assert_eq!(difference(&[], &[]), None);
    }
}
