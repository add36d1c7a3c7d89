//! How much the list of packages says. Not in the original.

use killick_model::package::{Package, PackageEvidence};
use killick_model::purl::purl;

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::order;
use crate::params::{Parameter, Validator};
use crate::python;

pub(super) const GATE: Gate = Gate {
    name: "sbom",
    description: "How much the list of packages (SBOM) says of each of them. Not in Anchore Engine.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "quality",
            description: "Fires if fewer packages than this have the field.",
            params: &[
                Parameter::required(
                    "field",
                    Validator::OneOf(&["version", "purl", "license", "supplier"]),
                    Some("license"),
                    "What each package is to have. A package URL counts if it is of a type of package and has a version.",
                ),
                Parameter::required("minimum", Validator::UpTo(100), Some("95"), "The least share in percent."),
            ],
            check: quality,
        },
        Trigger {
            name: "fidelity",
            description: "Fires if the image was read from an SBOM that tells less than this of what judging takes: the \
                          distribution, versions, source packages, and so on.",
            params: &[Parameter::required(
                "minimum",
                Validator::UpTo(100),
                Some("80"),
                "The least fidelity, of 100. An image that was read itself has all of it.",
            )],
            check: fidelity,
        },
        Trigger {
            name: "only_claimed",
            description: "Fires for each package that a document in the image claims, such as an SBOM, and that was not \
                          found in it.",
            params: &[],
            check: only_claimed,
        },
    ],
};

fn has(check: &Check<'_, '_>, field: &str, package: &Package) -> bool {
    match field {
        "version" => !package.version.trim().is_empty(),
        "purl" => {
            let url = purl(package, check.evidence.analysis.distribution.as_ref());
            !url.starts_with("pkg:generic/") && url.split(['?', '#']).next().is_some_and(|url| url.contains('@'))
        }
        "license" => package.licenses.iter().any(|license| !license.trim().is_empty()),
        _ => package.origin.as_ref().is_some_and(|origin| !origin.trim().is_empty()),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn quality(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    const SHOWN: usize = 5;
    let field = check.params.text("field").unwrap_or_default();
    let minimum = check.params.float("minimum").unwrap_or_default();
    let packages = check.shared.packages();
    let missing: Vec<&Package> = packages.iter().copied().filter(|package| !has(check, field, package)).collect();
    #[expect(clippy::cast_precision_loss, reason = "no image has so many packages that it matters")]
    let share = match packages.len() {
        0 => 100.0,
        all => (all - missing.len()) as f64 * 100.0 / all as f64,
    };
    if share >= minimum {
        return Ok(());
    }
    let mut names: Vec<&str> = missing.iter().take(SHOWN).map(|package| package.name.as_str()).collect();
    if missing.len() > SHOWN {
        names.push("…");
    }
    // Rounded down, so that what is told is never what is asked for.
    let told = python::float((share * 10.0).floor() / 10.0);
    check.fire_as(
        field.to_owned(),
        Vec::new(),
        format!(
            "{told}% of {} packages have a {field}, fewer than {}%: {} have none, such as {}",
            packages.len(),
            python::float(minimum),
            missing.len(),
            names.join(", ")
        ),
        Some(format!("install packages that declare their {field}, or remove {}", names.join(", "))),
    );
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn fidelity(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let Some(origin) = &check.evidence.analysis.sbom else { return Ok(()) };
    let minimum = check.params.float("minimum").unwrap_or_default();
    if f64::from(origin.fidelity.score) >= minimum {
        return Ok(());
    }
    let reasons: Vec<&str> = origin.fidelity.deductions.iter().map(|missing| missing.reason.as_str()).collect();
    let message = format!(
        "the SBOM ({}) has a fidelity of {}, less than {}: {}",
        origin.title(),
        origin.fidelity.score,
        python::float(minimum),
        reasons.join("; ")
    );
    let remedy = "have the SBOM written with what is missing, or judge the image itself".to_owned();
    check.fire_as("fidelity".to_owned(), Vec::new(), message, Some(remedy));
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn only_claimed(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let mut claimed: Vec<&Package> = check
        .evidence
        .analysis
        .packages
        .iter()
        .filter(|package| package.evidence == PackageEvidence::Claimed)
        .collect();
    claimed.sort_by(|one, other| order::compare_by_name(one, other));
    for package in claimed {
        let (name, version, location) = (&package.name, &package.version, package.location.to_string());
        check.fire_as(
            format!("{name}+{version}"),
            Vec::new(),
            format!("{location} claims the {} package {name} {version}, which is not in the image", package.kind),
            Some(format!("write `{location}` anew from what is in the image, or remove it")),
        );
        check.about_package(package);
    }
    Ok(())
}
