//! Diversions: files that a package has under another name than its list says (dpkg-divert(1)).
//!
//! `var/lib/dpkg/diversions`, three lines each: the path, where it goes instead, and the package that keeps its own
//! there, `:` for none.

use std::collections::HashMap;

use killick_model::path::ImagePath;

use super::{DIVERSIONS, lists};
use crate::catalogers::Found;

/// Where the files of other packages are.
#[derive(Default)]
pub(super) struct Diversions<'a>(HashMap<ImagePath, (ImagePath, &'a [u8])>);

impl<'a> Diversions<'a> {
    /// The diversions among all wanted files.
    pub(super) fn of(by_path: &HashMap<&[u8], &'a Found>) -> Self {
        let piece = by_path.get(DIVERSIONS.as_bytes()).and_then(|found| found.pieces.first());
        let lines: Vec<&[u8]> = lists::lines(piece.map(Vec::as_slice).unwrap_or_default()).collect();
        let entries = lines.chunks_exact(3).filter_map(|entry| {
            let &[from, to, package] = entry else { return None };
            Some((ImagePath::new(from)?, (ImagePath::new(to)?, package)))
        });
        Self(entries.collect())
    }

    /// Where the file that `package` lists at `path` was put.
    pub(super) fn place(&self, path: ImagePath, package: &str) -> ImagePath {
        match self.0.get(&path) {
            Some((place, keeper)) if *keeper != package.as_bytes() => place.clone(),
            _ => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_keeper_move() {
        let text = b"/bin/sh\n/bin/sh.distrib\ndash\n/usr/bin/x\n/usr/bin/x.real\n:\n/cut\n".to_vec();
        let found = Found { pieces: vec![text], ..Found::default() };
        let diversions = Diversions::of(&HashMap::from([(DIVERSIONS.as_bytes(), &found)]));
        for (path, package, want) in [
            ("bin/sh", "dash", "/bin/sh"),
            ("bin/sh", "bash", "/bin/sh.distrib"),
            ("usr/bin/x", "any", "/usr/bin/x.real"),
            ("cut", "any", "/cut"),
        ] {
            let path = ImagePath::new(path.as_bytes()).unwrap();
            assert_eq!(diversions.place(path, package).to_string(), want);
        }
    }
}
