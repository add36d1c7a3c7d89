//! Every command of anchore-cli 0.9.3, good and bad, as the requests that it makes: `anchore_cli/requests.txt`. The client
//! itself is driven by `vocabulary.rs` of the command's tests, which holds that it still asks exactly this;
//! `scripts/record-requests` writes it. The answers are in `anchore_cli/answers.snap`, the same on both databases.

use std::collections::{BTreeMap, BTreeSet};

use killick_server::Config;

use super::document::Document;
use super::{Line, Resource, Told, build_index, call, here};
use crate::caller::Service;
use crate::database::Postgres;
use crate::registry;

fn requests() -> Vec<Line> {
    call::lines(&fs_err::read_to_string(here().join("anchore_cli/requests.txt")).unwrap())
}

/// A fresh service and the images that the commands are about.
async fn replayed(change: impl FnOnce(&mut Config)) -> Told {
    let upstream = registry::serve(None).await;
    let installed = "P:musl\nV:1.2.5-r0\nA:x86_64\nT:the C library\nL:MIT\no:musl\n\n";
    let lodash = r#"{"name": "lodash", "version": "4.17.15", "license": "MIT"}"#;
    let shop = upstream.hold(
        "example/shop",
        "1.0",
        &[
            ("etc/os-release", "ID=alpine\nVERSION_ID=3.20.3\n"),
            ("lib/apk/db/installed", installed),
            ("srv/node_modules/lodash/package.json", lodash),
        ],
    );
    let clean = upstream.hold("example/clean", "1.0", &[("etc/motd", "hello")]);
    let service = Service::start(|config| {
        "here".clone_into(&mut config.server.host_id);
        build_index(config);
        config.knowledge.feeds_dir = config.storage.data_dir.join("feeds");
        change(config);
    });
    let address = upstream.address.to_string();
    let names = [
        ("escaped_digest", shop.replace(':', "%3A")),
        ("digest", shop),
        ("clean", clean),
        ("escaped_registry", address.replace(':', "%3A")),
        ("registry", address),
    ];
    let names = BTreeMap::from(names.map(|(name, value)| (name.to_owned(), value)));
    let resource =
        Resource { service: service.await, names, before: Some(BTreeMap::new()), _upstream: upstream, _receiver: None };
    // Off this test's stack, which is small.
    tokio::spawn(resource.tell(requests())).await.unwrap()
}

fn assert_are_answered(told: &Told) {
    insta::with_settings!({
        snapshot_path => here().join("anchore_cli"), prepend_module_to_snapshot => false, omit_expression => true
    }, {
        insta::assert_snapshot!("answers", told.text);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_anchore_cli_asks_is_answered() {
    let told = replayed(|_| {}).await;
    assert_are_answered(&told);
    let document = Document::read();
    let mut undescribed = BTreeSet::new();
    // The document does not describe itself.
    for (call, answer) in told.exchanges.iter().filter(|(call, _)| call.path != "/swagger.json") {
        if let Err(why) = document.judge(call, answer) {
            undescribed.insert(format!("{} {}: {why}", call.method, call.path));
        }
    }
    assert!(undescribed.is_empty(), "answers that the document does not describe: {undescribed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_anchore_cli_asks_is_answered_on_postgresql() {
    let postgres = Postgres::start();
    let url = postgres.database("anchore_cli");
    assert_are_answered(&replayed(|config| config.storage.database_url = url.as_str().into()).await);
}

#[test]
fn every_command_has_its_requests() {
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    let mut command = String::new();
    for line in requests() {
        match line {
            Line::Comment(text) => {
                text.trim_start_matches("# ").clone_into(&mut command);
                asked.entry(command.clone()).or_default();
            }
            Line::Call(_) => *asked.get_mut(&command).unwrap() += 1,
            Line::Keep(..) | Line::Work | Line::Look => {}
        }
    }
    // What is said to the client, a command in a line.
    let said = fs_err::read_to_string(here().join("../../../../cli/tests/it/vocabulary/commands.txt")).unwrap();
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with("# ") && !line.starts_with("- ");
    let commands = said.lines().filter(is_said).map(|line| line.split(" | ").next().unwrap().trim());
    let forgotten: Vec<&str> = commands.filter(|command| !asked.contains_key(*command)).collect();
    assert!(forgotten.is_empty(), "run `scripts/record-requests`: nothing is recorded of {forgotten:#?}");
    let silent: Vec<&String> = asked.iter().filter(|(_, calls)| **calls == 0).map(|(command, _)| command).collect();
    assert!(
        silent.iter().all(|command| command.contains(" policy hub ")),
        "only the hub is asked elsewhere: {silent:#?}"
    );
}
