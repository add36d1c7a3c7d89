use std::path::Path;

use super::{Audience, BuildOptions, build, join};
use crate::index::{Index, Segment};

#[test]
fn many_inputs_are_one_entry() {
    let inputs = |count: u8| (0..count).map(|at| (format!("x/y/{at}.json"), [at; 32])).collect::<Vec<_>>();
    assert_eq!(join(inputs(3)), inputs(3));
    let joined = join(inputs(100));
    assert_eq!(joined.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["x/y and 100 files"]);
    let mut other = inputs(100);
    other[50].1 = [0; 32];
    assert_ne!(join(other), joined, "each file counts");
}

/// Files of a provider with releases, of one that is not passed on, and of one without either.
fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }
}

const SECDB: &str = r#"{"packages":[{"pkg":{"name":"curl","secfixes":{"8.1-r0":["CVE-2099-0001"]}}}]}"#;

const KEV: &str = r#"{"dateReleased":"2099-01-01","vulnerabilities":[{"cveID":"CVE-2099-0001"}]}"#;

fn segments(index: &Path) -> Vec<String> {
    let index = Index::open(index).unwrap();
    index.verify().unwrap();
    index.manifest().segments.iter().map(Segment::label).collect()
}

#[test]
fn what_is_not_here_is_taken_over_where_that_is_wanted() {
    let work = tempfile::tempdir().unwrap();
    let (old, new, out) = (work.path().join("old"), work.path().join("new"), work.path().join("index"));
    write(
        &old,
        &[
            ("alpine-secdb/v3.20/main.json", SECDB),
            ("alpine-secdb/v3.21/main.json", SECDB),
            ("wolfi/os/security.json", SECDB),
            ("kev/known_exploited_vulnerabilities.json", KEV),
        ],
    );
    let mut options =
        BuildOptions { instant: Some("2099-01-02T00:00:00Z".parse().unwrap()), ..BuildOptions::default() };
    build(&[old], &out, &options).unwrap();
    let all = ["alpine/alpine:3.20", "alpine/alpine:3.21", "kev/kev", "secdb/wolfi"];
    assert_eq!(segments(&out), all);
    let previous = Index::open(&out).unwrap();
    let later = work.path().join("later");
    write(&new, &[("alpine-secdb/v3.21/main.json", SECDB)]);
    options.previous = Some(&previous);
    let built = |options: &BuildOptions<'_>| {
        build(std::slice::from_ref(&new), &later, options).unwrap();
        segments(&later)
    };
    assert_eq!(built(&options), ["alpine/alpine:3.21"], "nobody wants more");
    options.keep = Some(&[]);
    assert_eq!(built(&options), ["alpine/alpine:3.21", "kev/kev", "secdb/wolfi"]);
    let incomplete = ["alpine".to_owned()];
    options.keep = Some(&incomplete);
    assert_eq!(built(&options), all);
    let index = Index::open(&later).unwrap();
    assert_eq!(index.statements(0, "curl").unwrap(), previous.statements(0, "curl").unwrap());
    let without = ["secdb".to_owned()];
    options.without = &without;
    assert_eq!(built(&options), all[..3]);
    options = BuildOptions { audience: Audience::Public, without: &[], ..options };
    assert_eq!(built(&options), all[..3], "whoever gets this may pass it on");
    // A file that breaks off says nothing of what was in it.
    write(&new, &[("alpine-secdb/v3.20/main.json", r#"{"packages":[{"pkg""#)]);
    options.keep = Some(&[]);
    assert_eq!(built(&options), all[..3]);
}
