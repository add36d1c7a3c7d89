//! Lists that upstreams publish beside their data: what changed, what there is, and checksums.
//!
//! Names in them become addresses and files, so only names that can be nothing else are taken; what else stands in a
//! list is passed over. A list may end without a newline.

use std::io::{self, BufRead, Read as _};

use jiff::Timestamp;
use serde::Deserialize;

/// Rows of a list that are read.
const ROWS: usize = 5_000_000;

/// Bytes of one row.
const ROW_BYTES: u64 = 4096;

/// Rows of `changes.csv` and `deletions.csv` (`CSAF 2.0`, section 7.1.14) or OSV's `modified_id.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// A path, or an id.
    pub name: String,
    /// When it was changed or deleted.
    pub at: Timestamp,
}

/// `"2021/cve-2021-47343.json","2024-07-29T18:39:58+00:00"` a line, in whatever order.
pub fn changes(list: impl BufRead) -> io::Result<Vec<Change>> {
    let plain = |field: &str| field.trim().trim_matches('"').to_owned();
    rows(list, |row| {
        let (name, at) = row.split_once(',')?;
        let (name, at) = (plain(name), plain(at).parse().ok()?);
        is_document(&name).then_some(Change { name, at })
    })
}

/// `2026-08-01T21:27:34Z,GHSA-79v4-65xg-pq4g` a line, the newest first.
pub fn modified(list: impl BufRead) -> io::Result<Vec<Change>> {
    rows(list, |row| {
        let (at, name) = row.split_once(',')?;
        let (at, name) = (at.trim().parse().ok()?, name.trim().to_owned());
        is_name(&name).then_some(Change { name, at })
    })
}

/// Paths of documents whose names begin with `prefix`, one a line.
pub fn listing(list: impl BufRead, prefix: &str) -> io::Result<Vec<String>> {
    rows(list, |row| {
        let path = row.trim();
        let is_wanted = path.rsplit('/').next().is_some_and(|name| name.starts_with(prefix));
        (is_wanted && is_document(path)).then(|| path.to_owned())
    })
}

fn rows<T>(mut list: impl BufRead, read: impl Fn(&str) -> Option<T>) -> io::Result<Vec<T>> {
    let (mut found, mut row) = (Vec::new(), Vec::new());
    for _ in 0..ROWS {
        row.clear();
        if (&mut list).take(ROW_BYTES).read_until(b'\n', &mut row)? == 0 {
            return Ok(found);
        }
        found.extend(std::str::from_utf8(&row).ok().and_then(&read));
    }
    Err(io::Error::other(format!("it has more than {ROWS} rows")))
}

/// Whether this is a path of a document, such as `2024/cve-2024-44943.json`.
pub fn is_document(path: &str) -> bool {
    let parts = path.split('/');
    parts.clone().count() <= 3 && path.len() <= 200 && parts.clone().all(is_name)
}

/// Whether this is one name without a path, as ids are.
pub fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+".contains(&byte);
    !name.is_empty() && name.len() <= 150 && !name.starts_with(['.', '-']) && name.bytes().all(is_letter)
}

/// The SHA-256 of the unpacked content, in lower case, in a `.meta` of the NVD.
pub fn meta(text: &str) -> Option<String> {
    text.lines().find_map(|line| checksum(line.trim().strip_prefix("sha256:")?))
}

/// The SHA-256, in lower case, that a text begins with: `sha256sum`'s line, or `sha256:…`.
pub fn checksum(text: &str) -> Option<String> {
    let text = text.trim_start();
    let hex = text.strip_prefix("sha256:").unwrap_or(text).split_whitespace().next()?;
    let is_digest = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then(|| hex.to_ascii_lowercase())
}

/// The names of topics in Amazon's `extras-catalog.json`.
pub fn topics(document: &[u8]) -> Result<Vec<String>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Catalogue {
        topics: Vec<Topic>,
    }
    #[derive(Deserialize)]
    struct Topic {
        n: String,
    }
    let catalogue: Catalogue = serde_json::from_slice(document)?;
    Ok(catalogue.topics.into_iter().map(|topic| topic.n).filter(|name| is_name(name)).take(1000).collect())
}

/// The SHA-256 and the path of the file of updates that `repomd.xml` names; `None` if the repository has none. The
/// error says what is wrong with how it is named.
///
/// <https://github.com/rpm-software-management/createrepo_c>, `repomd.xml`. Looks for `data` elements of the type
/// `updateinfo`, and in them for `checksum` and `location`, wherever else the document goes.
pub fn updateinfo(document: &str) -> Result<Option<(String, String)>, String> {
    let entry = document.split("<data").skip(1).find_map(|data| {
        let (head, rest) = data.split("</data").next()?.split_once('>')?;
        (attribute(head, "type")? == "updateinfo").then_some(rest)
    });
    let Some(entry) = entry else { return Ok(None) };
    let sum = entry.split("<checksum").skip(1).find_map(|sum| {
        let (head, text) = sum.split_once('>')?;
        (attribute(head, "type")? == "sha256").then(|| checksum(text.split('<').next()?))?
    });
    let location = entry.split("<location").nth(1).and_then(|location| location.split('>').next());
    let path = location.and_then(|location| attribute(location, "href")).unwrap_or_default();
    let path = path.strip_prefix("./").unwrap_or(path);
    if !is_document(path) || !path.contains("updateinfo.xml") {
        return Err(format!("`{path}` is no path of a file of updates"));
    }
    let sum = sum.ok_or_else(|| format!("`{path}` has no SHA-256"))?;
    Ok(Some((sum, path.to_owned())))
}

/// The value of an attribute of a tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.match_indices(name).find_map(|(at, _)| {
        let before = tag.get(..at)?;
        let rest = tag.get(at..)?.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim_start();
        let quote = rest.chars().next().filter(|letter| matches!(letter, '"' | '\''))?;
        before.ends_with(char::is_whitespace).then(|| rest.strip_prefix(quote)?.split(quote).next())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_in_both_forms_and_orders() {
        let list = "\"2023/cve-2023-6240.json\",\"2024-08-04T10:17:22+00:00\"\r\n\
                    cve-1999-0001.json,2024-01-01T00:00:00Z\n\
                    ../../etc/passwd,2024-01-01T00:00:00Z\n\
                    2024/.hidden,2024-01-01T00:00:00Z\n\
                    no date\n\"x.json\",\"yesterday\"\n\
                    \"2024/last.json\",\"2024-07-29T18:39:58+02:00\"";
        let found: Vec<String> = changes(list.as_bytes())
            .unwrap()
            .into_iter()
            .map(|change| format!("{} {}", change.name, change.at))
            .collect();
        assert_eq!(
            found,
            [
                "2023/cve-2023-6240.json 2024-08-04T10:17:22Z",
                "cve-1999-0001.json 2024-01-01T00:00:00Z",
                "2024/last.json 2024-07-29T16:39:58Z"
            ]
        );
        let found = modified(b"2026-08-01T21:27:34.5Z,GHSA-79v4-65xg-pq4g\n2026-08-01,x\nx,y\n".as_slice()).unwrap();
        assert_eq!(found.iter().map(|change| change.name.as_str()).collect::<Vec<_>>(), ["GHSA-79v4-65xg-pq4g"]);
    }

    #[test]
    fn paths_of_documents_lead_nowhere_else() {
        for path in ["2024/cve-2024-1.json", "RLSA-2021:1734", "a/b/c.json"] {
            assert!(is_document(path), "{path}");
        }
        for path in
            ["", "/etc/passwd", "a//b", "../a", "a/../b", ".state/x", "a/b/c/d", "a b", "a\\b", "a?b", "%2e%2e/a", "-x"]
        {
            assert!(!is_document(path), "{path}");
        }
    }

    #[test]
    fn checksums_are_found() {
        let upper = "ABCDEF0123456789".repeat(4);
        let lower = Some(upper.to_lowercase());
        assert_eq!(
            meta(&format!("lastModifiedDate:2026-09-10T03:00:00-04:00\r\nsize:14\r\nsha256:{upper}\r\n")),
            lower
        );
        assert_eq!(checksum(&format!("{upper}  csaf_vex_2026-01-01.tar.zst\n")), lower);
        assert_eq!(checksum(&format!("sha256:{upper}")), lower);
        assert_eq!(meta("sha256:12"), None);
        assert_eq!(checksum("<html>"), None);
    }

    #[test]
    fn the_file_of_updates_is_found() {
        let sum = "0123456789abcdef".repeat(4);
        let other = "f".repeat(64);
        let document = |kind: &str, path: &str| {
            format!(
                "<repomd><data type=\"primary\"><checksum type=\"sha256\">{other}</checksum><location href=\"repodata/p.xml.gz\"/></data>\
                 <data   type = '{kind}'><open-checksum type=\"sha256\">{other}</open-checksum>\
                 <checksum type=\"sha256\">{sum}</checksum><location href=\"{path}\"/></data></repomd>"
            )
        };
        let found = updateinfo(&document("updateinfo", "repodata/x-updateinfo.xml.gz"));
        assert_eq!(found, Ok(Some((sum.clone(), "repodata/x-updateinfo.xml.gz".to_owned()))));
        assert_eq!(updateinfo(&document("modules", "repodata/x-updateinfo.xml.gz")), Ok(None));
        let other = document("updateinfo", "repodata/x-updateinfo.xml.gz").replace("sha256", "sha1");
        assert_eq!(updateinfo(&other).unwrap_err(), "`repodata/x-updateinfo.xml.gz` has no SHA-256");
        for (kind, path) in [
            ("updateinfo", "../../x-updateinfo.xml.gz"),
            ("updateinfo", "https://example.com/updateinfo.xml.gz"),
            ("updateinfo", "repodata/primary.xml.gz"),
        ] {
            assert!(updateinfo(&document(kind, path)).is_err(), "{kind} {path}");
        }
    }

    #[test]
    fn topics_are_names() {
        let document = br#"{"topics":[{"n":"kernel-5.15","x":1},{"n":"../up"},{"n":"docker"}]}"#;
        assert_eq!(topics(document).unwrap(), ["kernel-5.15", "docker"]);
        assert!(topics(b"<html>").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), text in "[<>a-z \"'=/.:0-9\\n,]{0,120}") {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                let _ = changes(bytes);
                let _ = modified(bytes);
                let _ = listing(bytes, "a");
                let _ = topics(bytes);
            }
            let _ = updateinfo(&format!("<data type=\"updateinfo\">{text}"));
            let _ = meta(&text);
        }
    }
}
