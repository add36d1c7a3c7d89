//! Exceptions that can never clear anything, which are mistakes: whoever wrote them counts on them.

use std::str::FromStr as _;

use killick_model::digest::Digest;
use killick_model::package::PackageKind;

use super::{Exception, ExceptionProblem};
use crate::gates::{GATES, Gate, State};
use crate::pattern::wildcard;

/// What is wrong with a text, and what to write.
type Objection = Option<(String, String)>;

/// A part of a selector: its name, what is written there, and what may be wrong with it.
type Part<'a> = (&'a str, Option<&'a String>, fn(&str) -> Objection);

/// Refuses an exception that no finding of any image can meet.
pub(super) fn check(exception: &Exception, path: &str) -> Result<(), ExceptionProblem> {
    let select = &exception.select;
    let image = select.image.clone().unwrap_or_default();
    let package = select.package.clone().unwrap_or_default();
    let finding = select.finding.clone().unwrap_or_default();
    let parts: [Part<'_>; 12] = [
        ("image.registry", image.registry.as_ref(), |text| without(text, &['/', '@'], "a registry")),
        ("image.repository", image.repository.as_ref(), |text| without(text, &['@'], "a repository")),
        ("image.tag", image.tag.as_ref(), |text| without(text, &['/', ':', '@'], "a tag")),
        ("image.digest", image.digest.as_ref(), digest),
        ("package.name", package.name.as_ref(), |_| None),
        ("package.version", package.version.as_ref(), |_| None),
        ("package.type", package.kind.as_ref(), kind),
        ("package.purl", package.purl.as_ref(), |text| begins(text, "pkg:", "a package URL")),
        ("path", select.path.as_ref(), |text| begins(text, "/", "a path")),
        ("finding.gate", finding.gate.as_ref(), gate),
        ("finding.trigger", finding.trigger.as_ref(), trigger),
        ("finding.trigger_id", finding.trigger_id.as_ref(), |_| None),
    ];
    let given = parts.into_iter().filter_map(|(name, text, objection)| Some((name, text?.as_str(), objection)));
    let vulnerabilities = select.vulnerability.as_slice().iter();
    let nothing: fn(&str) -> Objection = |_| None;
    let all = given.chain(vulnerabilities.map(|text| ("vulnerability", text.as_str(), nothing)));
    for (name, text, objection) in all {
        if let Some((reason, remedy)) = blank(text).or_else(|| if is_regex(text) { None } else { objection(text) }) {
            return Err(ExceptionProblem { path: format!("{path}.select.{name}"), reason, remedy });
        }
    }
    if let (Some(expiry), Some(created)) = (exception.expires_at, exception.created_at)
        && expiry <= created
    {
        return Err(ExceptionProblem {
            path: format!("{path}.expires_at"),
            reason: format!("it ends at {expiry}, and was granted at {created}: it never counts"),
            remedy: "write a later day, or remove the exception".to_owned(),
        });
    }
    Ok(())
}

fn is_regex(text: &str) -> bool {
    text.trim_start().starts_with("regexp:")
}

fn blank(text: &str) -> Objection {
    if text.trim().is_empty() {
        let remedy = "leave it out, or write `*` for any";
        return Some(("it is empty, so that no finding has it".to_owned(), remedy.to_owned()));
    }
    (text.trim() != text)
        .then(|| (format!("`{text}` has blanks around it, which no finding has"), format!("write `{}`", text.trim())))
}

fn without(text: &str, letters: &[char], what: &str) -> Objection {
    let found = text.chars().find(|letter| letter.is_whitespace() || letters.contains(letter))?;
    Some((
        format!("`{text}` has `{found}`, which {what} never has"),
        "write registry, repository and tag each by itself, or `*` for any".to_owned(),
    ))
}

/// Up to the first `*` it must be what such a text begins with.
fn begins(text: &str, start: &str, what: &str) -> Objection {
    let (literal, is_open) = text.split_once('*').map_or((text, false), |(literal, _)| (literal, true));
    let fits = literal.starts_with(start) || (is_open && start.starts_with(literal));
    (!fits).then(|| (format!("`{text}` is not {what}: those begin with `{start}`"), format!("write `{start}{text}`")))
}

fn digest(text: &str) -> Objection {
    if text.contains('*') {
        return begins(text, "sha256:", "a digest");
    }
    let is_digest = Digest::from_str(text).is_ok_and(|digest| digest.to_string() == text);
    let remedy = "write `sha256:` and 64 hexadecimal digits in lower case";
    (!is_digest).then(|| (format!("`{text}` is the digest of no manifest"), remedy.to_owned()))
}

fn kind(text: &str) -> Objection {
    let text = text.to_lowercase();
    let names: Vec<&str> = PackageKind::all().map(PackageKind::name).collect();
    let is_known = names.iter().any(|name| wildcard(&text, name));
    (!is_known)
        .then(|| (format!("there are no packages of type `{text}`"), format!("the types are: {}", names.join(", "))))
}

fn active() -> impl Iterator<Item = &'static Gate> {
    GATES.iter().copied().filter(|gate| gate.state == State::Active)
}

fn gate(text: &str) -> Objection {
    let text = text.to_lowercase();
    let names: Vec<&str> = active().map(|gate| gate.name).collect();
    let is_known = names.iter().any(|name| wildcard(&text, name));
    (!is_known).then(|| (format!("there is no gate `{text}`"), format!("the gates are: {}", names.join(", "))))
}

fn trigger(text: &str) -> Objection {
    let text = text.to_lowercase();
    let is_known = active().flat_map(|gate| gate.triggers).any(|trigger| wildcard(&text, trigger.name));
    let remedy = "write the name of a trigger, such as `package`, or `*` for any";
    (!is_known).then(|| (format!("there is no trigger `{text}`"), remedy.to_owned()))
}
