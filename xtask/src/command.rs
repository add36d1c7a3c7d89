//! Running other programs.

use std::process::Command;

/// Runs `program`; an exit status other than success is an error that names the command line.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    run_with(program, arguments, &[])
}

/// The same with environment variables.
pub(crate) fn run_with(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), String> {
    let line = format!("{program} {}", arguments.join(" "));
    eprintln!("$ {line}");
    let status = command(program, arguments).envs(variables.iter().copied()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` ended with {status}")),
        Err(error) => Err(format!("cannot start `{line}`: {error}")),
    }
}

/// `program` with `arguments`. Cargo keeps no incremental state: a run of every check and test is not repeated after a
/// small change, and the state would take more of the disk than all that is built.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env("CARGO_INCREMENTAL", "0");
    command
}

/// Whether `program` can be started with `arguments` and succeeds; its output is dropped.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}
