//! What upstreams are fetched to is what providers find.

use std::collections::BTreeSet;
use std::path::Path;

use killick_model::feed::{Archive, Each, Form, Upstream};

use crate::providers::PROVIDERS;

/// What stands for the braces, as examples.
fn examples(each: Each) -> Vec<String> {
    match each {
        Each::Once => vec![String::new()],
        Each::Number { first, known } => vec![first.to_string(), known.to_string()],
        Each::Year { first } => vec![first.to_string(), "2026".to_owned()],
        Each::Topic(_) => vec!["kernel-5.15".to_owned()],
    }
}

/// Files that lie there when the upstream was fetched, in each state it may be in; lists of what there is with what
/// they say.
fn fetched(upstream: &Upstream) -> Vec<Vec<(String, String)>> {
    let place = |below: &str| {
        let separator = if upstream.folder.is_empty() { "" } else { "/" };
        format!("{}{separator}{below}", upstream.folder)
    };
    let file = |below: &str| (place(below), String::new());
    match upstream.form {
        Form::Files { each, files } => {
            let words = examples(each);
            let names = words.iter().flat_map(|word| files.iter().map(|file| file.to.replace("{}", word)));
            vec![names.map(|name| file(&name)).collect()]
        }
        Form::Repositories { each, paths, .. } => {
            let words = examples(each);
            let paths = words.iter().flat_map(|word| paths.iter().map(|path| path.replace("{}", word)));
            vec![paths.map(|path| file(&format!("{path}/repodata/0123abcd-updateinfo.xml.gz"))).collect()]
        }
        Form::Changes { archive: Archive::Latest(latest), documents, .. } => {
            let document = file(&format!("{documents}2026/cve-2026-0001.json"));
            let with = |archive: &str| vec![document.clone(), file(archive), (place(latest), archive.to_owned())];
            vec![with("csaf_vex_2026-11-01.tar.zst"), with("vex-archive.tar.zst")]
        }
        Form::Changes { archive: Archive::Fixed(archive), documents, .. } => {
            vec![vec![file(archive), file(&format!("{documents}cve-2026-0001.json"))]]
        }
        Form::Bucket => vec![vec![file("all.zip"), file("records/X-1.json")]],
        Form::Listing { prefix, .. } => vec![vec![file(&format!("2026/{prefix}2026-1001.xml"))]],
        Form::Pointer { prefix, .. } => {
            vec![vec![file(&format!("{prefix}.1.9_2026-11-28T00:00:00Z_1790000000.tar.zst"))]]
        }
        Form::Releases => vec![
            ["27_all_CVEs_at_midnight.zip.zip", "28_delta_CVEs_at_end_of_day.zip", "29_delta_CVEs_at_0900Z.zip"]
                .map(|name| file(&format!("2026-11-{name}")))
                .to_vec(),
        ],
        Form::Windows => vec![vec![file("20261128T100000Z-0000000.json")]],
    }
}

/// Every file that is fetched is read, and nothing else: lists beside them, and what the fetcher keeps of its own.
#[test]
fn what_is_fetched_is_found() {
    for provider in PROVIDERS {
        for upstream in provider.upstreams {
            for files in fetched(upstream) {
                let root = tempfile::tempdir().unwrap();
                for (path, content) in &files {
                    let path = root.path().join(path);
                    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
                    fs_err::write(&path, content).unwrap();
                    if upstream.notes_date {
                        fs_err::write(format!("{}.date", path.display()), "2026-11-28T00:00:00Z").unwrap();
                    }
                }
                let found: Vec<_> = (provider.find)(root.path()).into_iter().flatten().collect();
                let name = format!("{}/{}", provider.name, upstream.name);
                for (path, content) in &files {
                    let path = Path::new(path);
                    let is_found = found.iter().any(|found| path.starts_with(found));
                    assert_eq!(is_found, content.is_empty(), "{name}: {} of {found:?}", path.display());
                }
                for found in &found {
                    let is_fetched = files.iter().any(|(path, _)| Path::new(path).starts_with(found));
                    assert!(is_fetched, "{name}: {}", found.display());
                }
            }
        }
    }
}

#[test]
fn upstreams_are_well_described() {
    for provider in PROVIDERS {
        let mut names = BTreeSet::new();
        for upstream in provider.upstreams {
            let name = format!("{}/{}", provider.name, upstream.name);
            assert!(names.insert(upstream.name), "{name} is there twice");
            let is_word =
                |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter);
            assert!(upstream.name.chars().all(is_word), "{name} is no word");
            assert!(upstream.base.starts_with("https://") && upstream.base.ends_with('/'), "{name}: {}", upstream.base);
            assert!(!upstream.folder.ends_with('/') && !upstream.folder.contains(".."), "{name}: {}", upstream.folder);
            let mut braces = Vec::new();
            let each = match upstream.form {
                Form::Files { each, files } => {
                    assert!(!files.is_empty() && files.iter().any(|file| !file.is_optional || each == Each::Once));
                    braces.extend(files.iter().flat_map(|file| [file.from, file.to]));
                    each
                }
                Form::Repositories { each, paths, .. } => {
                    braces.extend(paths);
                    each
                }
                _ => Each::Once,
            };
            for text in braces {
                assert_eq!(text.contains("{}"), each != Each::Once, "{name}: {text}");
            }
        }
    }
    let defaults: Vec<&str> = PROVIDERS
        .iter()
        .filter(|provider| provider.upstreams.iter().any(|upstream| upstream.is_default))
        .map(|provider| provider.name)
        .collect();
    // What is left out is heavy, or in another provider's data already, or its terms are for whoever uses it to accept.
    let expected = "almalinux alpine amazon arch azurelinux bottlerocket debian eol epss fedora gentoo kev nvd oracle osv \
                    photon rhel rocky support suse ubuntu";
    assert_eq!(defaults, expected.split_whitespace().collect::<Vec<_>>());
}
