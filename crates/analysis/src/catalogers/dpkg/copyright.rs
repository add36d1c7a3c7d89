//! Licences of a Debian copyright file: the `License:` fields of the machine-readable form
//! (<https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>) and, in any form, the texts it refers to
//! in `/usr/share/common-licenses`.

use std::collections::BTreeSet;

const COMMON: &[u8] = b"/usr/share/common-licenses/";

/// Names kept of one file.
const MAX_NAMES: usize = 200;

/// Names of licences, sorted.
pub(super) fn licenses(bytes: &[u8]) -> Vec<String> {
    let mut names = BTreeSet::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        if let Some(value) = line.strip_prefix(b"License:") {
            fields(&String::from_utf8_lossy(value.get(..1000).unwrap_or(value)), &mut names);
        }
    }
    for at in memchr::memmem::find_iter(bytes, COMMON) {
        let rest = bytes.get(at + COMMON.len()..).unwrap_or_default();
        let end = rest.iter().position(|&byte| !is_name(byte)).unwrap_or(rest.len());
        let name = String::from_utf8_lossy(rest.get(..end.min(100)).unwrap_or_default());
        // A reference may end a sentence.
        let name = name.trim_end_matches(['.', '-']);
        if !name.is_empty() {
            names.insert(name.to_owned());
        }
    }
    names.into_iter().take(MAX_NAMES).collect()
}

/// `GPL-2+ or Artistic, and BSD-3-clause`; a name with `with … exception` is one name.
fn fields(value: &str, names: &mut BTreeSet<String>) {
    for name in value.split(" or ").flat_map(|part| part.split(" and ")).flat_map(|part| part.split(',')) {
        let name = name.trim().trim_start_matches("and ").trim_start_matches("or ").trim();
        if !name.is_empty() && name.len() <= 100 {
            names.insert(name.to_owned());
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'+' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let text = "Files: *\nLicense: GPL-2+ or Artistic, and BSD-3-clause\nLicense:\n text\n\
                    see `/usr/share/common-licenses/GPL-2'.\nin /usr/share/common-licenses/LGPL-2.1.\n";
        assert_eq!(licenses(text.as_bytes()), ["Artistic", "BSD-3-clause", "GPL-2", "GPL-2+", "LGPL-2.1"]);
        assert!(licenses(b"\xff\xfe").is_empty());
    }
}
