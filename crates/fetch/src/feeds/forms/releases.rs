//! The CVE list's releases: every midnight a file of everything, every hour one of what changed since, and at the end
//! of a day one of what changed in it.
//!
//! <https://github.com/CVEProject/cvelistV5/blob/main/README.md>, "Releases"; GitHub's REST API, "List releases". The file of
//! everything is fetched once, and then those of finished days and the last of today, as long as the API still lists
//! all of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::name_of;
use crate::feeds::error::{FeedError, shown};
use crate::feeds::lists;
use crate::feeds::transfer::{Checksum, Wanted};
use crate::feeds::work::Task;

/// Bytes of the answer of the API.
const ANSWER_BYTES: usize = 32 << 20;

/// Days after which everything is fetched again.
const DAYS: i32 = 7;

#[derive(Deserialize)]
struct Release {
    #[serde(default)]
    assets: Vec<Asset>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Asset {
    name: String,
    browser_download_url: String,
    digest: Option<String>,
}

/// What a file of a release holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Everything,
    Day,
    Hour,
}

pub(super) async fn fetch(task: &Task) -> Vec<FeedError> {
    match newest(task).await {
        Ok(plan) => follow(task, plan).await.err().into_iter().collect(),
        Err(error) => vec![error],
    }
}

/// The files that are needed, by name; those without an asset are here.
type Plan = BTreeMap<String, Option<Asset>>;

async fn newest(task: &Task) -> Result<Plan, FeedError> {
    let url = task.url("releases?per_page=100")?;
    let malformed = |detail: String| FeedError::Malformed { url: shown(&url), detail };
    let document = task.text(&url, ANSWER_BYTES).await?.ok_or_else(|| FeedError::Missing { url: shown(&url) })?;
    let releases: Vec<Release> = serde_json::from_slice(&document).map_err(|error| malformed(error.to_string()))?;
    let assets: BTreeMap<String, Asset> =
        releases.into_iter().flat_map(|release| release.assets).map(|asset| (asset.name.clone(), asset)).collect();
    let folder = task.place("");
    let here: BTreeSet<String> = task
        .known_below(&folder)
        .into_iter()
        .filter(|path| task.known(path).is_some())
        .filter_map(|path| path.strip_prefix(&folder).map(str::to_owned))
        .collect();
    let today = TimeZone::UTC.to_datetime(task.now()).date();
    plan(&assets, &here, today).ok_or_else(|| malformed("no release has a file of everything".to_owned()))
}

/// Which files are needed, of those that are listed and those that are here.
fn plan(assets: &BTreeMap<String, Asset>, here: &BTreeSet<String>, today: Date) -> Option<Plan> {
    let everything = |name: &&String| matches!(read(name), Some((_, Kind::Everything)));
    let have = here.iter().rfind(everything).filter(|name| is_enough(name, assets, here, today));
    let base = have.or_else(|| assets.keys().rfind(everything))?;
    let (since, _) = read(base)?;
    let mut needed = Plan::from([(base.clone(), assets.get(base).filter(|_| have.is_none()).cloned())]);
    for name in assets.keys().chain(here).filter(|name| matches!(read(name), Some((day, Kind::Day)) if day >= since)) {
        needed.insert(name.clone(), assets.get(name).filter(|_| !here.contains(name)).cloned());
    }
    let last_day = needed.keys().filter_map(|name| read(name)).filter(|(_, kind)| *kind == Kind::Day).max();
    let hour = assets.keys().rfind(|name| matches!(read(name), Some((_, Kind::Hour))));
    if let Some(hour) = hour.filter(|hour| last_day.is_none_or(|(day, _)| read(hour).is_some_and(|(at, _)| at > day))) {
        needed.insert(hour.clone(), assets.get(hour).filter(|_| !here.contains(hour)).cloned());
    }
    Some(needed)
}

/// Whether a file of everything is young, and what changed on every day since is listed or here.
fn is_enough(name: &str, assets: &BTreeMap<String, Asset>, here: &BTreeSet<String>, today: Date) -> bool {
    let Some((day, _)) = read(name) else { return false };
    let age = (today - day).get_days();
    let is_told = |day: Date| {
        let name = format!("{day}_delta_CVEs_at_end_of_day.zip");
        assets.contains_key(&name) || here.contains(&name)
    };
    (0..=DAYS).contains(&age) && day.series(jiff::Span::new().days(1)).take_while(|day| *day < today).all(is_told)
}

/// Day and kind of a file, by its name.
fn read(name: &str) -> Option<(Date, Kind)> {
    let (day, rest) = name.split_once('_')?;
    let day = day.parse().ok()?;
    let kind = match rest {
        "all_CVEs_at_midnight.zip" | "all_CVEs_at_midnight.zip.zip" => Kind::Everything,
        "delta_CVEs_at_end_of_day.zip" => Kind::Day,
        _ if rest.starts_with("delta_CVEs_at_") && rest.ends_with("00Z.zip") => Kind::Hour,
        _ => return None,
    };
    lists::is_name(name).then_some((day, kind))
}

/// Fetches what is needed, and then removes what is not.
async fn follow(task: &Task, plan: Plan) -> Result<(), FeedError> {
    for asset in plan.values().flatten() {
        let sum = asset.digest.as_deref().and_then(lists::checksum);
        let wanted = Wanted {
            url: task.given_url(&asset.browser_download_url)?,
            path: task.place(&asset.name),
            is_optional: false,
            is_growing: false,
            version: Some(sum.clone().unwrap_or_else(|| "published".to_owned())),
            checksum: sum.map(Checksum::File),
        };
        task.fetch(&wanted).await?;
    }
    for path in task.known_below(&task.place("")) {
        let name = name_of(&path);
        if read(name).is_some() && !plan.contains_key(name) {
            task.remove(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(plan: &Plan) -> Vec<String> {
        plan.iter().map(|(name, asset)| format!("{name}{}", if asset.is_some() { " fetched" } else { "" })).collect()
    }

    fn assets(names: &[&str]) -> BTreeMap<String, Asset> {
        let asset = |name: &str| Asset { name: name.to_owned(), browser_download_url: String::new(), digest: None };
        names.iter().map(|name| ((*name).to_owned(), asset(name))).collect()
    }

    #[test]
    fn everything_is_fetched_once_and_then_what_changed() {
        let listed = assets(&[
            "2026-11-27_all_CVEs_at_midnight.zip.zip",
            "2026-11-27_delta_CVEs_at_end_of_day.zip",
            "2026-11-28_all_CVEs_at_midnight.zip.zip",
            "2026-11-28_delta_CVEs_at_0800Z.zip",
            "2026-11-28_delta_CVEs_at_0900Z.zip",
            "README.md",
        ]);
        let today: Date = "2026-11-28".parse().unwrap();
        let here = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let first = plan(&listed, &here(&[]), today).unwrap();
        assert_eq!(
            names(&first),
            ["2026-11-28_all_CVEs_at_midnight.zip.zip fetched", "2026-11-28_delta_CVEs_at_0900Z.zip fetched"]
        );
        let next = plan(
            &listed,
            &here(&[
                "2026-11-26_all_CVEs_at_midnight.zip.zip",
                "2026-11-26_delta_CVEs_at_end_of_day.zip",
                "2026-11-27_delta_CVEs_at_0300Z.zip",
            ]),
            today,
        );
        assert_eq!(
            names(&next.unwrap()),
            [
                "2026-11-26_all_CVEs_at_midnight.zip.zip",
                "2026-11-26_delta_CVEs_at_end_of_day.zip",
                "2026-11-27_delta_CVEs_at_end_of_day.zip fetched",
                "2026-11-28_delta_CVEs_at_0900Z.zip fetched",
            ]
        );
        // A day of which nobody knows any more what changed, and one that is long ago.
        for old in ["2026-11-26_all_CVEs_at_midnight.zip.zip", "2026-11-01_all_CVEs_at_midnight.zip.zip"] {
            let again = plan(&listed, &here(&[old]), today).unwrap();
            assert_eq!(names(&again), names(&first), "{old}");
        }
        assert_eq!(plan(&assets(&["README.md"]), &here(&[]), today), None);
    }
}
