//! `killick migrate`: brings what an Anchore Engine was told to a server of ours.
//!
//! Nothing is changed without `--apply`, nothing is overwritten without `--replace`. What is there already is left alone, so
//! that a run that was interrupted is gone on with by running it again. Each item is on its own: what fails is told,
//! and spares the others.

mod folder;
mod items;
mod live;
mod passwords;
mod target;

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::api::Api;
use super::settings::Settings;
use super::{Done, Outcome};
use crate::exit::Exit;
use items::{Export, Item, Kind};
use passwords::Passwords;
use target::{State, Target};

/// Arguments of `migrate`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["folder", "from"])))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Migrate {
    /// Folder with what `anchore-cli --json` printed (policies, registries, subscriptions, images, archive rules), bundles, and
    /// documents of the analysis archive (`.tar.gz`); a folder in it is an account of that name
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Address of the old service, such as `http://anchore:8228/v1`
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// User of the old service; an administrator brings all accounts
    #[arg(long, value_name = "NAME", requires = "from", default_value = "admin")]
    from_user: String,
    /// Its password
    #[arg(long, value_name = "PASSWORD", env = "KILLICK_FROM_PASS", hide_env_values = true)]
    from_pass: Option<String>,
    /// Do not verify the TLS certificate of the old service
    #[arg(long, requires = "from")]
    from_insecure: bool,
    /// Passwords (YAML or JSON), which the old service does not tell: `registries: {HOST: PASSWORD}` and
    /// `users: {ACCOUNT/USER: PASSWORD}`
    #[arg(long, value_name = "FILE")]
    passwords: Option<PathBuf>,
    /// Only these kinds of things
    #[arg(long, value_enum, value_name = "KINDS", value_delimiter = ',')]
    only: Vec<Kind>,
    /// Do it; without this it is only told what would be done
    #[arg(long)]
    apply: bool,
    /// Overwrite what is otherwise on the server
    #[arg(long)]
    replace: bool,
    /// Do not try the credentials of registries out
    #[arg(long)]
    skip_validate: bool,
}

/// What became, or would become, of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Result {
    There,
    Added,
    /// It may fail.
    Tried(String),
    Replaced,
    /// The server has it otherwise, and keeps that.
    Kept(String),
    /// Somebody has to do it by hand.
    Left(String),
    /// The new server finds it out by itself.
    NotBrought(String),
    Failed(String),
}

impl Result {
    fn words(&self, is_applied: bool) -> (&'static str, &'static str, Option<&str>) {
        match self {
            Self::There => ("there", "there", None),
            Self::Added if is_applied => ("added", "added", None),
            Self::Added => ("would add", "to add", None),
            Self::Tried(why) => ("would try", "to try", Some(why)),
            Self::Replaced if is_applied => ("replaced", "replaced", None),
            Self::Replaced => ("would replace", "to replace", None),
            Self::Kept(why) => ("kept", "kept", Some(why)),
            Self::Left(why) => ("left to you", "left to you", Some(why)),
            Self::NotBrought(why) => ("not brought", "not brought", Some(why)),
            Self::Failed(why) if is_applied => ("FAILED", "failed", Some(why)),
            Self::Failed(why) => ("WOULD FAIL", "to fail", Some(why)),
        }
    }
}

/// One line of the outcome.
struct Line {
    account: Option<String>,
    kind: Kind,
    name: String,
    /// What people know it by, where the name is a digest.
    tags: Vec<String>,
    result: Result,
}

impl Line {
    /// About what is no item of an account.
    fn of_source(name: String, result: Result) -> Self {
        Self { account: None, kind: Kind::File, name, tags: Vec::new(), result }
    }

    /// What it is about, for people.
    fn subject(&self) -> String {
        let account = self.account.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        match self.tags.as_slice() {
            [] => format!("{}{account}", self.name),
            tags => format!("{} {}{account}", tags.join(", "), self.name),
        }
    }
}

pub(super) async fn run(api: &Api, args: &Migrate) -> Outcome {
    let passwords = Passwords::read(args.passwords.as_deref())?;
    let export = match (&args.folder, &args.from) {
        (Some(folder), _) => folder::read(folder)?,
        (None, Some(url)) => live::read(&old_service(api, args, url)?).await?,
        (None, None) => Export::default(),
    };
    let unread = export.unread.into_iter().map(|(name, why)| Line::of_source(name, Result::Failed(why)));
    let not_brought = export.not_brought.into_iter().map(|(name, why)| Line::of_source(name, Result::NotBrought(why)));
    let mut lines: Vec<Line> = unread.chain(not_brought).collect();
    for account in export.accounts {
        let mut target = Target::of(api, account.name.as_deref(), args.skip_validate);
        let mut items = account.items;
        items.retain(|item| args.only.is_empty() || args.only.contains(&item.kind));
        items.sort_by(|a, b| (a.kind, &a.order).cmp(&(b.kind, &b.order)));
        for item in items {
            let result = one(&mut target, &item, args, &passwords).await;
            let tags = item.tags();
            lines.push(Line { account: account.name.clone(), kind: item.kind, name: item.name, tags, result });
        }
        if let (Err(failure), Some(name)) = (target.finish().await, &account.name) {
            let result = Result::Failed(format!("it is not disabled, as it was: {}", told(&failure)));
            let (account, name) = (account.name.clone(), name.clone());
            lines.push(Line { account, kind: Kind::Account, name, tags: Vec::new(), result });
        }
    }
    let is_bad = |line: &Line| {
        matches!(line.result, Result::Failed(_)) || (args.apply && matches!(line.result, Result::Left(_)))
    };
    let exit = if lines.iter().any(is_bad) { Exit::Refused } else { Exit::Success };
    let text = if api.settings.json { document(&lines, args.apply) } else { table(&lines, args.apply) };
    Ok(Done::new(text).ending(exit))
}

fn old_service(api: &Api, args: &Migrate, url: &str) -> std::result::Result<Api, super::Failure> {
    let settings = Settings {
        user: Some(args.from_user.clone()),
        password: args.from_pass.clone(),
        verify_tls: !args.from_insecure,
        debug: api.settings.debug,
        ..Settings::of(url)
    };
    Api::new(settings).map_err(|error| super::Failure::local(format!("{error:#}")))
}

/// Looks what the server has of the item, and does what is to be done.
async fn one(target: &mut Target, item: &Item, args: &Migrate, passwords: &Passwords) -> Result {
    let password = passwords.of(target.account(), item);
    let (is_there, found) = match target.look(item, password, args.replace).await {
        Err(failure) => return Result::Failed(told(&failure)),
        Ok(State::There) => return Result::There,
        Ok(State::Refused(why)) => return Result::Failed(why),
        Ok(State::ByHand(why)) => return Result::Left(why),
        Ok(State::Missing) => (false, Result::Added),
        Ok(State::Doubtful(why)) => (false, Result::Tried(why)),
        Ok(State::Otherwise(what)) if !args.replace => {
            return Result::Kept(format!("{what}; `--replace` overwrites it"));
        }
        Ok(State::Otherwise(_)) => (true, Result::Replaced),
    };
    if !args.apply {
        target.note(item);
        return found;
    }
    match (target.put(item, password, is_there).await, found) {
        (Ok(()), Result::Tried(_)) => Result::Added,
        (Ok(()), found) => found,
        (Err(failure), Result::Tried(why)) => Result::Failed(format!("{}; {why}", told(&failure))),
        (Err(failure), _) => Result::Failed(told(&failure)),
    }
}

/// A failure in one line.
fn told(failure: &super::Failure) -> String {
    failure.render(false).lines().map(|line| line.trim_start_matches("Error: ")).collect::<Vec<_>>().join("; ")
}

/// How often each result is there, in the order of their first.
fn counts(lines: &[Line], is_applied: bool) -> Vec<(&'static str, usize)> {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for line in lines {
        let (_, word, _) = line.result.words(is_applied);
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    counts
}

/// What no source has, or what none is asked for.
const NOT_BROUGHT: &str = "\nNot brought: events; verdicts and vulnerabilities, which are computed anew; webhooks, which are settings of the server.";

fn table(lines: &[Line], is_applied: bool) -> String {
    let mut text = String::new();
    for line in lines {
        let (word, _, why) = line.result.words(is_applied);
        text.push_str(&format!("{word:<13} {:<12} {}\n", line.kind.word(), line.subject()));
        if let Some(why) = why {
            text.push_str(&format!("              {why}\n"));
        }
    }
    let counts = counts(lines, is_applied).into_iter().map(|(word, count)| format!("; {word}: {count}"));
    text.push_str(&format!("\nitems: {}{}", lines.len(), counts.collect::<String>()));
    text.push_str(NOT_BROUGHT);
    if !is_applied {
        text.push_str("\nNothing was changed: run it again with `--apply`.");
    }
    text
}

fn document(lines: &[Line], is_applied: bool) -> String {
    let record = |line: &Line| {
        let (word, _, why) = line.result.words(is_applied);
        json!({
            "account": line.account, "kind": line.kind.word(), "name": line.name, "tags": line.tags, "result": word,
            "reason": why,
        })
    };
    let items: Vec<Value> = lines.iter().map(record).collect();
    super::python::dumps(&json!({"applied": is_applied, "items": items}))
}
