//! A real registry, Debian's `docker-registry`, on loopback with Basic authentication.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_model::digest::Digest;

use super::image::{Image, MANIFEST};

pub(crate) const USER: &str = "puller";
pub(crate) const PASSWORD: &str = "pull-secret";

/// A running registry; it ends with the value.
pub(crate) struct Registry {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Registry {
    /// Starts an empty registry that only [`USER`] may use.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let htpasswd = Command::new("htpasswd")
            .args(["-Bbn", USER, PASSWORD])
            .output()
            .expect("`htpasswd` is installed: `cargo xtask setup` installs what tests need");
        fs_err::write(folder.path().join("htpasswd"), htpasswd.stdout).expect("the folder is writable");
        let address = format!("127.0.0.1:{}", free_port());
        let root = folder.path().display();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {root}/data}}}}\n\
             http: {{addr: {address}}}\nauth: {{htpasswd: {{realm: test, path: {root}/htpasswd}}}}\n"
        );
        fs_err::write(folder.path().join("config.yml"), config).expect("the folder is writable");
        let process = Command::new("docker-registry")
            .args(["serve", &format!("{root}/config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`docker-registry` is installed: `cargo xtask setup` installs what tests need");
        let registry = Self { address, process, _folder: folder };
        wait_until("the registry answers", || TcpStream::connect(&registry.address).is_ok());
        registry
    }

    /// Pushes `image` as `repository:tag` and gives its digest.
    pub(crate) fn push(&self, repository: &str, tag: &str, image: &Image) -> Digest {
        for blob in image.layers.iter().chain([&image.config]) {
            let begun = self.request("POST", &format!("/v2/{repository}/blobs/uploads/"), "text/plain", b"");
            let location = begun
                .lines()
                .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("location")))
                .unwrap_or_else(|| panic!("an upload location in: {begun}"))
                .1;
            let path = location.trim_start_matches("http://").trim_start_matches(&self.address);
            let target = format!("{path}&digest={}", Digest::of(blob));
            let answer = self.request("PUT", &target, "application/octet-stream", blob);
            assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        }
        let answer = self.request("PUT", &format!("/v2/{repository}/manifests/{tag}"), MANIFEST, &image.manifest);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        Digest::of(&image.manifest)
    }

    fn request(&self, method: &str, target: &str, media_type: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the registry answers");
        let credentials = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {credentials}\r\nContent-Type: \
             {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("the registry reads");
        stream.write_all(body).expect("the registry reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the registry answers in text");
        answer
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Polls `ready` until it holds; a generous bound keeps a broken test from hanging.
pub(crate) fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if ready() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("waited too long until {what}");
}
