//! What official schemas demand that are under no terms, or in no place, from which we could keep them.

use killick_report::formats;
use killick_report::formats::Style;
use serde_json::Value;

use super::{inputs, written, written_index};

/// What GitLab's schema 15.0.7 demands of a container scanning report, member by member; it is in no place from which we
/// could keep it.
#[test]
fn gitlab_reports_are_sound() {
    let is_instant = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        text.len() == 19
            && text.chars().enumerate().all(|(at, letter)| letter.is_ascii_digit() || "-T:".contains(letter) && at > 3)
    };
    let is_text = |value: &Value, longest: usize| {
        value.as_str().is_some_and(|text| !text.is_empty() && text.chars().count() <= longest)
    };
    let is_address =
        |value: &Value| value.as_str().is_some_and(|text| text.starts_with("https://") || text.starts_with("http://"));
    for input in inputs() {
        let format = formats::find("gitlab").expect("registered");
        for text in [written(format, &input.report(), Style::default()), written_index(format, &input)] {
            let report: Value = serde_json::from_str(&text).expect("JSON");
            let scan = &report["scan"];
            assert_eq!(report["version"], "15.0.7");
            assert!(is_address(&report["schema"]) && scan["type"] == "container_scanning");
            assert!(is_instant(&scan["start_time"]) && is_instant(&scan["end_time"]), "{scan}");
            assert!(["success", "failure"].contains(&scan["status"].as_str().expect("a status")));
            for tool in [&scan["analyzer"], &scan["scanner"]] {
                assert!(["id", "name", "version"].iter().all(|key| is_text(&tool[key], 255)), "{tool}");
                assert!(is_text(&tool["vendor"]["name"], 255) && is_address(&tool["url"]), "{tool}");
            }
            for message in scan["messages"].as_array().expect("messages") {
                assert!(["info", "warn", "fatal"].contains(&message["level"].as_str().expect("a level")));
                assert!(is_text(&message["value"], usize::MAX), "{message}");
            }
            let mut ids = Vec::new();
            for found in report["vulnerabilities"].as_array().expect("vulnerabilities") {
                ids.push(found["id"].to_string());
                assert!(is_text(&found["id"], 36) && is_text(&found["name"], 255), "{found}");
                assert!(is_text(&found["description"], 1_048_576), "{found}");
                assert!(found["solution"].is_null() || is_text(&found["solution"], 7_000), "{found}");
                let severities = ["Info", "Unknown", "Low", "Medium", "High", "Critical"];
                assert!(severities.contains(&found["severity"].as_str().expect("a severity")));
                let identifiers = found["identifiers"].as_array().expect("identifiers");
                assert!(!identifiers.is_empty());
                for identifier in identifiers {
                    assert!(["type", "name", "value"].iter().all(|key| is_text(&identifier[key], 255)), "{identifier}");
                    assert!(identifier["url"].is_null() || is_address(&identifier["url"]), "{identifier}");
                }
                assert!(found["links"].as_array().expect("links").iter().all(|link| is_address(&link["url"])));
                let location = &found["location"];
                assert!(is_text(&location["operating_system"], 255) && is_text(&location["image"], 255), "{location}");
                let dependency = &location["dependency"];
                assert!(is_text(&dependency["package"]["name"], 255) && dependency["version"].is_string());
            }
            let count = ids.len();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), count, "ids are unique");
        }
    }
}

/// The official schemas of `OpenVEX` and CSAF are not under terms that let us keep them here: what they demand of what we
/// write is checked by hand.
#[test]
fn vex_documents_are_sound() {
    let keys = |value: &Value, required: &[&str], allowed: &[&str]| {
        let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
        assert!(required.iter().all(|key| object.contains_key(*key)), "{required:?} of {value}");
        assert!(
            object.keys().all(|key| required.contains(&key.as_str()) || allowed.contains(&key.as_str())),
            "{value}"
        );
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for input in inputs() {
        let format = |name: &str| formats::find(name).expect("registered");
        let read = |text: String| -> Value { serde_json::from_str(&text).expect("JSON") };
        let report = input.report();
        for document in [
            read(written(format("openvex-json"), &report, Style::default())),
            read(written_index(format("openvex-json"), &input)),
        ] {
            let all = ["@context", "@id", "author", "timestamp", "version", "tooling", "statements"];
            keys(&document, &all, &[]);
            for said in list(&document["statements"]) {
                let reasons = ["justification", "impact_statement", "action_statement", "status_notes", "timestamp"];
                keys(&said, &["vulnerability", "products", "status"], &reasons);
                keys(&said["vulnerability"], &["name"], &["aliases"]);
                let given = |key: &str| !said[key].is_null();
                match said["status"].as_str() {
                    Some("not_affected") => assert!(given("justification") != given("impact_statement"), "{said}"),
                    Some("affected") => assert!(given("action_statement"), "{said}"),
                    Some("fixed" | "under_investigation") => assert!(!given("justification"), "{said}"),
                    other => panic!("{other:?} is no status"),
                }
                for product in list(&said["products"]) {
                    keys(&product, &["@id", "subcomponents"], &[]);
                    let mut parts: Vec<String> = list(&product["subcomponents"]).iter().map(Value::to_string).collect();
                    let count = parts.len();
                    parts.sort();
                    parts.dedup();
                    assert!(count == parts.len() && count > 0, "{product}");
                }
            }
        }
        for document in [
            read(written(format("csaf-vex-json"), &report, Style::default())),
            read(written_index(format("csaf-vex-json"), &input)),
        ] {
            keys(&document, &["document", "product_tree"], &["vulnerabilities"]);
            let mut ids: Vec<String> = list(&document["product_tree"]["full_product_names"])
                .iter()
                .chain(&list(&document["product_tree"]["relationships"]))
                .map(|item| item.get("full_product_name").unwrap_or(item)["product_id"].to_string())
                .collect();
            let count = ids.len();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), count, "product ids are unique");
            for said in list(&document["vulnerabilities"]) {
                let known = ["cve", "ids", "flags", "remediations", "threats"];
                keys(&said, &["notes", "product_status"], &known);
                assert!(!said["cve"].is_null() || !list(&said["ids"]).is_empty(), "{said}");
                let of = |key: &str| -> Vec<String> {
                    list(&said[key])
                        .iter()
                        .flat_map(|remark| list(&remark["product_ids"]))
                        .map(|id| id.to_string())
                        .collect()
                };
                let status = said["product_status"].as_object().expect("an object");
                let (mut seen, explained, actions) =
                    (Vec::new(), [of("flags"), of("threats")].concat(), of("remediations"));
                for (status, products) in status {
                    for id in list(products).iter().map(Value::to_string) {
                        assert!(ids.contains(&id) && !seen.contains(&id), "{id} of {said}");
                        match status.as_str() {
                            "known_not_affected" => assert!(explained.contains(&id), "{id} of {said}"),
                            "known_affected" => assert!(actions.contains(&id), "{id} of {said}"),
                            "fixed" | "under_investigation" => {}
                            other => panic!("{other} is no status"),
                        }
                        seen.push(id);
                    }
                }
            }
        }
    }
}
