//! The merged trees of constructed layers.

use super::*;
use crate::facts::More;

/// Layers in a few words: `d:path`, `f:path`, `s:path>target`, `h:path>target`, `w:path` (whiteout), `o:path` (opaque).
fn layer(words: &str) -> LayerFacts {
    let mut facts = LayerFacts::default();
    for (size, word) in (0..).zip(words.split_whitespace()) {
        let (letter, rest) = word.split_once(':').unwrap();
        let (path, link) = rest.split_once('>').unwrap_or((rest, ""));
        let path = ImagePath::new(path.as_bytes()).unwrap();
        let kind = match letter {
            "w" => {
                facts.whiteouts.push(path);
                continue;
            }
            "o" => {
                facts.opaques.push(path);
                continue;
            }
            "d" => EntryKind::Directory,
            "s" => EntryKind::Symlink,
            "h" => EntryKind::HardLink,
            _ => EntryKind::File,
        };
        let more = (!link.is_empty()).then(|| Box::new(More { link: link.as_bytes().into(), ..More::default() }));
        facts.push(Entry { path, size, sha256: [0; 32], more, uid: 0, gid: 0, mode: 0o644, kind });
    }
    facts
}

/// The files as words, with the layer and, to tell contents apart, the place within the layer: `f:a@0.1`.
fn merge(layers: &[&str]) -> (String, Vec<Problem>) {
    let layers: Vec<LayerFacts> = layers.iter().map(|words| layer(words)).collect();
    let mut plan = plan(&layers, &Limits::default()).unwrap();
    let problems = std::mem::take(&mut plan.problems);
    let files = plan.into_files(layers.into_iter().map(|layer| layer.blocks).collect());
    let words = files.iter().map(|file| {
        let path = String::from_utf8_lossy(file.path.as_bytes());
        match file.kind {
            FileKind::Directory => format!("d:{path}"),
            FileKind::Symlink => format!("s:{path}"),
            _ => format!("f:{path}@{}.{}", file.layer, file.size),
        }
    });
    (words.collect::<Vec<_>>().join(" "), problems)
}

#[test]
fn trees() {
    for (about, layers, want) in [
        ("implied parents", &["f:a/b/c"][..], "d:a d:a/b f:a/b/c@0.0"),
        ("a directory becomes a file", &["d:a f:a/x", "f:a"], "f:a@1.0"),
        ("a directory becomes a link", &["d:a f:a/x d:b", "s:a>b"], "s:a d:b"),
        ("a file becomes a directory", &["f:a", "d:a f:a/x"], "d:a f:a/x@1.1"),
        ("neighbours of a directory stay", &["d:a f:a/x f:a.b f:a0", "f:a"], "f:a@1.0 f:a.b@0.2 f:a0@0.3"),
        ("a whiteout takes the subtree", &["d:d f:d/1 f:e", "w:d"], "f:e@0.2"),
        ("a whiteout spares its own layer", &["f:x", "f:x w:x"], "f:x@1.0"),
        ("a whiteout of nothing", &["f:x", "w:y/z"], "f:x@0.0"),
        ("an opaque marker hides lower layers only", &["d:o f:o/old", "f:o/new o:o"], "d:o f:o/new@1.0"),
        ("an opaque root empties the image", &["f:a d:b", "o: f:c"], "f:c@1.1"),
        ("the last duplicate wins", &["f:a f:b f:a"], "f:a@0.2 f:b@0.1"),
        ("a directory twice keeps its children", &["d:d f:d/x d:d"], "d:d f:d/x@0.1"),
        ("a hard link to a lower layer", &["f:a", "h:b>a"], "f:a@0.0 f:b@1.0"),
        ("a hard link keeps what it was made of", &["f:x f:a", "h:b>a", "f:a"], "f:a@2.0 f:b@1.1 f:x@0.0"),
        ("a hard link survives its target", &["f:x f:a", "h:b>/a", "w:a"], "f:b@1.1 f:x@0.0"),
        ("a hard link before its target", &["h:b>a f:a"], "f:a@0.1 f:b@0.1"),
        ("names below a link", &["d:usr/lib s:lib>usr/lib", "f:lib/x"], "s:lib d:usr d:usr/lib f:usr/lib/x@1.0"),
        ("whiteouts below a link", &["f:real/gone s:alias>/real", "w:alias/gone"], "s:alias d:real"),
        ("a link that leads out stays in", &["s:up>../../etc", "f:up/x"], "d:etc f:etc/x@1.0 s:up"),
        ("a directory replaces a link", &["d:a s:s>a", "d:s f:s/x"], "d:a d:s f:s/x@1.1"),
    ] {
        let (found, problems) = merge(layers);
        assert_eq!(found, want, "{about}");
        assert!(problems.is_empty(), "{about}: {problems:?}");
    }
}

#[test]
fn what_leads_nowhere_is_told() {
    for (layers, kind) in [
        (&["h:a>b h:b>a"][..], "broken-hardlink"),
        (&["d:d h:l>d"], "broken-hardlink"),
        (&["h:l>../../etc/shadow"], "broken-hardlink"),
        (&["s:a>b s:b>a", "f:a/x"], "symlink-loop"),
    ] {
        let (_, problems) = merge(layers);
        assert!(problems.iter().all(|problem| problem.kind == kind) && !problems.is_empty(), "{problems:?}");
    }
}

#[test]
fn names_that_no_layer_has_are_bounded() {
    let deep = |name: u32| layer(&format!("f:{name}{}", "/b".repeat(250)));
    let limits = Limits { tree_bytes: 1 << 20, ..Limits::default() };
    assert!(plan(&[deep(1)], &limits).is_ok());
    // Each makes 250 directories.
    let layers: Vec<_> = (0..20).map(deep).collect();
    let own: u64 = layers.iter().map(LayerFacts::name_bytes).sum();
    assert!(own < limits.tree_bytes / 50);
    assert!(matches!(plan(&layers, &limits), Err(layer) if layer > 5));
    // Each is moved to a long name.
    let long = "l".repeat(3000);
    let mut layers = vec![layer(&format!("d:{long} s:s>{long}"))];
    layers.extend((0..500).map(|name| layer(&format!("f:s/{name}"))));
    assert!(matches!(plan(&layers, &limits), Err(layer) if layer > 100));
}

#[test]
fn names_moved_too_far_are_told() {
    let long = "l".repeat(3000);
    let deep = "d/".repeat(200);
    for (below, above, kind) in [
        (format!("d:{long} s:s>{long}"), format!("f:s/{long}"), "limit-path-bytes"),
        (format!("s:s>{long}/{long}"), "f:s/x".to_owned(), "limit-path-bytes"),
        (format!("s:s>{deep}"), format!("f:s/{deep}x"), "limit-path-depth"),
    ] {
        let (_, problems) = merge(&[&below, &above]);
        assert_eq!((problems.len(), problems[0].kind.as_str()), (1, kind));
    }
}
