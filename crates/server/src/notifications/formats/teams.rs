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
        insta::assert_json_snapshot!(posted(&FORMAT, "url = 'https://example.webhook.office.com/x'"), @"");
    }
}
