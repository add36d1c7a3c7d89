//! Files that a build copied out of another image.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use killick_analysis::analyze::{Options, analyze_with_lessons};
use killick_analysis::known::{KnownFiles, KnownPackage, merged};
use killick_model::analysis::Analysis;
use sha2::{Digest as _, Sha256};

use crate::staging;

/// Everything that was learnt.
#[derive(Default)]
struct Learnt(Mutex<Vec<KnownPackage>>);

impl KnownFiles for Learnt {
    fn find(&self, contents: &[[u8; 32]]) -> Vec<KnownPackage> {
        let mut known = self.0.lock().unwrap().clone();
        for known in &mut known {
            known.files.retain(|file| contents.contains(file));
        }
        known.retain(|known| !known.files.is_empty());
        known
    }
}

/// One image: mode, path and content of each file, layer by layer.
type Layers<'a> = &'a [&'a [(u32, &'a str, String)]];

fn analysed(layers: Layers<'_>, known: &Arc<Learnt>) -> Analysis {
    let tar = |files: &&[(u32, &str, String)]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (mode, path, content) in *files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(*mode);
            if let Some(target) = content.strip_prefix("->") {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, path, target).unwrap();
            } else {
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, path, content.as_bytes()).unwrap();
            }
        }
        builder.into_inner().unwrap()
    };
    let known_files: Arc<dyn KnownFiles> = known.clone();
    let options = Options { known_files: Some(known_files), ..Options::default() };
    let image = staging::image(layers.iter().map(tar).collect());
    let (analysis, lessons) = analyze_with_lessons(&image, None, &options).unwrap();
    let mut learnt = known.0.lock().unwrap();
    *learnt = merged(learnt.drain(..).chain(lessons));
    analysis
}

/// A program or library of some size.
fn code(text: &str) -> String {
    format!("\u{7f}ELF {}", long(text))
}

fn long(text: &str) -> String {
    text.repeat(5000 / text.len() + 1)
}

fn debian(version: &str) -> (u32, &'static str, String) {
    (0o644, "etc/os-release", format!("ID=debian\nVERSION_ID=\"{version}\"\n"))
}

/// The database of dpkg with some packages, and the list of one of them.
fn database(packages: &[(&str, &str)]) -> (u32, &'static str, String) {
    let package = |(name, version): &(&str, &str)| {
        format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
    };
    (0o644, "var/lib/dpkg/status", packages.iter().map(package).collect())
}

fn list(path: &'static str, files: &[&str]) -> (u32, &'static str, String) {
    (0o644, path, files.iter().map(|file| format!("{file}\n")).collect())
}

/// What is told as copied: package, and its files.
fn copied(analysis: &Analysis) -> BTreeMap<String, Vec<String>> {
    let copied = analysis.packages.iter().filter(|package| !package.evidence.is_installed());
    let told = copied.map(|package| {
        let files = package.files.iter().map(|file| file.path.to_string()).collect();
        (format!("{} {} {}", package.name, package.version, package.described_kind()), files)
    });
    told.collect()
}

const SSL: &str = "usr/lib/libssl.so.3";
const SSL_LIST: &str = "var/lib/dpkg/info/libssl3:amd64.list";

#[test]
fn a_library_that_was_copied_is_told_once_its_package_is_known() {
    let known = Arc::default();
    let (ssl, crypto) = (code("ssl 3.0.11 "), code("crypto 3.0.11 "));
    let copies: Layers<'_> = &[&[
        (0o644, "etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n".to_owned()),
        (0o644, "opt/lib/libssl.so.3", ssl.clone()),
        (0o755, "usr/local/bin/renamed", crypto.clone()),
        (0o644, "opt/lib/copyright", long("licence ")),
        (0o755, "opt/tiny", "tiny".to_owned()),
    ]];
    assert_eq!(copied(&analysed(copies, &known)), BTreeMap::new());
    analysed(
        &[&[
            debian("12"),
            (0o644, "lib", "->usr/lib".to_owned()),
            database(&[("libssl3", "3.0.11-1~deb12u2")]),
            // The list speaks of `/lib`, where it is a link.
            list(
                SSL_LIST,
                &["/.", "/lib/libssl.so.3", "/usr/lib/libcrypto.so.3", "/usr/share/doc/copyright", "/usr/bin/tiny"],
            ),
            (0o644, SSL, ssl),
            (0o644, "usr/lib/libcrypto.so.3", crypto),
            (0o644, "usr/share/doc/copyright", long("licence ")),
            (0o755, "usr/bin/tiny", "tiny".to_owned()),
        ]],
        &known,
    );
    let found = analysed(copies, &known);
    let want = ["/opt/lib/libssl.so.3", "/usr/local/bin/renamed"].map(str::to_owned).to_vec();
    assert_eq!(copied(&found), BTreeMap::from([("libssl3 3.0.11-1~deb12u2 deb (copied, debian:12)".to_owned(), want)]));
    // The same facts give the same again.
    assert_eq!(analysed(copies, &known), found);
}

#[test]
fn what_is_not_as_it_was_packaged_teaches_nothing() {
    let known = Arc::default();
    let changed = code("patched ");
    analysed(
        &[
            &[
                debian("12"),
                database(&[("libssl3", "3.0.11-1")]),
                list(SSL_LIST, &["/usr/lib/libssl.so.3"]),
                (0o644, SSL, code("as packaged ")),
            ],
            // Somebody put another library in its place.
            &[(0o644, SSL, changed.clone())],
        ],
        &known,
    );
    // And nobody says which distribution this is.
    analysed(
        &[&[
            database(&[("libssl3", "3.0.11-1")]),
            list(SSL_LIST, &["/usr/lib/libssl.so.3"]),
            (0o644, SSL, changed.clone()),
        ]],
        &known,
    );
    assert_eq!(*known.0.lock().unwrap(), []);
    assert_eq!(copied(&analysed(&[&[(0o644, "srv/libssl.so.3", changed)]], &known)), BTreeMap::new());
}

#[test]
fn of_several_packages_the_one_that_explains_most_wins_then_the_newest() {
    let known = Arc::default();
    let same = code("did not change ");
    for (version, other) in [("3.0.9-1", "old "), ("3.0.11-1", "newer "), ("3.0.10-1", "between ")] {
        analysed(
            &[&[
                debian("12"),
                database(&[("libssl3", version)]),
                list(SSL_LIST, &["/usr/lib/libssl.so.3", "/usr/lib/libcrypto.so.3"]),
                (0o644, SSL, same.clone()),
                (0o644, "usr/lib/libcrypto.so.3", code(other)),
            ]],
            &known,
        );
    }
    let of = |version: &str, files: &[&str]| {
        let files = files.iter().map(|&file| file.to_owned()).collect();
        BTreeMap::from([(format!("libssl3 {version} deb (copied, debian:12)"), files)])
    };
    let alone = analysed(&[&[(0o644, "srv/a.so", same.clone())]], &known);
    assert_eq!(copied(&alone), of("3.0.11-1", &["/srv/a.so"]));
    let both = analysed(&[&[(0o644, "srv/a.so", same.clone()), (0o644, "srv/b.so", code("old "))]], &known);
    assert_eq!(copied(&both), of("3.0.9-1", &["/srv/a.so", "/srv/b.so"]));
}

#[test]
fn what_is_owned_or_installed_is_not_copied() {
    let known = Arc::default();
    let (ssl, musl) = (code("ssl "), code("musl "));
    let files = [
        debian("12"),
        database(&[("libssl3", "3.0.11-1")]),
        list(SSL_LIST, &["/usr/lib/libssl.so.3"]),
        (0o644, SSL, ssl.clone()),
        // The same library twice in the image that it is installed in.
        (0o644, "opt/app/libssl.so.3", ssl.clone()),
    ];
    analysed(&[&files], &known);
    assert_eq!(copied(&analysed(&[&files], &known)), BTreeMap::new());
    // In another release it is a copy, where it is not owned.
    let other = [
        debian("13"),
        database(&[("libssl3", "3.5.0-1")]),
        list(SSL_LIST, &["/usr/lib/libssl.so.3"]),
        (0o644, SSL, musl),
        (0o644, "opt/app/libssl.so.3", ssl.clone()),
    ];
    let want = [("libssl3 3.0.11-1 deb (copied, debian:12)".to_owned(), vec!["/opt/app/libssl.so.3".to_owned()])];
    assert_eq!(copied(&analysed(&[&other], &known)), BTreeMap::from(want));
    // A copy owns nothing: what is beside it in the image has no owner.
    let owned = analysed(
        &[&other, &[(0o644, "opt/app/package.json", "{\"name\":\"a\",\"version\":\"1\"}".to_owned())]],
        &known,
    );
    assert!(owned.packages.iter().all(|package| package.owner.is_none()));
}

/// The package `git` of Debian 12, with a template that it copies into every repository.
fn git(template: &str, program: &str) -> [(u32, &'static str, String); 5] {
    [
        debian("12"),
        database(&[("git", "1:2.39.2-1.1")]),
        list("var/lib/dpkg/info/git.list", &["/usr/bin/git", "/usr/share/git-core/templates/hooks/pre-rebase.sample"]),
        (0o755, "usr/share/git-core/templates/hooks/pre-rebase.sample", template.to_owned()),
        (0o755, "usr/bin/git", program.to_owned()),
    ]
}

#[test]
fn scripts_and_texts_are_neither_learnt_nor_told_as_copies() {
    let known = Arc::default();
    let (template, program) = (long("#!/bin/sh\n# The hook \"pre-rebase\".\n"), code("git "));
    analysed(&[&git(&template, &program)], &known);
    let learnt = |known: &Learnt| known.0.lock().unwrap().iter().map(|known| known.files.len()).collect::<Vec<_>>();
    assert_eq!(learnt(&known), [1], "the program alone");
    let checkout: Layers<'_> = &[&[
        (0o755, "srv/app/.git/hooks/pre-rebase.sample", template.clone()),
        (0o755, "srv/tools/git", program.clone()),
        // A text that has the name of a library is none.
        (0o644, "srv/app/lib.so", template.clone()),
    ]];
    let git = "git 1:2.39.2-1.1 deb (copied, debian:12)".to_owned();
    let told = BTreeMap::from([(git, vec!["/srv/tools/git".to_owned()])]);
    assert_eq!(copied(&analysed(checkout, &known)), told);
    // An earlier version learnt the template too.
    known.0.lock().unwrap()[0].files.push(Sha256::digest(&template).into());
    assert_eq!(copied(&analysed(checkout, &known)), told);
}

#[test]
fn kernel_modules_and_java_archives_are_known_by_their_names() {
    let known = Arc::default();
    let (module, archive) = (long("module "), long("PK of classes "));
    let files = |folder: &str| ["x.ko", "x.jar", "x.txt"].map(|name| format!("{folder}/{name}"));
    let [ko, jar, txt] = files("usr/lib");
    analysed(
        &[&[
            debian("12"),
            database(&[("x", "1")]),
            list("var/lib/dpkg/info/x.list", &["/usr/lib/x.ko", "/usr/lib/x.jar", "/usr/lib/x.txt"]),
            (0o644, ko.as_str(), module.clone()),
            (0o644, jar.as_str(), archive.clone()),
            (0o644, txt.as_str(), long("text ")),
        ]],
        &known,
    );
    let [ko, jar, txt] = files("srv");
    let copies = [(0o644, ko.as_str(), module), (0o644, jar.as_str(), archive), (0o644, txt.as_str(), long("text "))];
    let found = analysed(&[&copies], &known);
    let want = vec!["/srv/x.jar".to_owned(), "/srv/x.ko".to_owned()];
    assert_eq!(copied(&found), BTreeMap::from([("x 1 deb (copied, debian:12)".to_owned(), want)]));
}
