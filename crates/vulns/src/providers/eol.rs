//! endoflife.date: until when releases of distributions and lines of runtimes are supported.
//!
//! <https://endoflife.date/docs/api/v1>, `products/full`, every product with its releases; and the repository
//! release-data behind it, as a zip of a file a product, which has days of release and of some the ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use killick_model::advisory::{Instant, License};
use killick_model::feed::{Each, File, Form, Upstream};
use killick_model::lifecycle::{Lifecycle, Support};
use serde::Deserialize;
use serde_json::Value;

use super::json::{elements, or_default};
use super::sink::{Filing, UNDATED};
use super::{Input, Namespace, Provider, ReadError, Sink, existing, has_extension};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider = Provider {
    name: "eol",
    title: "endoflife.date",
    upstreams: UPSTREAMS,
    find: |root: &Path| -> Vec<Vec<PathBuf>> {
        // The API knows more products, and every end: where it is, the days of release add nothing.
        let api = existing(root, &["eol/api/v1/products/full", "eol/full", "eol/full.json"]);
        if api.is_empty() { existing(root, &["eol/release-data.zip"]) } else { api }
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "api",
    base: "https://endoflife.date/api/v1/products/",
    folder: "eol",
    is_default: true,
    max_bytes: 64 << 20,
    hours: 0,
    notes_date: true,
    form: Form::Files { each: Each::Once, files: &[File::new("full", "full")] },
}];

/// Products and releases that are read.
const MAX_RELEASES: usize = 100_000;

#[derive(Deserialize)]
struct Product {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    releases: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Release {
    name: String,
    codename: Option<String>,
    #[serde(rename = "releaseDate")]
    released: Option<String>,
    is_eol: Option<bool>,
    eol_from: Option<String>,
    is_eoes: Option<bool>,
    eoes_from: Option<String>,
}

/// A file of release-data.
#[derive(Deserialize)]
struct Data {
    #[serde(default, deserialize_with = "or_default")]
    releases: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Days {
    codename: Option<String>,
    release_date: Option<String>,
    /// A day, or whether it is over.
    #[serde(default)]
    eol: Value,
    #[serde(default)]
    eoes: Value,
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let mut left = MAX_RELEASES;
    if input.path.to_str().is_some_and(|path| has_extension(path, "zip")) {
        input.zip_named_records(sink, |name, data: Data, sink| {
            let product = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
            for (cycle, release) in data.releases {
                match serde_json::from_value::<Days>(release) {
                    Ok(days) => file(&from_days(product, &cycle, &days), &mut left, sink),
                    Err(error) => sink.skip(&format!("{product} {cycle}"), error),
                }
            }
        })?;
    } else {
        elements(input.reader()?, "result", |element| match serde_json::from_value::<Product>(element) {
            Ok(product) => {
                for release in product.releases {
                    match serde_json::from_value::<Release>(release) {
                        Ok(release) => file(&from_api(&product.name, &release), &mut left, sink),
                        Err(error) => sink.skip(&product.name, error),
                    }
                }
            }
            Err(error) => sink.skip(&input.label(), error),
        })
        .map_err(|error| input.malformed(error))?;
    }
    if let Some(instant) = input.noted_instant() {
        sink.date(instant);
    }
    Ok(())
}

fn file(lifecycle: &Lifecycle, left: &mut usize, sink: &mut Sink) {
    if *left == 0 {
        return sink.leave_out();
    }
    *left -= 1;
    filing(sink).lifecycle(lifecycle);
}

fn filing(sink: &mut Sink) -> &mut Filing {
    sink.file("eol", || Namespace {
        name: "eol".to_owned(),
        ecosystem: String::new(),
        coverage: Coverage::FixedOnly,
        license: License::Attribution,
        attribution: "endoflife.date, MIT".to_owned(),
    })
}

fn day(text: Option<&str>) -> Option<Instant> {
    text.and_then(Instant::parse)
}

fn from_api(product: &str, release: &Release) -> Lifecycle {
    Lifecycle {
        product: product.to_owned(),
        cycle: release.name.clone(),
        codename: release.codename.clone(),
        released: day(release.released.as_deref()),
        ends: day(release.eol_from.as_deref()),
        extended_ends: day(release.eoes_from.as_deref()),
        support: support(release.is_eol, release.is_eoes),
        last_version: None,
        known_since: UNDATED,
    }
}

fn from_days(product: &str, cycle: &str, days: &Days) -> Lifecycle {
    Lifecycle {
        product: product.to_owned(),
        cycle: cycle.to_owned(),
        codename: days.codename.clone(),
        released: day(days.release_date.as_deref()),
        ends: day(days.eol.as_str()),
        extended_ends: day(days.eoes.as_str()),
        support: support(days.eol.as_bool(), days.eoes.as_bool()),
        last_version: None,
        known_since: UNDATED,
    }
}

/// What is said without a day.
fn support(is_over: Option<bool>, is_extended_over: Option<bool>) -> Support {
    match (is_over, is_extended_over) {
        (Some(false), _) => Support::Full,
        (Some(true), Some(false)) => Support::Extended,
        (Some(true), _) => Support::Ended,
        (None, _) => Support::Unknown,
    }
}
