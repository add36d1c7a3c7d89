//! What matching finds of lists whose findings are known: precision and recall, held to what they were.
//!
//! `scripts/quality-set` made the lists without this crate (`testdata/README.md`). Where they are wrong or we are, a line
//! of `deviations.txt` says why; a line that is not needed any more fails as well.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;

/// Package, version, vulnerability.
type Finding = (String, String, String);

/// The index of a list: trees as they are, OSV's records a line each.
fn index(feeds: &Path) -> Index {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("feeds");
    fs_err::create_dir(&root).unwrap();
    for entry in fs_err::read_dir(feeds).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let Some(ecosystem) = name.strip_suffix(".jsonl") else {
            fs_err::create_dir(root.join(&name)).unwrap();
            crate::providers::tests::pack(&entry.path(), &root.join(&name));
            continue;
        };
        let records = root.join("osv").join(ecosystem).join("records");
        fs_err::create_dir_all(&records).unwrap();
        for (at, line) in fs_err::read_to_string(entry.path()).unwrap().lines().enumerate() {
            fs_err::write(records.join(format!("{at}.json")), line).unwrap();
        }
    }
    let out = work.path().join("index");
    let report = build(&[root], &out, &BuildOptions::default()).unwrap();
    let skipped: Vec<_> = report.inputs.iter().filter(|input| input.skipped > 0).collect();
    assert!(skipped.is_empty(), "{skipped:#?}");
    Index::open(&out).unwrap()
}

/// `expected.txt`: a package, its version, and its vulnerabilities in a line.
fn expected(text: &str) -> BTreeSet<Finding> {
    text.lines()
        .flat_map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            let (name, version) = (words.next().unwrap(), words.next().unwrap());
            words.map(move |id| (name.clone(), version.clone(), id)).collect::<Vec<_>>()
        })
        .collect()
}

/// `deviations.txt`: `missed` or `extra`, package, version, vulnerability, a colon and the reason.
fn deviations(text: &str) -> BTreeSet<(String, Finding)> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (what, reason) = line.split_once(": ").unwrap();
            assert!(reason.len() > 10, "{line}");
            let words: Vec<&str> = what.split(' ').collect();
            let [kind, name, version, id] = words[..] else { panic!("{line}") };
            (kind.to_owned(), (name.to_owned(), version.to_owned(), id.to_owned()))
        })
        .collect()
}

/// What is found, by the name of `expected` where one of its names is there.
fn found(index: &Index, text: &str, expected: &BTreeSet<Finding>) -> BTreeSet<Finding> {
    let (distribution, packages) = packages(text);
    let subject = Subject { distribution: distribution.as_ref(), packages: &packages };
    let report = match_packages(index, subject, &MatchOptions::default()).unwrap();
    let of = |found: &Match| {
        let package = &packages[found.package.0 as usize];
        let name = match &package.details {
            PackageDetails::Java { group: Some(group), .. } => format!("{group}:{}", package.name),
            _ => package.name.clone(),
        };
        let names = std::iter::once(&found.vulnerability).chain(&found.aliases);
        let named = names.map(|id| (name.clone(), package.version.clone(), id.clone())).collect::<Vec<_>>();
        named.iter().find(|finding| expected.contains(finding)).unwrap_or(&named[0]).clone()
    };
    report.matches.iter().map(of).collect()
}

#[test]
fn quality() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/quality");
    let mut lists: Vec<PathBuf> = fs_err::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    lists.sort();
    let mut wrong = BTreeMap::new();
    let mut total = [0; 3];
    println!("{:18} {:>9} {:>9} {:>9} {:>9} {:>9}", "list", "expected", "found", "right", "precision", "recall");
    let row = |name: &str, [expected, found, right]: [usize; 3]| {
        let percent = |of: usize| format!("{}.{:02} %", 100 * right / of, 10_000 * right / of % 100);
        println!("{name:18} {expected:9} {found:9} {right:9} {:>9} {:>9}", percent(found), percent(expected));
    };
    for list in lists {
        let read = |name: &str| fs_err::read_to_string(list.join(name)).unwrap_or_default();
        let name = list.file_name().unwrap().to_str().unwrap();
        let expected = expected(&read("expected.txt"));
        let found = found(&index(&list.join("feeds")), &read("packages.txt"), &expected);
        assert!(expected.len() > 50 && !found.is_empty(), "{name} is empty");
        let counts = [expected.len(), found.len(), expected.intersection(&found).count()];
        row(name, counts);
        total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        let missed = expected.difference(&found).map(|finding| ("missed".to_owned(), finding.clone()));
        let extra = found.difference(&expected).map(|finding| ("extra".to_owned(), finding.clone()));
        let seen: BTreeSet<_> = missed.chain(extra).collect();
        let told = deviations(&read("deviations.txt"));
        if seen != told {
            let differences: Vec<_> = seen.symmetric_difference(&told).cloned().collect();
            wrong.insert(name.to_owned(), differences);
        }
    }
    row("all", total);
    let lines: Vec<String> = wrong
        .iter()
        .flat_map(|(list, findings)| {
            findings.iter().map(move |(kind, (name, version, id))| format!("{list}: {kind} {name} {version} {id}"))
        })
        .collect();
    assert!(lines.is_empty(), "not in `deviations.txt`, or not true any more:\n{}", lines.join("\n"));
}
