//! Judging a typical image: 400 packages, 10,000 files, 200 vulnerabilities, 30 rules.
//!
//! `cargo bench -p killick-policy`. Target: under 5 ms.

use criterion::{Criterion, criterion_group, criterion_main};
use killick_policy::{Options, evaluate};

mod synthetic;

fn evaluation(criterion: &mut Criterion) {
    let (bundle, image) = (synthetic::bundle(), synthetic::Image::new(0));
    let evidence = image.evidence();
    criterion.bench_function("read and check 30 rules", |bench| bench.iter(|| synthetic::bundle().validate()));
    criterion.bench_function("judge a typical image by 30 rules", |bench| {
        bench.iter(|| evaluate(&bundle, &evidence, "docker.io/library/app:1", &Options::default()));
    });
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
