//! A PostgreSQL of this test process, in a temporary folder.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server; it ends with this process.
pub(crate) struct Server {
    dir: PathBuf,
    _keeper: Child,
}

impl Server {
    /// Makes and starts one.
    pub(crate) fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("killick-pg").tempdir_in("/tmp").unwrap().keep();
        let keeper = keeper(&dir);
        if is_root() {
            assert!(Command::new("chown").arg("nobody").arg(&dir).status().unwrap().success());
        }
        let server = Self { dir, _keeper: keeper };
        let mut initdb = server.command("initdb");
        let made = initdb.args(["-A", "trust", "-U", "test", "--no-sync"]).status().unwrap();
        assert!(made.success(), "`initdb` failed");
        server.launch();
        server
    }

    fn launch(&self) {
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories={} -c fsync=off -c full_page_writes=off -c max_connections=300",
            self.dir.display()
        );
        let started = self.command("pg_ctl").args(["-w", "-o", &options, "start"]).status().unwrap();
        assert!(started.success(), "`pg_ctl start` failed");
    }

    /// Ends it as a crash does, and starts it again.
    #[allow(dead_code, reason = "not every test restarts it")]
    pub(crate) fn crash_and_restart(&self) {
        let stopped = self.command("pg_ctl").args(["-w", "-m", "immediate", "stop"]).status().unwrap();
        assert!(stopped.success(), "`pg_ctl stop` failed");
        self.launch();
    }

    /// The address of one of its databases.
    pub(crate) fn address(&self, database: &str) -> String {
        format!("postgres://test@localhost/{database}?host={}", self.dir.display())
    }

    /// One of its programs on its data.
    fn command(&self, program: &str) -> Command {
        let program = find(program);
        let mut command = Command::new(if is_root() { Path::new("setpriv") } else { &program });
        if is_root() {
            command.args(["--reuid=nobody", "--clear-groups"]).arg(&program);
        }
        command.current_dir(&self.dir).stdout(Stdio::null()).stderr(Stdio::null()).arg("-D").arg(self.dir.join("data"));
        command
    }
}

/// PostgreSQL refuses to run as root.
fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs_err::metadata("/proc/self").unwrap()) == 0
}

/// A shell that waits for the end of this process, however it comes (its input ends then), and clears up.
fn keeper(dir: &Path) -> Child {
    const SCRIPT: &str = r#"
        trap '' INT TERM HUP
        read -r dir
        while read -r line; do :; done
        kill -QUIT "$(head -n 1 "$dir/data/postmaster.pid")" 2>/dev/null
        while [ -e "$dir/data/postmaster.pid" ]; do sleep 0.1; done
        rm -rf "$dir"
    "#;
    let mut keeper = Command::new("sh")
        .args(["-c", SCRIPT])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(keeper.stdin.as_mut().unwrap(), "{}", dir.display()).unwrap();
    keeper
}

fn find(program: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    if let Ok(versions) = fs_err::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = folders.into_iter().map(|folder| folder.join(program)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("`{program}` is missing, these tests need PostgreSQL: run `cargo xtask setup`"))
}
