//! The files of an image in the order of their paths, and which of them a pattern matches.

use std::hint::black_box;

use killick_model::file::FileEntry;

use crate::regexes::{PatternError, StartRegex, Steps};

/// Files whose paths are fetched from memory together.
const FETCHED: usize = 64;

/// Files, and their paths as rules write them, with the leading `/`: written once for all rules that look at every path.
pub(crate) struct Files<'e> {
    entries: Vec<&'e FileEntry>,
    paths: Paths,
}

impl<'e> Files<'e> {
    pub(crate) fn of(mut entries: Vec<&'e FileEntry>) -> Self {
        // They nearly always come in their order. To see it takes all paths, which lie far apart in memory: it is seen
        // while they are written.
        let (paths, is_ordered) = Paths::of(&entries);
        if is_ordered {
            return Self { entries, paths };
        }
        entries.sort_by_key(|file| &file.path);
        let (paths, _) = Paths::of(&entries);
        Self { entries, paths }
    }

    /// The files, by path.
    pub(crate) fn entries(&self) -> &[&'e FileEntry] {
        &self.entries
    }

    /// Those of the `wanted` files whose path `regex` matches, by path.
    pub(crate) fn matching(
        &self,
        regex: &StartRegex,
        steps: &Steps,
        wanted: impl Fn(&FileEntry) -> bool,
    ) -> Result<Vec<(&'e FileEntry, &str)>, PatternError> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some((at, path)) = self.paths.next_candidate(regex, from) {
            from = at + 1;
            let Some(entry) = self.entries.get(at).copied().filter(|entry| wanted(entry)) else { continue };
            if regex.is_match_within(path, steps)? {
                found.push((entry, path));
            }
        }
        Ok(found)
    }
}

/// Paths of files as texts, one behind the other.
struct Paths {
    text: String,
    ends: Vec<usize>,
}

impl Paths {
    /// The paths, and whether they are in their order.
    fn of(files: &[&FileEntry]) -> (Self, bool) {
        const USUAL: usize = 48;
        let mut text = String::with_capacity(files.len().saturating_mul(USUAL));
        let mut ends = Vec::with_capacity(files.len());
        let (mut last, mut is_ordered): (&[u8], bool) = (&[], true);
        for files in files.chunks(FETCHED) {
            // A processor waits for many reads at once if none depends on another. Those of the loop below do, and would
            // take most of the time of an evaluation.
            black_box(
                files.iter().fold(0, |all, file| all ^ file.path.as_bytes().first().copied().unwrap_or_default()),
            );
            for file in files {
                text.push('/');
                let bytes = file.path.as_bytes();
                is_ordered &= last <= bytes;
                last = bytes;
                // Nearly all are whole texts, and to know that is quicker than to look for what is not.
                match std::str::from_utf8(bytes) {
                    Ok(path) => text.push_str(path),
                    Err(_) => text.push_str(&String::from_utf8_lossy(bytes)),
                }
                ends.push(text.len());
            }
        }
        (Self { text, ends }, is_ordered)
    }

    /// The first path, from the one of that number on, that `regex` may match.
    fn next_candidate(&self, regex: &StartRegex, from: usize) -> Option<(usize, &str)> {
        let at = match regex.needles() {
            None => from,
            Some(needles) => {
                let start = self.start(from);
                let found = start.saturating_add(needles.find(self.text.get(start..)?)?.start());
                let later = self.ends.get(from..)?;
                // It is often the very next one.
                let is_next = later.first().is_some_and(|end| *end > found);
                from + if is_next { 0 } else { later.partition_point(|end| *end <= found) }
            }
        };
        Some((at, self.text.get(self.start(at)..*self.ends.get(at)?)?))
    }

    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use killick_model::file::FileKind;
    use killick_model::path::ImagePath;
    use proptest::prelude::*;

    use super::*;

    fn file(path: &str) -> FileEntry {
        FileEntry {
            path: ImagePath::new(path.as_bytes()).unwrap(),
            kind: FileKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            link_target: None,
            sha256: None,
            md5: None,
            sha1: None,
            layer: 0,
        }
    }

    fn found(pattern: &str, paths: &[&str]) -> Vec<String> {
        let files: Vec<FileEntry> = paths.iter().map(|path| file(path)).collect();
        let files = Files::of(files.iter().collect());
        let regex = StartRegex::new(pattern).unwrap();
        let found = files.matching(&regex, &Steps::new(), |_| true).unwrap();
        found.into_iter().map(|(_, path)| path.to_owned()).collect()
    }

    #[test]
    fn paths_are_found_in_their_order() {
        let paths = ["b/key.pem", "a", "b.pem/x", "a/b.key", "root/.ssh", "root.d/x", "z"];
        for (pattern, want) in [
            (".*\\.(pem|key)", &["/a/b.key", "/b.pem/x", "/b/key.pem"][..]),
            (".*\\.(pem|key)$", &["/a/b.key", "/b/key.pem"]),
            ("/root/\\..*", &["/root/.ssh"]),
            ("root", &[]),
            ("/z", &["/z"]),
            ("/a", &["/a", "/a/b.key"]),
            ("(?!/b).*pem", &[]),
        ] {
            assert_eq!(found(pattern, &paths), want, "{pattern}");
        }
    }

    #[test]
    fn what_two_paths_make_together_is_no_path() {
        // `/ab/c`: the end of one and the beginning of the next.
        assert_eq!(found(".*b/c", &["ab", "c", "d/b/c"]), ["/d/b/c"]);
    }

    proptest! {
        #[test]
        fn candidates_leave_nothing_out(
            pattern in "(\\(\\?i\\))?[ab/.]{0,2}(\\.\\*)?(ab|ba|/a|\\(ab\\|b\\)|\\(\\?:a\\|/b/\\)|[ab]\\?|\\[ab\\]b|b\\+a|\\$){0,4}",
            paths in proptest::collection::vec("[abAB]{1,3}(/[abAB]{1,3}){0,2}", 0..12),
        ) {
            let Ok(regex) = StartRegex::new(&pattern) else { return Ok(()) };
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let mut want: Vec<String> = paths.iter().map(|path| format!("/{path}")).collect();
            want.sort();
            want.retain(|path| regex.is_match(path).unwrap());
            prop_assert_eq!(found(&pattern, &paths), want, "{}", pattern);
        }
    }
}
