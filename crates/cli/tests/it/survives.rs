//! A server that is killed while it analyses an image ends the work after its restart.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use killick_model::digest::Digest;

use super::command::{Run, killick};
use super::image::{Image, MANIFEST};
use super::registry::{free_port, wait_until};
use super::service::PASSWORD;

/// Serves `image` under any name. Of the first layer that is asked for, half is sent; then `asked` is told, and
/// nothing more comes.
fn stalling_registry(image: Image) -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = listener.local_addr().expect("a bound socket has an address").to_string();
    let (asked, told) = channel();
    std::thread::spawn(move || {
        let mut stalled = Vec::new();
        for stream in listener.incoming().flatten() {
            if let Some(open) = answer(stream, &image, stalled.is_empty(), &asked) {
                stalled.push(open);
            }
        }
    });
    (address, told)
}

/// Answers one request; gives the connection back where it stalls.
fn answer(stream: TcpStream, image: &Image, may_stall: bool, asked: &Sender<()>) -> Option<TcpStream> {
    let mut lines = BufReader::new(&stream).lines();
    let request = lines.next()?.ok()?;
    while lines.next()?.ok().is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1)?;
    let layer = image.layers.iter().find(|layer| path.ends_with(&Digest::of(layer).to_string()));
    let (kind, body): (&str, &[u8]) = match layer {
        Some(layer) => ("application/octet-stream", layer),
        None if path.contains("/manifests/") => (MANIFEST, &image.manifest),
        None if path.contains("/blobs/") => ("application/octet-stream", &image.config),
        None => ("application/json", b"{}"),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let stalls = layer.is_some() && may_stall;
    let sent = if stalls { body.split_at(body.len() / 2).0 } else { body };
    let body = if request.starts_with("HEAD ") { b"" } else { sent };
    (&stream).write_all(&[head.as_bytes(), body].concat()).ok()?;
    if !stalls {
        return None;
    }
    asked.send(()).ok()?;
    Some(stream)
}

/// A server over the data in `folder`, whose leases are short.
fn serve(folder: &Path, address: &str) -> Child {
    let process = killick(folder)
        .args(["serve", "--listen", address, "--data"])
        .arg(folder.join("data"))
        .env("KILLICK_ADMIN_PASSWORD", PASSWORD)
        .env("KILLICK__KNOWLEDGE__UPDATE", "off")
        .env("KILLICK__ANALYSIS__LEASE_SECONDS", "3")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    wait_until("the server answers", || TcpStream::connect(address).is_ok());
    process
}

#[test]
fn a_killed_server_ends_its_work_after_a_restart() {
    let files: [(&str, &[u8]); 2] = [
        ("etc/os-release", b"ID=alpine\nVERSION_ID=3.20.3\n"),
        ("lib/apk/db/installed", b"P:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\no:musl\n\n"),
    ];
    let (registry, asked) = stalling_registry(Image::of_files(&files));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = format!("127.0.0.1:{}", free_port());
    let client = |arguments: &[&str]| {
        let mut command = killick(folder.path());
        command.env("KILLICK_URL", format!("http://{address}/v1"));
        command.env("KILLICK_USER", "admin").env("KILLICK_PASS", PASSWORD);
        Run::of(command.args(arguments).output().expect("the binary starts"))
    };
    let reference = format!("{registry}/tiny/alpine:3.20");

    let mut first = serve(folder.path(), &address);
    let added = client(&["image", "add", &reference]);
    assert_eq!(added.code, 0, "{}", added.stderr);
    asked.recv().expect("a layer is asked for");
    let listed = client(&["image", "list"]);
    assert!(listed.stdout.contains("analyzing"), "{}", listed.stdout);
    first.kill().expect("the server can be killed");
    first.wait().expect("the server has ended");

    let mut second = serve(folder.path(), &address);
    let waited = client(&["image", "wait", &reference, "--timeout", "60", "--interval", "0.2"]);
    assert_eq!(waited.code, 0, "{}{}", waited.stdout, waited.stderr);
    let content = client(&["image", "content", &reference, "os"]);
    second.kill().expect("the server can be killed");
    second.wait().expect("the server has ended");
    assert!(content.stdout.contains("musl"), "{}{}", content.stdout, content.stderr);
}
