//! `mtree` of a pacman package: modes, sizes and digests of its files (mtree(5); libarchive writes it), gzip-compressed.
//!
//! One entry a line, `./PATH KEYWORD=VALUE…`, letters of the path beyond ASCII as `\ooo`; `/set` gives what holds for the
//! entries after it. Entries right under the root that begin with a dot are those of the package archive itself.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use killick_model::package::OwnedFile;
use killick_model::path::ImagePath;

use super::{LINE_BYTES, digest};

/// Bytes of one unpacked list; the largest packages have some ten megabytes.
const TEXT_BYTES: usize = 32 << 20;

#[derive(Clone, Default)]
struct Keywords {
    is_file: bool,
    mode: Option<u32>,
    size: Option<u64>,
    sha256: Option<(String, String)>,
    md5: Option<(String, String)>,
}

/// Completes the files of a package. An error is the kind of a problem and its message; what was read before it counts.
pub(super) fn read(
    packed: &[u8],
    allowance: &mut usize,
    files: &mut BTreeMap<ImagePath, OwnedFile>,
) -> Result<(), (&'static str, String)> {
    let limit = TEXT_BYTES.min(*allowance);
    let mut text = Vec::new();
    // Older versions of pacman did not compress it.
    let outcome = if packed.starts_with(b"\x1f\x8b") {
        MultiGzDecoder::new(packed).take(limit as u64 + 1).read_to_end(&mut text)
    } else {
        packed.take(limit as u64 + 1).read_to_end(&mut text)
    };
    let is_cut = text.len() > limit;
    if is_cut || outcome.is_err() {
        // The last line is not whole.
        text.truncate(text.get(..limit).unwrap_or(&text).iter().rposition(|&byte| byte == b'\n').unwrap_or(0));
    }
    *allowance = if is_cut { allowance.saturating_sub(limit) } else { allowance.saturating_sub(text.len()) };
    entries(&text, files);
    match outcome {
        _ if is_cut => Err(("limit-archive-bytes", format!("more than {limit} bytes unpacked, the rest is not read"))),
        Err(error) => Err(("malformed-database", format!("damaged: {error}"))),
        Ok(_) => Ok(()),
    }
}

fn entries(text: &[u8], files: &mut BTreeMap<ImagePath, OwnedFile>) {
    let mut common = Keywords { is_file: true, ..Keywords::default() };
    for line in text.split(|&byte| byte == b'\n').filter(|line| line.len() <= LINE_BYTES) {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let Some(name) = words.next() else { continue };
        match name {
            b"/set" => words.for_each(|word| common.set(word)),
            b"/unset" => words.for_each(|word| common.unset(word)),
            _ if name.starts_with(b"#")
                || name.starts_with(b"./.") && !name.get(2..).unwrap_or_default().contains(&b'/') => {}
            _ => {
                let mut own = common.clone();
                words.for_each(|word| own.set(word));
                let path = ImagePath::new(&unescape(name)).filter(|path| !path.as_bytes().is_empty());
                if let Some(path) = path {
                    own.complete(path, files);
                }
            }
        }
    }
}

impl Keywords {
    fn set(&mut self, word: &[u8]) {
        let Some(equals) = word.iter().position(|&byte| byte == b'=') else { return };
        let (key, value) = word.split_at(equals);
        let value = value.get(1..).unwrap_or_default();
        let text = || String::from_utf8_lossy(value);
        match key {
            b"type" => self.is_file = value == b"file",
            b"mode" => self.mode = u32::from_str_radix(&text(), 8).ok(),
            b"size" => self.size = text().parse().ok(),
            b"sha256digest" | b"sha256" => self.sha256 = digest("sha256", value),
            b"md5digest" | b"md5" => self.md5 = digest("md5", value),
            _ => {}
        }
    }

    fn unset(&mut self, word: &[u8]) {
        match word {
            b"mode" => self.mode = None,
            b"size" => self.size = None,
            b"all" => *self = Self::default(),
            _ => {}
        }
    }

    fn complete(self, path: ImagePath, files: &mut BTreeMap<ImagePath, OwnedFile>) {
        let new = OwnedFile { path: path.clone(), digest: None, mode: None, size: None, is_config: false };
        let file = files.entry(path).or_insert(new);
        file.mode = self.mode;
        if self.is_file {
            file.size = self.size;
            file.digest = self.sha256.or(self.md5).or(file.digest.take());
        }
    }
}

/// `\ooo` as the byte it stands for.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let code = after
            .first_chunk::<3>()
            .filter(|code| byte == b'\\' && code.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        let value = code.map(|code| code.iter().fold(0_u32, |value, digit| value << 3 | u32::from(digit - b'0')));
        match value.and_then(|value| u8::try_from(value).ok()) {
            Some(value) => {
                plain.push(value);
                rest = after.get(3..).unwrap_or_default();
            }
            None => plain.push(byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes() {
        for (written, want) in [
            ("./d\\040e/na\\303\\257ve", "./d e/naïve"),
            ("a\\\\b", "a\\\\b"),
            ("end\\", "end\\"),
            ("\\777", "\\777"),
            ("\\08", "\\08"),
        ] {
            assert_eq!(String::from_utf8(unescape(written.as_bytes())).unwrap(), want, "{written}");
        }
    }

    #[test]
    fn defaults_hold_until_they_are_set_anew() {
        let mut files = BTreeMap::new();
        let text = b"#mtree\n/set type=dir mode=755\n./.PKGINFO size=3\n./usr\n/set type=file mode=644\n./usr/.hidden size=5\n\
            ./usr/run mode=4755 size=x md5digest=0\n/unset mode\n./usr/plain link=a type=link size=9\n../out size=1\n";
        let mut allowance = 1000;
        read(text, &mut allowance, &mut files).unwrap();
        let seen: Vec<_> =
            files.values().map(|file| (file.path.to_string(), file.mode.unwrap_or_default(), file.size)).collect();
        assert_eq!(
            seen,
            [
                ("/usr".to_owned(), 0o755, None),
                ("/usr/.hidden".to_owned(), 0o644, Some(5)),
                ("/usr/plain".to_owned(), 0, None),
                ("/usr/run".to_owned(), 0o4755, None),
            ]
        );
        assert_eq!(allowance, 1000 - text.len());
        let mut little = 30;
        assert_eq!(read(text, &mut little, &mut BTreeMap::new()).unwrap_err().0, "limit-archive-bytes");
        assert_eq!(little, 0);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, &mut 1000, &mut BTreeMap::new());
            let _ = read(&[b"\x1f\x8b".as_slice(), &bytes].concat(), &mut 1000, &mut BTreeMap::new());
        }
    }
}
