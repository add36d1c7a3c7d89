//! A temporary PostgreSQL, started once and shared; each test gets a database of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The address of a new, empty database on a new server that stops with its parent's temporary folder.
pub(crate) fn database() -> String {
    let dir = tempfile::Builder::new().prefix("killick-pg").tempdir_in("/tmp").unwrap().keep();
    let root = fs_err::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    if root {
        assert!(Command::new("chown").arg("nobody").arg(&dir).status().unwrap().success());
    }
    let data = dir.join("data");
    let run = |program: &str| {
        let program = find(program);
        let mut command = if root { Command::new("setpriv") } else { Command::new(&program) };
        if root {
            command.args(["--reuid=nobody", "--clear-groups"]).arg(&program);
        }
        command.current_dir(&dir).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    assert!(
        run("initdb").args(["-A", "trust", "-U", "test", "--no-sync", "-D"]).arg(&data).status().unwrap().success()
    );
    let options = format!("-c listen_addresses='' -c unix_socket_directories={} -c fsync=off", dir.display());
    assert!(run("pg_ctl").arg("-D").arg(&data).args(["-w", "-o", &options, "start"]).status().unwrap().success());
    SERVERS.with_borrow_mut(|servers| servers.0.push(dir.clone()));
    format!("postgres://test@localhost/postgres?host={}", dir.display())
}

thread_local! {
    static SERVERS: std::cell::RefCell<Servers> = const { std::cell::RefCell::new(Servers(Vec::new())) };
}

/// Stops its servers when the test's thread ends.
struct Servers(Vec<PathBuf>);

impl Drop for Servers {
    fn drop(&mut self) {
        for dir in &self.0 {
            let pid = fs_err::read_to_string(dir.join("data/postmaster.pid")).unwrap_or_default();
            if let Some(pid) = pid.lines().next() {
                let _ = Command::new("kill").args(["-QUIT", pid]).status();
            }
            let _ = fs_err::remove_dir_all(dir);
        }
    }
}

fn find(program: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    if let Ok(versions) = fs_err::read_dir(Path::new("/usr/lib/postgresql")) {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = folders.into_iter().map(|folder| folder.join(program)).find(|path| path.exists());
    found.expect("these tests need PostgreSQL: install `initdb` and `pg_ctl`")
}
