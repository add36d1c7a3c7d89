//! The whole vocabulary of anchore-cli 0.9.3, on either engine: how it ends and what it prints first; what it prints about one
//! server, ours prints about another that was told the same; and no command or flag that it has is left out. What it
//! asks of the server is what the server's own tests replay.

mod requests;

use std::collections::BTreeSet;
use std::process::Command;

use super::command::{Run, repository};
use super::image::Image;
use super::postgres_server;
use super::recordings::compare::{Volatile, differences};
use super::registry::Registry;
use super::service::{Service, anchore_cli_program};
use requests::Recorder;

/// Set by `scripts/record-requests`, which writes the requests of the original client anew.
const RECORDS: &str = "KILLICK_TEST_RECORDS_REQUESTS";

/// The requests, which the server's tests replay.
const REQUESTS: &str = "crates/server/tests/service/conformance/anchore_cli/requests.txt";

/// A line of `commands.txt`.
struct Said<'a> {
    line: &'a str,
    words: Vec<&'a str>,
    /// Why it is not run, or may be answered otherwise.
    title: Option<&'a str>,
    is_run: bool,
}

fn said() -> Vec<Said<'static>> {
    let lines = include_str!("vocabulary/commands.txt").lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (command, title) = match line.split_once(" | ") {
                Some((command, title)) => (command, Some(title)),
                None => (line, None),
            };
            let (command, is_run) = command.strip_prefix("- ").map_or((command, true), |command| (command, false));
            let command = command.trim();
            let words = command.split_whitespace().map(|word| if word == "\"\"" { "" } else { word }).collect();
            Said { line: command, words, title, is_run }
        })
        .collect()
}

#[test]
fn every_command_is_answered_on_sqlite() {
    every_command_is_answered("");
}

#[test]
fn every_command_is_answered_on_postgresql() {
    let database = postgres_server::Server::start();
    every_command_is_answered(&database.address("postgres"));
}

/// A folder of feeds with one vulnerability.
fn feeds() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let release = folder.path().join("alpine-secdb/v3.20");
    fs_err::create_dir_all(&release).expect("the folder is writable");
    let known = r#"{"packages": [{"pkg": {"name": "curl", "secfixes": {"9.9-r0": ["CVE-2099-1"]}}}]}"#;
    fs_err::write(release.join("main.json"), known).expect("the folder is writable");
    folder
}

/// The original client about a service on the database of this address, ours about one on SQLite.
fn every_command_is_answered(database: &str) {
    let registry = Registry::start();
    let digest = registry.push("example/shop", "1.0", &Image::example()).to_string();
    let clean = registry.push("example/clean", "1.0", &Image::of_files(&[("etc/motd", b"hello")])).to_string();
    let image = format!("{}/example/shop:1.0", registry.address);
    let filled = |word: &str| {
        let word = word.replace("{registry}", &registry.address);
        word.replace("{image}", &image).replace("{digest}", &digest)
    };
    let feeds = feeds();
    let with_feeds = ("KILLICK__KNOWLEDGE__FEEDS_DIR", feeds.path().display().to_string());
    let theirs = Service::start_with(&[with_feeds.clone(), ("KILLICK__STORAGE__DATABASE_URL", database.to_owned())]);
    let ours = Service::start_with(&[with_feeds]);
    let recorder = Recorder::start(theirs.address.clone());
    let known = [
        (digest.clone(), "$digest"),
        (digest.replace(':', "%3A"), "$escaped_digest"),
        (clean, "$clean"),
        (registry.address.clone(), "$registry"),
        (registry.address.replace(':', "%3A"), "$escaped_registry"),
    ];
    let volatile = Volatile::new();
    // Seconds, as checks and subscriptions tell instants; what compressing instants leaves of an archive.
    // Where something is in a client's memory; how much was told.
    let masks = [
        (r": 1[0-9]{9}\b", ": <seconds>"),
        (r"(archived +)[0-9]+", "$1<bytes>"),
        (r"\b0x[0-9a-f]+", "<place>"),
        (r"Deleted [0-9]+ events", "Deleted <number> events"),
    ];
    let masks = masks.map(|(pattern, mask)| (regex::Regex::new(pattern).expect("a pattern"), mask));
    let masked = |run: &Run| {
        masks.iter().fold(run.stdout.clone(), |text, (pattern, mask)| pattern.replace_all(&text, *mask).into_owned())
    };
    let (mut unexplained, mut told, mut asked) = (Vec::new(), String::new(), String::new());
    for said in said().iter().filter(|said| said.is_run) {
        let words: Vec<String> = said.words.iter().map(|word| filled(word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let want = Run::confirmed(theirs.anchore_cli_command(&recorder.url, &words));
        let got = Run::confirmed(ours.client_command(&words));
        asked.push_str(&format!("\n# {}\n{}", said.line, recorder.lines(&known)));
        let first = volatile.masked(&masked(&want)).lines().next().unwrap_or_default().trim_end().to_owned();
        let first = first.replace(&digest, "{digest}").replace(&registry.address, "{registry}");
        told.push_str(&format!("{}\n    {} {first}\n", said.words.join(" "), want.code));
        let places = differences(&volatile, (want.code, &masked(&want)), (got.code, &masked(&got)));
        if !places.is_empty() && said.title.is_none() {
            unexplained.push(format!("{}\n  {}", words.join(" "), places.join("\n  ")));
        }
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    insta::assert_snapshot!("vocabulary", told);
    assert_are_recorded(&asked);
}

/// Whether these are the requests that the server's tests replay.
fn assert_are_recorded(asked: &str) {
    let path = repository().join(REQUESTS);
    if std::env::var_os(RECORDS).is_some() {
        fs_err::write(&path, asked).expect("the file is writable");
    }
    let recorded = fs_err::read_to_string(&path).expect("the requests are there");
    let first = asked.lines().zip(recorded.lines()).find(|(asked, recorded)| asked != recorded);
    assert!(asked == recorded, "{REQUESTS}: `scripts/record-requests` renews it; first (now, then): {first:#?}");
}

#[test]
fn no_word_of_the_original_is_left_out() {
    let python = anchore_cli_program().with_file_name("python");
    let script = repository().join("crates/cli/tests/it/vocabulary/words.py");
    let told = Run::of(Command::new(python).arg(script).env("LC_ALL", "C.UTF-8").output().expect("Python starts"));
    assert_eq!(told.code, 0, "{}", told.transcript());
    let said = said();
    let mut missing = BTreeSet::new();
    for line in told.stdout.lines() {
        let (command, flags) = line.split_once('\t').expect("a tab");
        let command: Vec<&str> = command.split_whitespace().collect();
        let is_about = |said: &&Said<'_>| said.words.windows(command.len().max(1)).any(|words| words == command);
        let about: Vec<&Said<'_>> = if command.is_empty() {
            said.iter().collect()
        } else {
            let excused = said.iter().filter(|said| !said.is_run && command.starts_with(&said.words));
            said.iter().filter(is_about).chain(excused).collect()
        };
        if about.is_empty() {
            missing.insert(command.join(" "));
        }
        let excused = about.iter().any(|said| !said.is_run && !command.is_empty());
        for flag in flags.split_whitespace().filter(|flag| flag.starts_with("--")) {
            if !excused && !about.iter().any(|said| said.words.contains(&flag)) {
                missing.insert(format!("{} {flag}", command.join(" ")));
            }
        }
    }
    assert!(missing.is_empty(), "commands.txt lacks: {missing:#?}");
}

#[test]
fn the_compatibility_page_lists_every_reason() {
    let page = fs_err::read_to_string(repository().join("docs/compatibility.md")).expect("the page is there");
    for title in said().iter().filter_map(|said| said.title) {
        assert!(page.contains(&format!("## {title}\n")), "docs/compatibility.md lacks: {title}");
    }
}
