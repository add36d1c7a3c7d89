use std::path::Path;

use super::*;

const PARTS: &str = r#"
    <tests>
      <rpminfo_test id="t:os"><object object_ref="o:os"/><state state_ref="s:os"/></rpminfo_test>
      <rpminfo_test id="t:arch"><object object_ref="o:os"/><state state_ref="s:arch"/></rpminfo_test>
      <rpminfo_test id="t:before"><object object_ref="o:a"/><state state_ref="s:before"/></rpminfo_test>
      <rpminfo_test id="t:after"><object object_ref="o:a"/><state state_ref="s:after"/></rpminfo_test>
      <rpminfo_test id="t:key"><object object_ref="o:a"/><state state_ref="s:key"/></rpminfo_test>
      <rpminfo_test id="t:installed"><object object_ref="o:b"/></rpminfo_test>
      <rpminfo_test id="t:absent" check_existence="none_exist"><object object_ref="o:b"/></rpminfo_test>
      <textfilecontent54_test id="t:module"><object object_ref="o:file"/></textfilecontent54_test>
      <uname_test id="t:running"><object object_ref="o:kernel"/></uname_test>
    </tests>
    <objects>
      <rpminfo_object id="o:os"><name>x-release</name></rpminfo_object>
      <rpminfo_object id="o:a"><name>a</name></rpminfo_object>
      <rpminfo_object id="o:b"><name>b</name></rpminfo_object>
    </objects>
    <states>
      <rpminfo_state id="s:os"><version operation="pattern match">^9</version></rpminfo_state>
      <rpminfo_state id="s:arch"><arch operation="pattern match">x86_64|aarch64</arch></rpminfo_state>
      <rpminfo_state id="s:before"><evr operation="less than">0:2-1</evr></rpminfo_state>
      <rpminfo_state id="s:after"><evr operation="greater than">0:1-1</evr></rpminfo_state>
      <rpminfo_state id="s:key"><signature_keyid operation="equals">1</signature_keyid></rpminfo_state>
    </states>"#;

fn rows(criteria: &str) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let definition = format!("<definition id='d'><metadata/>{criteria}</definition>");
    let text = format!("<oval><definitions>{definition}</definitions>{PARTS}</oval>");
    fs_err::write(folder.path().join("feed.xml"), text).unwrap();
    let input = Input { root: folder.path(), path: Path::new("feed.xml") };
    let mut sink = Sink::new();
    let oval = Oval::load(&input, &mut sink).unwrap();
    let mut found = Vec::new();
    oval.definitions(&input, &mut sink, |definition, _| {
        found.extend(definition.rows.iter().map(|row| {
            let statement = row.statement("x", Level::Binary, Scheme::Rpm);
            let Statement { name, versions, verdict, qualifiers, .. } = statement;
            format!("{:?} {name} {versions} {verdict:?} {qualifiers:?}", row.platforms)
        }));
    })
    .unwrap();
    match sink.take_problems().pop() {
        Some(problem) => Err(problem.message),
        None => Ok(found),
    }
}

fn criterion(test: &str, comment: &str) -> String {
    format!("<criterion test_ref='{test}' comment='{comment}'/>")
}

#[test]
fn trees_come_down_to_rows() {
    let os = criterion("t:os", "X 9 is installed");
    let (before, installed) = (criterion("t:before", ""), criterion("t:installed", ""));
    for (criteria, expected) in [
        (format!("<criteria>{os}{before}</criteria>"), vec![r#"["X 9 is installed"] a < 2-1 Affected []"#]),
        // A key says nothing of versions; two bounds in one branch are one range.
        (
            format!("<criteria>{before}{}{}</criteria>", criterion("t:after", ""), criterion("t:key", "")),
            vec!["[] a > 1-1, < 2-1 Affected []"],
        ),
        (
            format!(
                "<criteria>{}<criteria operator='OR'>{before}{installed}</criteria></criteria>",
                criterion("t:arch", "")
            ),
            vec![
                r#"[] a < 2-1 Affected [Architectures(["aarch64", "x86_64"])]"#,
                r#"[] b * Affected [Architectures(["aarch64", "x86_64"])]"#,
            ],
        ),
        // Alternatives of a branch without packages narrow what stands beside it.
        (
            format!(
                "<criteria>{before}<criteria operator='OR'>{os}{}</criteria></criteria>",
                criterion("gone", "Y 1 is installed")
            ),
            vec![r#"["X 9 is installed", "Y 1 is installed"] a < 2-1 Affected []"#],
        ),
        // An alternative to packages does not.
        (format!("<criteria operator='OR'>{os}{before}</criteria>"), vec!["[] a < 2-1 Affected []"]),
        (format!("<criteria>{installed}{}</criteria>", criterion("t:absent", "")), vec!["[] b * NotAffected []"]),
        (
            format!("<criteria>{}{before}</criteria>", criterion("t:module", "Module m:1 is enabled")),
            vec![r#"[] a < 2-1 Affected [Module("m:1")]"#],
        ),
        (format!("<criteria>{}{before}</criteria>", criterion("t:running", "")), vec!["[] a < 2-1 Affected []"]),
        (format!("<criteria negate='true'>{before}</criteria>"), vec![]),
        (
            format!("<criteria>{}</criteria>", criterion("gone", "c is earlier than 1:3-1")),
            vec!["[] c < 1:3-1 Affected []"],
        ),
    ] {
        assert_eq!(rows(&criteria).unwrap(), expected, "{criteria}");
    }
    let missing = rows(&format!("<criteria>{}</criteria>", criterion("gone", "c is odd"))).unwrap_err();
    assert_eq!(missing, "test `gone` is missing");
}

#[test]
fn names_are_taken_out_of_patterns() {
    for (pattern, expected) in [
        (r"^openssh-client(?::\w+|)\s+(.*)$", Some("openssh-client")),
        (r"^libstdc\+\+6(?::\w+|)\s+(.*)$", Some("libstdc++6")),
        ("zlib", Some("zlib")),
        (".*", None),
        ("", None),
    ] {
        assert_eq!(plain_name(pattern).as_deref(), expected, "{pattern}");
    }
}
