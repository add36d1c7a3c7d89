//! Mirrors: other registries that have the same images, tried first.
//!
//! Rules are those of `containers-registries.conf(5)`, version 2, which also are the form that our own settings take:
//! the rule with the longest prefix counts; its mirrors are tried in order, and the registry itself at last.

mod containers;

use std::fmt;
use std::str::FromStr;

use killick_model::reference::{DEFAULT_REGISTRY, Reference};
use serde::{Deserialize, Serialize};

pub use containers::{ConfError, read_containers_conf, usual_containers_conf};

/// Which requests a mirror is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MirrorFor {
    /// All.
    #[default]
    All,
    /// Those by digest, which cannot be answered wrongly.
    Digests,
    /// Those by tag.
    Tags,
}

/// Where images are, in place of where their names say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// `host[:port][/path]`.
    pub place: String,
    /// Speak HTTP without TLS.
    pub plain_http: bool,
    /// Accept any certificate.
    pub skip_tls_verify: bool,
}

/// A mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Where it is.
    pub location: Location,
    /// What it is asked for.
    pub serves: MirrorFor,
}

/// What is said of images whose names begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorRule {
    /// `host[:port][/path]`, or `*.domain`.
    pub prefix: String,
    /// Where the images really are, if not where their names say.
    pub moved_to: Option<String>,
    /// The registry itself is reached without verified TLS, or without TLS.
    pub is_insecure: bool,
    /// No image is to be pulled from there.
    pub is_blocked: bool,
    /// Where they are too, best first.
    pub mirrors: Vec<Mirror>,
}

/// One place where the images of a reference may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The reference there.
    pub(super) reference: Reference,
    pub(super) serves: MirrorFor,
    /// How to connect, if not as the options say.
    pub(super) transport: Option<Transport>,
    /// Whether this is the registry of the reference itself.
    pub(super) is_own: bool,
}

/// A way to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Verified,
    Unverified,
    Plain,
}

/// A rule that keeps us from a registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blocked;

/// All places of the images of `reference`, best first.
pub(super) fn places(rules: &[MirrorRule], reference: &Reference) -> Result<Vec<Place>, Blocked> {
    let name = format!("{}/{}", reference.registry, reference.repository);
    let matching = rules.iter().filter_map(|rule| Some((rule.rest_of(&name)?, rule)));
    let own = |reference: Reference| Place { reference, serves: MirrorFor::All, transport: None, is_own: true };
    let Some((rest, rule)) = matching.max_by_key(|(_, rule)| rule.weight()) else {
        return Ok(vec![own(reference.clone())]);
    };
    if rule.is_blocked {
        return Err(Blocked);
    }
    let mut places = Vec::new();
    for mirror in &rule.mirrors {
        let Some(there) = moved(&mirror.location.place, rest, reference) else { continue };
        let location = &mirror.location;
        let transports: &[Transport] = match (location.plain_http, location.skip_tls_verify) {
            (true, true) => &[Transport::Unverified, Transport::Plain],
            (true, false) => &[Transport::Plain],
            (false, true) => &[Transport::Unverified],
            (false, false) => &[Transport::Verified],
        };
        places.extend(transports.iter().map(|transport| Place {
            reference: there.clone(),
            serves: mirror.serves,
            transport: Some(*transport),
            is_own: false,
        }));
    }
    let itself = rule.moved_to.as_ref().and_then(|place| moved(place, rest, reference));
    let itself = itself.unwrap_or_else(|| reference.clone());
    if rule.is_insecure {
        let with = |transport| Place { transport: Some(transport), ..own(itself.clone()) };
        places.extend([with(Transport::Unverified), with(Transport::Plain)]);
    } else {
        places.push(own(itself));
    }
    Ok(places)
}

impl MirrorRule {
    /// A rule that only names mirrors.
    pub fn new(prefix: impl Into<String>, mirrors: Vec<Mirror>) -> Self {
        Self { prefix: prefix.into(), moved_to: None, is_insecure: false, is_blocked: false, mirrors }
    }

    /// What follows the prefix in a name it is of.
    fn rest_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        if let Some(domain) = self.prefix.strip_prefix("*.") {
            let (host, rest) = name.split_at(name.find('/').unwrap_or(name.len()));
            let is_below = host.strip_suffix(domain)?.strip_suffix('.').is_some_and(|below| !below.is_empty());
            return is_below.then_some(rest);
        }
        let rest = name.strip_prefix(self.prefix.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    fn weight(&self) -> (bool, usize) {
        (!self.prefix.starts_with("*."), self.prefix.len())
    }
}

/// The reference of what lies at `place`, if that makes one.
fn moved(place: &str, rest: &str, reference: &Reference) -> Option<Reference> {
    let name = format!("{}{rest}", place.trim_end_matches('/'));
    let (host, path) = name.split_once('/')?;
    let parsed: Reference = name.parse().ok()?;
    let is_host = parsed.registry == host || host == "index.docker.io" && parsed.registry == DEFAULT_REGISTRY;
    let is_whole = parsed.repository == path || parsed.registry == DEFAULT_REGISTRY;
    (is_host && is_whole).then(|| Reference { tag: reference.tag.clone(), digest: reference.digest.clone(), ..parsed })
}

/// A text that is no mirror.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no mirror: expected `REGISTRY=HOST[/PATH]` or `REGISTRY=http://HOST[/PATH]`")]
pub struct NoMirror(String);

/// One mirror of one registry, as `REGISTRY=LOCATION`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MirrorArgument {
    prefix: String,
    place: String,
    plain_http: bool,
}

impl FromStr for MirrorArgument {
    type Err = NoMirror;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || NoMirror(text.chars().take(200).collect());
        let (prefix, place) = text.split_once('=').ok_or_else(bad)?;
        let (place, plain_http) = match place.split_once("://") {
            Some(("http", place)) => (place, true),
            Some(("https", place)) => (place, false),
            Some(_) => return Err(bad()),
            None => (place, false),
        };
        let place = place.trim_end_matches('/').to_owned();
        let names = |name: &str| {
            format!("{name}/x")
                .parse::<Reference>()
                .is_ok_and(|reference| name.split('/').next() == Some(reference.registry.as_str()))
        };
        if !names(prefix.trim_start_matches("*.")) || !names(&place) {
            return Err(bad());
        }
        Ok(Self { prefix: prefix.to_owned(), place, plain_http })
    }
}

impl fmt::Display for MirrorArgument {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.plain_http { "http://" } else { "" };
        write!(out, "{}={scheme}{}", self.prefix, self.place)
    }
}

impl TryFrom<String> for MirrorArgument {
    type Error = NoMirror;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MirrorArgument> for String {
    fn from(argument: MirrorArgument) -> Self {
        argument.to_string()
    }
}

/// Rules with all mirrors of one prefix in one of them.
pub fn merge(arguments: impl IntoIterator<Item = MirrorArgument>) -> Vec<MirrorRule> {
    let mut rules: Vec<MirrorRule> = Vec::new();
    for MirrorArgument { prefix, place, plain_http } in arguments {
        let location = Location { place, plain_http, skip_tls_verify: false };
        let mirror = Mirror { location, serves: MirrorFor::All };
        match rules.iter_mut().find(|rule| rule.prefix == prefix) {
            Some(rule) => rule.mirrors.push(mirror),
            None => rules.push(MirrorRule::new(prefix, vec![mirror])),
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(rules: &[MirrorRule], name: &str) -> Vec<String> {
        let show = |place: Place| {
            let transport = place.transport.map_or_else(String::new, |transport| format!(" {transport:?}"));
            let serves = if place.serves == MirrorFor::All { "" } else { " limited" };
            format!("{}{transport}{serves}", place.reference)
        };
        match places(rules, &name.parse().unwrap()) {
            Ok(places) => places.into_iter().map(show).collect(),
            Err(Blocked) => vec!["blocked".to_owned()],
        }
    }

    #[test]
    fn the_longest_prefix_counts() {
        let rules = merge(
            [
                "docker.io=mirror.example/hub",
                "docker.io=http://10.0.0.1:5000",
                "docker.io/team=other.example/team-mirror",
                "*.corp.example=cache.example/corp",
            ]
            .map(|text| text.parse().unwrap()),
        );
        for (name, want) in [
            (
                "alpine:3",
                &[
                    "mirror.example/hub/library/alpine:3 Verified",
                    "10.0.0.1:5000/library/alpine:3 Plain",
                    "docker.io/library/alpine:3",
                ] as &[_],
            ),
            ("docker.io/team/app", &["other.example/team-mirror/app:latest Verified", "docker.io/team/app:latest"]),
            (
                "docker.io/teams/app",
                &[
                    "mirror.example/hub/teams/app:latest Verified",
                    "10.0.0.1:5000/teams/app:latest Plain",
                    "docker.io/teams/app:latest",
                ],
            ),
            ("a.b.corp.example/x", &["cache.example/corp/x:latest Verified", "a.b.corp.example/x:latest"]),
            ("corp.example/x", &["corp.example/x:latest"]),
            ("evilcorp.example/x", &["evilcorp.example/x:latest"]),
            ("quay.io/x", &["quay.io/x:latest"]),
        ] {
            assert_eq!(shown(&rules, name), want, "{name}");
        }
    }

    #[test]
    fn mirrors_are_written_as_they_are_read() {
        for text in
            ["docker.io=mirror.example/hub", "quay.io/team=http://10.0.0.1:5000", "*.corp.example=cache.example"]
        {
            assert_eq!(text.parse::<MirrorArgument>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn malformed_mirrors_are_refused() {
        for text in [
            "",
            "x",
            "docker.io=",
            "docker.io=ftp://x.example",
            "=x.example",
            "docker.io=UPPER/x y",
            "a b=x.example",
            "docker.io=nohost",
        ] {
            assert!(text.parse::<MirrorArgument>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_rule_panics(prefix in "[a-z*./:é]{0,12}", place in "[a-z./:=é]{0,12}") {
            let location = Location { place, plain_http: true, skip_tls_verify: true };
            let rule = MirrorRule::new(prefix, vec![Mirror { location, serves: MirrorFor::All }]);
            let _ = shown(&[rule], "docker.io/library/alpine");
        }
    }
}
