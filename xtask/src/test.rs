//! Runs every test and ends with one line of totals, because `cargo test` ends with those of its last crate.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::command;
use crate::setup::CLIENT;

pub(crate) fn run() -> Result<(), String> {
    let client = std::path::absolute(format!("{CLIENT}/bin/anchore-cli")).map_err(|error| error.to_string())?;
    eprintln!("$ cargo test --workspace --locked");
    let mut child = command::command("cargo", &["test", "--workspace", "--locked", "--no-fail-fast"])
        .env("KILLICK_TEST_ANCHORE_CLI", client)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start `cargo test`: {error}"))?;
    let output = child.stdout.take().expect("stdout is piped");
    let mut totals = [0_u64; 3];
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| format!("cannot read what `cargo test` prints: {error}"))?;
        println!("{line}");
        if let Some(counts) = counts(&line) {
            for (total, count) in totals.iter_mut().zip(counts) {
                *total += count;
            }
        }
    }
    let status = child.wait().map_err(|error| format!("`cargo test` was lost: {error}"))?;
    let [passed, failed, ignored] = totals;
    println!("\n{passed} passed, {failed} failed");
    match (status.success(), passed, ignored) {
        (false, ..) => Err("tests failed".to_owned()),
        (true, 0, _) => Err("no test ran".to_owned()),
        (true, _, 0) => Ok(()),
        (true, _, ignored) => Err(format!("{ignored} tests are ignored: a test runs or goes")),
    }
}

/// Prints precision and recall of matching; the same test holds them in CI.
pub(crate) fn quality() -> Result<(), String> {
    let test = "matching::tests::quality::quality";
    command::run("cargo", &["test", "--quiet", "-p", "killick-vulns", "--lib", "--", "--nocapture", "--exact", test])
}

/// Passed, failed and ignored of `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
fn counts(line: &str) -> Option<[u64; 3]> {
    let rest = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut numbers = rest.split("; ").map(|part| part.split(' ').next()?.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// Builds the example image with the script beside it.
pub(crate) fn examples() -> Result<(), String> {
    command::run("python3", &["examples/make-image.py"])
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn counts_are_read() {
        let line = "test result: ok. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(counts(line), Some([12, 3, 1]));
        assert_eq!(counts("test reference::tests::a ... ok"), None);
    }
}
