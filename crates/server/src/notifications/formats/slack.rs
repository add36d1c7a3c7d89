//! Slack: an [incoming webhook](https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks) with
//! [blocks](https://docs.slack.dev/reference/block-kit/blocks), within their limits. Mattermost and Discord (`/slack`) take
//! it too, as text.

use serde_json::{Value, json};

use super::super::announcement::shortened;
use super::{Format, Sending, Way};

pub(super) const FORMAT: Format = Format { name: "slack", check: |_| None, way: Way::Post(write) };

/// Characters of a header, of a field and of a section.
const HEADER: usize = 150;
const FIELD: usize = 1000;
const SECTION: usize = 2900;

/// Fields of a section.
const FIELDS: usize = 10;

fn write(sending: &Sending<'_>) -> Value {
    let said = sending.said;
    let fields: Vec<Value> = said
        .facts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .take(FIELDS)
        .map(|(name, value)| json!({"type": "mrkdwn", "text": shortened(&format!("*{name}*\n{}", escaped(value)), FIELD)}))
        .collect();
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": shortened(&said.title, HEADER), "emoji": false}}),
        json!({"type": "section", "fields": fields}),
    ];
    let mut lines: Vec<String> = said.lines.iter().map(|line| format!("• {}", escaped(line))).collect();
    if said.more > 0 {
        lines.push(format!("_and {} more_", said.more));
    }
    if !lines.is_empty() {
        let text = shortened(&lines.join("\n"), SECTION);
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
    }
    if let Some(link) = &said.link {
        let text = shortened(&escaped(link), FIELD);
        blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}));
    }
    json!({"text": escaped(&shortened(&said.title, FIELD)), "blocks": blocks})
}

/// The three characters that mean something, and those of formatting, which a package may not use either.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('*', "∗").replace('`', "'")
}

#[cfg(test)]
mod tests {
    use super::super::tests::posted;
    use super::*;

    #[test]
    fn blocks_are_written() {
        let body = posted(&FORMAT, "url = 'https://hooks.slack.com/services/T/B/x'");
        let title = "Vulnerabilities of registry.example.com/team/app:1.0: 2 new, 1 gone";
        let list = "\
            • new: CVE-2099-0001 (Critical) in openssl-3.0.1, fixed in 3.0.2 &lt;&amp;&gt; ∗x∗\n\
            • gone: CVE-2099-0003 (High) in openssl-3.0.1, no fix\n\
            • new: CVE-2099-0002 (Low) in openssl-3.0.1, no fix";
        let link = "https://killick.example.com/v1/images/sha256:aa/vuln/all";
        let wanted = json!({
            "text": title,
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": false}},
                {"type": "section", "fields": [
                    {"type": "mrkdwn", "text": "*Image*\nsha256:aa"}, {"type": "mrkdwn", "text": "*Account*\nteam"},
                ]},
                {"type": "section", "text": {"type": "mrkdwn", "text": list}},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": link}]},
            ],
        });
        assert_eq!(body, wanted);
    }
}
