//! `killick policy dry-run`: what a bundle would change on everything that a server has stored.

use std::path::PathBuf;

use clap::Args;
use killick_policy::diff::VerdictChange;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::client::api::{Api, Failure};
use crate::client::{Done, Outcome, python};
use crate::local::bundles::verdict_text;

/// Pages that are asked for at most: a server that never comes to an end is not followed for ever.
const MAX_PAGES: usize = 1_000_000;

/// Arguments of `policy dry-run`.
#[derive(Debug, Args)]
pub(crate) struct DryRun {
    /// Policy bundle file (JSON)
    bundle: PathBuf,
    /// Stored policy to compare with; without it, the active one
    #[arg(long, value_name = "POLICY_ID")]
    against: Option<String>,
    /// Tell images whose verdict stays the same and only the findings change too
    #[arg(long)]
    findings: bool,
    /// Exit with 1 if a verdict changes
    #[arg(long)]
    exit_code: bool,
}

pub(super) async fn run(api: &Api, args: &DryRun) -> Outcome {
    let text = fs_err::read_to_string(&args.bundle).map_err(|error| Failure::local(error.to_string()))?;
    let bundle: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::local(format!("`{}` is not JSON: {error}", args.bundle.display())))?;
    let mut body = json!({"bundle": bundle, "findings": args.findings});
    if let Some(against) = &args.against {
        body["against"] = against.as_str().into();
    }
    let (mut items, mut examined, mut skipped, mut against) = (Vec::new(), 0, Vec::new(), String::new());
    let mut left_out = 0;
    for _ in 0..MAX_PAGES {
        let mut reply = api.send("POST", "/v2/policies/dry-run", &[], Some(&body)).await?.body;
        let list = |name: &str, reply: &mut Value| match reply.get_mut(name).map(Value::take) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        items.extend(list("items", &mut reply));
        skipped.extend(list("skipped", &mut reply));
        examined += reply["examined"].as_u64().unwrap_or_default();
        left_out += reply["tags_left_out"].as_u64().unwrap_or_default();
        reply["against"].as_str().unwrap_or_default().clone_into(&mut against);
        match reply.get_mut("next_cursor").map(Value::take) {
            Some(Value::String(cursor)) => body["cursor"] = cursor.into(),
            _ => break,
        }
    }
    let changes: Vec<VerdictChange> = items.iter().filter_map(|item| VerdictChange::deserialize(item).ok()).collect();
    let other = changes.iter().filter(|change| change.is_other_verdict()).count();
    let exit = if args.exit_code && other > 0 { crate::exit::Exit::Refused } else { crate::exit::Exit::Success };
    if api.settings.json {
        let document = json!({
            "against": against, "examined": examined, "items": items, "skipped": skipped, "tags_left_out": left_out,
        });
        return Ok(Done::new(python::dumps(&document)).ending(exit));
    }
    let mut text: String = changes.iter().map(verdict_text).collect();
    for image in &skipped {
        text.push_str(&format!(
            "{}: not judged: {}\n",
            image["reference"].as_str().unwrap_or_default(),
            image["reason"].as_str().unwrap_or_default()
        ));
    }
    if left_out > 0 {
        text.push_str(&format!("not judged: {left_out} older tags, of images that have more than the newest 20\n"));
    }
    text.push_str(&format!(
        "compared with the policy `{against}`: images: {examined}; with another verdict: {other}; with other findings \
         only: {}",
        changes.len() - other
    ));
    Ok(Done::new(text).ending(exit))
}
