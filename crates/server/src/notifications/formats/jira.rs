//! Jira: an issue, by [`POST /rest/api/2/issue`](https://developer.atlassian.com/server/jira/platform/rest/). The address is
//! that of this resource; user and password are those of the webhook, in the cloud an address and an API token.
//!
//! Jira makes a new issue for each post: one whose answer was lost is made again. The label with the notification's
//! identity tells that two are the same.

use serde_json::{Value, json};

use super::super::announcement::shortened;
use super::{Format, Sending, Way, plain};
use crate::config::WebhookConfig;

pub(super) const FORMAT: Format = Format { name: "jira", check, way: Way::Post(write) };

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
            "labels": ["killick", notice.r#type, format!("killick-{}", notice.uuid)],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::posted;
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
}
