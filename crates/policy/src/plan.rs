//! What to do first: one action that clears many findings before many that clear one each.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use killick_model::evaluation::{Action, Finding, Step};
use killick_model::matching::Match;
use killick_model::package::{Package, PackageKind};
use killick_model::version;

/// Most names in one step.
const SHOWN: usize = 8;

/// A package to be upgraded, and to which version at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upgrade {
    kind: PackageKind,
    /// What is upgraded together: packages of one source, the copies of one package.
    source: String,
    package: String,
    installed: String,
    fix: String,
}

impl Upgrade {
    /// The upgrade that clears a match: to the lowest fixed version that is newer than what is there. Of a package that does harm,
    /// there is none.
    pub(crate) fn of(found: &Match, package: &Package) -> Option<Self> {
        if found.malicious {
            return None;
        }
        let fixes = || found.fix.versions.iter().filter(|version| !version.is_empty());
        let scheme = package.kind.scheme();
        let is_newer = |fix: &&String| version::compare(scheme, fix, &package.version).is_some_and(Ordering::is_gt);
        let lowest = fixes()
            .filter(is_newer)
            .min_by(|one, other| version::compare(scheme, one, other).unwrap_or(Ordering::Equal));
        let fix = lowest.or_else(|| fixes().next())?.clone();
        let source = if package.kind.is_os() { package.source_name() } else { &package.name };
        Some(Self {
            kind: package.kind,
            source: source.to_owned(),
            package: package.name.clone(),
            installed: package.version.clone(),
            fix,
        })
    }

    /// What to do about the one finding.
    pub(crate) fn remedy(&self, package: &Package) -> String {
        format!("upgrade `{}` from `{}` to `{}`", package.name, package.version, self.fix)
    }
}

/// What to do about a vulnerability that no upgrade clears.
pub(crate) fn without_fix(found: &Match, package: &Package) -> String {
    let (name, version) = (&package.name, &package.version);
    if found.malicious {
        return format!("remove `{name}` {version}, and treat whatever ran it as compromised");
    }
    format!("no fix is known: remove `{name}`, or accept the risk in an allowlist")
}

/// Findings that one step clears.
struct Group<'f> {
    upgrades: Vec<&'f Upgrade>,
    action: Action,
    clears: Vec<u32>,
}

/// What is the same step: the same package of the same kind, or the same words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'f> {
    Upgrade(PackageKind, &'f str),
    Remedy(&'f str),
}

/// The steps for all findings that count, which are those that are neither excused nor let through. `upgrades` is parallel to
/// them. What clears findings that stop comes first, then what clears most.
pub(crate) fn steps(findings: &[Finding], upgrades: &[Option<Upgrade>]) -> Vec<Step> {
    let mut groups: BTreeMap<Key<'_>, Group<'_>> = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        if finding.action == Action::Go {
            continue;
        }
        let upgrade = upgrades.get(at).and_then(Option::as_ref);
        let key = match (upgrade, &finding.remedy) {
            (Some(upgrade), _) => Key::Upgrade(upgrade.kind, &upgrade.source),
            (None, Some(remedy)) => Key::Remedy(remedy),
            (None, None) => continue,
        };
        let empty = || Group { upgrades: Vec::new(), action: finding.action, clears: Vec::new() };
        let group = groups.entry(key).or_insert_with(empty);
        group.action = group.action.min(finding.action);
        group.clears.extend(u32::try_from(at));
        group.upgrades.extend(upgrade);
    }
    let step = |(key, group): (Key<'_>, Group<'_>)| Step {
        what: match key {
            Key::Remedy(remedy) => remedy.to_owned(),
            Key::Upgrade(kind, source) => describe(kind, source, &group.upgrades),
        },
        action: group.action,
        clears: group.clears,
    };
    let mut steps: Vec<Step> = groups.into_iter().map(step).collect();
    sort(&mut steps);
    steps
}

/// Leaves out of the steps what has been let through since.
pub(crate) fn forget_cleared(findings: &[Finding], steps: &mut Vec<Step>) {
    let action = |at: &u32| findings.get(*at as usize).map_or(Action::Go, |finding| finding.action);
    steps.retain_mut(|step| {
        step.clears.retain(|at| action(at) != Action::Go);
        step.action = step.clears.iter().map(action).min().unwrap_or(Action::Go);
        !step.clears.is_empty()
    });
    sort(steps);
}

fn sort(steps: &mut [Step]) {
    steps.sort_by(|a, b| {
        let key = |step: &Step| (step.action, Reverse(step.clears.len()));
        key(a).cmp(&key(b)).then_with(|| a.what.cmp(&b.what))
    });
}

fn describe(kind: PackageKind, source: &str, upgrades: &[&Upgrade]) -> String {
    let scheme = kind.scheme();
    let newest = upgrades.iter().map(|upgrade| upgrade.fix.as_str()).reduce(|one, other| {
        let is_newer = version::compare(scheme, other, one).is_some_and(Ordering::is_gt);
        if is_newer { other } else { one }
    });
    let newest = newest.unwrap_or_default();
    let sorted = |of: fn(&Upgrade) -> &str| {
        let mut all: Vec<&str> = upgrades.iter().map(|upgrade| of(upgrade)).collect();
        all.sort_unstable();
        all.dedup();
        let more = all.len() > SHOWN;
        all.truncate(SHOWN);
        (all, more)
    };
    let (names, more) = sorted(|upgrade| &upgrade.package);
    let command = match kind {
        PackageKind::Deb => "apt-get install --only-upgrade",
        PackageKind::Apk => "apk upgrade",
        PackageKind::Rpm => "dnf upgrade",
        _ => {
            let (installed, _) = sorted(|upgrade| &upgrade.installed);
            return format!("upgrade `{source}` from `{}` to `{newest}`", installed.join("`, `"));
        }
    };
    let which = if names == [source] { format!("`{source}`") } else { format!("what is built from `{source}`") };
    let rest = if more { " …" } else { "" };
    format!("upgrade {which} to `{newest}`: `{command} {}{rest}`", names.join(" "))
}

#[cfg(test)]
mod tests {
    use killick_model::evaluation::FindingSubject;
    use proptest::prelude::*;

    use super::*;

    fn finding(action: Action, remedy: Option<&str>) -> Finding {
        Finding {
            trigger_id: "t".to_owned(),
            gate: "g".to_owned(),
            trigger: "t".to_owned(),
            message: "m".to_owned(),
            action,
            allowlisted: None,
            exception: None,
            subject: FindingSubject::default(),
            policy_id: "p".to_owned(),
            rule_id: None,
            remedy: remedy.map(str::to_owned),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "findings may have none")]
    fn upgrade(kind: PackageKind, source: &str, package: &str, fix: &str) -> Option<Upgrade> {
        let text = str::to_owned;
        Some(Upgrade { kind, source: text(source), package: text(package), installed: text("1.0"), fix: text(fix) })
    }

    fn told(found: &[(Action, Option<&str>, Option<Upgrade>)]) -> Vec<(String, Action, Vec<u32>)> {
        let findings: Vec<_> = found.iter().map(|(action, remedy, _)| finding(*action, *remedy)).collect();
        let upgrades: Vec<_> = found.iter().map(|(_, _, upgrade)| upgrade.clone()).collect();
        steps(&findings, &upgrades).into_iter().map(|step| (step.what, step.action, step.clears)).collect()
    }

    #[test]
    fn one_action_that_clears_many_comes_first() {
        use Action::{Go, Stop, Warn};
        use PackageKind::{Apk, Deb, Npm, Rpm};
        let step = |what: &str, action: Action, clears: &[u32]| (what.to_owned(), action, clears.to_vec());
        for (found, want) in [
            (vec![], vec![]),
            (vec![(Go, Some("x"), None), (Stop, None, None)], vec![]),
            // Packages of one source go together, to the highest of the versions by the rules of their kind.
            (
                vec![
                    (Warn, Some("remove `/a`"), None),
                    (Stop, Some("a"), upgrade(Deb, "openssl", "openssl", "1.0-9")),
                    (Warn, Some("b"), upgrade(Deb, "openssl", "libssl3", "1.0-10")),
                    (Stop, Some("c"), upgrade(Npm, "left-pad", "left-pad", "1.3.0")),
                ],
                vec![
                    step(
                        "upgrade what is built from `openssl` to `1.0-10`: `apt-get install --only-upgrade libssl3 openssl`",
                        Stop,
                        &[1, 2],
                    ),
                    step("upgrade `left-pad` from `1.0` to `1.3.0`", Stop, &[3]),
                    step("remove `/a`", Warn, &[0]),
                ],
            ),
            // The same words are the same action; what stops comes before what clears more.
            (
                vec![
                    (Warn, Some("name a user"), None),
                    (Warn, Some("name a user"), None),
                    (Warn, Some("b"), None),
                    (Stop, Some("z"), upgrade(Apk, "zlib", "zlib", "2")),
                    (Go, Some("z"), upgrade(Apk, "zlib", "zlib", "3")),
                ],
                vec![
                    step("upgrade `zlib` to `2`: `apk upgrade zlib`", Stop, &[3]),
                    step("name a user", Warn, &[0, 1]),
                    step("b", Warn, &[2]),
                ],
            ),
            // The same name of another kind is another package.
            (
                vec![(Warn, None, upgrade(Rpm, "a", "a", "2")), (Warn, None, upgrade(Npm, "a", "a", "2"))],
                vec![
                    step("upgrade `a` from `1.0` to `2`", Warn, &[1]),
                    step("upgrade `a` to `2`: `dnf upgrade a`", Warn, &[0]),
                ],
            ),
        ] {
            assert_eq!(told(&found), want);
        }
    }

    #[test]
    fn the_upgrade_is_to_the_next_fixed_version() {
        let of = |kind: &str, version: &str, fixes: &[&str]| {
            let package: Package = serde_json::from_value(serde_json::json!({
                "kind": kind, "name": "a", "version": version, "location": "/a", "layer": 0, "cataloger": "test",
            }))
            .unwrap();
            let found: Match = serde_json::from_value(serde_json::json!({
                "package": 0, "vulnerability": "CVE-1", "severity": "high", "evidence": [],
                "fix": {"state": "fixed", "versions": fixes},
            }))
            .unwrap();
            Upgrade::of(&found, &package).map(|upgrade| upgrade.remedy(&package))
        };
        let to = |from: &str, fix: &str| Some(format!("upgrade `a` from `{from}` to `{fix}`"));
        assert_eq!(of("npm", "2.0.0", &["1.2.5", "3.0.0", "2.0.10", "2.0.9"]), to("2.0.0", "2.0.9"));
        assert_eq!(of("npm", "2.0.0", &["1.2.5"]), to("2.0.0", "1.2.5"), "what is there goes by other rules");
        assert_eq!(of("deb", "1:1.0", &["1.5", "1:1.1"]), to("1:1.0", "1:1.1"));
        assert_eq!(of("npm", "2.0.0", &[""]), None);
    }

    proptest! {
        #[test]
        fn every_finding_that_counts_is_cleared_once(words in prop::collection::vec(("[a-c]", 0..3u8), 0..20)) {
            let found: Vec<_> = words
                .iter()
                .map(|(word, action)| {
                    let action = [Action::Stop, Action::Warn, Action::Go][usize::from(*action)];
                    (action, Some(word.as_str()), (word == "c").then(|| upgrade(PackageKind::Npm, "c", "c", "2")).flatten())
                })
                .collect();
            let mut cleared: Vec<u32> = told(&found).into_iter().flat_map(|(_, _, clears)| clears).collect();
            cleared.sort_unstable();
            let counting: Vec<u32> =
                (0..).zip(&found).filter(|(_, (action, ..))| *action != Action::Go).map(|(at, _)| at).collect();
            prop_assert_eq!(cleared, counting);
        }
    }
}
