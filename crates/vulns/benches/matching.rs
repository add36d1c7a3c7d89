//! Opening the starter index, and judging packages by it.
//!
//! `cargo bench -p killick-vulns`. Targets: 500 packages in under 20 ms, 100,000 in under a second. Those are meant for
//! packages as images have them: here names of the index, each once or a few times. The others, six names that have hundreds of
//! advisories, each in so many versions that nearly every package has hundreds of matches, are the worst case.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;
use killick_vulns::{Index, MatchOptions, Subject, Table, match_packages};

/// Distinct packages: names that the index has something to say about, evenly, and as many versions of each as are needed.
fn mixed(index: &Index, count: usize) -> Vec<Package> {
    const ECOSYSTEMS: [(&str, PackageKind); 4] = [
        ("debian:12", PackageKind::Deb),
        ("PyPI", PackageKind::Python),
        ("npm", PackageKind::Npm),
        ("RubyGems", PackageKind::Gem),
    ];
    let mut names = Vec::new();
    for (ecosystem, kind) in ECOSYSTEMS {
        for (segment, _) in index.segments_of(ecosystem) {
            let mut push = |name: &str| names.push((kind, name.to_owned()));
            index.visit_keys(segment, Table::Packages, &mut push).expect("the starter index is whole");
        }
    }
    let step = (names.len() / count).max(1);
    let chosen: Vec<_> = names.iter().step_by(step).take(count).collect();
    let package = |at: usize| {
        let (kind, name) = chosen[at % chosen.len()];
        let version = format!("{}.{}.{}", at / chosen.len() % 20, at % 7, at / chosen.len());
        Package::new(*kind, name, &version, ImagePath::from("/var/lib/dpkg/status"))
    };
    (0..count).map(package).collect()
}

/// Distinct packages: six names that have many advisories, each in many versions, all older than most fixes.
fn worst(count: usize) -> Vec<Package> {
    const NAMES: [(&str, PackageKind); 6] = [
        ("openssl", PackageKind::Deb),
        ("curl", PackageKind::Deb),
        ("zlib", PackageKind::Deb),
        ("Django", PackageKind::Python),
        ("lodash", PackageKind::Npm),
        ("nokogiri", PackageKind::Gem),
    ];
    (0..count)
        .map(|at| {
            let (name, kind) = NAMES[at % NAMES.len()];
            let version = format!("{}.{}.{}", at / 2500 % 50, at / 50 % 50, at % 50);
            Package::new(kind, name, &version, ImagePath::from("/var/lib/dpkg/status"))
        })
        .collect()
}

fn matching(criterion: &mut Criterion) {
    let distribution =
        Distribution { id: "debian".to_owned(), version: Some("12".to_owned()), ..Distribution::default() };
    criterion.bench_function("open the starter index", |bench| {
        bench.iter(|| Index::starter().expect("the starter index is whole"));
    });
    let index = Index::starter().expect("the starter index is whole");
    for (what, packages) in [
        ("500 packages", mixed(&index, 500)),
        ("100000 packages", mixed(&index, 100_000)),
        ("500 packages of six names", worst(500)),
    ] {
        let subject = Subject { distribution: Some(&distribution), packages: &packages };
        let matched = || {
            let index = Index::starter().expect("the starter index is whole");
            match_packages(&index, subject, &MatchOptions::default()).expect("the index is whole")
        };
        criterion.bench_function(&format!("open and match {what}"), |bench| {
            bench.iter_batched(|| (), |()| matched(), BatchSize::PerIteration);
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = matching
}
criterion_main!(benches);
