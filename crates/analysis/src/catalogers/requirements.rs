//! Python distributions that requirements files pin.
//!
//! Format: pip documentation, "Requirements File Format"; names and versions as in PEP 508 and PEP 440. Only what is
//! pinned to one version (`==`, `===`, an address of an archive, a revision of a repository) is a package: a range says
//! nothing about what is there.
//! Files that `-r` includes are read if they are named like requirements files themselves.

use killick_model::package::PackageKind;

use super::declarations::{Declaration, Declarations, is_development_group, is_inside};
use super::{Cataloger, Found, WantedFile, Wants, document};

/// Finds pinned requirements.
pub(super) struct Requirements;

/// Lines that are read; the longest real files have some thousand, each with a line for every hash.
const LINES: usize = 200_000;

impl Cataloger for Requirements {
    fn name(&self) -> &'static str {
        "requirements"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Python]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/*requirements*.txt", "**/requirements/*.txt"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if is_inside(file.path, "site-packages") || is_inside(file.path, "dist-packages") {
            return;
        }
        let Some(text) = document::text(file, found) else { return };
        let is_development = is_development_group(&String::from_utf8_lossy(file.path.file_name()));
        let mut packages = Declarations::new(PackageKind::Python, file.path);
        for line in logical_lines(&text) {
            if let Some(pin) = pin(&line) {
                packages.add(Declaration { is_development, ..pin });
            }
        }
        packages.finish(found);
    }
}

/// Lines joined where they end in a backslash, without comments.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines().take(LINES) {
        let line = without_comment(line).trim_end();
        if let Some(line) = line.strip_suffix('\\') {
            open.push_str(line);
            open.push(' ');
        } else {
            open.push_str(line);
            lines.push(std::mem::take(&mut open));
        }
    }
    lines.push(open);
    lines
}

/// A comment begins at a `#` at the beginning of the line or behind a blank.
fn without_comment(line: &str) -> &str {
    let begins = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let comment = line.match_indices('#').map(|(at, _)| at).find(begins);
    comment.map_or(line, |at| &line[..at])
}

/// Name and version of a requirement that allows exactly one.
pub(super) fn pin(line: &str) -> Option<Declaration<'_>> {
    // Options of the line (`--hash`) and markers say nothing about the version.
    let line = line.split([';']).next()?.split(" --").next()?.trim();
    let is_editable = line.starts_with("-e ") || line.starts_with("--editable ");
    if line.is_empty() || (line.starts_with('-') && !is_editable) {
        return None;
    }
    if line.starts_with(['.', '/']) {
        return wheel("", line);
    }
    if line.contains("://") {
        let line = line.strip_prefix("-e ").or_else(|| line.strip_prefix("--editable ")).unwrap_or(line).trim();
        let (name, url) = line.split_once('@').filter(|(name, _)| !name.contains(':')).unwrap_or(("", line));
        return wheel(name.trim(), url.trim()).or_else(|| checkout(name.trim(), url.trim()));
    }
    let end = line.find(|letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter)))?;
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('[').map_or(rest, |extras| extras.split_once(']').map_or("", |(_, rest)| rest));
    let rest = rest.trim().trim_start_matches('(').trim_end_matches(')');
    let exact = |clause: &'_ str| {
        let clause = clause.trim();
        let version = clause.strip_prefix("===").or_else(|| clause.strip_prefix("=="))?.trim();
        let is_one = !version.is_empty() && !version.contains(|letter: char| letter == '*' || letter.is_whitespace());
        is_one.then_some(())
    };
    let clause = rest.split(',').find(|clause| exact(clause).is_some())?;
    Some(Declaration { name, version: clause.trim().trim_start_matches('=').trim(), ..Declaration::default() })
}

/// A wheel or source archive has name and version in its file name: PEP 427, PEP 625.
fn wheel<'a>(written_name: &'a str, url: &'a str) -> Option<Declaration<'a>> {
    let path = url.split(['#', '?', ' ']).next()?;
    let (name, version) = distribution(path.rsplit('/').next()?)?;
    let written_name = written_name.split('[').next()?.trim();
    let name = if written_name.is_empty() { name } else { written_name };
    Some(Declaration { name, version, fetched_from: Some(url), is_development: false })
}

/// A repository at a revision: `git+https://host/path@revision#egg=name`. Its version nobody wrote down.
fn checkout<'a>(written_name: &'a str, url: &'a str) -> Option<Declaration<'a>> {
    let (address, fragment) = url.split_once('#').unwrap_or((url, ""));
    let is_repository = ["git+", "hg+", "svn+", "bzr+"].iter().any(|system| address.starts_with(system));
    // Behind the path; before it may stand a user.
    let has_revision = address.rsplit('/').next().is_some_and(|last| last.contains('@'));
    let egg = fragment.split('&').find_map(|part| part.strip_prefix("egg="));
    let name = if written_name.is_empty() { egg? } else { written_name };
    let name = name.split('[').next()?.trim();
    (is_repository && has_revision).then_some(Declaration {
        name,
        version: "",
        fetched_from: Some(address),
        is_development: false,
    })
}

/// Name and version that the file name of a wheel or source archive tells.
pub(super) fn distribution(file_name: &str) -> Option<(&str, &str)> {
    if let Some(stem) = file_name.strip_suffix(".whl") {
        let mut parts = stem.split('-');
        let (name, version) = (parts.next()?, parts.next()?);
        // Interpreter, ABI and platform follow, and perhaps a build number before them.
        return (parts.count() >= 3).then_some((name, version));
    }
    let stem = [".tar.gz", ".tar.bz2", ".zip"].iter().find_map(|ending| file_name.strip_suffix(ending))?;
    let (name, version) = stem.rsplit_once('-')?;
    version.starts_with(|letter: char| letter.is_ascii_digit()).then_some((name, version))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_exact_pins_are_packages() {
        for (line, want) in [
            ("Flask==2.0.1", Some("Flask 2.0.1")),
            ("  ruamel.yaml [jinja2, libyaml] == 0.17.4 ; python_version < '3'", Some("ruamel.yaml 0.17.4")),
            ("a===1.0+local --hash=sha256:00 --hash=sha256:01", Some("a 1.0+local")),
            ("a (==1.0)", Some("a 1.0")),
            ("a!=1.1,==1.0", Some("a 1.0")),
            ("a==1!2.0", Some("a 1!2.0")),
            ("a==1.*", None),
            ("a>=1", None),
            ("a~=1.0", None),
            ("a", None),
            ("a==", None),
            ("-r other.txt", None),
            ("-e git+https://h/a.git@v1#egg=a&subdirectory=x", Some("a ")),
            ("-e git+https://h/a.git#egg=a", None),
            ("-e .", None),
            ("--index-url https://h/simple", None),
            ("https://h/dir/some_name-1.0-py3-none-any.whl", Some("some_name 1.0")),
            ("some.name[x] @ https://h/some_name-1.0-1-py3-none-any.whl#sha256=00", Some("some.name 1.0")),
            ("b @ https://h/b-2.0rc1.tar.gz ; os_name == 'nt'", Some("b 2.0rc1")),
            ("b[x] @ git+https://h/b.git@2.0", Some("b ")),
            ("b @ git+ssh://git@h/b.git", None),
            ("git+https://h/b.git@2.0", None),
            ("b @ https://h/archive/main.zip", None),
            ("./local/a-1.0.tar.gz", Some("a 1.0")),
            ("./local", None),
            ("\u{e9}==1", None),
            ("", None),
        ] {
            let found = pin(line).map(|pin| format!("{} {}", pin.name, pin.version));
            assert_eq!(found.as_deref(), want, "{line}");
        }
    }

    #[test]
    fn comments_and_continuations() {
        let text = "# a==0\na==1 \\\n  --hash=sha256:00 \\\n  # not here\nb==2 # c==3\nd==4#e\nf==5 \\";
        let lines = logical_lines(text);
        let pins: Vec<_> = lines.iter().filter_map(|line| pin(line)).map(|pin| (pin.name, pin.version)).collect();
        assert_eq!(pins, [("a", "1"), ("b", "2"), ("d", "4#e"), ("f", "5")]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z=@:/;#\\[\\](),.*\\\\ \u{e9}\n-]{0,80}") {
            for line in logical_lines(&text) {
                pin(&line);
            }
        }
    }
}
