use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::matching::Matches;
use proptest::prelude::*;
use serde_json::json;

use super::compile::functions_for_documentation;
use super::facts::{FILE, IMAGE, LAYER, PACKAGE, VULNERABILITY};
use super::*;
use crate::evidence::Evidence;
use crate::order::Order;

fn facts() -> (Analysis, Matches) {
    let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
    let analysis = json!({
        "manifest_digest": digest("1"), "config_digest": digest("2"),
        "config": {
            "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
            "config": {"Labels": {"team": "a", "n": 5}, "Env": ["PATH=/bin", "odd"], "Cmd": ["sh", "-c"], "ExposedPorts": {"80/tcp": {}}},
        },
        "layers": [{"diff_id": digest("3"), "digest": digest("4"), "media_type": "tar", "size": 7, "created_by": "RUN x"}],
        "distribution": {"id": "debian", "version": "12", "like": []},
        "packages": [
            {"kind": "deb", "name": "libc6", "version": "2.36-9", "location": "/var/lib/dpkg/status", "layer": 0, "cataloger": "dpkg", "licenses": ["GPL-2", "LGPL-2.1"]},
            {"kind": "npm", "name": "left-pad", "version": "1.3.0", "location": "/app/package.json", "layer": 0, "cataloger": "npm"},
        ],
        "files": [{"path": "bin/su", "kind": "file", "mode": 0o4755, "uid": 0, "gid": 0, "size": 9, "layer": 0}],
    });
    let statement = json!({
        "provider": "debian", "namespace": "debian:12", "advisory": "x", "matched_name": "x", "compared_version": "1",
        "scheme": "dpkg", "affected": "*", "confidence": "exact", "severity": "high",
    });
    let matches = json!({"matches": [
        {"package": 0, "vulnerability": "CVE-1", "severity": "high", "fix": {"state": "fixed", "versions": ["2.36-10"]}, "epss": 0.5, "evidence": [statement]},
        {"package": 1, "vulnerability": "CVE-2", "severity": "low", "fix": {"state": "unknown"}, "evidence": [statement]},
    ]});
    (serde_json::from_value(analysis).unwrap(), serde_json::from_value(matches).unwrap())
}

/// What a condition about the image gives, or why it gives nothing.
fn answer(source: &str) -> Result<bool, String> {
    let (analysis, matches) = facts();
    let mut evidence = Evidence::new(&analysis, &matches, "2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap());
    let first_seen = [None, Some(Timestamp::UNIX_EPOCH)];
    evidence.first_seen = &first_seen;
    let program = Program::new(source, Scope::Image, Type::Bool).map_err(|error| error.to_string())?;
    program
        .is_true(Seen { evidence: &evidence, order: &Order::default() }, Record::Image, &mut Budget::new())
        .map_err(|error| error.to_string())
}

#[test]
fn conditions_are_answered() {
    for (source, want) in [
        ("true", true),
        ("1 + 2 * 3 == 7 && 7 / 2 == 3 && -7 % 3 == -1", true),
        ("1.5 * 2.0 == 3 && 1 < 1.5 && 2.0 == 2", true),
        ("'a' + 'b' == \"ab\" && 'b' > 'a' && !('a' in ['b'])", true),
        ("size('äö') == 2 && [1, 2].size() == 2 && size([]) == 0", true),
        ("[1, 2] + [3] == [1, 2, 3] && [1, 2] != [2, 1] && [1, 2][1] == 2", true),
        ("'Ab'.lowerAscii() == 'ab' && 'Ab'.upperAscii() == 'AB'", true),
        ("int('5') == 5 && double('2.5') == 2.5 && int(2.9) == 2 && string(5) == '5' && string(true) == 'true'", true),
        ("now > timestamp('2026-01-31T00:00:00Z') && now - image.created > duration('700h')", true),
        ("(now - image.created).getHours() == 732 && duration('1h30m').getMinutes() == 90", true),
        ("image.distribution == 'debian' && image.architecture == 'amd64' && image.user == ''", true),
        ("has(image.user) || has(image.size)", false),
        (
            "image.labels.team == 'a' && image.labels['team'] == 'a' && 'team' in image.labels && !has(image.labels.n)",
            true,
        ),
        ("image.env.PATH == '/bin' && size(image.env) == 1 && image.cmd == ['sh', '-c']", true),
        ("image.exposed_ports.all(p, int(p.matches('^[0-9]+/tcp$') ? '1' : '0') == 1)", true),
        ("image.packages.exists(p, p.name == 'libc6' && p.is_os && 'GPL-2' in p.licenses)", true),
        ("image.packages.exists(p, p.olderThan('2.36-10') && p.kind == 'deb')", true),
        ("image.packages.exists_one(p, p.kind == 'npm') && image.packages.all(p, p.version != '')", true),
        ("image.packages.filter(p, p.kind == 'npm').map(p, p.name) == ['left-pad']", true),
        ("image.packages.map(p, p.kind == 'npm', p.name) == ['left-pad']", true),
        ("image.packages.map(p, image.packages.map(q, p.name + q.name)).size() == 2", true),
        ("image.labels.exists(k, k == 'team')", true),
        (
            "image.vulnerabilities.exists(v, v.epss > 0.4 && v.package.name == 'libc6' && v.fixed_in == ['2.36-10'])",
            true,
        ),
        (
            "image.vulnerabilities.exists(v, v.severity_rank >= 4 && v.fix_state == 'fixed' && v.namespace == 'debian:12')",
            true,
        ),
        ("image.vulnerabilities.filter(v, has(v.first_seen)).map(v, v.id) == ['CVE-2']", true),
        (
            "image.files.exists(f, f.is_setuid && f.path == '/bin/su' && f.name == 'su' && f.type == 'file' && f.mode == 2541)",
            true,
        ),
        ("image.layers[0].created_by.startsWith('RUN') && image.layers[0].size == 7", true),
        // What one side decides needs no other.
        ("true || image.labels.none == ''", true),
        ("image.labels.none == '' || true", true),
        ("image.labels.none == '' && false", false),
        ("[0, 1].exists(x, 1 / x == 1) && ![0, 1].all(x, 1 / x == 2)", true),
        ("null == null && image.created != timestamp('2020-01-01T00:00:00Z')", true),
    ] {
        assert_eq!(answer(source), Ok(want), "{source}");
    }
}

#[test]
fn things_are_seen_in_order_whatever_order_they_came_in() {
    let (mut analysis, mut matches) = facts();
    analysis.packages.reverse();
    matches.matches.reverse();
    for found in &mut matches.matches {
        found.package.0 = 1 - found.package.0;
    }
    let mut file = analysis.files[0].clone();
    file.path = "/bin/a".into();
    analysis.files.push(file);
    let evidence = Evidence::new(&analysis, &matches, Timestamp::UNIX_EPOCH);
    let seen = Seen { evidence: &evidence, order: &Order::default() };
    for source in [
        "image.packages[0].name == 'libc6'",
        "image.packages.map(p, p.name) == ['libc6', 'left-pad']",
        "image.vulnerabilities[0].id == 'CVE-1' && image.vulnerabilities[0].package.name == 'libc6'",
        "image.files[0].path == '/bin/a' && size(image.files) == 2",
    ] {
        let program = Program::new(source, Scope::Image, Type::Bool).unwrap();
        assert_eq!(program.is_true(seen, Record::Image, &mut Budget::new()), Ok(true), "{source}");
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let mut failures = Vec::new();
    for (source, want) in [
        ("", "the expression is empty"),
        ("1 +", "at column 4: "),
        ("image.user ==\n  (1", "at line 2, column 5: "),
        ("1", "it gives int, and has to give bool"),
        ("imge.user == ''", "at column 1: there is no variable `imge`; there are image, now"),
        ("pkg.name == ''", "at column 1: there is no variable `pkg`; there are image, now"),
        ("package.name == ''", "at column 1: reserved identifier: package"),
        ("true &&\n image.usr == ''", "at line 2, column 8: image has no field `usr`; it has digest, id, "),
        ("image.user.name == ''", "at column 12: string has no fields, so no `name`"),
        ("'usr' + image.os.usr == ''", "at column 18: "),
        ("image.packages.all(x, true) && x == 1", "at column 20: there is no variable `x`"),
        ("image.user == 1", "`==` cannot compare string and int"),
        ("image.user < 1", "`<` cannot compare string and int"),
        ("image.user && true", "`&&` and `||` ask for two bools, not of string and bool"),
        ("!image.user", "`!` asks for a bool, not of string"),
        ("'a' + 1 == 'a1'", "`+` cannot add string and int"),
        ("1 - 'a' == 1", "`-` cannot subtract int and string"),
        (
            "1 in image.labels",
            "`in` asks for an item and a list of such, or a key and a map, not for int and map(string, string)",
        ),
        ("true ? 1 : 'a'", "`?:` asks for a bool and two values of the same type"),
        ("[1, 'a'] == []", "a list cannot have items of type int and of type string"),
        ("image.user.matches(image.os)", "the pattern of `matches` has to be written out, in quotes"),
        ("image.user.matches('(')", "the pattern of `matches` is no regular expression: "),
        ("image.user.matches('\\\\w{1000}{1000}')", "the pattern of `matches` is no regular expression: "),
        ("1.matches('a')", "`matches` asks for a string, not for int"),
        ("size(1) == 1", "at column 1: `size` is used as `size(x)`"),
        ("image.user.reverse() == ''", "at column 12: there is no function `reverse`; there are has, all, "),
        ("cel.bind(x, 1, x) == 1", "there is no variable `cel`"),
        ("image.packages.all(p, p.name)", "the condition of a macro is a bool, not string"),
        ("image.user.all(c, true)", "a macro goes through a list or a map, not through string"),
        ("1u == 1", "write the number without `u`"),
        ("b'a' == b'a'", "write a string without `b`"),
        ("{'a': 1} == {}", "maps cannot be written here"),
        ("A{b: 1} == A{}", "messages cannot be written here"),
        ("99999999999999999999 == 1", "at column "),
        // What goes wrong on every image is told before there is one.
        ("1 / 0 == 1", "it has no value on any image: a number is divided by zero"),
        (
            "image.user == '' && now > timestamp('yesterday')",
            "it has no value on any image: `yesterday` is no timestamp",
        ),
        (
            "image.packages.exists(p, p.name == 'a') || [1][5] == 1",
            "it has no value on any image: the list has no item 5",
        ),
        (
            "[0].map(x, 1 / x) == image.layers.map(l, l.size)",
            "it has no value on any image: a number is divided by zero",
        ),
        ("[['a']][0][0]", "it gives a string, and has to give bool"),
    ] {
        let told = answer(source).expect_err(source);
        if !told.contains(want) {
            failures.push(format!("{source}: {told}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let long = format!("true{}", " || true".repeat(300));
    assert_eq!(answer(&long), Err("the expression is longer than 2048 bytes".to_owned()));
    let deep = format!("{}true", "!".repeat(2000));
    assert_eq!(answer(&deep), Ok(true), "what the parser takes together is not deep");
    for deep in [format!("1{} == 1", " + 1".repeat(70)), format!("{}1{} == [1]", "[".repeat(40), "]".repeat(40))] {
        assert!(answer(&deep).is_err(), "{deep}");
    }
    for fine in [format!("1{} == 61", " + 1".repeat(60)), format!("{}true{}", "(".repeat(30), ")".repeat(30))] {
        assert_eq!(answer(&fine), Ok(true), "{fine}");
    }
    for deep in [format!("image{}", ".a".repeat(1000)), format!("{}1{}", "(".repeat(900), ")".repeat(900))] {
        assert!(answer(&deep).is_err());
    }
}

#[test]
fn faults_are_told() {
    for (source, want) in [
        ("image.labels.none == ''", "there is no key `none`; `has()` tells"),
        ("image.cmd[2] == ''", "the list has no item 2"),
        ("image.cmd[-1] == ''", "the list has no item -1"),
        ("1 / 0 == 1", "a number is divided by zero"),
        ("9223372036854775807 + 1 == 1", "an int and an int cannot be calculated with, or the result is too large"),
        ("-(-9223372036854775807 - 1) == 1", "a number is too large"),
        ("int('x') == 1", "`x` is no whole number"),
        ("int(1e300) == 1", "is no int"),
        ("timestamp('yesterday') < now", "`yesterday` is no timestamp, such as `2026-01-31T00:00:00Z`"),
        ("duration('5d') == duration('1h')", "`5d` is no duration, such as `72h` or `1h30m`"),
        ("now + duration('9223372036854775807s') > now", "cannot be calculated with, or the result is too large"),
        ("[[1]][0][5] == 1", "the list has no item 5"),
        ("[[1], [2]][0][0] == 'a'", ""),
        ("image.packages[1].olderThan('one two')", ""),
        ("[0].all(x, 1 / x == 1)", "a number is divided by zero"),
    ] {
        match answer(source) {
            Err(told) => assert!(told.contains(want), "{source}: {told}"),
            Ok(told) => assert!(want.is_empty(), "{source}: {told}"),
        }
    }
}

#[test]
fn steps_and_sizes_are_limited() {
    let many = "[1,1,1,1,1,1,1,1,1,1]";
    let nested = format!(
        "{many}.all(a, {many}.all(b, {many}.all(c, {many}.all(d, {many}.all(e, {many}.all(f, {many}.all(g, {many}.all(h, true))))))))"
    );
    let texts = format!("['aaaaaaaaaaaaaaaa']{}.size() == 1", ".map(x, x + x)".repeat(40));
    let lists = format!("[[1, 1, 1, 1]]{}.size() == 1", ".map(x, x + x)".repeat(40));
    for source in [nested, texts, lists] {
        let program = Program::new(&source, Scope::Image, Type::Bool).unwrap();
        let (analysis, matches) = facts();
        let evidence = Evidence::new(&analysis, &matches, Timestamp::UNIX_EPOCH);
        let first = program.is_true(
            Seen { evidence: &evidence, order: &Order::default() },
            Record::Image,
            &mut Budget::of(100_000, 1_000_000),
        );
        assert!(matches!(first, Err(EvaluationError::Limit(_))), "{source}: {first:?}");
        let again = program.is_true(
            Seen { evidence: &evidence, order: &Order::default() },
            Record::Image,
            &mut Budget::of(100_000, 1_000_000),
        );
        assert_eq!(again, first, "the same every time");
    }
    // All rules together.
    let program = Program::new("image.packages.all(p, p.name != '')", Scope::Image, Type::Bool).unwrap();
    let (analysis, matches) = facts();
    let evidence = Evidence::new(&analysis, &matches, Timestamp::UNIX_EPOCH);
    let mut budget = Budget::of(100, 1000);
    let mut answered = 0;
    while program.is_true(Seen { evidence: &evidence, order: &Order::default() }, Record::Image, &mut budget).is_ok() {
        budget = budget.next_rule();
        answered += 1;
    }
    // `all`, its list and the image; for each of two packages the call, its sides, the package and comparing.
    assert_eq!(answered, 1000 / (3 + 2 * 5));
}

/// The tables of `docs/policy.md`, as the code has them.
#[test]
fn the_documentation_has_what_expressions_see() {
    let documentation = include_str!("../../../../docs/policy.md");
    let mut missing = Vec::new();
    for record in [&IMAGE, &LAYER, &PACKAGE, &VULNERABILITY, &FILE] {
        for field in record.fields {
            let line = format!("| `{}.{}` | {} | {} |\n", record.name, field.name, field.kind, field.about);
            if !documentation.contains(&line) {
                missing.push(line);
            }
        }
    }
    for (_, usage) in functions_for_documentation() {
        let line = format!("- {usage}\n");
        if !documentation.contains(&line) {
            missing.push(line);
        }
    }
    assert!(missing.is_empty(), "docs/policy.md lacks:\n{}", missing.concat());
}

proptest! {
    #[test]
    fn no_expression_panics(words in proptest::collection::vec(proptest::sample::select(vec![
        "image", "now", ".packages", ".files", ".labels", ".user", ".all(x, ", ".map(y, ", ".filter(z, ", "x", "y", "z", ".name",
        "1", "2.5", "'a'", "[", "]", "(", ")", ",", " + ", " - ", " * ", " / ", " % ", " == ", " < ", " && ", " || ", " ? ",
        " : ", "!", "-", " in ", "size(", "has(", ".matches('a')", "[0]", "['a']", "\n", "é", "\\", "\"", "{", "}", "null",
    ]), 0..16)) {
        let _ = answer(&words.concat());
    }

    #[test]
    fn no_text_panics(text in ".{0,40}") {
        let _ = answer(&text);
    }
}
