//! CISA's catalogue of known exploited vulnerabilities.
//!
//! <https://www.cisa.gov/known-exploited-vulnerabilities-catalog>, JSON form.

use std::path::PathBuf;

use killick_model::advisory::{AdvisoryStatus, Enrichment, Exploited, Instant, License};
use killick_model::feed::{Each, File, Form, Upstream};
use serde::Deserialize;
use serde_json::Value;

use super::json::{cwe_numbers, or_default};
use super::sink::UNDATED;
use super::{Input, Namespace, Provider, ReadError, Sink, existing, said};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider = Provider {
    name: "kev",
    title: "CISA known exploited vulnerabilities",
    upstreams: UPSTREAMS,
    find: |root| -> Vec<Vec<PathBuf>> { existing(root, &["kev/known_exploited_vulnerabilities.json"]) },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "catalogue",
    base: "https://www.cisa.gov/sites/default/files/feeds/",
    folder: "kev",
    is_default: true,
    max_bytes: 64 << 20,
    hours: 0,
    notes_date: false,
    form: Form::Files {
        each: Each::Once,
        files: &[File::new("known_exploited_vulnerabilities.json", "known_exploited_vulnerabilities.json")],
    },
}];

#[derive(Deserialize)]
struct Catalog {
    #[serde(rename = "dateReleased")]
    released: Option<String>,
    vulnerabilities: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "cveID")]
    cve: String,
    date_added: Option<String>,
    due_date: Option<String>,
    known_ransomware_campaign_use: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    cwes: Vec<String>,
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let catalog: Catalog = input.json()?;
    for element in catalog.vulnerabilities {
        let entry = match serde_json::from_value::<Entry>(element) {
            Ok(entry) => entry,
            Err(error) => {
                sink.skip(&input.label(), error);
                continue;
            }
        };
        if !said::is_cve(&entry.cve) {
            sink.skip(&input.label(), format!("`{}` is no CVE", entry.cve));
            continue;
        }
        let filing = sink.file("kev", || Namespace {
            name: "kev".to_owned(),
            ecosystem: String::new(),
            coverage: Coverage::Full,
            license: License::Public,
            attribution: "CISA Known Exploited Vulnerabilities Catalog, CC0-1.0".to_owned(),
        });
        filing.seen(catalog.released.as_deref().and_then(Instant::parse));
        let date = |text: &Option<String>| text.as_deref().and_then(Instant::parse);
        filing.enrichment(
            &entry.cve,
            &Enrichment {
                ratings: Vec::new(),
                cwes: cwe_numbers(entry.cwes.iter().map(String::as_str)),
                exploited: Some(Exploited {
                    added: date(&entry.date_added),
                    due: date(&entry.due_date),
                    ransomware: entry.known_ransomware_campaign_use.as_deref() == Some("Known"),
                }),
                epss_millionths: None,
                status: AdvisoryStatus::Active,
                published: None,
                modified: None,
                known_since: UNDATED,
            },
        );
    }
    Ok(())
}
