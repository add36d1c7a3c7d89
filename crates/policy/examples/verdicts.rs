//! Thirty rules over a fleet of made-up images, on all cores.
//!
//! `cargo run --release -p killick-policy --example verdicts -- [IMAGES [DISTINCT]]`; with one distinct image all of it is in
//! the processor's caches.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use killick_policy::{Options, evaluate};

#[path = "../benches/synthetic/mod.rs"]
mod synthetic;

/// Distinct images unless said otherwise; the fleet is made of them under different names.
const DISTINCT: usize = 50;

#[expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "it prints its measurements")]
fn main() -> anyhow::Result<()> {
    let count = std::env::args().nth(1).map_or(Ok(100_000), |count| count.parse());
    let count: usize = count.context("the number of images is no number")?;
    let bundle = synthetic::bundle();
    let distinct = std::env::args().nth(2).map_or(Ok(DISTINCT), |count| count.parse());
    let distinct: usize = distinct.context("the number of distinct images is no number")?;
    let images: Vec<_> = (0..distinct.max(1)).map(synthetic::Image::new).collect();
    let (next, findings, stopped) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Instant::now();
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(image) = images.get(at % images.len()).filter(|_| at < count) else { return };
            let reference = format!("registry.example.com/team/app-{at}:1");
            let evaluation = evaluate(&bundle, &image.evidence(), &reference, &Options::default());
            findings.fetch_add(evaluation.findings.len(), Ordering::Relaxed);
            stopped.fetch_add(usize::from(!evaluation.passes()), Ordering::Relaxed);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{count} images by 30 rules on {threads} cores in {seconds:.1} s: {:.0} images per second, {} findings, {} stopped",
        count as f64 / seconds,
        findings.into_inner(),
        stopped.into_inner()
    );
    Ok(())
}
