//! A running `killick serve`.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::command::{Run, killick};
use super::registry::{free_port, wait_until};

pub(crate) const PASSWORD: &str = "admin-secret";

/// A server with its own data; it ends with the value.
pub(crate) struct Service {
    /// `http://127.0.0.1:port/v1`.
    pub(crate) url: String,
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
    process: Child,
}

impl Service {
    /// Starts a server with an empty configuration on a free port.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with `variables` in its environment.
    pub(crate) fn start_with(variables: &[(&'static str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = format!("127.0.0.1:{}", free_port());
        let variables = variables.to_vec();
        let process = spawn(folder.path(), &address, &variables, &[]);
        Self { url: format!("http://{address}/v1"), address, folder, variables, process }
    }

    /// Ends the server and starts it again on its data, for some roles only; all if there are none.
    pub(crate) fn restart(&mut self, roles: &[String]) {
        self.end();
        self.process = spawn(self.folder.path(), &self.address, &self.variables, roles);
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Runs our own client against the server.
    pub(crate) fn client(&self, arguments: &[&str]) -> Run {
        Run::of(self.client_command(arguments).output().expect("the binary starts"))
    }

    /// Our own client, about to be run against the server.
    pub(crate) fn client_command(&self, arguments: &[&str]) -> Command {
        let mut command = killick(self.folder.path());
        command.env("KILLICK_URL", &self.url).env("KILLICK_USER", "admin").env("KILLICK_PASS", PASSWORD);
        command.args(arguments);
        command
    }

    /// Runs the original client against the server.
    pub(crate) fn anchore_cli(&self, arguments: &[&str]) -> Run {
        Run::of(self.anchore_cli_command(&self.url, arguments).output().expect("the original client starts"))
    }

    /// The original client, about to be run against the server or what listens at `url` in front of it.
    pub(crate) fn anchore_cli_command(&self, url: &str, arguments: &[&str]) -> Command {
        let program = anchore_cli_program();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("COLUMNS", "200")
            .env("ANCHORE_CLI_URL", url)
            .env("ANCHORE_CLI_USER", "admin")
            .env("ANCHORE_CLI_PASS", PASSWORD)
            .current_dir(super::command::repository());
        command.args(arguments);
        command
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(folder: &Path, address: &str, variables: &[(&'static str, String)], roles: &[String]) -> Child {
    let log = fs_err::File::create(folder.join("log")).expect("the folder is writable");
    let process = killick(folder)
        .args(["serve", "--listen", address, "--data"])
        .arg(folder.join("data"))
        .args(roles.iter().flat_map(|role| ["--role", role]))
        .env("KILLICK_ADMIN_PASSWORD", PASSWORD)
        .env("KILLICK__KNOWLEDGE__UPDATE", "off")
        .envs(variables.iter().cloned())
        .stdout(Stdio::null())
        .stderr(log.into_file())
        .spawn()
        .expect("the binary starts");
    wait_until("the server answers", || TcpStream::connect(address).is_ok());
    process
}

/// The unmodified original client.
pub(crate) fn anchore_cli_program() -> PathBuf {
    let program = std::env::var_os("KILLICK_TEST_ANCHORE_CLI").map_or_else(
        || super::command::repository().join("target/test-tools/anchore-cli/bin/anchore-cli"),
        PathBuf::from,
    );
    let shown = program.display();
    assert!(program.exists(), "`{shown}` is missing: `cargo xtask setup` installs what tests need");
    program
}
