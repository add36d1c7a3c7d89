//! Documents on their way between a folder and a bucket of a server that others wrote, by the command, which is killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use killick_model::digest::Digest;

use super::command::{Run, killick};
use super::registry::wait_until;
use super::s3_server::{ACCESS_KEY, REGION, S3Server, SECRET};

/// So many that nobody copies them all before he is killed.
const DOCUMENTS: usize = 300;

/// `killick storage migrate` for the service in `data`.
fn migrate(home: &Path, server: &S3Server, secret: &str, arguments: &[&str]) -> Command {
    let mut command = killick(home);
    command
        .args(["storage", "migrate", "--data"])
        .arg(home.join("data"))
        .args(arguments)
        .env("KILLICK__STORAGE__S3_ENDPOINT", &server.endpoint)
        .env("KILLICK__STORAGE__S3_REGION", REGION)
        .env("KILLICK__STORAGE__S3_ACCESS_KEY_ID", ACCESS_KEY)
        .env("KILLICK__STORAGE__S3_SECRET_ACCESS_KEY", secret);
    command
}

fn run(mut command: Command) -> Run {
    Run::of(command.output().expect("the binary starts"))
}

/// How many objects the server holds.
fn objects(server: &S3Server) -> usize {
    let mut folders = vec![server.folder.join("devices/disk/objects")];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        // Swift makes folders when it needs them, and removes them.
        for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "data") {
                count += 1;
            }
        }
    }
    count
}

/// Documents as the service keeps them in its folder, by path.
fn documents(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let document = |number: usize| {
        let plain = format!("document {number}");
        let hex = Digest::of(plain.as_bytes()).hex();
        let packed = zstd::encode_all(plain.as_bytes(), 3).expect("memory is there");
        (data.join("blobs").join(&hex[..2]).join(hex), packed)
    };
    (0..DOCUMENTS).map(document).collect()
}

#[test]
fn documents_go_to_a_bucket_and_back_though_the_command_is_killed() {
    let server = S3Server::start();
    let home = tempfile::tempdir().expect("a temporary folder");
    let documents = documents(&home.path().join("data"));
    for (path, packed) in &documents {
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("the folder is writable");
        fs_err::write(path, packed).expect("the folder is writable");
    }
    let to_bucket = ["--to", "s3://scans-0/of/killick"];
    let refused = run(migrate(home.path(), &server, "wrong", &to_bucket));
    assert!(refused.code == 2 && refused.stderr.contains("403 Forbidden"), "{}", refused.transcript());
    let elsewhere = run(migrate(home.path(), &server, SECRET, &["--to", "s3://nowhere"]));
    assert!(elsewhere.code == 2 && elsewhere.stderr.contains("NoSuchBucket"), "{}", elsewhere.transcript());

    let mut command = migrate(home.path(), &server, SECRET, &to_bucket);
    let mut killed = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
    wait_until("some documents are copied", || objects(&server) >= 20);
    killed.kill().expect("it still runs");
    killed.wait().expect("it was killed");
    let some = objects(&server);
    assert!(some < DOCUMENTS, "it was killed too late");

    let done = run(migrate(home.path(), &server, SECRET, &to_bucket));
    let (copied, there) = counts(&done);
    assert_eq!((done.code, copied + there), (0, DOCUMENTS), "{}", done.transcript());
    // Of what was on its way when it was killed, the server may have taken one more.
    assert!((some..=some + 1).contains(&there), "{some} were there: {}", done.transcript());
    assert_eq!(objects(&server), DOCUMENTS);

    fs_err::remove_dir_all(home.path().join("data/blobs")).expect("the folder is there");
    let back = run(migrate(home.path(), &server, SECRET, &["--from", "s3://scans-0/of/killick", "--to", "folder"]));
    assert_eq!((back.code, counts(&back)), (0, (DOCUMENTS, 0)), "{}", back.transcript());
    for (path, packed) in &documents {
        assert_eq!(&fs_err::read(path).expect("it came back"), packed);
    }
}

/// Copied, and there before, of what the command prints.
fn counts(run: &Run) -> (usize, usize) {
    let numbers = run.stdout.split_whitespace().filter_map(|word| word.parse().ok());
    let numbers: Vec<usize> = numbers.collect();
    match &*numbers {
        [copied, there] => (*copied, *there),
        _ => panic!("{}", run.transcript()),
    }
}
