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
        match limit.name.strip_prefix(FETCH) {
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
