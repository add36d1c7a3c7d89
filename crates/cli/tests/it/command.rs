//! Running the binary.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a run left behind.
pub(crate) struct Run {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
            code: output.status.code().expect("the program was not killed"),
        }
    }

    /// Runs a command whose question is answered with yes.
    pub(crate) fn confirmed(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the program starts");
        // Who asks nothing may have ended.
        let _ = process.stdin.take().expect("stdin is piped").write_all(b"y\n");
        Self::of(process.wait_with_output().expect("the program ends"))
    }

    /// Everything, for a snapshot.
    pub(crate) fn transcript(&self) -> String {
        let trim = |text: &str| text.lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>();
        format!("exit: {}\n--- stdout\n{}--- stderr\n{}", self.code, trim(&self.stdout), trim(&self.stderr))
    }
}

/// The binary, with nothing of the surroundings in its environment: caches and settings are in `home`.
pub(crate) fn killick(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_killick"));
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .env("SOURCE_DATE_EPOCH", "1790000000")
        .current_dir(repository());
    command
}

/// Runs the binary on `arguments`.
pub(crate) fn run(home: &Path, arguments: &[&str]) -> Run {
    Run::of(killick(home).args(arguments).output().expect("the binary starts"))
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}
