//! Opening the starter index, and judging packages by it.
//!
//! `cargo bench -p killick-vulns`. Targets: 500 packages in under 20 ms, 100,000 in under a second.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;
use killick_vulns::{Index, MatchOptions, Subject, match_packages};

/// Distinct packages: names that have advisories, each in many versions.
fn packages(count: usize) -> Vec<Package> {
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
    for count in [500, 100_000] {
        let packages = packages(count);
        let subject = Subject { distribution: Some(&distribution), packages: &packages };
        criterion.bench_function(&format!("open and match {count} packages"), |bench| {
            bench.iter_batched(
                || (),
                |()| {
                    let index = Index::starter().expect("the starter index is whole");
                    match_packages(&index, subject, &MatchOptions::default()).expect("the index is whole")
                },
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = matching
}
criterion_main!(benches);
