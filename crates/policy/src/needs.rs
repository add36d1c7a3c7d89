//! Which evidence the rules of a bundle look at that an analysis only has if it was asked for.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::bundle::Bundle;
use crate::gates::passwd_file;

/// Evidence that has to be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Package files compared with their databases (`packages.verify`).
    pub package_files: bool,
    /// Secrets (`secret_scans`).
    pub secrets: bool,
    /// Paths of files to be kept whole (`retrieved_files`, `passwd_file`).
    pub retrieved_files: BTreeSet<String>,
    /// Regular expressions to look for in the contents of files (`files.content_regex_match`).
    pub content_search: BTreeSet<String>,
    /// A malware scan (`malware`).
    pub malware: bool,
}

impl Needs {
    /// What either needs.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.package_files |= other.package_files;
        self.secrets |= other.secrets;
        self.malware |= other.malware;
        self.retrieved_files.extend(other.retrieved_files);
        self.content_search.extend(other.content_search);
        self
    }
}

impl Bundle {
    /// What its rules look at, whichever of them a mapping selects.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        let policies = self.document.get("policies").and_then(Value::as_array);
        let rules = policies.into_iter().flatten().filter_map(|policy| policy.get("rules")?.as_array()).flatten();
        for rule in rules {
            let word = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default().to_lowercase();
            match (word("gate").as_str(), word("trigger").as_str()) {
                ("packages", "verify") => needs.package_files = true,
                ("secret_scans", _) => needs.secrets = true,
                ("malware", _) => needs.malware = true,
                ("passwd_file", _) => {
                    needs.retrieved_files.insert(passwd_file::PATH.to_owned());
                }
                ("retrieved_files", _) => needs.retrieved_files.extend(values(rule, "path")),
                ("files", "content_regex_match") => {
                    needs.content_search.extend(values(rule, "regex_name").filter(|name| is_expression(name)));
                }
                _ => {}
            }
        }
        needs
    }
}

/// The values that a rule gives to a parameter.
fn values(rule: &Value, parameter: &str) -> impl Iterator<Item = String> {
    let params = rule.get("params").and_then(Value::as_array).into_iter().flatten();
    let is_it = move |param: &&Value| {
        param.get("name").and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(parameter))
    };
    params.filter(is_it).filter_map(|param| param.get("value")?.as_str().map(str::to_owned))
}

/// Whether it is a regular expression rather than the name of one: it has something that names have not.
fn is_expression(text: &str) -> bool {
    text.contains(['.', '*', '+', '?', '[', '(', '|', '\\', '^', '$'])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_tell() {
        let rule =
            |gate: &str, trigger: &str, params: Value| json!({"gate": gate, "trigger": trigger, "params": params});
        let needs = |rules: Vec<Value>| {
            Bundle::parse(&json!({"policies": [{"rules": rules}, {}, {"rules": 5}]})).unwrap().needs()
        };
        assert_eq!(needs(vec![rule("packages", "blacklist", json!([])), json!(null)]), Needs::default());
        assert!(needs(vec![rule("Packages", "VERIFY", json!([]))]).package_files);
        let path = json!([{"name": "Path", "value": "/etc/ssh/sshd_config"}, {"name": "regex", "value": "x"}]);
        let needs = needs(vec![
            rule("secret_scans", "content_regex_checks", json!([])),
            rule("malware", "scans", json!(null)),
            rule("passwd_file", "content_not_available", json!([])),
            rule("retrieved_files", "content_regex", path),
            rule("files", "content_regex_match", json!([{"name": "regex_name", "value": ".*password.*"}])),
            rule("files", "content_regex_match", json!([{"name": "REGEX_NAME", "value": "MY_PATTERN"}])),
        ]);
        assert!(needs.secrets && needs.malware && !needs.package_files);
        assert_eq!(needs.content_search.into_iter().collect::<Vec<_>>(), [".*password.*"]);
        assert_eq!(needs.retrieved_files.into_iter().collect::<Vec<_>>(), ["/etc/passwd", "/etc/ssh/sshd_config"]);
    }
}
