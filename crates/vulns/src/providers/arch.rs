//! Arch Linux's security tracker, `all.json`: groups of vulnerabilities (`AVG-…`) with the versions they end at.
//!
//! <https://security.archlinux.org/all.json>. Rarely written to since 2022, so its silence means nothing.

use std::path::{Path, PathBuf};

use killick_model::advisory::{Advisory, Level, License, StatedFix, Statement, Verdict};
use killick_model::feed::{Each, File, Form, Upstream};
use killick_model::matching::FixState;
use killick_model::severity::Severity;
use killick_model::version::Scheme;
use killick_model::version::range::{Interval, Range};
use serde::Deserialize;
use serde_json::Value;

use super::json::{array, or_default};
use super::sink::UNDATED;
use super::{Input, Namespace, Provider, ReadError, Sink, existing, said};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider = Provider {
    name: "arch",
    title: "Arch Linux security tracker",
    upstreams: UPSTREAMS,
    find: |root: &Path| -> Vec<Vec<PathBuf>> { existing(root, &["arch/all.json", "security.archlinux.org/all.json"]) },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "tracker",
    base: "https://security.archlinux.org/",
    folder: "arch",
    is_default: true,
    max_bytes: 64 << 20,
    hours: 0,
    notes_date: true,
    form: Form::Files { each: Each::Once, files: &[File::new("all.json", "all.json")] },
}];

#[derive(Deserialize)]
struct Group {
    name: String,
    packages: Vec<String>,
    status: String,
    #[serde(default, deserialize_with = "or_default")]
    severity: String,
    fixed: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    issues: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    advisories: Vec<String>,
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    array(input.reader()?, |element| {
        let subject = element.get("name").and_then(Value::as_str).unwrap_or("group without a name").to_owned();
        match serde_json::from_value::<Group>(element) {
            Ok(group) => file(&group, sink),
            Err(error) => sink.skip(&subject, error),
        }
    })
    .map_err(|error| input.malformed(error))?;
    if let Some(instant) = input.noted_instant() {
        sink.date(instant);
    }
    Ok(())
}

fn file(group: &Group, sink: &mut Sink) {
    let all = Range::all(Scheme::Pacman);
    let fixed = group.fixed.as_deref().filter(|version| !version.is_empty());
    let before = |version: &str| Range::new(Scheme::Pacman, vec![Interval::before(version)], Vec::new());
    let fix = |state, version: Option<&str>| StatedFix {
        state,
        versions: version.map(str::to_owned).into_iter().collect(),
        advisories: group.advisories.clone(),
    };
    let (verdict, versions, fix) = match (group.status.as_str(), fixed) {
        ("Fixed", Some(version)) => (Verdict::Affected, before(version), fix(FixState::Fixed, Some(version))),
        // The fix waits in a repository that images do not use.
        ("Testing" | "Vulnerable", Some(version)) => {
            (Verdict::Affected, before(version), fix(FixState::Deferred, None))
        }
        ("Testing" | "Vulnerable", None) => (Verdict::Affected, all, fix(FixState::NotFixed, None)),
        ("Not affected", _) => (Verdict::NotAffected, all, StatedFix::default()),
        ("Unknown", _) => (Verdict::UnderInvestigation, all, StatedFix::default()),
        ("Fixed", None) => return sink.skip(&group.name, "fixed, but in no version"),
        (status, _) => return sink.skip(&group.name, format!("unknown status `{status}`")),
    };
    let filing = sink.file("arch", || Namespace {
        name: "arch".to_owned(),
        ecosystem: "arch".to_owned(),
        coverage: Coverage::FixedOnly,
        license: License::Public,
        attribution: "Arch Linux security tracker, facts".to_owned(),
    });
    for package in &group.packages {
        filing.statement(&Statement {
            advisory: group.name.clone(),
            name: package.clone(),
            level: Level::Any,
            versions: versions.clone(),
            verdict,
            fix: fix.clone(),
            qualifiers: Vec::new(),
            severity: severity(&group.severity),
            known_since: UNDATED,
        });
    }
    filing.advisory(&Advisory {
        upstream: group.issues.clone(),
        url: Some(format!("https://security.archlinux.org/{}", group.name)),
        ..said::advisory(&group.name, License::Public)
    });
}

fn severity(word: &str) -> Option<Severity> {
    match word {
        "Critical" => Some(Severity::Critical),
        "High" => Some(Severity::High),
        "Medium" => Some(Severity::Medium),
        "Low" => Some(Severity::Low),
        _ => None,
    }
}
