//! A temporary PostgreSQL: one server for the test process, a database for each test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::sync::{Mutex, OnceCell};

static SERVER: OnceCell<Mutex<Server>> = OnceCell::const_new();

/// The address of a new, empty database.
pub(crate) async fn database() -> String {
    // Databases are made one by one, because making one locks the template.
    let server = SERVER.get_or_init(|| async { Mutex::new(Server::start()) }).await;
    let mut server = server.lock().await;
    server.databases += 1;
    let name = format!("test{}", server.databases);
    let mut connection = PgConnection::connect(&server.address("postgres")).await.unwrap();
    connection.execute(AssertSqlSafe(format!("create database {name} strategy file_copy"))).await.unwrap();
    connection.close().await.unwrap();
    server.address(&name)
}

struct Server {
    dir: PathBuf,
    databases: u32,
    _keeper: Child,
}

impl Server {
    fn start() -> Self {
        let (initdb, pg_ctl) = (find("initdb"), find("pg_ctl"));
        let dir = tempfile::Builder::new().prefix("killick-pg").tempdir_in("/tmp").unwrap().keep();
        let keeper = keeper(&dir);
        // PostgreSQL refuses to run as root.
        let root = std::os::unix::fs::MetadataExt::uid(&fs_err::metadata("/proc/self").unwrap()) == 0;
        if root {
            assert!(Command::new("chown").arg("nobody").arg(&dir).status().unwrap().success());
        }
        let run = |program: &Path| {
            let mut command = Command::new(if root { Path::new("setpriv") } else { program });
            if root {
                command.args(["--reuid=nobody", "--clear-groups"]).arg(program);
            }
            command.current_dir(&dir).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let data = dir.join("data");
        let made = run(&initdb).args(["-A", "trust", "-U", "test", "--no-sync", "-D"]).arg(&data).status().unwrap();
        assert!(made.success(), "`initdb` failed");
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories={} -c fsync=off -c full_page_writes=off -c max_connections=300",
            dir.display()
        );
        let started = run(&pg_ctl).arg("-D").arg(&data).args(["-w", "-o", &options, "start"]).status().unwrap();
        assert!(started.success(), "`pg_ctl start` failed");
        Self { dir, databases: 0, _keeper: keeper }
    }

    fn address(&self, database: &str) -> String {
        format!("postgres://test@localhost/{database}?host={}", self.dir.display())
    }
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
