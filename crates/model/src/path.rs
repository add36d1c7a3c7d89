//! Paths inside an image: bytes, never the host's `std::path::Path`.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// An absolute, normalised path inside an image, without the leading `/`, as raw bytes.
///
/// `usr/bin/env`; the root is the empty path. There are no `.` or `..` or empty segments: the layer reader
/// normalises once, so that comparing bytes compares files.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ImagePath(Box<[u8]>);

impl ImagePath {
    /// Normalises `raw`: leading `/` and `./`, doubled slashes and `.` segments vanish.
    ///
    /// Returns `None` if a `..` segment would leave the image root; inner `..` segments are resolved.
    pub fn new(raw: &[u8]) -> Option<Self> {
        if is_normal(raw) {
            return Some(Self(raw.into()));
        }
        let mut segments: Vec<&[u8]> = Vec::new();
        for segment in raw.split(|&byte| byte == b'/') {
            match segment {
                b"" | b"." => {}
                b".." => {
                    segments.pop()?;
                }
                name => segments.push(name),
            }
        }
        Some(Self(segments.join(&b'/').into()))
    }

    /// The raw bytes, without a leading `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The last segment; empty for the root.
    pub fn file_name(&self) -> &[u8] {
        match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => &self.0[slash + 1..],
            None => &self.0,
        }
    }

    /// Everything before the last segment; `None` for the root.
    pub fn parent(&self) -> Option<&[u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Some(&self.0[..end])
    }

    /// The path joined with `name`, normalised; `None` if it would leave the root.
    pub fn join(&self, name: &[u8]) -> Option<Self> {
        if name.first() == Some(&b'/') {
            return Self::new(name);
        }
        Self::new(&[&self.0, b"/".as_slice(), name].concat())
    }
}

fn is_normal(raw: &[u8]) -> bool {
    raw.is_empty() || raw.split(|&byte| byte == b'/').all(|segment| !matches!(segment, b"" | b"." | b".."))
}

/// With the leading `/`; bytes that are not UTF-8 are shown as the replacement character.
impl fmt::Display for ImagePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for ImagePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.to_string())
    }
}

/// Serialised with a leading `/`. Bytes that are not UTF-8 are written as `\xNN` and a backslash as `\\`,
/// so that every path survives JSON.
impl From<ImagePath> for String {
    fn from(path: ImagePath) -> Self {
        let mut text = Self::with_capacity(path.0.len() + 1);
        text.push('/');
        for chunk in path.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                if letter == '\\' {
                    text.push('\\');
                }
                text.push(letter);
            }
            for byte in chunk.invalid() {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        text
    }
}

impl From<String> for ImagePath {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// Reads the serialised form. A path that would leave the root keeps its text as one odd segment chain
/// with the `..` removed, because stored documents must never fail to load.
impl From<&str> for ImagePath {
    fn from(text: &str) -> Self {
        let raw = unescape(text);
        Self::new(&raw).unwrap_or_else(|| {
            let kept: Vec<&[u8]> =
                raw.split(|&byte| byte == b'/').filter(|segment| !matches!(*segment, b"" | b"." | b"..")).collect();
            Self(kept.join(&b'/').into())
        })
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut raw = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            raw.push(byte);
        } else if let Some(after) = rest.strip_prefix(b"\\") {
            raw.push(b'\\');
            rest = after;
        } else if let Some(value) = rest.strip_prefix(b"x").and_then(|hex| hex.get(..2)).and_then(parse_hex) {
            raw.push(value);
            rest = &rest[3..];
        } else {
            raw.push(byte);
        }
    }
    raw
}

fn parse_hex(digits: &[u8]) -> Option<u8> {
    let mut value = [0];
    hex::decode_to_slice(digits, &mut value).ok()?;
    Some(value[0])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn normalises() {
        for (raw, want) in [
            ("", ""),
            ("/", ""),
            ("./etc//passwd", "etc/passwd"),
            ("/usr/./lib/../bin/", "usr/bin"),
            ("foo./bar", "foo./bar"),
        ] {
            assert_eq!(ImagePath::new(raw.as_bytes()).unwrap().as_bytes(), want.as_bytes(), "{raw}");
        }
        assert_eq!(ImagePath::new(b"../x"), None);
        assert_eq!(ImagePath::new(b"a/../../x"), None);
    }

    proptest! {
        #[test]
        fn serialised_paths_come_back(raw in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(path) = ImagePath::new(&raw) {
                prop_assert_eq!(ImagePath::from(String::from(path.clone())), path);
            }
        }
    }
}
