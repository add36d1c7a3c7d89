//! Each shipped bundle on an image that it lets through and on one that it stops, in `testdata/examples`.

use std::collections::BTreeSet;
use std::path::Path;

use killick_model::evaluation::{Action, Finding};
use killick_policy::default_bundle;
use serde_json::Value;

use crate::judging::judge;

fn load(path: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).expect("a file"))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn check(name: &str, bundle: &Value) {
    let case = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/examples").join(name));
    let passed = judge(bundle, &case["passing"]);
    let found: Vec<_> = passed.findings.iter().map(|finding| &finding.message).collect();
    assert_eq!((found, passed.final_action), (Vec::new(), Action::Go), "{name}");
    let stopped = judge(bundle, &case["failing"]);
    let rule = |finding: &Finding| {
        let action = serde_json::to_value(finding.action).expect("a word");
        format!(
            "{} {}",
            action.as_str().expect("a word").to_uppercase(),
            finding.rule_id.as_deref().unwrap_or_default()
        )
    };
    let rules: BTreeSet<_> = stopped.findings.iter().map(rule).collect();
    assert_eq!(serde_json::to_value(rules).expect("a list"), case["rules"], "{name}");
    assert_eq!(stopped.final_action, Action::Stop, "{name}");
}

#[test]
fn each_lets_one_image_through_and_stops_another() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/bundles");
    let mut count = 0;
    for entry in fs_err::read_dir(&folder).expect("bundles") {
        let path = entry.expect("a bundle").path();
        check(path.file_name().and_then(|name| name.to_str()).expect("a name"), &load(&path));
        count += 1;
    }
    assert!(count >= 7, "{count} bundles");
}

#[test]
fn so_does_the_bundle_of_accounts_that_have_none() {
    check("default.json", &default_bundle());
}
