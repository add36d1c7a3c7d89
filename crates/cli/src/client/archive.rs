//! `killick analysis-archive`: analyses that are kept without their images, and the rules that move them.

use std::io::{BufRead as _, Write as _};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::api::{Api, Failure, percent_encode};
use super::columns::{Columns, Shown};
use super::{Done, Outcome, image, python};
use crate::exit::Exit;

/// What can be done with the archive.
#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Archived analyses
    #[command(subcommand)]
    Images(ImagesCommand),
    /// Rules that move analyses into the archive and out of it
    #[command(subcommand)]
    Rules(RulesCommand),
}

/// What can be done with archived analyses.
#[derive(Debug, Subcommand)]
pub(crate) enum ImagesCommand {
    /// Archive analyses; their images stay
    Add {
        /// Image digests
        image_digests: Vec<String>,
    },
    /// Delete an archived analysis
    Del {
        /// Image digest
        digest: String,
        /// Delete at once
        #[arg(long)]
        force: bool,
    },
    /// Get an archived analysis
    Get {
        /// Image digest
        digest: String,
    },
    /// List all archived analyses
    List,
    /// Restore an image from the archive
    Restore {
        /// Image digest
        image_digest: String,
    },
}

/// What can be done with rules.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Add a rule
    Add(Box<Rule>),
    /// Delete a rule
    Del {
        /// Id of the rule
        rule_id: String,
    },
    /// Get a rule
    Get {
        /// Id of the rule
        rule_id: String,
    },
    /// List all rules
    List,
}

/// A rule.
#[derive(Debug, Args)]
pub(crate) struct Rule {
    /// Days since the analysis, or since it was archived
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    days_old: i64,
    /// Newer images that the tag must have had
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    tag_versions_newer: i64,
    /// Archive images, or delete what is archived
    #[arg(value_parser = ["archive", "delete"])]
    transition: String,
    /// Registries, `*` for any characters
    #[arg(long, value_name = "TEXT", default_value = "*")]
    registry_selector: String,
    /// Repositories
    #[arg(long, value_name = "TEXT", default_value = "*")]
    repository_selector: String,
    /// Tags
    #[arg(long, value_name = "TEXT", default_value = "*")]
    tag_selector: String,
    /// For all accounts (administrators only)
    #[arg(long)]
    is_global: bool,
    /// Archive what an account has beyond this number, the oldest first
    #[arg(long, value_name = "INTEGER")]
    max_images_per_account: Option<i64>,
    /// Registries to leave out
    #[arg(long, value_name = "TEXT", default_value = "")]
    registry_exclude: String,
    /// Repositories to leave out
    #[arg(long, value_name = "TEXT", default_value = "")]
    repository_exclude: String,
    /// Tags to leave out
    #[arg(long, value_name = "TEXT", default_value = "")]
    tag_exclude: String,
    /// Days for which they are left out; -1 for ever
    #[arg(long, value_name = "INTEGER", default_value_t = -1, allow_negative_numbers = true)]
    exclude_expiration_days: i64,
}

const IMAGES: &str = "/archives/images";
const RULES: &str = "/archives/rules";

pub(super) async fn run(api: &Api, command: ArchiveCommand) -> Outcome {
    match command {
        ArchiveCommand::Images(command) => images(api, command).await,
        ArchiveCommand::Rules(command) => rules(api, command).await,
    }
}

async fn images(api: &Api, command: ImagesCommand) -> Outcome {
    match command {
        ImagesCommand::Add { image_digests } => {
            image_digests.iter().try_for_each(|digest| check(digest))?;
            let reply = api.send("POST", IMAGES, &[], Some(&json!(image_digests))).await?;
            Ok(Done::render(api, &reply, render_results))
        }
        ImagesCommand::Del { digest, force } => {
            let query: &[(&str, &str)] = if force { &[("force", "True")] } else { &[] };
            let reply = api.send("DELETE", &one(IMAGES, &digest), query, None).await.map_err(as_failure)?;
            Ok(Done::success(api, &reply))
        }
        ImagesCommand::Get { digest } => {
            let mut reply = api.get(&one(IMAGES, &digest), &[]).await?;
            reply.body = Value::Array(vec![reply.body]);
            Ok(Done::render(api, &reply, render_images))
        }
        ImagesCommand::List => {
            let reply = api.get(IMAGES, &[]).await?;
            Ok(Done::render(api, &reply, render_images))
        }
        ImagesCommand::Restore { image_digest } => {
            check(&image_digest)?;
            let body = json!({"source": {"archive": {"digest": image_digest}}});
            let reply = api.send("POST", "/images", &[], Some(&body)).await?;
            Ok(Done::render(api, &reply, image::render_added))
        }
    }
}

async fn rules(api: &Api, command: RulesCommand) -> Outcome {
    match command {
        RulesCommand::Add(rule) => add(api, &rule).await,
        RulesCommand::Del { rule_id } => {
            let reply = api.send("DELETE", &one(RULES, &rule_id), &[], None).await.map_err(as_failure)?;
            Ok(Done::success(api, &reply))
        }
        RulesCommand::Get { rule_id } => {
            let reply = api.get(&one(RULES, &rule_id), &[]).await?;
            Ok(Done::render(api, &reply, render_rules))
        }
        RulesCommand::List => {
            let reply = api.get(RULES, &[]).await?;
            Ok(Done::render(api, &reply, render_rules))
        }
    }
}

async fn add(api: &Api, rule: &Rule) -> Outcome {
    if rule.days_old == 0 && rule.tag_versions_newer == 0 && !confirmed() {
        return Ok(Done::new(""));
    }
    let mut body = json!({
        "analysis_age_days": rule.days_old,
        "tag_versions_newer": rule.tag_versions_newer,
        "transition": rule.transition,
        "system_global": rule.is_global,
    });
    let selector =
        json!({"registry": rule.registry_selector, "repository": rule.repository_selector, "tag": rule.tag_selector});
    let exclude =
        json!({"registry": rule.registry_exclude, "repository": rule.repository_exclude, "tag": rule.tag_exclude});
    match rule.max_images_per_account {
        Some(_) if !rule.is_global => {
            return Ok(refused("max_images_per_account can only be specified on a global rule"));
        }
        Some(most) => {
            let is_plain = |parts: &Value, plain: &str| {
                parts.as_object().is_some_and(|parts| parts.values().all(|part| part == plain))
            };
            if !is_plain(&selector, "*") || !is_plain(&exclude, "") {
                let message = "Selector and exclude cannot be specified along with max_images_per_account";
                return Ok(refused(message));
            }
            body["max_images_per_account"] = json!(most);
        }
        None => {
            body["selector"] = selector;
            body["exclude"] = json!({"selector": exclude, "expiration_days": rule.exclude_expiration_days});
        }
    }
    let reply = api.send("POST", RULES, &[], Some(&body)).await?;
    Ok(Done::render(api, &reply, render_rules))
}

/// A mistake that is told before anything is asked, without the empty line that follows other errors.
fn refused(message: &str) -> Done {
    Done::new(format!("Error: {message}")).ending(Exit::Failure)
}

/// Whether somebody means it: such a rule archives every image once it is analyzed.
fn confirmed() -> bool {
    let question = "0 days and 0 newer versions: this archives every image that the selectors match as soon as it is \
                    analyzed. Are you sure? (y, n) [n]: ";
    let asked = write!(anstream::stderr(), "{question}").and_then(|()| anstream::stderr().flush());
    let mut answer = String::new();
    asked.is_ok() && std::io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim().eq_ignore_ascii_case("y")
}

fn one(path: &str, name: &str) -> String {
    format!("{path}/{}", percent_encode(name))
}

/// Refuses what is no digest, as anchore-cli does before it asks.
fn check(digest: &str) -> Result<(), Failure> {
    const FORM: &str = "^sha256:[abcdef0-9]+$";
    let is_digest = digest.strip_prefix("sha256:").is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|digit| matches!(digit, b'a'..=b'f' | b'0'..=b'9'))
    });
    if is_digest {
        return Ok(());
    }
    Err(Failure::local(format!("Invalid image digest {digest}. Must conform to regex: {FORM}")))
}

/// Deletions that are refused end like those that fail.
fn as_failure(failure: Failure) -> Failure {
    failure.ending(Exit::Failure)
}

fn rows(body: &Value) -> Vec<&Value> {
    match body {
        Value::Array(rows) => rows.iter().collect(),
        one => vec![one],
    }
}

fn render_results(body: &Value) -> Option<Shown> {
    let mut table = Columns::new(&["Image Digest", "Archive Status", "Details"]);
    for row in body.as_array()? {
        table.row(vec![python::field(row, "digest"), python::field(row, "status"), python::field(row, "detail")]);
    }
    Some(table.sort_by(1).shown().ending("\n"))
}

fn render_images(body: &Value) -> Option<Shown> {
    const TITLES: [&str; 6] = ["Digest", "Tags", "Analyzed At", "Archived At", "Status", "Archive Size Bytes"];
    let mut table = Columns::new(&TITLES);
    for row in body.as_array()? {
        let tags: Vec<String> =
            row.get("image_detail")?.as_array()?.iter().map(|detail| python::field(detail, "pullstring")).collect();
        table.row(vec![
            python::field(row, "imageDigest"),
            tags.join(","),
            python::field(row, "analyzed_at"),
            python::field(row, "created_at"),
            python::field(row, "status"),
            python::field(row, "archive_size_bytes"),
        ]);
    }
    Some(table.sort_by(3).reverse().shown().ending("\n"))
}

fn render_rules(body: &Value) -> Option<Shown> {
    let mut table = Columns::new(&[
        "Rule Id",
        "Global",
        "Transition",
        "Analysis Age (Days)",
        "Tag Versions Newer",
        "Registry",
        "Repository",
        "Tag",
        "Max Images",
        "Registry Exclude",
        "Repo Exclude",
        "Tag Exclude",
        "Exclude Exp Days",
        "Last Updated",
    ]);
    for rule in rows(body) {
        let (selector, exclude) = (rule.get("selector")?, rule.get("exclude")?);
        let excluded = exclude.get("selector")?;
        table.row(vec![
            python::field(rule, "rule_id"),
            python::field(rule, "system_global"),
            python::field(rule, "transition"),
            python::field(rule, "analysis_age_days"),
            python::field(rule, "tag_versions_newer"),
            python::field(selector, "registry"),
            python::field(selector, "repository"),
            python::field(selector, "tag"),
            python::field(rule, "max_images_per_account"),
            python::field(excluded, "registry"),
            python::field(excluded, "repository"),
            python::field(excluded, "tag"),
            python::field(exclude, "expiration_days"),
            python::field(rule, "last_updated"),
        ]);
    }
    Some(table.sort_by(13).reverse().shown().ending("\n"))
}
