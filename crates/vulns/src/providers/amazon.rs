//! Amazon Linux: `updateinfo.xml.gz` of its repositories.
//!
//! <https://cdn.amazonlinux.com/>: a repository per release, topic and architecture. The release is in the id of an
//! advisory: `ALAS-2011-1` is of Amazon Linux 1, `ALAS2-2018-939` and, of an extra topic, `ALAS2KERNEL-5.15-2022-001` or
//! `ALASKERNEL-5.4-2023-048` of Amazon Linux 2, `ALAS2023-2023-001` of 2023. Topics are maintained beside each other under
//! the same names of packages, so what fixes kernel 5.15 says nothing about kernel 5.10.

use std::path::{Path, PathBuf};

use killick_model::advisory::License;
use killick_model::feed::{Each, Form, Upstream};

use super::updateinfo::{self, Update, Vendor};
use super::{Input, Provider, ReadError, Sink};

pub(super) const PROVIDER: Provider =
    Provider { name: "amazon", title: "Amazon Linux security advisories", upstreams: UPSTREAMS, find, read };

const UPSTREAMS: &[Upstream] = &[
    Upstream {
        name: "al2",
        base: "https://cdn.amazonlinux.com/2/",
        folder: "amazon/2",
        is_default: true,
        max_bytes: 128 << 20,
        hours: 0,
        notes_date: false,
        form: Form::Repositories { each: Each::Once, paths: &["core/latest/x86_64"], mirrors: Some("mirror.list") },
    },
    Upstream {
        name: "al2-extras",
        base: "https://cdn.amazonlinux.com/2/",
        folder: "amazon/2",
        is_default: true,
        max_bytes: 128 << 20,
        hours: 0,
        notes_date: false,
        form: Form::Repositories {
            each: Each::Topic("extras-catalog.json"),
            paths: &["extras/{}/latest/x86_64"],
            mirrors: Some("mirror.list"),
        },
    },
    Upstream {
        name: "al2023",
        base: "https://cdn.amazonlinux.com/al2023/",
        folder: "amazon/2023",
        is_default: true,
        max_bytes: 128 << 20,
        hours: 0,
        notes_date: false,
        form: Form::Repositories {
            each: Each::Once,
            paths: &["core/mirrors/latest/x86_64", "kernel-livepatch/mirrors/latest/x86_64"],
            mirrors: Some("mirror.list"),
        },
    },
];

fn find(root: &Path) -> Vec<Vec<PathBuf>> {
    updateinfo::find(root, "amazon").into_iter().map(|path| vec![path]).collect()
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    updateinfo::updates(input, sink, |mut update, sink| {
        let Some((release, topic)) = release(&update.id) else {
            return sink.skip(&update.id, "its id tells no release");
        };
        let vendor = Vendor {
            namespace: format!("amzn:{release}"),
            license: License::Unknown,
            attribution: "Amazon Linux Security Center, facts",
        };
        within(&mut update, topic.as_deref().and_then(line));
        updateinfo::file(update, &vendor, sink);
    })
}

/// The release an advisory is of, and its topic.
fn release(id: &str) -> Option<(&'static str, Option<String>)> {
    let rest = id.strip_prefix("ALAS")?;
    let (rest, number) = rest.rsplit_once('-').filter(|(_, number)| is_number(number))?;
    let (rest, year) = rest.rsplit_once('-').filter(|(_, year)| is_number(year))?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (release, topic) = rest.split_at(digits);
    let topic = Some(topic.trim_start_matches('-').to_owned()).filter(|topic| !topic.is_empty());
    let release = match (release, topic.is_some()) {
        ("", false) => "2018.03",
        ("2", _) | ("", true) => "2",
        ("2022", _) => "2022",
        ("2023", _) => "2023",
        _ => return None,
    };
    (year.len() == 4 && !number.is_empty()).then_some((release, topic))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The line of versions of a topic, `5.15` of `KERNEL-5.15`.
fn line(topic: &str) -> Option<&str> {
    let start = topic.rfind(|letter: char| !(letter.is_ascii_digit() || letter == '.')).map_or(0, |at| at + 1);
    topic.get(start..).filter(|line| line.starts_with(|first: char| first.is_ascii_digit()) && !line.ends_with('.'))
}

/// Keeps builds of the topic's line to it. A topic brings other packages too, with versions of their own.
fn within(update: &mut Update, line: Option<&str>) {
    let Some(line) = line else { return };
    for build in &mut update.builds {
        let (epoch, version) = build.version.split_once(':').unwrap_or(("", &build.version));
        let rest = version.strip_prefix(line);
        if rest.is_some_and(|rest| rest.starts_with(['.', '-'])) {
            build.from = Some(if epoch.is_empty() { line.to_owned() } else { format!("{epoch}:{line}") });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_release_and_line() {
        for (id, expected, expected_line) in [
            ("ALAS-2011-1", Some("2018.03"), None),
            ("ALAS2-2018-939", Some("2"), None),
            ("ALAS2KERNEL-5.15-2022-001", Some("2"), Some("5.15")),
            ("ALASKERNEL-5.4-2023-048", Some("2"), Some("5.4")),
            ("ALASPOSTGRESQL14-2023-001", Some("2"), Some("14")),
            ("ALAS2LIVEPATCH-2020-001", Some("2"), None),
            ("ALAS2022-2022-001", Some("2022"), None),
            ("ALAS2023-2023-001", Some("2023"), None),
            ("ALAS2023LIVEPATCH-2023-001", Some("2023"), None),
            ("ALAS2030-2030-001", None, None),
            ("ALAS2-939", None, None),
            ("ELSA-2018-1", None, None),
            ("ALAS", None, None),
        ] {
            let found = release(id);
            assert_eq!(found.as_ref().map(|(release, _)| *release), expected, "{id}");
            let topic = found.and_then(|(_, topic)| topic);
            assert_eq!(topic.as_deref().and_then(line), expected_line, "{id}");
        }
    }
}
