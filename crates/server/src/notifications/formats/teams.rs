//! Microsoft Teams: an [adaptive card](https://adaptivecards.io/explorer/) for a webhook of a
//! [workflow](https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using), which
//! takes 28 KiB.

use serde_json::{Value, json};

use super::super::announcement::shortened;
use super::{Format, Sending, Way};

pub(super) const FORMAT: Format = Format { name: "teams", check: |_| None, way: Way::Post(write) };

/// Characters of the title and of the list.
const TITLE: usize = 300;
const LIST: usize = 8000;

fn write(sending: &Sending<'_>) -> Value {
    let said = sending.said;
    let facts: Vec<Value> = said
        .facts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| json!({"title": name, "value": escaped(value)}))
        .collect();
    let title = escaped(&shortened(&said.title, TITLE));
    let mut body = vec![
        json!({"type": "TextBlock", "size": "medium", "weight": "bolder", "text": title, "wrap": true}),
        json!({"type": "FactSet", "facts": facts}),
    ];
    let mut lines: Vec<String> = said.lines.iter().map(|line| format!("- {}", escaped(line))).collect();
    if said.more > 0 {
        lines.push(format!("- and {} more", said.more));
    }
    if !lines.is_empty() {
        body.push(json!({"type": "TextBlock", "text": shortened(&lines.join("\r"), LIST), "wrap": true}));
    }
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    });
    if let Some(link) = &said.link {
        card["actions"] = json!([{"type": "Action.OpenUrl", "title": "Open", "url": link}]);
    }
    json!({
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card}],
    })
}

/// Text blocks read Markdown, which nobody but us writes here.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if matches!(character, '\\' | '*' | '_' | '[' | ']' | '`' | '#' | '~') {
            out.push('\\');
        }
        out.push(character);
    }
    out.replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::tests::posted;
    use super::*;

    #[test]
    fn a_card_is_written() {
        let body = posted(&FORMAT, "url = 'https://example.webhook.office.com/x'");
        let title = "Vulnerabilities of registry.example.com/team/app:1.0: 2 new, 1 gone";
        let list = "\
            - new: CVE-2099-0001 (Critical) in openssl-3.0.1, fixed in 3.0.2 &lt;&&gt; \\*x\\*\r\
            - gone: CVE-2099-0003 (High) in openssl-3.0.1, no fix\r\
            - new: CVE-2099-0002 (Low) in openssl-3.0.1, no fix";
        let card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [
                {"type": "TextBlock", "size": "medium", "weight": "bolder", "text": title, "wrap": true},
                {"type": "FactSet", "facts": [
                    {"title": "Image", "value": "sha256:aa"}, {"title": "Account", "value": "team"},
                ]},
                {"type": "TextBlock", "text": list, "wrap": true},
            ],
            "actions": [{
                "type": "Action.OpenUrl", "title": "Open",
                "url": "https://killick.example.com/v1/images/sha256:aa/vuln/all",
            }],
        });
        let kind = "application/vnd.microsoft.card.adaptive";
        let attachment = json!({"contentType": kind, "contentUrl": null, "content": card});
        assert_eq!(body, json!({"type": "message", "attachments": [attachment]}));
    }
}
