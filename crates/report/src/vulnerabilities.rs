//! The vulnerability records of the v1 API.

use std::str::FromStr;

use killick_model::analysis::Analysis;
use killick_model::matching::{Confidence, FixState, Match, Matches};
use killick_model::package::{Package, PackageEvidence, PackageKind};
use killick_model::severity::Cvss;
use serde_json::{Value, json};

use crate::content::{os, python};

/// Which packages are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Packages of the distribution.
    Os,
    /// Everything else.
    NonOs,
    /// Both.
    All,
}

impl Kind {
    /// Every kind, in the order of the v1 API.
    pub const ALL: [Self; 3] = [Self::Os, Self::NonOs, Self::All];

    /// The word of the v1 API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Os => "os",
            Self::NonOs => "non-os",
            Self::All => "all",
        }
    }

    const fn includes(self, package: PackageKind) -> bool {
        match self {
            Self::Os => package.is_os(),
            Self::NonOs => !package.is_os(),
            Self::All => true,
        }
    }
}

/// A word that is no kind of vulnerabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == word).ok_or(UnknownKind)
    }
}

/// Whether records that the vendor will not fix are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WontFix {
    /// All records (`vendor_only=false`).
    Included,
    /// Only what the vendor takes for its vulnerabilities (`vendor_only=true`, the default of the API).
    LeftOut,
}

/// The records of an image, in the order of its matches. Packages that are only declared are unknown to version 1;
/// what was copied from a package is as vulnerable as what was installed.
pub fn records(analysis: &Analysis, matches: &Matches, kind: Kind, wont_fix: WontFix) -> Vec<Value> {
    matches
        .matches
        .iter()
        .map(|found| (found, analysis.package(found.package)))
        .filter(|(_, package)| package.evidence.is_there() && kind.includes(package.kind))
        .filter(|(found, _)| wont_fix == WontFix::Included || found.fix.state != FixState::WontFix)
        .map(|(found, package)| record(found, package))
        .collect()
}

/// The records of one package that is there, by its own matches.
pub fn records_of(package: &Package, matches: &[Match], wont_fix: WontFix) -> Vec<Value> {
    let told = matches.iter().filter(|found| wont_fix == WontFix::Included || found.fix.state != FixState::WontFix);
    told.map(|found| record(found, package)).collect()
}

/// What stands for a missing text: the word, because clients print it.
const NONE: &str = "None";

fn record(found: &Match, package: &Package) -> Value {
    let deciding = found.evidence.first();
    let namespace = deciding.map_or("", |evidence| evidence.namespace.as_str());
    let by_cpe = deciding.is_some_and(|evidence| evidence.confidence == Confidence::Cpe);
    let cpe = by_cpe.then(|| package.cpe_names().first().cloned()).flatten();
    let fix = if found.fix.versions.is_empty() { NONE.to_owned() } else { found.fix.versions.join(",") };
    let (nvd, vendor) = scores(found, found.anchore_id(package));
    json!({
        "feed": "vulnerabilities",
        "feed_group": feed_group(namespace),
        "fix": fix,
        "nvd_data": nvd,
        "package": format!("{}-{}", package.name, package.version),
        "package_cpe": NONE,
        "package_cpe23": cpe.as_deref().unwrap_or(NONE),
        "package_name": package.name,
        "package_path": path(package),
        "package_type": os::type_name(package.kind),
        "package_version": package.version,
        "severity": found.severity.title(),
        "url": found.url.as_deref().unwrap_or(NONE),
        "vendor_data": vendor,
        "vuln": found.anchore_id(package),
        "will_not_fix": found.fix.state == FixState::WontFix,
    })
}

/// The word of version 1 for a kind of packages, of which one is in capitals.
pub const fn package_type(kind: PackageKind) -> &'static str {
    os::type_name(kind)
}

/// The group of the v1 feeds that holds what our namespace holds.
pub fn feed_group(namespace: &str) -> &str {
    match namespace {
        "PyPI" => "github:python",
        "npm" => "github:npm",
        "RubyGems" => "github:gem",
        "Maven" => "github:java",
        "Go" => "github:go",
        "crates.io" => "github:rust",
        "cpe" => "nvd",
        other => other,
    }
}

fn path(package: &Package) -> String {
    match package.kind {
        kind if kind.is_os() && package.evidence != PackageEvidence::Copied => "pkgdb".to_owned(),
        PackageKind::Python => python::location(package),
        _ => package.virtual_path(),
    }
}

/// NVD's scores as one entry, each of the vendor's vectors as one of its own.
fn scores(found: &Match, vendor_id: &str) -> (Vec<Value>, Vec<Value>) {
    let (nvd, vendor): (Vec<&Cvss>, Vec<&Cvss>) = found.cvss.iter().partition(|cvss| cvss.source == "nvd");
    // Of equal ratings the one that tells its parts: some feeds pass on the score alone.
    let of = |version: char| {
        let rated = nvd.iter().filter(|cvss| cvss.version.starts_with(version));
        rated.min_by_key(|cvss| cvss.exploitability.is_none()).copied()
    };
    let id = std::iter::once(&found.vulnerability)
        .chain(&found.aliases)
        .find(|name| name.starts_with("CVE-"))
        .unwrap_or(&found.vulnerability);
    let (v2, v3) = (of('2'), of('3'));
    let nvd = if v2.or(v3).is_none() { Vec::new() } else { vec![score_entry(id, v2, v3)] };
    let vendor = vendor
        .into_iter()
        .filter(|cvss| cvss.version.starts_with(['2', '3']))
        .map(|cvss| {
            let is_v2 = cvss.version.starts_with('2');
            score_entry(vendor_id, Some(cvss).filter(|_| is_v2), Some(cvss).filter(|_| !is_v2))
        })
        .collect();
    (nvd, vendor)
}

fn score_entry(id: &str, v2: Option<&Cvss>, v3: Option<&Cvss>) -> Value {
    json!({"cvss_v2": score(v2), "cvss_v3": score(v3), "id": id})
}

/// An unknown score is -1.
fn score(cvss: Option<&Cvss>) -> Value {
    json!({
        "base_score": cvss.map_or(-1.0, |cvss| cvss.base),
        "exploitability_score": cvss.and_then(|cvss| cvss.exploitability).unwrap_or(-1.0),
        "impact_score": cvss.and_then(|cvss| cvss.impact).unwrap_or(-1.0),
    })
}
