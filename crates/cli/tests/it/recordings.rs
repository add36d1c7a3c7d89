//! Replays recorded runs of the original client: ours must print the same and end alike.
//!
//! A recording is one JSON file: arguments, environment, local files, exit code and output. Those in
//! `tests/recordings/cli` are our own and always replayed; those of the original service are as well if
//! `KILLICK_TEST_RECORDINGS` names the folder that holds `api/` and `cli/`, or one of the two. The images these are
//! about come from the registry `KILLICK_TEST_REGISTRY`; without it only what needs no image is replayed. State that
//! the recordings do not carry is made by `plan.toml`, differences we chose are in `differences.toml` with the titles
//! of `docs/compatibility.md`. What goes to stderr is for people and ours.

pub(crate) mod compare;
mod plan;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use super::command::{Run, killick};
use super::image::Image;
use super::registry::{PASSWORD as REGISTRY_PASSWORD, Registry, USER as REGISTRY_USER, free_port};
use super::service::{PASSWORD, Service};
use compare::{Differences, Volatile};
use plan::{Group, Step};

/// One recorded run.
#[derive(Deserialize)]
struct Recording {
    argv: Vec<String>,
    env: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    files: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    stdin: Option<String>,
    exit: i32,
    stdout: String,
}

/// Where the recorded registry was, and where ours is.
struct Address {
    recorded: &'static str,
    real: String,
}

/// The registry of the original's recordings.
const RECORDED_REGISTRY: &str = "127.0.0.1:5999";

/// Stands for our registry's address in our own recordings; as long as a real one, so that tables are as wide.
const OWN_REGISTRY: &str = "127.0.0.1:55555";

/// Where this test's own data is.
fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings")
}

#[test]
fn our_own_recordings_are_repeated() {
    let registry = Registry::start();
    registry.push("example/shop", "1.0", &Image::example());
    let address = Address { recorded: OWN_REGISTRY, real: registry.address.clone() };
    let replay = Replay { cli: here().join("cli"), api: here(), address: Some(address), login: REGISTRY_PASSWORD };
    let report = replay.groups("own");
    assert!(report.replayed > 0, "no recordings in {}", replay.cli.display());
    report.expect_none();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests learn of recordings that are not in the repository from outside")]
fn recordings_of_the_original_are_repeated() {
    let Some(folder) = std::env::var_os("KILLICK_TEST_RECORDINGS").map(PathBuf::from) else { return };
    let root = if folder.join("cli").is_dir() { folder } else { folder.join("..") };
    let real = std::env::var("KILLICK_TEST_REGISTRY").ok();
    let replay = Replay {
        cli: root.join("cli"),
        api: root.join("api"),
        address: real.map(|real| Address { recorded: RECORDED_REGISTRY, real }),
        login: "dummypass",
    };
    let report = replay.groups("original");
    assert!(report.replayed > 0, "no recordings in {}", replay.cli.display());
    report.expect_none();
    if replay.address.is_some() {
        let known = Differences::read();
        let stale: Vec<&str> =
            known.titles().enumerate().filter(|(at, _)| !report.used.contains(at)).map(|(_, title)| title).collect();
        assert!(stale.is_empty(), "differences that are no more: {stale:?}");
    }
}

#[test]
fn the_compatibility_page_lists_every_chosen_difference() {
    let page = fs_err::read_to_string(super::command::repository().join("docs/compatibility.md"));
    let page = page.expect("the page is there");
    for title in Differences::read().titles() {
        assert!(page.contains(title), "docs/compatibility.md lacks: {title}");
    }
}

/// A folder of recordings and what they are replayed against.
struct Replay {
    cli: PathBuf,
    /// Holds `feed-data`.
    api: PathBuf,
    address: Option<Address>,
    /// The registry password of the plan's `{password}`.
    login: &'static str,
}

#[derive(Default)]
struct Report {
    replayed: usize,
    equal: usize,
    chosen: usize,
    /// Entries that some difference needs.
    used: BTreeSet<usize>,
    unexplained: Vec<String>,
}

impl Report {
    #[expect(clippy::print_stderr, reason = "the counts are what a person looks for")]
    fn expect_none(&self) {
        let counts = format!(
            "{} replayed, {} equal, {} differ as chosen, {} differ",
            self.replayed,
            self.equal,
            self.chosen,
            self.unexplained.len()
        );
        eprintln!("{counts}");
        assert!(self.unexplained.is_empty(), "{counts}\n{}", self.unexplained.join("\n"));
    }
}

impl Replay {
    /// Replays the groups of the plan that are about `set`, each on a service of its own.
    fn groups(&self, set: &str) -> Report {
        let known = Differences::read();
        let volatile = Volatile::new();
        let mut report = Report::default();
        for group in plan::groups(set) {
            if group.images && self.address.is_none() {
                continue;
            }
            let server = Service::start_with(&[("KILLICK__KNOWLEDGE__FEEDS_DIR", self.api.display().to_string())]);
            self.group(&group, server, &mut |case, want, got| {
                report.replayed += 1;
                let (mut chosen, mut unexplained) = (0, Vec::new());
                if let Some(entry) = known.whole(case) {
                    report.used.insert(entry);
                    report.chosen += 1;
                    expect_chosen(case, got.code, &volatile.masked(&got.stdout));
                    return;
                }
                for place in compare::differences(&volatile, (want.exit, &want.stdout), (got.code, &got.stdout)) {
                    match known.explain(case, &place) {
                        Some(entry) => {
                            report.used.insert(entry);
                            chosen += 1;
                        }
                        None => unexplained.push(format!("  {place}\n")),
                    }
                }
                match (chosen, unexplained.is_empty()) {
                    (0, true) => report.equal += 1,
                    (_, true) => report.chosen += 1,
                    (_, false) => report.unexplained.push(format!("{case}\n{}", unexplained.concat())),
                }
            });
        }
        report
    }

    fn group(&self, group: &Group, mut server: Service, told: &mut dyn FnMut(&str, &Recording, &Run)) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // A stopped service is an address nobody listens at.
        let at = if group.stopped { format!("http://127.0.0.1:{}/v1", free_port()) } else { server.url.clone() };
        for step in &group.steps {
            match step {
                Step::Roles { roles } => server.restart(roles),
                Step::Run { run, files } => {
                    write(folder.path(), files);
                    let done = self.client(folder.path(), &at, true, run, None);
                    assert_eq!(done.code, 0, "{run:?}: {}", done.transcript());
                }
                Step::Case(name) => {
                    let path = self.cli.join(format!("{name}.json"));
                    let text = fs_err::read_to_string(&path).expect("every recording that the plan names is there");
                    let recording: Recording =
                        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    write(folder.path(), &recording.files);
                    let recorded = recording.env.get("ANCHORE_CLI_URL").map_or("", String::as_str);
                    let real = match recorded.rsplit_once('/') {
                        Some((_, "v1")) | None => at.clone(),
                        Some((_, path)) => format!("{}/{path}", at.trim_end_matches("/v1")),
                    };
                    let with_login = recording.env.contains_key("ANCHORE_CLI_USER");
                    let arguments = recording.argv.get(1..).unwrap_or_default();
                    let run = self.client(folder.path(), &real, with_login, arguments, recording.stdin.as_deref());
                    told(name, &recording, &run);
                }
            }
        }
    }

    /// Runs our client in `folder`, and gives what it printed with the recorded addresses.
    fn client(&self, folder: &Path, url: &str, with_login: bool, arguments: &[String], stdin: Option<&str>) -> Run {
        let inward = |text: &String| match &self.address {
            Some(address) => text.replace(address.recorded, &address.real),
            None => text.clone(),
        };
        let fill = |text: String| text.replace("{user}", REGISTRY_USER).replace("{password}", self.login);
        let mut command = killick(folder);
        command.current_dir(folder).env("KILLICK_URL", url).env("COLUMNS", "200");
        if with_login {
            command.env("KILLICK_USER", "admin").env("KILLICK_PASS", PASSWORD);
        }
        command.args(arguments.iter().map(|argument| fill(inward(argument))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the binary starts");
        // A command that does not ask may have ended before.
        let _ = process.stdin.take().expect("stdin is a pipe").write_all(stdin.unwrap_or_default().as_bytes());
        let mut run = Run::of(process.wait_with_output().expect("the binary ends"));
        if let Some(address) = &self.address {
            run.stdout = run.stdout.replace(&address.real, address.recorded);
        }
        run
    }
}

/// What we print where all of it is another than the original's.
fn expect_chosen(case: &str, code: i32, stdout: &str) {
    insta::with_settings!(
        { snapshot_path => here().join("chosen"), prepend_module_to_snapshot => false, omit_expression => true },
        { insta::assert_snapshot!(case, format!("exit code {code}\n{stdout}")) }
    );
}

fn write(folder: &Path, files: &std::collections::BTreeMap<String, String>) {
    for (name, content) in files {
        fs_err::write(folder.join(name), content).expect("the folder is writable");
    }
}
