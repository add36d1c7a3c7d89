//! Replays recorded exchanges of the original service against ours and compares the answers.
//!
//! A folder of recordings holds `<group>/<case>.json` (or `.json.gz`), one exchange each. The recordings under `own/`
//! are always replayed; those of the folder in `KILLICK_TEST_RECORDINGS` as well, if that is set. What is volatile is
//! masked ([`mask`]); differences we chose are listed with their reasons in `differences.toml`, from which
//! `docs/compatibility.md` is written. State that the recordings do not carry themselves is made by [`plan`].

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::format_push_string,
    clippy::struct_field_names,
    clippy::unused_self,
    clippy::large_enum_variant,
    clippy::cloned_instead_of_copied,
    reason = "a test may fail loudly"
)]

mod compare;
mod exchange;
mod fixture;
mod mask;
mod plan;
#[path = "../support/registry.rs"]
mod registry;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use compare::{Difference, Differences};
use exchange::Recording;
use fixture::Service;

/// Where this test's own data is.
fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_recordings_are_answered_alike() {
    let upstream = registry::serve(None).await;
    let folder = here().join("own");
    let report = replay(&folder, Some(&upstream)).await;
    assert!(report.replayed > 0, "no recordings in {}", folder.display());
    report.expect_none();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recordings_of_the_original_are_answered_alike() {
    let Some(folder) = std::env::var_os("KILLICK_TEST_RECORDINGS") else { return };
    let report = replay(Path::new(&folder), None).await;
    assert!(report.replayed > 0, "no recordings in {}", Path::new(&folder).display());
    if let Some(file) = std::env::var_os("KILLICK_TEST_CHOSEN") {
        std::fs::write(file, report.told.concat()).unwrap();
    }
    report.expect_none();
    let known = Differences::read();
    let stale: Vec<&str> =
        known.titles().enumerate().filter(|(at, _)| !report.used.contains(at)).map(|(_, title)| title).collect();
    assert!(stale.is_empty(), "differences that are no more: {stale:?}");
}

#[test]
fn the_compatibility_page_lists_every_chosen_difference() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    let page = std::fs::read_to_string(page).unwrap();
    for known in Differences::read().titles() {
        assert!(page.contains(known), "docs/compatibility.md lacks: {known}");
    }
}

#[derive(Default)]
struct Report {
    replayed: usize,
    equal: usize,
    chosen: usize,
    /// Every chosen difference, with the title of its entry.
    told: Vec<String>,
    /// Entries that some difference needs.
    used: BTreeSet<usize>,
    unexplained: Vec<(String, Vec<Difference>)>,
}

impl Report {
    fn expect_none(&self) {
        let mut text = format!(
            "{} replayed, {} equal, {} differ as chosen, {} differ\n",
            self.replayed,
            self.equal,
            self.chosen,
            self.unexplained.len()
        );
        for (case, differences) in &self.unexplained {
            text.push_str(&format!("\n{case}\n"));
            for difference in differences {
                text.push_str(&format!("  {difference}\n"));
            }
        }
        eprintln!("{text}");
        assert!(self.unexplained.is_empty(), "{text}");
    }
}

/// Replays every group of the folder that this release answers, each on a service that went through the plan so far.
async fn replay(folder: &Path, upstream: Option<&registry::Upstream>) -> Report {
    let known = Differences::read();
    let mut report = Report::default();
    for group in plan::groups(folder) {
        let service = Service::start(folder, upstream).await;
        for step in &group.steps {
            let plan::Step::Case(path) = step else {
                service.perform(step).await;
                continue;
            };
            let recording = Recording::read(path);
            let case = recording.name(folder, path);
            let answer = service.send(&recording.request).await;
            service.learn(&recording.answer.body, &answer.body);
            let differences = compare::differences(&recording.answer, &answer);
            report.replayed += 1;
            let (mut chosen, mut unexplained) = (Vec::new(), Vec::new());
            for difference in differences {
                match known.explain(&case, &difference) {
                    Some((entry, title)) => {
                        report.used.insert(entry);
                        chosen.push(format!("{case}\t{title}\t{difference}\n"));
                    }
                    None => unexplained.push(difference),
                }
            }
            let (is_equal, is_explained) = (chosen.is_empty(), unexplained.is_empty());
            report.told.extend(chosen);
            match (is_equal, is_explained) {
                (true, true) => report.equal += 1,
                (false, true) => report.chosen += 1,
                (_, false) => report.unexplained.push((case, unexplained)),
            }
        }
    }
    report
}
