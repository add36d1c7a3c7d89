//! Whether a file can be what its name says: a login page in place of an archive is told before it replaces one.

use super::has_extension;

/// Bytes of the beginning that are looked at.
pub(super) const HEAD_BYTES: usize = 512;

/// What compressed files begin with.
const MAGICS: &[(&str, &[u8])] = &[
    (".gz", &[0x1f, 0x8b]),
    (".bz2", b"BZh"),
    (".xz", &[0xfd, b'7', b'z', b'X', b'Z']),
    (".zst", &[0x28, 0xb5, 0x2f, 0xfd]),
    (".zip", b"PK"),
];

/// What is wrong with a file of this name that begins with `head`, if anything.
pub(super) fn fault(name: &str, head: &[u8]) -> Option<String> {
    // Nothing may have been deleted so far.
    if head.is_empty() {
        if name.ends_with("/deletions.csv") {
            return None;
        }
        return Some("it is empty".to_owned());
    }
    if let Some((kind, magic)) = MAGICS.iter().find(|(kind, _)| name.ends_with(kind)) {
        return (!head.starts_with(magic)).then(|| format!("no {} file", kind.trim_start_matches('.')));
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    if begins("<!doctype html") || begins("<html") {
        return Some("a page for people".to_owned());
    }
    if has_extension(name, "json") && !text.starts_with(b"{") && !text.starts_with(b"[") {
        return Some("no JSON".to_owned());
    }
    (has_extension(name, "xml") && !text.starts_with(b"<")).then(|| "no XML".to_owned())
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn what_cannot_be_is_told() {
        for (name, head, want) in [
            ("all.zip", b"PK\x03\x04".as_slice(), None),
            ("all.zip", b"<!DOCTYPE html>", Some("no zip file")),
            ("x.json.gz", b"\x1f\x8b\x08", None),
            ("x.json.gz", b"{}", Some("no gz file")),
            ("tracker.json", b" \n{\"a\":", None),
            ("tracker.json", b"\xef\xbb\xbf[", None),
            ("tracker.json", b"<HTML>", Some("a page for people")),
            ("tracker.json", b"error", Some("no JSON")),
            ("oval.xml", b"<?xml", None),
            ("oval.xml", b"{}", Some("no XML")),
            ("list", b"CVE-2099-1", None),
            ("list", b"\n<!doctype HTML public>", Some("a page for people")),
            ("full", b"", Some("it is empty")),
            ("vex/deletions.csv", b"", None),
            ("vex/changes.csv", b"", Some("it is empty")),
        ] {
            assert_eq!(fault(name, head).as_deref(), want, "{name}");
        }
    }
}
