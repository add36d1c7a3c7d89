//! A notification in words, for people: what programs read is the original's payload.

use killick_store::notifications::Notice;
use serde_json::Value;

/// Lines that are told of many.
const LINES: usize = 20;

/// Characters of one value.
const CHARACTERS: usize = 300;

/// Severities, the worst first.
const SEVERITIES: [&str; 6] = ["critical", "high", "medium", "low", "negligible", "unknown"];

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Announcement {
    /// One line.
    pub(crate) title: String,
    /// What is known, by name.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// The first of what there is, the worst first.
    pub(crate) lines: Vec<String>,
    /// How many more there are.
    pub(crate) more: u64,
    /// Where to read on.
    pub(crate) link: Option<String>,
}

impl Announcement {
    /// Of a notification; `base` is where this service is.
    pub(crate) fn of(notice: &Notice, base: &str) -> Self {
        let payload: Value = serde_json::from_str(&notice.payload).unwrap_or_default();
        let mut said = if payload["grouped"] == true {
            grouped(&payload, base)
        } else {
            match notice.r#type.as_str() {
                "vuln_update" => vulnerabilities(&payload, base),
                "policy_eval" => verdict(&payload),
                "tag_update" => moved(&payload),
                "analysis_update" => analyzed(&payload, base),
                "alerts" => alert(&payload),
                "event_log" => event(&payload),
                other => Self { title: format!("{other}: {}", text(&payload["subscription_key"])), ..Self::default() },
            }
        };
        said.facts.push(("Account", notice.account.clone()));
        said
    }

    fn with(mut self, mut lines: Vec<String>) -> Self {
        self.more += lines.len().saturating_sub(LINES) as u64;
        lines.truncate(LINES);
        self.lines = lines;
        self
    }
}

fn vulnerabilities(payload: &Value, base: &str) -> Announcement {
    let changes = &payload["diff_vulnerability_result"];
    let rows = |name: &str| changes[name].as_array().cloned().unwrap_or_default();
    let all = [("new", rows("added")), ("changed", rows("updated")), ("gone", rows("removed"))];
    let counts: Vec<String> =
        all.iter().filter(|(_, rows)| !rows.is_empty()).map(|(word, rows)| format!("{} {word}", rows.len())).collect();
    let digest = text(&payload["imageDigest"]);
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (word, rows) in &all {
        lines.extend(rows.iter().map(|row| (rank(&text(&row["Severity"])), vulnerability(word, row))));
    }
    lines.sort();
    let what = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    Announcement {
        title: format!("Vulnerabilities of {}: {what}", text(&payload["subscription_key"])),
        facts: vec![("Image", digest.clone())],
        link: Some(format!("{base}/v1/images/{digest}/vuln/all")),
        ..Announcement::default()
    }
    .with(lines.into_iter().map(|(_, line)| line).collect())
}

fn vulnerability(word: &str, row: &Value) -> String {
    let fix = text(&row["Fix_Available"]);
    let fix = if fix.is_empty() || fix == "None" { "no fix".to_owned() } else { format!("fixed in {fix}") };
    format!(
        "{word}: {} ({}) in {}, {fix}",
        text(&row["CVE_ID"]),
        text(&row["Severity"]),
        text(&row["Vulnerable_Package"])
    )
}

pub(super) fn rank(severity: &str) -> usize {
    let severity = severity.to_ascii_lowercase();
    SEVERITIES.iter().position(|known| *known == severity).unwrap_or(SEVERITIES.len())
}

/// What a verdict says to do.
pub(super) fn action(verdict: &Value) -> String {
    let told = ["final_action", "status"].iter().find_map(|member| verdict[*member].as_str());
    told.unwrap_or("unknown").to_owned()
}

fn verdict(payload: &Value) -> Announcement {
    let (before, now) = (action(&payload["last_eval"]), action(&payload["curr_eval"]));
    Announcement {
        title: format!("Policy now says {now} to {}", text(&payload["subscription_key"])),
        facts: vec![("Before", before), ("Now", now)],
        ..Announcement::default()
    }
}

fn moved(payload: &Value) -> Announcement {
    let digest =
        |name: &str| payload[name].as_array().and_then(|digests| digests.first()).map(text).unwrap_or_default();
    Announcement {
        title: format!("{} points to another image", text(&payload["subscription_key"])),
        facts: vec![("Before", digest("last_eval")), ("Now", digest("curr_eval"))],
        ..Announcement::default()
    }
}

fn analyzed(payload: &Value, base: &str) -> Announcement {
    let state = &payload["curr_eval"];
    let digest =
        if state["imageDigest"].is_string() { text(&state["imageDigest"]) } else { text(&state["image_digest"]) };
    Announcement {
        title: format!("{} was analyzed", text(&payload["subscription_key"])),
        facts: vec![("Image", digest.clone()), ("State", text(&state["analysis_status"]))],
        link: Some(format!("{base}/v1/images/{digest}")),
        ..Announcement::default()
    }
}

fn alert(payload: &Value) -> Announcement {
    let (alert, tag) = (&payload["alert"], text(&payload["subscription_key"]));
    let policy = text(&alert["policy_id"]);
    let title = match (text(&alert["closed_for"]).as_str(), alert["state"] == "open") {
        (_, true) => format!("Alert: policy {policy} stops {tag}"),
        ("passed", false) => format!("Alert closed: policy lets {tag} through"),
        ("gone", false) => format!("Alert closed: {tag} points to no image any more"),
        (_, false) => format!("Alert of {tag} closed by {}", text(&alert["closed_by"])),
    };
    Announcement {
        title,
        facts: vec![("Image", text(&alert["digest"])), ("Since", text(&alert["opened_at"]))],
        ..Announcement::default()
    }
}

fn event(payload: &Value) -> Announcement {
    let event = &payload["event"];
    let cause = text(&event["details"]["msg"]);
    Announcement {
        title: text(&event["message"]),
        facts: vec![
            ("Level", text(&event["level"])),
            ("Type", text(&event["type"])),
            ("About", text(&event["resource"]["id"])),
        ],
        lines: if cause.is_empty() { Vec::new() } else { vec![cause] },
        ..Announcement::default()
    }
}

/// What [`groups`](super::groups) folded.
fn grouped(payload: &Value, base: &str) -> Announcement {
    let changes = payload["changes"].as_array().cloned().unwrap_or_default();
    let count = payload["count"].as_u64().unwrap_or(0);
    let first = changes.first().cloned().unwrap_or_default();
    let all = changes.len() as u64 + payload["more_changes"].as_u64().unwrap_or(0);
    let others = if all > 1 { format!(", and {} more", all - 1) } else { String::new() };
    let link = first["vulnerability"].as_str().map(|id| query(base, id));
    let kind = payload["subscription_type"].as_str().unwrap_or_default();
    let lines = changes.iter().map(|change| {
        let keys: Vec<String> =
            change["first"].as_array().into_iter().flatten().take(3).map(|one| text(&one["key"])).collect();
        format!("{}: {}, first {}", text(&change["what"]), counted(kind, change), keys.join(", "))
    });
    Announcement {
        title: format!("{} in {}{others}", text(&first["what"]), counted(kind, &first)),
        facts: vec![("Notifications", count.to_string())],
        more: payload["more_changes"].as_u64().unwrap_or(0),
        link,
        ..Announcement::default()
    }
    .with(lines.collect())
}

/// What a change is counted in, and under how many tags that is, where that is another number.
fn counted(kind: &str, change: &Value) -> String {
    let number = |name: &str| change[name].as_u64().unwrap_or(0);
    let of = |count: u64, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
    let (count, tags) = (number("count"), number("tags"));
    match kind {
        "tag_update" => of(count, "tag"),
        "event_log" => of(count, "place"),
        _ if tags > count => format!("{} under {}", of(count, "image"), of(tags, "tag")),
        _ => of(count, "image"),
    }
}

/// The query that lists all images with a vulnerability.
pub(super) fn query(base: &str, id: &str) -> String {
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("{base}/v1/query/images/by_vulnerability?vulnerability_id={id}")
}

/// A text of foreign origin in one line, cut where it is too long.
pub(super) fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    let line: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    shortened(&line, CHARACTERS)
}

/// At most so many characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut + "…"
}
