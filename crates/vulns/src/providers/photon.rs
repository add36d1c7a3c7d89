//! Photon OS: `cve_data_photon<release>.json`.
//!
//! <https://packages.broadcom.com/photon/photon_cve_metadata/>: a list of packages and CVEs per release. Names are those of
//! binary packages, and of source packages that have none of their name.

use std::path::{Path, PathBuf};

use killick_model::advisory::{Level, License, Rating, RatingValue};
use killick_model::feed::{Each, File, Form, Upstream};
use killick_model::version::Scheme;
use serde::Deserialize;

use super::json::array;
use super::said::{self, Said};
use super::{Input, Namespace, Provider, ReadError, Sink, files_in};
use crate::index::Coverage;
use crate::scores::tenths;

pub(super) const PROVIDER: Provider =
    Provider { name: "photon", title: "Photon OS CVE metadata", upstreams: UPSTREAMS, find, read };

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "metadata",
    base: "https://packages.broadcom.com/photon/photon_cve_metadata/",
    folder: "photon",
    is_default: true,
    max_bytes: 128 << 20,
    hours: 0,
    notes_date: true,
    form: Form::Files {
        each: Each::Number { first: 1, known: 5 },
        files: &[File::new("cve_data_photon{}.0.json", "cve_data_photon{}.0.json")],
    },
}];

fn find(root: &Path) -> Vec<Vec<PathBuf>> {
    files_in(root, "photon", |name| release(name).is_some()).into_iter().map(|path| vec![path]).collect()
}

/// `5.0` of `cve_data_photon5.0.json`.
fn release(name: &str) -> Option<&str> {
    let release = name.strip_prefix("cve_data_photon")?.strip_suffix(".json")?;
    let is_number = !release.is_empty() && release.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_number.then_some(release)
}

#[derive(Deserialize)]
struct Row {
    cve_id: String,
    pkg: String,
    cve_score: Option<f64>,
    #[serde(default)]
    res_ver: String,
    status: String,
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let name = input.path.file_name().and_then(|name| name.to_str()).and_then(release);
    let Some(namespace) = name.map(|release| format!("photon:{release}")) else {
        return Err(input.malformed("its name tells no release"));
    };
    array(input.reader()?, |element| {
        let read = serde_json::from_value::<Row>(element).map_err(|error| error.to_string());
        if let Err(reason) = read.and_then(|row| file(&namespace, &row, sink)) {
            sink.skip(&input.label(), reason);
        }
    })
    .map_err(|error| input.malformed(error))
}

fn file(namespace: &str, row: &Row, sink: &mut Sink) -> Result<(), String> {
    // Advisories of others, such as `BDSA-…`, are vulnerabilities; broken ids and ones not given yet are not.
    if !row.cve_id.contains('-') || row.cve_id.starts_with("UNK-") {
        return Err(format!("`{}` is no vulnerability", row.cve_id));
    }
    let said = match row.status.as_str() {
        "Fixed" if !matches!(row.res_ver.as_str(), "" | "NA") => Said::FixedIn(row.res_ver.clone()),
        "Not Affected" => Said::NotAffected,
        status => return Err(format!("{} of {}: unknown status `{status}`", row.cve_id, row.pkg)),
    };
    let filing = sink.file(namespace, || Namespace {
        name: namespace.to_owned(),
        ecosystem: namespace.to_owned(),
        coverage: Coverage::FixedOnly,
        license: License::Unknown,
        attribution: "Photon OS CVE metadata, facts".to_owned(),
    });
    let mut advisory = said::advisory(&row.cve_id, License::Unknown);
    advisory.ratings = rating(row).into_iter().collect();
    filing.advisory(&advisory);
    filing.statement(&said.statement(&row.cve_id, &row.pkg, Level::Any, Scheme::Rpm));
    Ok(())
}

/// A base score without its vector, as of the NVD.
fn rating(row: &Row) -> Option<Rating> {
    let base = row.cve_score.filter(|score| (0.1..=10.0).contains(score))?;
    let value = RatingValue::Scored {
        version: "3.1".to_owned(),
        vector: String::new(),
        base: tenths(base),
        exploitability: None,
        impact: None,
    };
    Some(Rating { source: "photon".to_owned(), value })
}
