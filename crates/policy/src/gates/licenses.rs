//! Licences that packages declare.

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::params::{Parameter, Validator};
use crate::v1;

pub(super) const GATE: Gate = Gate {
    name: "licenses",
    description: "Licences that packages of every kind declare, word by word.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "blacklist_exact_match",
            description: "Fires once if packages declare any of these licences, naming those that do.",
            params: &[Parameter::required(
                "licenses",
                Validator::List,
                Some("GPLv2+,GPL-3+,BSD-2-clause"),
                "Names of licences, as packages write them.",
            )],
            check: exact,
        },
        Trigger {
            name: "blacklist_partial_match",
            description: "Fires once if packages declare a licence with any of these texts in its name, naming those \
                          that do.",
            params: &[Parameter::required(
                "licenses",
                Validator::List,
                Some("LGPL,BSD"),
                "Texts to look for in names of licences.",
            )],
            check: partial,
        },
    ],
};

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn exact(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    listed(check, "LICFULLMATCH", |word, wanted| usize::from(wanted.iter().any(|wanted| wanted == word)));
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn partial(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    listed(check, "LICSUBMATCH", |word, wanted| wanted.iter().filter(|&wanted| word.contains(wanted)).count());
    Ok(())
}

/// One finding that lists packages with words of their licences, each as often as the words are listed.
///
/// The id is a hash of the list. The original takes the order of its database; here it is always the same.
fn listed(check: &mut Check<'_, '_>, label: &str, times: impl Fn(&str, &[String]) -> usize) {
    let wanted = check.params.list("licenses");
    let mut found: Vec<(&str, String)> = Vec::new();
    for package in check.shared.packages() {
        for word in v1::license(package).split_whitespace() {
            let times = times(word, wanted);
            found.extend(std::iter::repeat_n((package.name.as_str(), word.to_owned()), times));
        }
    }
    if found.is_empty() {
        return;
    }
    found.sort();
    let shown: Vec<_> = found.iter().map(|(package, word)| format!("{package}({word})")).collect();
    let mut packages: Vec<_> = found.iter().map(|(package, _)| *package).collect();
    packages.dedup();
    check.fire(
        format!("{label} Packages are installed that have blacklisted licenses: {}", shown.join(", ")),
        format!("remove or replace {}, or take their licences off the list", packages.join(", ")),
    );
}
