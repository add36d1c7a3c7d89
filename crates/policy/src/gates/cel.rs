//! Questions in CEL, for what parameters cannot say. Not in the original.

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::expression::{Budget, EvaluationError, Program, Record, Scope};
use crate::params::{Parameter, Validator};

const REMEDY: Parameter = Parameter::optional(
    "remedy",
    Validator::Text,
    Some("build the image in a stage of its own"),
    "What to do about it. Default: to remove what the expression is true of, or to change how the image is built.",
);

const fn expression(scope: Scope, example: &'static str) -> Parameter {
    Parameter::required(
        "expression",
        Validator::Condition(scope),
        Some(example),
        "A CEL expression that gives a bool; docs/policy.md has a table of what it sees.",
    )
}

const fn message(scope: Scope, example: &'static str) -> Parameter {
    Parameter::optional(
        "message",
        Validator::Message(scope),
        Some(example),
        "A CEL expression that gives the message of a finding, a string. Default: the subject and the expression.",
    )
}

pub(super) const GATE: Gate = Gate {
    name: "cel",
    description: "Expressions in CEL over the image, its packages, vulnerabilities and files. Not in Anchore Engine.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "image",
            description: "Fires if the expression is true.",
            params: &[
                expression(Scope::Image, "image.user == '' && size(image.exposed_ports) > 0"),
                message(Scope::Image, "'runs as root and listens on ' + string(size(image.exposed_ports)) + ' ports'"),
                REMEDY,
            ],
            check: image,
        },
        Trigger {
            name: "package",
            description: "Fires for each package for which the expression is true.",
            params: &[
                expression(Scope::Package, "pkg.kind == 'npm' && pkg.olderThan('2.0.0')"),
                message(Scope::Package, "pkg.name + ' is too old'"),
                REMEDY,
            ],
            check: package,
        },
        Trigger {
            name: "vulnerability",
            description: "Fires for each vulnerability of a package for which the expression is true.",
            params: &[
                expression(Scope::Vulnerability, "vulnerability.epss > 0.1 && vulnerability.package.layer > 0"),
                message(Scope::Vulnerability, "vulnerability.id + ' of ' + vulnerability.package.name"),
                REMEDY,
            ],
            check: vulnerability,
        },
        Trigger {
            name: "file",
            description: "Fires for each file, folder or link for which the expression is true.",
            params: &[
                expression(Scope::File, "file.is_setuid && file.layer > 0"),
                message(Scope::File, "file.path + ' is setuid'"),
                REMEDY,
            ],
            check: file,
        },
    ],
};

/// One evaluation of the rule's expressions after the other, for all things that it is about.
struct Asking<'s> {
    condition: &'s Program,
    message: Option<&'s Program>,
    budget: Budget,
}

impl<'s> Asking<'s> {
    fn new(check: &Check<'s, '_>) -> Result<Self, TriggerError> {
        let params = check.params;
        let condition = params.program("expression");
        let condition = condition.ok_or_else(|| TriggerError::Unanswerable("there is no expression".to_owned()))?;
        let budget = check.shared.budget.get().next_rule();
        Ok(Self { condition, message: params.program("message"), budget })
    }

    /// The message for `subject` if the expression is true of it.
    fn ask(
        &mut self,
        check: &Check<'_, '_>,
        subject: Record<'_>,
        name: &dyn Fn() -> String,
    ) -> Result<Option<String>, TriggerError> {
        let of = |error: EvaluationError| match error {
            // Which of many it is does not matter: there were too many.
            EvaluationError::Limit(_) => TriggerError::Unanswerable(error.to_string()),
            EvaluationError::Fault(_) => TriggerError::Unanswerable(format!("the expression of {}: {error}", name())),
        };
        let asked = self.condition.is_true(check.shared.seen(), subject, &mut self.budget);
        let told = match (asked, self.message) {
            (Ok(true), Some(message)) => message.text(check.shared.seen(), subject, &mut self.budget).map(Some),
            (Ok(true), None) => Ok(Some(format!("{} meets `{}`", name(), self.condition))),
            (Ok(false), _) => Ok(None),
            (Err(error), _) => Err(error),
        };
        // Kept also where it ends with an error, so that the next rule has less.
        check.shared.budget.set(self.budget);
        told.map_err(of)
    }
}

/// What the rule says is to be done, or else what can be done and until when.
fn remedy(check: &Check<'_, '_>, what: &str) -> String {
    let own = check.params.text("remedy").filter(|text| !text.trim().is_empty());
    let condition = || check.params.program("expression").map(Program::to_string).unwrap_or_default();
    own.map_or_else(|| format!("{what}, until `{}` is no longer true", condition()), str::to_owned)
}

fn image(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let mut asking = Asking::new(check)?;
    if let Some(message) = asking.ask(check, Record::Image, &|| "the image".to_owned())? {
        let remedy = remedy(check, "change the Dockerfile, or how the image is built");
        check.fire(message, remedy);
    }
    Ok(())
}

fn package(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let mut asking = Asking::new(check)?;
    for package in check.shared.packages() {
        let name = || format!("{} package {} {}", package.kind, package.name, package.version);
        if let Some(message) = asking.ask(check, Record::Package(package), &name)? {
            let remedy = remedy(
                check,
                &format!("remove `{}` {}, or install another version of it", package.name, package.version),
            );
            check.fire_as(format!("{}+{}", package.name, package.version), Vec::new(), message, Some(remedy));
            check.about_package(package);
        }
    }
    Ok(())
}

fn vulnerability(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let mut asking = Asking::new(check)?;
    let (shared, evidence) = (check.shared, check.evidence);
    for &at in shared.matches() {
        let Some(found) = evidence.matches.matches.get(at) else { continue };
        let Some(package) = evidence.analysis.packages.get(found.package.0 as usize) else { continue };
        let name = || format!("{} of {} {}", found.anchore_id(package), package.name, package.version);
        if let Some(message) = asking.ask(check, Record::Vulnerability(found), &name)? {
            check.fire_vulnerability(found, package, message);
            let own = check.params.text("remedy").filter(|text| !text.trim().is_empty()).map(str::to_owned);
            if let (Some(own), Some(found)) = (own, check.found.last_mut()) {
                (found.remedy, found.upgrade) = (Some(own), None);
            }
        }
    }
    Ok(())
}

fn file(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let mut asking = Asking::new(check)?;
    for file in check.shared.files() {
        let name = || file.path.to_string();
        if let Some(message) = asking.ask(check, Record::File(file), &name)? {
            let path = file.path.to_string();
            let remedy = remedy(check, &format!("remove `{path}`, or change it in the step that makes it"));
            check.fire_as(path, Vec::new(), message, Some(remedy));
            check.about_path(&file.path);
        }
    }
    Ok(())
}
