//! The straight line from image to verdict on PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service, basic};
use crate::registry;

/// A temporary PostgreSQL; it ends with the value.
pub(crate) struct Postgres {
    folder: tempfile::TempDir,
    is_root: bool,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("killick-pg").tempdir_in("/tmp").unwrap();
        let is_root = std::os::unix::fs::MetadataExt::uid(&fs_err::metadata("/proc/self").unwrap()) == 0;
        let server = Self { folder, is_root };
        if is_root {
            // PostgreSQL refuses to run as root.
            assert!(Command::new("chown").arg("nobody").arg(server.path()).status().unwrap().success());
        }
        server.run("initdb", &["-A", "trust", "-U", "test", "--no-sync"]);
        let options = format!("-c listen_addresses='' -c unix_socket_directories={}", server.path().display());
        server.run("pg_ctl", &["-w", "-o", &options, "start"]);
        server
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(if self.is_root { PathBuf::from("setpriv") } else { find(program) });
        if self.is_root {
            command.args(["--reuid=nobody", "--clear-groups"]).arg(find(program));
        }
        command.current_dir(self.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.arg("-D").arg(self.path().join("data")).args(arguments).status().unwrap();
        assert!(status.success(), "`{program}` failed");
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://test@localhost/{database}?host={}", self.path().display())
    }

    /// A database of its own; where it is.
    pub(crate) fn database(&self, name: &str) -> String {
        let mut command = Command::new(find("createdb"));
        let status = command.arg("-h").arg(self.path()).args(["-U", "test", name]).status().unwrap();
        assert!(status.success(), "`createdb` failed");
        self.url_of(name)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-m", "immediate", "stop"]);
    }
}

fn find(program: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    if let Ok(versions) = fs_err::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = folders.into_iter().map(|folder| folder.join(program)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("`{program}` is missing, this test needs PostgreSQL: run `cargo xtask setup`"))
}

#[tokio::test]
async fn an_image_is_judged() {
    let postgres = Postgres::start();
    let service = Service::start(|config| config.storage.database_url = postgres.url().as_str().into()).await;
    let upstream = registry::serve(None).await;
    let reference = format!("{}/tiny/alpine:3.20", upstream.address);
    let digest = service.analyzed(ADMIN, &reference).await;
    let content = service.get(ADMIN, &format!("/images/{digest}/content/os")).await;
    assert_eq!(content["content"].as_array().unwrap().len(), 2, "{content}");
    let found = service.get(ADMIN, &format!("/images/{digest}/vuln/all")).await;
    assert!(found["vulnerabilities"].is_array(), "{found}");
    let check = service.get(ADMIN, &format!("/images/{digest}/check?tag={reference}&history=true")).await;
    let verdict = &check[0][&digest][&reference][0];
    assert!(["pass", "fail"].contains(&verdict["status"].as_str().unwrap()), "{check}");
    assert!(verdict["policyId"].is_string(), "{check}");
}

#[tokio::test]
async fn while_the_database_is_away_callers_are_told_to_come_again() {
    let postgres = Postgres::start();
    let service = Service::start(|config| config.storage.database_url = postgres.url().as_str().into()).await;
    let login = basic(ADMIN);
    let ask = async |path: &str| service.ask(&[("authorization", &login)], "GET", path, Value::Null).await;
    assert_eq!(ask("/images").await.0, 200);
    drop(postgres);
    let told = "the database cannot be reached; try again";
    let (status, headers, body) = ask("/images").await;
    assert_eq!((status, &headers["retry-after"]), (503, &"5".parse().unwrap()), "{body}");
    assert_eq!(body, json!({"message": told, "httpcode": 503, "detail": {"error_codes": []}}));
    let (status, headers, body) = ask("/v2/audit").await;
    assert_eq!((status, &headers["retry-after"]), (503, &"5".parse().unwrap()), "{body}");
    assert_eq!(
        (&headers["content-type"], &body["detail"]),
        (&"application/problem+json".parse().unwrap(), &json!(told))
    );
    assert_eq!(ask("/health").await.0, 200, "the process lives");
}
