//! `killick evaluate check`: the verdict on an image the server holds.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::{Api, Failure};
use super::columns::{Columns, Shown};
use super::{Done, Outcome, lookup, python};
use crate::exit::Exit;

/// What can be evaluated.
#[derive(Debug, Subcommand)]
pub(crate) enum EvaluateCommand {
    /// Check latest policy evaluation for an image
    Check(Check),
}

/// Arguments of `evaluate check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Image digest, image ID or registry/repo:tag
    input_image: String,
    /// Show all previous policy evaluations
    #[arg(long)]
    show_history: bool,
    /// Show every finding
    #[arg(long)]
    detail: bool,
    /// The tag to judge an image given by ID or digest under
    #[arg(long)]
    tag: Option<String>,
    /// The bundle to judge by (default: the active one)
    #[arg(long)]
    policy: Option<String>,
}

pub(super) async fn run(api: &Api, command: EvaluateCommand) -> Outcome {
    let EvaluateCommand::Check(args) = command;
    let Some(image) = lookup::find(api, &args.input_image).await else {
        return Err(Failure::local("could not get image record from anchore").hinting(lookup::REMEDY));
    };
    let tag = match &args.tag {
        Some(tag) => tag.clone(),
        None if image.by_tag => args.input_image.clone(),
        None => return Err(Failure::local("input image name is not a tag, and no --tag is specified")),
    };
    let word = |value: bool| if value { "true" } else { "false" };
    let mut query = vec![("history", word(args.show_history)), ("detail", word(args.detail)), ("tag", tag.as_str())];
    if let Some(policy) = &args.policy {
        query.push(("policyId", policy));
    }
    let reply = api.get(&format!("/images/{}/check", image.digest), &query).await?;
    let exit = exit_code(&reply.body);
    let done = Done::render(api, &reply, |answer| render(answer, args.detail));
    Ok(done.ending(exit))
}

/// The status of the first evaluation decides.
fn exit_code(answer: &Value) -> Exit {
    let status = answer[0]
        .as_object()
        .and_then(|images| images.values().next())
        .and_then(Value::as_object)
        .and_then(|tags| tags.values().next())
        .and_then(|evaluations| evaluations[0]["status"].as_str());
    match status {
        Some(word) if word.eq_ignore_ascii_case("pass") => Exit::Success,
        Some(word) if word.eq_ignore_ascii_case("fail") => Exit::Refused,
        _ => Exit::Failure,
    }
}

fn render(answer: &Value, detail: bool) -> Option<Shown> {
    let (mut text, mut all) = (String::new(), Columns::new(&FINDINGS));
    for image in answer.as_array()? {
        for (digest, tags) in image.as_object()? {
            for (tag, evaluations) in tags.as_object()? {
                let evaluations = evaluations.as_array()?;
                let named = format!("Image Digest: {digest}\nFull Tag: {tag}\n");
                if evaluations.is_empty() {
                    text.push_str(&format!("{named}Status: no_eval_available\n\n"));
                }
                for evaluation in evaluations {
                    text.push_str(&named);
                    let findings = if detail { Some(findings(evaluation)?) } else { None };
                    text.push_str(&render_one(evaluation, findings.as_ref()));
                    all.extend(findings);
                }
            }
        }
    }
    Some(Shown { text, rows: detail.then_some(all) })
}

fn render_one(evaluation: &Value, findings: Option<&Columns>) -> String {
    let result = &evaluation["detail"]["result"];
    let mut lines = Vec::new();
    if findings.is_some() {
        lines.push(("Image ID", python::field(result, "image_id")));
    }
    lines.push(("Status", python::field(evaluation, "status")));
    lines.push(("Last Eval", python::field(evaluation, "last_evaluation")));
    lines.push(("Policy ID", python::field(evaluation, "policyId")));
    if findings.is_some() {
        lines.push(("Final Action", python::field(result, "final_action")));
        lines.push(("Final Action Reason", python::field(result, "final_action_reason")));
    }
    let mut text: String = lines.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    if let Some(findings) = findings {
        text.push_str(&format!("\n{}\n", findings.render()));
    }
    text
}

const FINDINGS: [&str; 4] = ["Gate", "Trigger", "Detail", "Status"];

fn findings(evaluation: &Value) -> Option<Columns> {
    let result = &evaluation["detail"]["result"];
    let rows = result["result"][result["image_id"].as_str()?]["result"]["rows"].as_array()?;
    let mut table = Columns::new(&FINDINGS);
    for row in rows {
        let status = match row[7]["whitelist_name"].as_str() {
            Some(name) => format!("whitelisted({name})"),
            None => python::str(&row[6]),
        };
        table.row(vec![python::str(&row[3]), python::str(&row[4]), python::str(&row[5]), status]);
    }
    Some(table)
}
