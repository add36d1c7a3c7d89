//! Jira: an issue, by [`POST /rest/api/2/issue`](https://developer.atlassian.com/server/jira/platform/rest/). The address is
//! that of this resource; user and password are those of the webhook, in the cloud an address and an API token.
//!
//! Jira makes a new issue for each post: before one that may have been made is made again, it is searched for by the label
//! with the notification's identity.

use killick_store::notifications::Notice;
use serde_json::{Value, json};
use url::Url;

use super::super::announcement::shortened;
use super::{Format, Search, Sending, Way, plain};
use crate::config::WebhookConfig;

pub(super) const FORMAT: Format =
    Format { name: "jira", check, way: Way::PostOnce(write, Search { ask: search, has: has_issue }) };

/// Where Jira in the cloud is.
const CLOUD: &str = ".atlassian.net";

/// The type of issues, if none is given.
const ISSUE_TYPE: &str = "Task";

/// Characters of the summary and of the description.
const SUMMARY: usize = 250;
const DESCRIPTION: usize = 30_000;

fn check(to: &WebhookConfig) -> Option<String> {
    to.project.is_empty().then(|| "issues need the key of a `project`".to_owned())
}

fn write(sending: &Sending<'_>) -> Value {
    let (said, notice, to) = (sending.said, sending.notice, sending.to);
    let kind = if to.issue_type.is_empty() { ISSUE_TYPE } else { &to.issue_type };
    // As it stands: what looks like markup is none of ours.
    let text = plain(said).replace("{noformat}", "(noformat)");
    json!({
        "fields": {
            "project": {"key": to.project},
            "issuetype": {"name": kind},
            "summary": shortened(&said.title, SUMMARY),
            "description": format!("{{noformat}}\n{}{{noformat}}", shortened(&text, DESCRIPTION)),
            "labels": ["killick", notice.r#type, label(notice)],
        },
    })
}

/// The label of one notification.
fn label(notice: &Notice) -> String {
    format!("killick-{}", notice.uuid)
}

/// The [search](https://developer.atlassian.com/server/jira/platform/rest/) for the issue of a notification, which in the
/// cloud is [elsewhere](https://developer.atlassian.com/cloud/jira/platform/rest/v2/api-group-issue-search/).
fn search(issues: &Url, notice: &Notice) -> Option<(Url, Value)> {
    let api = issues.path().trim_end_matches('/').strip_suffix("/issue")?;
    let is_cloud = issues.host_str().is_some_and(|host| host.ends_with(CLOUD));
    let mut url = issues.clone();
    url.set_path(&format!("{api}/search{}", if is_cloud { "/jql" } else { "" }));
    url.set_query(None);
    Some((url, json!({"jql": format!("labels = \"{}\"", label(notice)), "maxResults": 1, "fields": ["key"]})))
}

fn has_issue(answer: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    answer["issues"].as_array().is_some_and(|issues| !issues.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{notice, posted};
    use super::*;

    #[test]
    fn an_issue_is_written() {
        let body = posted(&FORMAT, "url = 'https://jira.example/rest/api/2/issue'\nproject = 'SEC'");
        let text = "\
            {noformat}\nImage: sha256:aa\nAccount: team\n\n\
            - new: CVE-2099-0001 (Critical) in openssl-3.0.1, fixed in 3.0.2 <&> *x*\n\
            - gone: CVE-2099-0003 (High) in openssl-3.0.1, no fix\n\
            - new: CVE-2099-0002 (Low) in openssl-3.0.1, no fix\n\n\
            https://killick.example.com/v1/images/sha256:aa/vuln/all\n{noformat}";
        let wanted = json!({"fields": {
            "project": {"key": "SEC"},
            "issuetype": {"name": "Task"},
            "summary": "Vulnerabilities of registry.example.com/team/app:1.0: 2 new, 1 gone",
            "description": text,
            "labels": ["killick", "vuln_update", "killick-id-1"],
        }});
        assert_eq!(body, wanted);
    }
    #[test]
    fn an_issue_is_searched_for_by_its_label() {
        let search = |address: &str| search(&Url::parse(address).unwrap(), &notice());
        let wanted = json!({"jql": "labels = \"killick-id-1\"", "maxResults": 1, "fields": ["key"]});
        for (address, at) in [
            ("https://jira.example/rest/api/2/issue", "https://jira.example/rest/api/2/search"),
            ("https://h.example/jira/rest/api/2/issue/?x=1", "https://h.example/jira/rest/api/2/search"),
            ("https://team.atlassian.net/rest/api/2/issue", "https://team.atlassian.net/rest/api/2/search/jql"),
        ] {
            assert_eq!(search(address), Some((Url::parse(at).unwrap(), wanted.clone())), "{address}");
        }
        assert_eq!(search("https://proxy.example/hook"), None, "it is another address");
    }

    #[test]
    fn an_answer_with_an_issue_has_it() {
        for (answer, has) in [
            (r#"{"startAt":0,"maxResults":1,"total":1,"issues":[{"id":"1","key":"SEC-1"}]}"#, true),
            (r#"{"total":0,"issues":[]}"#, false),
            (r#"{"issues":[],"isLast":true}"#, false),
            ("{}", false),
            ("nonsense", false),
        ] {
            assert_eq!(has_issue(answer.as_bytes()), has, "{answer}");
        }
    }
}
