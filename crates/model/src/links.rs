//! Following symbolic links inside an image, never out of it.

use std::borrow::Cow;
use std::collections::VecDeque;

/// How far links are followed, and how long a path may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a path.
    pub path_bytes: usize,
    /// Segments of a path.
    pub path_depth: usize,
    /// Links followed for one path.
    pub links: u32,
}

impl Default for Bounds {
    /// What Linux allows.
    fn default() -> Self {
        Self { path_bytes: 4096, path_depth: 255, links: 40 }
    }
}

impl Bounds {
    /// Whether a path has more segments than it may.
    pub fn is_too_deep(&self, path: &[u8]) -> bool {
        path.split(|&byte| byte == b'/').count() > self.path_depth
    }
}

/// Why a path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Links that lead to each other, or too many.
    Loop,
    /// It becomes too long.
    Long,
    /// It gets too many segments.
    Deep,
}

impl Lost {
    /// The kind of the problem, and what to say of it.
    pub fn problem(self) -> (&'static str, &'static str) {
        match self {
            Self::Loop => ("symlink-loop", "symbolic links above the path lead nowhere, skipped"),
            Self::Long => ("limit-path-bytes", "symbolic links lead to a path that is too long, skipped"),
            Self::Deep => ("limit-path-depth", "symbolic links lead to a path that is too deep, skipped"),
        }
    }
}

/// The path with every symbolic link of it followed, its own name included. `link_at` gives the target of the link at
/// a path. `..` above the root stays at the root, as in a container.
pub fn resolve<'p, 'l>(
    path: &'p [u8],
    bounds: Bounds,
    link_at: impl Fn(&[u8]) -> Option<&'l [u8]>,
) -> Result<Cow<'p, [u8]>, Lost> {
    if !has_link(path, &link_at) {
        return Ok(Cow::Borrowed(path));
    }
    let mut links = 0;
    let mut todo: VecDeque<&[u8]> = path.split(|&byte| byte == b'/').collect();
    let mut done: Vec<u8> = Vec::with_capacity(path.len());
    while let Some(segment) = todo.pop_front() {
        let parent = done.len();
        match segment {
            b"" | b"." => continue,
            b".." => {
                done.truncate(done.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
                continue;
            }
            name if done.is_empty() => done.extend_from_slice(name),
            name => {
                done.push(b'/');
                done.extend_from_slice(name);
            }
        }
        if done.len() > bounds.path_bytes {
            return Err(Lost::Long);
        }
        let Some(target) = link_at(&done) else { continue };
        links += 1;
        if links > bounds.links {
            return Err(Lost::Loop);
        }
        done.truncate(if target.first() == Some(&b'/') { 0 } else { parent });
        for segment in target.rsplit(|&byte| byte == b'/') {
            todo.push_front(segment);
        }
    }
    if bounds.is_too_deep(&done) { Err(Lost::Deep) } else { Ok(Cow::Owned(done)) }
}

fn has_link<'l>(path: &[u8], link_at: &impl Fn(&[u8]) -> Option<&'l [u8]>) -> bool {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([path.len()]);
    path != b"" && ends.into_iter().any(|end| path.get(..end).is_some_and(|prefix| link_at(prefix).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside() {
        let links: &[(&str, &str)] = &[
            ("lib", "usr/lib"),
            ("alias", "/real"),
            ("up", "../../../etc"),
            ("a", "b"),
            ("b", "a"),
            ("real/in", "../lib/./x"),
        ];
        let link_at = |path: &[u8]| links.iter().find(|(from, _)| from.as_bytes() == path).map(|(_, to)| to.as_bytes());
        for (path, want) in [
            ("", Ok("")),
            ("lib/x", Ok("usr/lib/x")),
            ("alias/in/y", Ok("usr/lib/x/y")),
            ("up/passwd", Ok("etc/passwd")),
            ("a/x", Err(Lost::Loop)),
            ("plain/x", Ok("plain/x")),
            ("lib/x/long", Err(Lost::Long)),
            ("lib/1/2/3", Err(Lost::Deep)),
        ] {
            let bounds = Bounds { path_bytes: 13, path_depth: 4, ..Bounds::default() };
            let found = resolve(path.as_bytes(), bounds, link_at).map(Cow::into_owned);
            assert_eq!(found, want.map(|want| want.as_bytes().to_vec()), "{path}");
        }
    }
}
