//! The commands of the README and of every guide, as they stand there.
//!
//! What is in ```` ```console ```` behind `$ ` is run, one guide in one shell from top to bottom, in a folder with what the
//! guides take for granted: [`place`]. A comment above the block, which readers of the page do not see, says what else
//! is so:
//!
//! ```text
//! <!-- run: exits 1 -->                   the last command ends with 1; `exits 0 1` speaks of each
//! <!-- run: in the background -->         it runs until the guide is at its end
//! <!-- run: first `killick sbom …` -->    what the block takes for granted besides
//! <!-- run: beside `killick serve` -->    the same, and goes on until the guide is at its end
//! <!-- run: no, needs Docker -->          it is not run here, and why
//! ```

mod blocks;
mod place;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fs_err as fs;

use self::blocks::{Block, Run, blocks};
use self::place::Place;
use super::command::repository;

/// The README and the guides, by their paths in the repository.
fn guides() -> Vec<String> {
    let folder = fs::read_dir(repository().join("docs")).expect("the guides");
    let mut names: Vec<String> = folder
        .map(|entry| entry.expect("a guide").file_name().into_string().expect("a name"))
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    names.sort();
    names.insert(0, "README.md".to_owned());
    names
}

fn read(guide: &str) -> Vec<Block> {
    let text = fs::read_to_string(repository().join(guide)).expect("the guide is there");
    blocks(&text).unwrap_or_else(|error| panic!("{guide}:{error}"))
}

#[test]
fn commands_end_as_the_guides_say() {
    let place = Place::new();
    let wanted: Vec<(String, Vec<Block>)> = guides().into_iter().map(|guide| (guide.clone(), read(&guide))).collect();
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(String::new()));
    let run = || {
        while let Some((guide, blocks)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(fault) = place.run(guide, blocks) {
                faults.lock().expect("nobody panics").push_str(&fault);
            }
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(run))));
    let faults = faults.into_inner().expect("nobody panics");
    assert!(faults.is_empty(), "{faults}");
    let runs = wanted.iter().flat_map(|(_, blocks)| blocks).filter(|block| !matches!(block.run, Run::No(_)));
    let count: usize = runs.map(|block| block.commands.len()).sum();
    assert!(count > 50, "{count} commands were run");
}

/// What nobody runs, so that it is not more than it must be.
#[test]
fn what_is_not_run_says_why() {
    let mut left_out = String::new();
    for guide in guides() {
        for block in read(&guide) {
            if let Run::No(reason) = &block.run {
                let commands: Vec<&str> = block.commands.iter().map(|command| command.text.as_str()).collect();
                left_out.push_str(&format!("{guide}: {reason}\n    {}\n", commands.join("\n    ")));
            }
        }
    }
    insta::assert_snapshot!("not-run", left_out);
}
