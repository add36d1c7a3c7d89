//! What vendors say of their packages, in the few forms most of them share.

use killick_model::advisory::{
    Advisory, AdvisoryKind, AdvisoryStatus, Level, License, Qualifier, StatedFix, Statement, Verdict,
};
use killick_model::matching::FixState;
use killick_model::severity::Severity;
use killick_model::version::Scheme;
use killick_model::version::range::{Interval, Range};

use super::sink::UNDATED;

/// What is said of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    /// Everything before this version is affected.
    FixedIn(String),
    /// Everything is affected.
    Unfixed(FixState),
    /// Nothing is or was affected.
    NotAffected,
    /// Nobody knows yet.
    UnderInvestigation,
}

impl Said {
    /// The statement that says so.
    pub(super) fn statement(self, advisory: &str, name: &str, level: Level, scheme: Scheme) -> Statement {
        let mut fix = StatedFix::default();
        let (verdict, versions) = match self {
            Self::FixedIn(version) => {
                fix = StatedFix { state: FixState::Fixed, versions: vec![version.clone()], advisories: Vec::new() };
                (Verdict::Affected, Range::new(scheme, vec![Interval::before(version)], Vec::new()))
            }
            Self::Unfixed(state) => {
                fix.state = state;
                (Verdict::Affected, Range::all(scheme))
            }
            Self::NotAffected => (Verdict::NotAffected, Range::all(scheme)),
            Self::UnderInvestigation => (Verdict::UnderInvestigation, Range::all(scheme)),
        };
        Statement {
            advisory: advisory.to_owned(),
            name: name.to_owned(),
            level,
            versions,
            verdict,
            fix,
            qualifiers: Vec::new(),
            severity: None,
            known_since: UNDATED,
        }
    }
}

/// An advisory about a vulnerability, of which nothing is known yet but its id.
pub(super) fn advisory(id: &str, license: License) -> Advisory {
    Advisory {
        id: id.to_owned(),
        aliases: Vec::new(),
        upstream: Vec::new(),
        kind: AdvisoryKind::Vulnerability,
        status: AdvisoryStatus::Active,
        published: None,
        modified: None,
        ratings: Vec::new(),
        cwes: Vec::new(),
        url: None,
        license,
        known_since: UNDATED,
    }
}

/// The qualifier for these architectures; `None` where they are no restriction: none, or independent ones.
pub(super) fn architectures<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Qualifier> {
    let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    names.sort();
    names.dedup();
    let is_open = names.is_empty() || names.iter().any(|name| matches!(name.as_str(), "noarch" | "all" | ""));
    (!is_open).then_some(Qualifier::Architectures(names))
}

/// The words vendors rate with.
pub(super) fn severity(word: &str) -> Option<Severity> {
    match word.trim().to_ascii_lowercase().as_str() {
        "critical" => Some(Severity::Critical),
        "high" | "important" => Some(Severity::High),
        "medium" | "moderate" => Some(Severity::Medium),
        "low" | "minor" => Some(Severity::Low),
        "negligible" => Some(Severity::Negligible),
        _ => None,
    }
}

/// Whether this is a CVE id by the syntax of the CVE programme.
pub(super) fn is_cve(id: &str) -> bool {
    let Some((year, number)) = id.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')) else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    year.len() == 4 && digits(year) && (4..=19).contains(&number.len()) && digits(number)
}

/// `epoch:version-release`, the epoch only where it is not 0.
pub(super) fn evr(epoch: Option<&str>, version: &str, release: &str) -> String {
    let epoch = epoch.map(str::trim).filter(|epoch| !matches!(*epoch, "" | "0" | "(none)"));
    let version = if release.is_empty() { version.to_owned() } else { format!("{version}-{release}") };
    epoch.map_or(version.clone(), |epoch| format!("{epoch}:{version}"))
}

/// Name and version of `name-[epoch:]version-release`, the epoch only where it is not 0.
pub(super) fn nevr(text: &str) -> Option<(&str, String)> {
    let mut parts = text.rsplitn(3, '-');
    let (release, version, name) = (parts.next()?, parts.next()?, parts.next()?);
    let (epoch, version) = version.split_once(':').map_or((None, version), |(epoch, version)| (Some(epoch), version));
    let is_version = version.starts_with(|first: char| first.is_ascii_alphanumeric());
    (is_version && !name.is_empty() && !release.is_empty()).then(|| (name, evr(epoch, version, release)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_taken_apart_from_the_end() {
        for (text, expected) in [
            ("bind-libs-30:9.3.3-8.el5", Some(("bind-libs", "30:9.3.3-8.el5"))),
            (
                "samba-client-libs-4.19.4+git.339.acf1ccaa02-1.22",
                Some(("samba-client-libs", "4.19.4+git.339.acf1ccaa02-1.22")),
            ),
            ("curl-0:7.76.1-26.el9_3.2", Some(("curl", "7.76.1-26.el9_3.2"))),
            ("curl", None),
            ("curl-7", None),
            ("-1-2", None),
        ] {
            let found = nevr(text);
            assert_eq!(found.as_ref().map(|(name, version)| (*name, version.as_str())), expected, "{text}");
        }
    }

    #[test]
    fn cve_ids_have_a_year_and_a_number() {
        for (id, expected) in [
            ("CVE-2024-0001", true),
            ("CVE-2024-1234567", true),
            ("CVE-2024-001", false),
            ("CVE-24-0001", false),
            ("cve-2024-0001", false),
            ("CVE-2024-00x1", false),
        ] {
            assert_eq!(is_cve(id), expected, "{id}");
        }
    }
}
