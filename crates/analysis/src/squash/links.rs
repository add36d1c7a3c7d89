//! Following symbolic links inside an image, never out of it.

use std::borrow::Cow;
use std::collections::VecDeque;

/// The path with every symbolic link of it followed, its own name included. `link_at` gives the target of the link at
/// a path. `..` above the root stays at the root, as in a container. `None` if more than `depth` links are met.
pub(crate) fn resolve<'p, 'l>(
    path: &'p [u8],
    depth: u32,
    link_at: impl Fn(&[u8]) -> Option<&'l [u8]>,
) -> Option<Cow<'p, [u8]>> {
    if !has_link(path, &link_at) {
        return Some(Cow::Borrowed(path));
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
        let Some(target) = link_at(&done) else { continue };
        links += 1;
        if links > depth {
            return None;
        }
        done.truncate(if target.first() == Some(&b'/') { 0 } else { parent });
        for segment in target.rsplit(|&byte| byte == b'/') {
            todo.push_front(segment);
        }
    }
    Some(Cow::Owned(done))
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
            ("", Some("")),
            ("lib/x", Some("usr/lib/x")),
            ("alias/in/y", Some("usr/lib/x/y")),
            ("up/passwd", Some("etc/passwd")),
            ("a/x", None),
            ("plain/x", Some("plain/x")),
        ] {
            assert_eq!(resolve(path.as_bytes(), 40, link_at).as_deref(), want.map(str::as_bytes), "{path}");
        }
    }
}
