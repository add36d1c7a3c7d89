//! One file of an image.

use serde::{Deserialize, Serialize};

use crate::path::ImagePath;

/// What kind of thing a path is. Hard links are resolved: each name is a `File` of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory, also one that no layer mentions but a path needs.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

/// A file as the merged image shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Where it is.
    pub path: ImagePath,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with setuid, setgid and sticky: at most `0o7777`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes; 0 for anything but a regular file.
    pub size: u64,
    /// Target of a symbolic link, as written.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::file::link")]
    pub link_target: Option<Box<[u8]>>,
    /// SHA-256 of a regular file.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::file::hex32")]
    pub sha256: Option<[u8; 32]>,
    /// MD5 of a regular file at a path where a package database may speak of it, if package files were to be verified;
    /// not for security.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::file::hex16")]
    pub md5: Option<[u8; 16]>,
    /// SHA-1, in the same cases. Boxed, because few files have it and there may be millions.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::file::hex20")]
    pub sha1: Option<Box<[u8; 20]>>,
    /// Index of the layer that brought it (0 is the lowest).
    pub layer: u32,
}

macro_rules! hex_option {
    ($name:ident, $size:literal, $type:ty) => {
        pub(crate) mod $name {
            //! An optional digest as hexadecimal text.
            use serde::{Deserialize, Deserializer, Serializer, de::Error};

            #[expect(clippy::ref_option, reason = "serde fixes this signature")]
            pub(crate) fn serialize<S: Serializer>(value: &Option<$type>, out: S) -> Result<S::Ok, S::Error> {
                match value {
                    Some(raw) => out.serialize_str(&hex::encode(raw.as_slice())),
                    None => out.serialize_none(),
                }
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<$type>, D::Error> {
                let Some(text) = Option::<String>::deserialize(input)? else { return Ok(None) };
                let mut raw = [0; $size];
                hex::decode_to_slice(&text, &mut raw).map_err(D::Error::custom)?;
                Ok(Some(<$type>::from(raw)))
            }
        }
    };
}
hex_option!(hex32, 32, [u8; 32]);
hex_option!(hex16, 16, [u8; 16]);
hex_option!(hex20, 20, Box<[u8; 20]>);

pub(crate) mod link {
    //! A link target as text. Bytes that are not UTF-8 are replaced: a target is shown, never followed, from JSON.
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde fixes this signature")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<Box<[u8]>>, out: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(raw) => out.serialize_str(&String::from_utf8_lossy(raw)),
            None => out.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Box<[u8]>>, D::Error> {
        Ok(Option::<String>::deserialize(input)?.map(|text| text.into_bytes().into()))
    }
}
