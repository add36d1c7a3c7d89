//! Bundles with the evaluations that the original engine, or the contract's worked example, gives for them.
//!
//! `testdata/recordings` always runs. With `KILLICK_TEST_RECORDINGS` naming a folder of recordings of the original,
//! its `policy` folder runs too, on the facts that its `api` folder tells: configurations of all images, and the
//! packages and vulnerabilities of the one whose answers are there. Facts of the other images are taken from
//! `KILLICK_TEST_REPORTS`, a folder with `NAME.json` of each image: what `killick scan -o json` says of it with an index
//! of the recordings' `feed-data` (`scripts/replay-recordings` makes them). Without it evaluations that need more are left
//! out.
//!
//! Rows are compared in their order; those of one rule among themselves as a set, because the original has them as its database
//! and its sets do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use killick_model::evaluation::Evaluation;
use killick_policy::{Bundle, Compatibility, Options, ProblemSeverity, evaluate, spec};
use serde_json::{Value, json};

mod facts;

use facts::Facts;

fn load(path: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .expect("as the case is written")
}

fn recordings() -> Option<PathBuf> {
    std::env::var_os("KILLICK_TEST_RECORDINGS").map(PathBuf::from)
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs_err::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("as the case is written").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

/// Columns three to nine of the rows.
fn rows(evaluation: &Evaluation) -> Vec<String> {
    let rows = evaluation.findings.iter().map(|finding| {
        let allowlisted = finding.allowlisted.as_ref().map_or(json!(false), |by| {
            json!({"whitelist_name": by.allowlist_name, "whitelist_id": by.allowlist_id, "matched_rule_id": by.item_id})
        });
        let row = json!([
            finding.trigger_id,
            finding.gate,
            finding.trigger,
            finding.message,
            finding.action,
            allowlisted,
            finding.policy_id
        ]);
        (group(&row), sorted(&row))
    });
    in_groups(rows)
}

/// Rows in their order, but those of one policy, gate and trigger that follow each other by their text: these come out of
/// the original as its database and its sets have them.
fn in_groups(rows: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (group, row) in rows {
        match groups.last_mut() {
            Some((last, rows)) if *last == group => rows.push(row),
            _ => groups.push((group, vec![row])),
        }
    }
    for (_, rows) in &mut groups {
        rows.sort();
    }
    groups.into_iter().flat_map(|(_, rows)| rows).collect()
}

/// Policy, gate and trigger of a row.
fn group(row: &Value) -> String {
    format!("{} {} {}", row[6], row[1], row[2])
}

/// As text, with the fields of objects in one order.
fn sorted(row: &Value) -> String {
    let cells = row.as_array().expect("as the case is written").iter().map(|cell| match cell {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
            fields.sort();
            fields.join(" ")
        }
        cell => cell.to_string(),
    });
    cells.collect::<Vec<_>>().join(" | ")
}

fn gates_of(bundle: &Value) -> BTreeSet<String> {
    let policies = bundle["policies"].as_array().into_iter().flatten();
    let rules = policies.flat_map(|policy| policy["rules"].as_array().into_iter().flatten());
    rules.filter_map(|rule| rule["gate"].as_str()).map(str::to_lowercase).collect()
}

/// What saving the bundle answers: the schema's text, or the engine's problems.
fn refusal(bundle: &Value) -> Option<Value> {
    if let Some(problem) = Bundle::check_schema(bundle).first() {
        return Some(problem.details.clone().into());
    }
    let problems = Bundle::parse(bundle).expect("as the case is written").validate();
    let errors: Vec<_> = problems
        .iter()
        .filter(|problem| problem.severity == ProblemSeverity::Error)
        .map(killick_policy::BundleProblem::to_v1)
        .collect();
    (!errors.is_empty()).then(|| errors.into())
}

/// Whether the row is about a vulnerability that is not found here, for a reason in `docs/compatibility.md`: a version
/// without an epoch has epoch 0; hints are claims. (One image's vulnerabilities are those that the original told.)
fn read_otherwise(row: &Value) -> bool {
    let id = row[2].as_str().expect("as the case is written");
    !row[1].as_str().expect("as the case is written").contains("/apps/pyweb")
        && ["CVE-2099-1007+login", "CVE-2099-1007+passwd", "CVE-2099-2005+musl"].contains(&id)
}

/// Compares one recorded evaluation with ours; `Ok(true)` if they are equal without a repair.
fn compare(recorded: &Value, bundle: &Bundle, facts: &Facts, reference: &str, exact: bool) -> Result<bool, String> {
    let recorded = &recorded["detail"]["result"];
    let image = recorded["result"]
        .as_object()
        .expect("as the case is written")
        .values()
        .next()
        .expect("as the case is written");
    let want = image["result"]["rows"].as_array().expect("as the case is written").iter();
    let want = want.filter(|row| !read_otherwise(row)).map(|row| {
        let row = json!(row.as_array().expect("as the case is written")[2..]);
        (group(&row), sorted(&row))
    });
    let want = in_groups(want);
    let differs = |compatibility| {
        let evaluation = evaluate(bundle, &facts.evidence(), reference, &Options { compatibility });
        let got = rows(&evaluation);
        let same = got == want
            && json!(evaluation.final_action) == recorded["final_action"]
            && json!(evaluation.policy_action) == image["result"]["final_action"]
            && evaluation.final_action_reason.name()
                == recorded["final_action_reason"].as_str().expect("as the case is written")
            && evaluation.matched_mapping.clone().unwrap_or(json!(false)) == recorded["matched_mapping_rule"]
            && evaluation.matched_denied_image.clone().unwrap_or(json!(false))
                == recorded["matched_blacklisted_images_rule"]
            && evaluation.matched_allowed_image.clone().unwrap_or(json!(false))
                == recorded["matched_whitelisted_images_rule"];
        (!same).then(|| {
            let theirs: BTreeSet<_> = want.iter().collect();
            let ours: BTreeSet<_> = got.iter().collect();
            let missing: Vec<_> = theirs.difference(&ours).take(3).collect();
            let extra: Vec<_> = ours.difference(&theirs).take(3).collect();
            (
                evaluation.clone(),
                format!(
                    "{} {:?} missing {missing:#?} extra {extra:#?} mapping {:?}",
                    evaluation.final_action, evaluation.problems, evaluation.matched_mapping
                ),
            )
        })
    };
    if exact && let Some((_, text)) = differs(Compatibility::Engine11) {
        return Err(format!("engine-1.1: {text}"));
    }
    match differs(Compatibility::Repaired) {
        None => Ok(true),
        Some((evaluation, _))
            if evaluation.problems.iter().any(|problem| problem.problem_type == "CompatibilityWarning") =>
        {
            Ok(false)
        }
        Some((_, text)) => Err(text),
    }
}

#[test]
fn own_recordings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/recordings");
    let files = json_files(&folder);
    assert!(!files.is_empty());
    for file in files {
        let case = load(&file);
        assert_eq!(refusal(&case["bundle"]), case.get("refused").cloned(), "{}", file.display());
        let bundle = Bundle::parse(&case["bundle"]).expect("as the case is written");
        for evaluation in case["evaluations"].as_array().into_iter().flatten() {
            let facts = Facts::new(&evaluation["facts"]);
            let reference = evaluation["reference"].as_str().expect("as the case is written");
            assert_eq!(compare(evaluation, &bundle, &facts, reference, true), Ok(true), "{}", file.display());
        }
    }
}

/// When the original saw the vulnerabilities of its images.
const SEEN: &str = "2026-11-23T20:00:00Z";

/// Secrets of the image that is full of them: rule and path.
const SECRETS: &[(&str, &str)] = &[
    ("API_KEY", "/app/config.env"),
    ("AWS_ACCESS_KEY", "/app/config.env"),
    ("API_KEY", "/app/hardlink.env"),
    ("AWS_ACCESS_KEY", "/app/hardlink.env"),
    ("PRIV_KEY", "/app/link-to-key"),
    ("AWS_ACCESS_KEY", "/root/.aws/credentials"),
    ("AWS_SECRET_KEY", "/root/.aws/credentials"),
    ("DOCKER_AUTH", "/root/.docker/config.json"),
    ("PRIV_KEY", "/root/.ssh/id_rsa"),
];

/// The facts of a recorded image.
fn recorded_facts(api: &Path, image: &str, report: Option<&Value>) -> Facts {
    let letter = match image {
        "debian" => "A",
        "pyweb" => "B",
        "badness" => "C",
        "alpine" => "D",
        "scratch" => "E",
        _ => "F",
    };
    let index = load(&api.join("images/index.json"));
    let mut facts = json!({
        "config": load(&api.join(format!("images/{letter}.config.json"))),
        "manifest_digest": index[letter]["manifest_digest"],
        "config_digest": index[letter]["config_digest"],
        "distribution": if image == "scratch" { json!(false) } else { json!({"id": "debian", "version": "12"}) },
        "now": "2026-11-23T20:30:00Z",
    });
    let complete = image == "pyweb";
    if complete {
        let folder = api.join("10-images/apps-pyweb");
        facts["dockerfile"] =
            "FROM debian:12\nRUN apt-get update && apt-get upgrade -y\nENV SECRET_TOKEN=changeme\nEXPOSE 22 8080\n\
             USER app\nHEALTHCHECK CMD curl -f http://localhost:8080/ || exit 1\nCMD [\"server.js\"]\n"
                .into();
        let mut packages = Vec::new();
        for (content, kind) in [("os", "deb"), ("python", "python"), ("npm", "npm"), ("gem", "gem"), ("java", "java")] {
            let answer = load(&folder.join(format!("content-{content}.json")));
            for package in answer["response_body"]["content"].as_array().expect("as the case is written") {
                packages.push(json!({"kind": kind, "name": package["package"], "version": package["version"]}));
            }
        }
        let mut matches = Vec::new();
        let answer = load(&folder.join("vuln-all.json"));
        for found in answer["response_body"]["vulnerabilities"].as_array().expect("as the case is written") {
            let path = found["package_path"].as_str().expect("as the case is written");
            let kind = match found["package_type"].as_str().expect("as the case is written") {
                "dpkg" => "deb",
                other => other,
            };
            let package = json!({"kind": kind, "name": found["package_name"], "version": found["package_version"], "location": path});
            // The original prints the name as the feed spells it and the path as the image does, so the path is given.
            let at = packages.iter().position(|known| {
                known["name"] == package["name"]
                    && known["version"] == package["version"]
                    && known["kind"] == package["kind"]
            });
            let at = at.unwrap_or(packages.len());
            if at == packages.len() {
                packages.push(package);
            } else {
                packages[at] = package;
            }
            let cvss: Vec<_> = found["nvd_data"].as_array().expect("as the case is written").iter().map(|nvd| {
                let v3 = &nvd["cvss_v3"];
                json!({"base": v3["base_score"], "exploitability": v3["exploitability_score"], "impact": v3["impact_score"]})
            }).collect();
            let mut one = json!({
                "vulnerability": found["vuln"], "package": at, "severity": found["severity"].as_str().expect("as the case is written").to_lowercase(),
                "url": found["url"], "namespace": found["feed_group"], "cvss": cvss, "wont_fix": found["will_not_fix"],
                "first_seen": SEEN
            });
            if found["fix"] != "None" {
                one["fixed"] =
                    found["fix"].as_str().expect("as the case is written").split(", ").collect::<Vec<_>>().into();
                one["fix_seen"] = SEEN.into();
            }
            matches.push(one);
        }
        facts["packages"] = packages.into();
        facts["matches"] = matches.into();
    }
    if let Some(report) = report {
        let analysis = &report["analysis"];
        facts["files"] = analysis["files"].clone();
        facts["inspection"] = analysis["inspection"].clone();
        if !complete {
            facts["distribution"] = analysis.get("distribution").cloned().unwrap_or(json!(false));
            facts["packages"] = analysis["packages"].clone();
            facts["matches"] = report["matches"]["matches"].clone();
            for found in facts["matches"].as_array_mut().into_iter().flatten() {
                found["first_seen"] = SEEN.into();
            }
        }
    }
    // What the original's patterns found, which take placeholders for secrets.
    let secret = |(rule, path): &(&str, &str)| json!([rule, path]);
    facts["secrets"] = if image == "badness" {
        json!({"findings": SECRETS.iter().map(secret).collect::<Vec<_>>()})
    } else {
        json!({})
    };
    for feed in ["npm", "gem"] {
        let recorded = load(&api.join(format!("feed-data/packages/{feed}.json")));
        let packages = recorded["data"].as_array().expect("as the case is written").iter().filter_map(Value::as_object);
        facts[format!("{feed}_feed")] =
            Value::Object(packages.flatten().map(|(name, package)| (name.clone(), package.clone())).collect());
    }
    Facts::new(&facts)
}

#[test]
fn recordings_of_the_original() {
    let Some(folder) = recordings() else { return };
    let reports = std::env::var_os("KILLICK_TEST_REPORTS").map(PathBuf::from);
    let mut known: BTreeMap<String, Facts> = BTreeMap::new();
    let (mut same, mut repaired, mut skipped, mut failures) = (0, Vec::new(), Vec::new(), Vec::new());
    for file in json_files(&folder.join("policy")) {
        let case = load(&file);
        let name = file.file_stem().expect("as the case is written").to_string_lossy().into_owned();
        let gates = gates_of(&case["bundle"]);
        let answer = &case["add"]["response_body"]["detail"];
        let recorded = match case["add"]["status"].as_u64() {
            Some(200) => None,
            _ => Some(if answer.is_string() { answer.clone() } else { answer["validation_details"].clone() }),
        };
        let ours = refusal(&case["bundle"]);
        if ours == recorded {
            same += 1;
        } else {
            failures.push(format!("{name}: saving answers {ours:?}, recorded {recorded:?}"));
        }
        let bundle = Bundle::parse(&case["bundle"]).expect("as the case is written");
        for evaluation in case["evaluations"].as_array().into_iter().flatten() {
            let image = evaluation["image"].as_str().expect("as the case is written");
            let is_told = |gate: &String| match gate.as_str() {
                "always" | "dockerfile" | "metadata" | "secret_scans" => true,
                "vulnerabilities" | "packages" | "npms" | "ruby_gems" => image == "pyweb" || image == "scratch",
                _ => image == "scratch",
            };
            if reports.is_none() && !gates.iter().all(is_told) {
                skipped.push(format!("{name} {image}"));
                continue;
            }
            let facts = known.entry(image.to_owned()).or_insert_with(|| {
                let report = reports.as_ref().map(|folder| load(&folder.join(format!("{image}.json"))));
                recorded_facts(&folder.join("api"), image, report.as_ref())
            });
            let by_digest = evaluation["response_body"][0]
                .as_object()
                .expect("as the case is written")
                .values()
                .next()
                .expect("as the case is written");
            let (reference, recorded) =
                by_digest.as_object().expect("as the case is written").iter().next().expect("as the case is written");
            match compare(&recorded[0], &bundle, facts, reference, true) {
                Ok(true) => same += 1,
                Ok(false) => repaired.push(format!("{name} {image}")),
                Err(text) => failures.push(format!("{name} {image}: {text}")),
            }
        }
    }
    let summary = format!(
        "{same} same, {} repaired with a warning: {repaired:?}, {} without facts: {skipped:?}",
        repaired.len(),
        skipped.len()
    );
    println!("{summary}");
    assert!(failures.is_empty(), "{summary}\n{}", failures.join("\n"));
    assert!(same > 50, "{summary}");
}

/// Gates that the original has not.
const OUR_GATES: &[&str] =
    &["threats", "lifecycle", "completeness", "knowledge", "vex", "attachments", "base_image", "layers", "sbom", "cel"];

#[test]
fn our_own_gates_are_known() {
    let ours = spec();
    let gates = ours.as_array().expect("a list").iter();
    let active = gates.filter(|gate| gate["state"] == "active").map(|gate| gate["name"].as_str());
    // The thirteen of the original come first, in its order; `the_specification_equals_the_recorded_one` compares them.
    let ours: Vec<_> = OUR_GATES.iter().copied().map(Some).collect();
    assert_eq!(active.skip(13).collect::<Vec<_>>(), ours);
}

#[test]
fn the_specification_equals_the_recorded_one() {
    let Some(folder) = recordings() else { return };
    let recorded = load(&folder.join("api/00-empty/policy_spec.json"));
    // Descriptions are free text; `gems` and the example `from` are repaired.
    let essence = |gate: &Value| {
        let triggers = gate["triggers"].as_array().expect("as the case is written").iter().map(|trigger| {
            let parameters = trigger["parameters"].as_array().into_iter().flatten().map(|parameter| {
                json!([
                    parameter["name"],
                    parameter["required"],
                    parameter["state"],
                    parameter["superceded_by"],
                    parameter["validator"]["type"],
                    parameter["validator"]["criteria"]
                ])
            });
            json!([trigger["name"], trigger["state"], trigger["superceded_by"], parameters.collect::<Vec<_>>()])
        });
        json!([gate["name"], gate["state"], triggers.collect::<Vec<_>>()])
    };
    let ours = spec();
    let is_theirs = |gate: &&Value| !OUR_GATES.iter().any(|name| gate["name"] == *name);
    let ours: Vec<_> = ours.as_array().expect("as the case is written").iter().filter(is_theirs).map(essence).collect();
    let theirs: Vec<_> =
        recorded["response_body"].as_array().expect("as the case is written").iter().map(essence).collect();
    assert_eq!(ours, theirs);
}
