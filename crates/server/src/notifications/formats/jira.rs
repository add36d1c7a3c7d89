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
        insta::assert_json_snapshot!(posted(&FORMAT, "url = 'https://jira.example/rest/api/2/issue'\nproject = 'SEC'"), @"");
    }
}
