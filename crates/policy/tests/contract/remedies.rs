//! What is to be done about findings, and what is done together.

use serde_json::json;

use crate::bundle_of::bundle_of;
use crate::judging::{judge, rule};

#[test]
fn an_upgrade_clears_what_no_vex_document_speaks_of_as_well() {
    let facts = json!({
        "packages": [{"name": "openssl", "version": "1.0"}, {"name": "curl", "version": "8"}],
        "matches": [
            {"vulnerability": "CVE-1", "package": 0, "fixed": ["1.1"]},
            {"vulnerability": "CVE-2", "package": 1, "claims": [{"status": "under_investigation"}]},
        ],
    });
    let bundle = bundle_of(&json!([
        rule("vulnerabilities", "package", &json!({"package_type": "all", "fix_available": "true"})),
        rule("vex", "status", &json!({"statuses": "none,under_investigation"})),
    ]));
    let evaluation = judge(&bundle, &facts);
    let steps: Vec<_> = evaluation.steps.iter().map(|step| (step.what.as_str(), step.clears.as_slice())).collect();
    let ask = "ask Example Inc for another statement than that of `d`";
    let upgrade = "upgrade `openssl` to `1.1`: `apt-get install --only-upgrade openssl`";
    assert_eq!(steps, [(upgrade, &[0, 1][..]), (ask, &[2][..])]);
    assert_eq!(
        evaluation.findings[1].remedy.as_deref(),
        Some("upgrade `openssl` from `1.0` to `1.1`, or assess CVE-1 and hand the VEX document over with `--vex`")
    );
}

#[test]
fn expressions_say_what_can_be_done() {
    let facts =
        json!({"packages": [{"name": "openssl", "version": "1.0"}], "files": [{"path": "/bin/su", "mode": 0o4755}]});
    let of = |trigger: &str, expression: &str| rule("cel", trigger, &json!({"expression": expression}));
    let bundle =
        bundle_of(&json!([of("image", "image.user == ''"), of("package", "pkg.is_os"), of("file", "file.is_setuid"),]));
    let evaluation = judge(&bundle, &facts);
    let remedies: Vec<_> =
        evaluation.findings.iter().map(|finding| finding.remedy.as_deref().unwrap_or_default()).collect();
    assert_eq!(
        remedies,
        [
            "change the Dockerfile, or how the image is built, until `image.user == ''` is no longer true",
            "remove `openssl` 1.0, or install another version of it, until `pkg.is_os` is no longer true",
            "remove `/bin/su`, or change it in the step that makes it, until `file.is_setuid` is no longer true",
        ]
    );
}
