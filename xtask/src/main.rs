//! Development tasks, in plain `std` so that they build in a second.
//!
//! `cargo xtask ci` is what continuous integration runs: it installs what the tests need, then runs every check
//! and every test.

mod command;
mod links;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

/// Name, what it does, how.
type Task = (&'static str, &'static str, fn() -> Result<(), String>);

const TASKS: &[Task] = &[
    ("ci", "setup, then every check and every test", ci),
    (
        "setup",
        "install what checks and tests need (Debian packages, cargo-deny, anchore-cli, Schemathesis)",
        setup::run,
    ),
    ("check", "formatting, lints, crate arrows, documentation, licences", check),
    ("test", "setup, then every test", || setup::run().and_then(|()| test::run())),
    ("tidy", "crate arrows, file sizes, links of pages", tidy::run),
    ("quality", "precision and recall of matching on lists whose findings are known", test::quality),
    ("examples", "build the example image in examples/ anew", test::examples),
];

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let Some((.., run)) = TASKS.iter().find(|(name, ..)| *name == wanted) else {
        eprintln!("usage: cargo xtask TASK\n");
        for (name, about, _) in TASKS {
            eprintln!("  {name:10} {about}");
        }
        return ExitCode::from(2);
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ci() -> Result<(), String> {
    setup::run()?;
    check()?;
    test::run()
}

fn check() -> Result<(), String> {
    command::run("cargo", &["fmt", "--all", "--check"])?;
    tidy::run()?;
    command::run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    command::run_with(
        "cargo",
        &["doc", "--workspace", "--no-deps", "--locked", "--quiet"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )?;
    command::run("cargo", &["deny", "--locked", "check", "bans", "licenses", "sources"])
}
