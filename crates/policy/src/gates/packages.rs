//! Which packages must be there, must not be there, and must be as they were installed.

use std::cmp::Ordering;

use killick_model::package::{Package, PackageEvidence, PackageKind};
use killick_model::version;

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::evaluate::Compatibility;
use crate::params::{Parameter, Validator};

mod verify;

pub(super) const GATE: Gate = Gate {
    name: "packages",
    description: "Installed packages of every kind.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "required_package",
            description: "Fires if a package, or a certain version of it, is not installed.",
            params: &[
                Parameter::required("name", Validator::Text, Some("libssl"), "Name of the package."),
                Parameter::optional("version", Validator::Text, Some("1.10.3rc3"), "The version it must have."),
                Parameter::optional(
                    "version_match_type",
                    Validator::OneOf(&["exact", "minimum"]),
                    Some("exact"),
                    "Whether the version is the only one allowed or the lowest. Default: exact.",
                ),
            ],
            check: required_package,
        },
        Trigger {
            name: "verify",
            description: "Fires for each file of a package that is missing or differs from what the package database \
                          says.",
            params: &[
                Parameter::optional(
                    "only_packages",
                    Validator::List,
                    Some("libssl,openssl"),
                    "Look at these packages only.",
                ),
                Parameter::optional(
                    "only_directories",
                    Validator::List,
                    Some("/usr,/var/lib"),
                    "Look only at paths that begin with one of these.",
                ),
                Parameter::optional(
                    "check",
                    Validator::OneOf(&["changed", "missing"]),
                    Some("changed"),
                    "Report only this state.",
                ),
            ],
            check: verify::verify,
        },
        Trigger {
            name: "blacklist",
            description: "Fires for each installed package with the name and, if given, the version.",
            params: &[
                Parameter::required("name", Validator::Text, Some("openssh-server"), "Name of the package."),
                Parameter::optional("version", Validator::Text, Some("1.0.1"), "The version that is refused."),
            ],
            check: blacklist,
        },
    ],
};

/// The complete version without RPM's epoch.
fn full_version(package: &Package) -> String {
    match package.version_and_release() {
        (version, Some(release)) => format!("{version}-{release}"),
        (version, None) => version.to_owned(),
    }
}

fn required_package(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let (shared, params) = (check.shared, check.params);
    let name = params.text("name").unwrap_or_default();
    let wanted = params.text("version");
    let minimum = params.text("version_match_type") == Some("minimum");
    // A file of a package is not the package.
    let is_whole = |package: &&Package| package.evidence != PackageEvidence::Copied;
    let named = shared.packages().iter().copied().filter(|package| package.name == name);
    let named: Vec<&Package> = named.filter(is_whole).collect();
    let Some(&first) = named.first() else {
        let what = wanted.map_or_else(|| name.to_owned(), |version| format!("{name},{version}"));
        check.fire(
            format!("Required input package ({what}) is not present in container image"),
            format!("install `{name}`"),
        );
        return Ok(());
    };
    let Some(wanted) = wanted else { return Ok(()) };
    let first_answer = satisfies(check, first, wanted, minimum);
    if matches!(first_answer, Ok(true)) {
        return Ok(());
    }
    // The original looks at the first record only.
    if let Some((_, rest)) = named.split_first() {
        for other in rest {
            if matches!(satisfies(check, other, wanted, minimum), Ok(true)) && check.repair("Q-15") {
                return Ok(());
            }
        }
    }
    first_answer?;
    let installed = full_version(first);
    let (message, remedy) = if minimum {
        (
            format!(
                "Required min-version input package ({name}) is present ({installed}), but is lower version than what \
                 is specified in policy ({wanted})"
            ),
            format!("upgrade `{name}` to `{wanted}` or later"),
        )
    } else {
        (
            // The name where the version belongs is the original's; the id is a hash of it.
            format!(
                "Required input package ({name}) is present ({installed}), but not at the version specified in policy \
                 ({name})"
            ),
            format!("install version `{wanted}` of `{name}`"),
        )
    };
    check.fire(message, remedy);
    Ok(())
}

/// Whether one package record has the version, or a later one.
fn satisfies(check: &mut Check<'_, '_>, package: &Package, wanted: &str, minimum: bool) -> Result<bool, TriggerError> {
    let installed = full_version(package);
    if installed == wanted {
        return Ok(true);
    }
    if !minimum {
        return Ok(false);
    }
    let scheme = package.kind.scheme();
    let is_os = package.kind.is_os();
    let compare = |installed: &str| {
        version::compare(scheme, installed, wanted).ok_or_else(|| {
            TriggerError::Unanswerable(format!(
                "the versions `{installed}` and `{wanted}` of `{}` cannot be compared by the rules of {scheme}",
                package.name
            ))
        })
    };
    // RPM: no epoch given means no epoch asked for.
    let complete =
        if package.kind == PackageKind::Rpm && !wanted.contains(':') { installed.as_str() } else { &package.version };
    let right = compare(complete);
    if check.compatibility == Compatibility::Repaired {
        let original = compare(package.version_and_release().0).ok().filter(|_| is_os);
        let same = matches!((&right, original), (Ok(right), Some(original)) if right.is_lt() == original.is_lt());
        if !same {
            check.repair("Q-13");
        }
        return right.map(Ordering::is_ge);
    }
    if !is_os {
        return Err(TriggerError::Unanswerable(format!(
            "the original cannot compare versions of {} packages such as `{}`",
            package.kind, package.name
        )));
    }
    compare(package.version_and_release().0).map(Ordering::is_ge)
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn blacklist(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let (shared, params) = (check.shared, check.params);
    let name = params.text("name").unwrap_or_default();
    let version = params.text("version").filter(|version| !version.is_empty());
    for package in shared.packages().iter().filter(|package| package.name == name) {
        let message = match version {
            None => format!("Package is blacklisted: {name}"),
            Some(version) => {
                let exact = package.version_and_release().0 == version;
                let full = || package.version == version || full_version(package) == version;
                let refused = exact || (full() && check.repair("Q-14"));
                if !refused {
                    continue;
                }
                format!("Package is blacklisted: {name}-{version}")
            }
        };
        check.fire(message, format!("remove `{name}` {} from the image", package.version));
        check.about_package(package);
    }
    Ok(())
}
