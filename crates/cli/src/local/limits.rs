//! Bounds on an image, as the command line names them.

use std::str::FromStr;

use clap::Args;
use killick_analysis::limits::Limits as AnalysisLimits;
use killick_fetch::Limits as FetchLimits;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// In front of the names of bounds on fetching; those on analysis have the same names in part.
const FETCH: &str = "fetch-";

/// The bound on fetching that problems name without that.
const ATTACHMENTS: &str = "attachments";

/// Bounds that problems name and nobody sets: on how much is searched and told besides packages.
const FIXED: &[&str] = &[
    "copied-files",
    "document-bytes",
    "hard-links",
    "inspection",
    "licenses",
    "member-bytes",
    "package-files",
    "secrets",
    "vex",
];

/// Other bounds than the usual ones.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// Another bound on what the image may cost, by the name that errors and problems give it; may be repeated.
    /// `limit-analysis-seconds=0` is for no end of time
    #[arg(long = "limit", value_name = "NAME=NUMBER", env = "KILLICK_LIMITS", value_delimiter = ',')]
    limits: Vec<Limit>,
}

/// One bound.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Limit {
    name: String,
    value: u64,
}

/// All bounds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) analysis: AnalysisLimits,
    pub(super) fetch: FetchLimits,
}

impl LimitArgs {
    /// The usual bounds with those that were given in their place.
    pub(super) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        for limit in &self.limits {
            limits = limits.with(limit).expect("checked when it was read");
        }
        limits
    }
}

impl Limits {
    fn with(mut self, limit: &Limit) -> Option<Self> {
        let of_fetch = limit.name.strip_prefix(FETCH).or_else(|| (limit.name == ATTACHMENTS).then_some(ATTACHMENTS));
        match of_fetch {
            Some(name) => self.fetch = changed(&self.fetch, name, limit.value)?,
            None => self.analysis = changed(&self.analysis, &limit.name, limit.value)?,
        }
        Some(self)
    }

    fn names() -> String {
        let (analysis, fetch) = (names(&AnalysisLimits::default()), names(&FetchLimits::default()));
        let fetch = fetch.into_iter().map(|name| format!("{FETCH}{name}"));
        analysis.into_iter().chain(fetch).collect::<Vec<_>>().join(", ")
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("expected `NAME=NUMBER`")?;
        let name = name.trim().replace('_', "-");
        let name = name.strip_prefix("limit-").unwrap_or(&name).to_owned();
        let value = value.trim().parse().map_err(|_| format!("`{value}` is no number"))?;
        let limit = Self { name, value };
        if Limits::default().with(&limit).is_some() {
            return Ok(limit);
        }
        if FIXED.contains(&limit.name.as_str()) {
            return Err(format!("the limit `{}` is fixed; those that can be set are {}", limit.name, Limits::names()));
        }
        Err(format!("no limit `{}` can be {value}; there are {}", limit.name, Limits::names()))
    }
}

/// The limits with another value for the one of this name; none if there is none, or it cannot have the value.
fn changed<T: Serialize + DeserializeOwned>(limits: &T, name: &str, value: u64) -> Option<T> {
    let mut document = serde_json::to_value(limits).ok()?;
    *document.as_object_mut()?.get_mut(&name.replace('-', "_"))? = Value::from(value);
    serde_json::from_value(document).ok()
}

fn names(limits: &impl Serialize) -> Vec<String> {
    let document = serde_json::to_value(limits).unwrap_or_default();
    document.as_object().into_iter().flatten().map(|(name, _)| name.replace('_', "-")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn limits(texts: &[&str]) -> Result<Limits, String> {
        let limits = texts.iter().map(|text| text.parse()).collect::<Result<Vec<Limit>, _>>()?;
        Ok(LimitArgs { limits }.limits())
    }

    #[test]
    fn limits_go_by_the_names_that_errors_give_them() {
        let usual = Limits::default();
        assert_eq!(limits(&[]).unwrap(), usual);
        let read = limits(&["limit-analysis-seconds=1", "layer-bytes = 2", "link_depth=3", "layer-bytes=4"]).unwrap();
        let analysis = AnalysisLimits { analysis_seconds: 1, layer_bytes: 4, link_depth: 3, ..usual.analysis };
        assert_eq!(read, Limits { analysis, fetch: usual.fetch });
        let read = limits(&["fetch-layers=7", "layers=8"]).unwrap();
        assert_eq!((read.fetch.layers, read.analysis.layers), (7, 8));
        for name in ["limit-attachments=9", "fetch-attachments=9"] {
            assert_eq!(limits(&[name]).unwrap().fetch.attachments, 9, "{name}");
        }
    }

    /// The names of limits in a text of Rust: what stands behind a quotation mark and `limit-`, in code.
    fn named(source: &str) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for mark in ["\"limit-", "`limit-"] {
                let ends = |letter: char| !letter.is_ascii_lowercase() && letter != '-';
                names.extend(line.split(mark).skip(1).filter_map(|rest| rest.split(ends).next()));
            }
        }
        names.remove("");
        names
    }

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs_err::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_limit_that_the_code_names_can_be_set_or_is_said_to_be_fixed() {
        let mut files = Vec::new();
        for part in fs_err::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).expect("the crates") {
            sources(&part.expect("an entry").path().join("src"), &mut files);
        }
        let texts: Vec<String> = files.iter().map(|file| fs_err::read_to_string(file).expect("a source")).collect();
        let names: BTreeSet<&str> = texts.iter().flat_map(|text| named(text)).collect();
        for name in ["layer-bytes", "fetch-sbom-bytes", "attachments", "secrets"] {
            assert!(names.contains(name), "{name} is not found: {names:?}");
        }
        for name in &names {
            match limits(&[format!("limit-{name}=7").as_str()]) {
                Ok(_) => assert!(!FIXED.contains(name), "{name}"),
                Err(error) => assert!(error.starts_with(&format!("the limit `{name}` is fixed;")), "{error}"),
            }
        }
        let unnamed: Vec<_> = FIXED.iter().filter(|name| !names.contains(**name)).collect();
        assert!(unnamed.is_empty(), "nothing names {unnamed:?}");
    }

    #[test]
    fn wrong_limits_are_named() {
        for (text, want) in [
            ("layers", "expected `NAME=NUMBER`"),
            ("layers=x", "`x` is no number"),
            ("layers=-1", "`-1` is no number"),
            ("bananas=1", "no limit `bananas` can be 1; there are analysis-seconds"),
            ("fetch-analysis-seconds=1", "no limit `fetch-analysis-seconds`"),
            ("link-depth=5000000000", "no limit `link-depth` can be 5000000000"),
        ] {
            let error = limits(&[text]).unwrap_err();
            assert!(error.starts_with(want), "{text}: {error}");
        }
        assert!(limits(&["bananas=1"]).unwrap_err().contains("fetch-zstd-window-log"));
    }
}
