//! Digests of a content, computed while its bytes pass.
//!
//! SHA-256 is always needed: it is what the content is known by. MD5 and SHA-1 are what dpkg, apk and old rpm databases
//! speak of. MD5 has no help from the processor and would be a quarter of what reading a Debian image costs, so both are
//! computed only where they are asked for: by the verification of package files at paths that a package may own, by lists
//! of such digests everywhere. Neither is relied on for security.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::facts::More;
use crate::inspectors::Digesting;

/// Digests of one content.
pub(super) struct Digests {
    sha256: Sha256,
    others: Option<(Md5, Sha1)>,
}

impl Digests {
    /// For the content of the file at `path`.
    pub(super) fn new(digesting: Digesting, path: &[u8]) -> Self {
        let others = match digesting {
            Digesting::Nowhere => false,
            Digesting::Packaged => may_be_packaged(path),
            Digesting::Everywhere => true,
        };
        Self { sha256: Sha256::new(), others: others.then(Default::default) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some((md5, sha1)) = &mut self.others {
            md5.update(bytes);
            sha1.update(bytes);
        }
    }

    /// The SHA-256 of what passed.
    pub(super) fn sha256_so_far(&self) -> [u8; 32] {
        self.sha256.clone().finalize().into()
    }

    /// SHA-256, and the others in the form in which entries keep them.
    pub(super) fn finish(self) -> ([u8; 32], Option<Box<More>>) {
        let more = self.others.map(|(md5, sha1)| {
            let (md5, sha1) = (Some(md5.finalize().into()), Some(sha1.finalize().into()));
            Box::new(More { md5, sha1, ..More::default() })
        });
        (self.sha256.finalize().into(), more)
    }
}

/// Whether a package database may own the path: the places of the file system hierarchy that belong to the distribution.
/// Everything local (`usr/local`, `opt`, `srv`, `home`, `root`, application folders) and everything that changes while
/// running is left out. (RPM packages do live in `opt`, but with SHA-256, as far back as version 4.6.)
pub(super) fn may_be_packaged(path: &[u8]) -> bool {
    let first = path.split(|&byte| byte == b'/').next().unwrap_or_default();
    match first {
        b"usr" => !path.starts_with(b"usr/local/"),
        b"var" => path.starts_with(b"var/lib/") && !path.starts_with(b"var/lib/dpkg/"),
        b"bin" | b"sbin" | b"etc" | b"boot" => true,
        first => first.starts_with(b"lib"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_pieces_are_those_of_the_whole() {
        let mut digests = Digests::new(Digesting::Everywhere, b"srv/x");
        for piece in ["a", "", "bc"] {
            digests.update(piece.as_bytes());
        }
        assert_eq!(digests.sha256_so_far(), <[u8; 32]>::from(Sha256::digest(b"abc")));
        let (sha256, more) = digests.finish();
        let more = more.unwrap();
        assert_eq!(hex::encode(sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hex::encode(more.md5.unwrap()), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hex::encode(more.sha1.unwrap()), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(Digests::new(Digesting::Nowhere, b"usr/x").finish().1, None);
        assert_eq!(Digests::new(Digesting::Packaged, b"srv/x").finish().1, None);
    }

    #[test]
    fn packages_own_what_is_not_local() {
        for (path, want) in [
            ("usr/bin/x", true),
            ("usr/local/bin/x", false),
            ("lib64/x", true),
            ("etc/passwd", true),
            ("var/lib/x/y", true),
            ("var/lib/dpkg/status", false),
            ("var/log/x", false),
            ("opt/app/x", false),
            ("bin", true),
        ] {
            assert_eq!(may_be_packaged(path.as_bytes()), want, "{path}");
        }
    }
}
