//! An S3 server that others wrote: Swift of `OpenStack`, on loopback, for as long as the test process lives.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Its region, and who may do everything with which secret.
pub(crate) const REGION: &str = "eu-test-1";
pub(crate) const ACCESS_KEY: &str = "killick:tester";
pub(crate) const SECRET: &str = "hunter2";

/// Buckets it has: `scans-0`, `scans-1` and so on.
pub(crate) const BUCKETS: usize = 10;

/// A running server; it ends with this process, because its input does then.
pub(crate) struct S3Server {
    /// `http://127.0.0.1:port`.
    pub(crate) endpoint: String,
    /// Everything that it keeps.
    #[allow(dead_code, reason = "not every test looks there")]
    pub(crate) folder: PathBuf,
    _process: Child,
}

impl S3Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("killick-s3").tempdir().unwrap().keep();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/support/s3_server.py");
        // The packages of Debian are those of its own Python.
        let mut process = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(&folder)
            .args([REGION, ACCESS_KEY, SECRET])
            .args((0..BUCKETS).map(|number| format!("scans-{number}")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port = port.trim();
        assert!(
            !port.is_empty(),
            "Swift does not start: these tests need `python3-swift`, which `cargo xtask setup` installs"
        );
        Self { endpoint: format!("http://127.0.0.1:{port}"), folder, _process: process }
    }
}
