//! The client of a Killick (or Anchore Engine) server: the words, tables and exit codes of anchore-cli 0.9.3.
//!
//! Answers of the server go to stdout exactly as anchore-cli prints them, errors included, because scripts
//! read them there. What we add, such as hints, goes to stderr.

mod account;
mod admission;
mod alert;
mod api;
mod archive;
mod columns;
mod confirmation;
mod contexts;
mod evaluate;
mod event;
mod image;
mod login;
mod lookup;
mod migrate;
mod part;
mod policy;
mod prompt;
mod python;
mod query;
mod redrawn;
mod registry;
mod repo;
mod settings;
mod subscription;
mod system;
mod token;
mod yaml;

use std::io::{IsTerminal as _, Write as _};

use clap::{Subcommand, ValueEnum};
use killick_fetch::publication;
use killick_model::printable::printable;
use serde_json::Value;

pub(crate) use admission::{Admission, admission};
pub(crate) use login::{ContextCommand, Login, context, login};
pub(crate) use settings::{ClientArgs, told_where};

use crate::exit::Exit;
use crate::local::bundles::BundleCommand;
use crate::local::query::QuestionCommand;
use api::{Api, Failure, Reply};
use columns::Shown;
use token::Pass;

/// Commands that speak to a server.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Account operations
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Alerts: watched tags whose image the policy stops
    #[command(subcommand)]
    Alert(alert::AlertCommand),
    /// Archive operations
    #[command(subcommand)]
    AnalysisArchive(archive::ArchiveCommand),
    /// Policy evaluation operations
    #[command(subcommand)]
    Evaluate(evaluate::EvaluateCommand),
    /// Event operations
    #[command(subcommand)]
    Event(event::EventCommand),
    /// Image operations
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// Move from Anchore Engine: bring its policies, registries, subscriptions, images and archive to this server
    Migrate(Box<migrate::Migrate>),
    /// Policy operations
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// What is in an image, and which images of a server have something
    #[command(subcommand)]
    Query(query::QueryCommand),
    /// Registry operations
    #[command(subcommand)]
    Registry(registry::RegistryCommand),
    /// Repository operations
    #[command(subcommand)]
    Repo(repo::RepoCommand),
    /// Subscription operations
    #[command(subcommand)]
    Subscription(subscription::SubscriptionCommand),
    /// System operations
    #[command(subcommand)]
    System(system::SystemCommand),
}

/// A command under a client's word that works without a server.
pub(crate) enum WithoutServer {
    Bundles(Box<BundleCommand>),
    Question(Box<QuestionCommand>),
}

impl ClientCommand {
    /// The command under a client's word that works without a server, if it is one.
    #[expect(clippy::result_large_err, reason = "it is called once")]
    pub(crate) fn into_local(self) -> Result<WithoutServer, Self> {
        match self {
            Self::Policy(policy::PolicyCommand::Local(command)) => Ok(WithoutServer::Bundles(command)),
            Self::Query(query::QueryCommand::Local(command)) => Ok(WithoutServer::Question(command)),
            other => Err(other),
        }
    }
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ListFormat {
    /// As anchore-cli does, for people
    #[default]
    Table,
    /// The server's answer
    Json,
    /// The server's answer
    Yaml,
    /// The rows of a list
    Csv,
}

/// Runs one client command and prints its outcome.
pub(crate) async fn run(command: ClientCommand, args: &ClientArgs) -> anyhow::Result<Exit> {
    let settings = settings::Settings::load(args)?;
    settings.pass().await?;
    let api = Api::new(settings)?;
    let probes = match &command {
        ClientCommand::System(command) => !matches!(command, system::SystemCommand::Wait(_)),
        ClientCommand::Policy(command) => !command.is_about_the_hub_alone(),
        _ => true,
    };
    let outcome = if probes { api.check_access().await } else { Ok(()) };
    let outcome = match outcome {
        Err(failure) => Err(failure),
        Ok(()) => match command {
            ClientCommand::Account(command) => account::run(&api, command).await,
            ClientCommand::Alert(command) => alert::run(&api, command).await,
            ClientCommand::AnalysisArchive(command) => archive::run(&api, command).await,
            ClientCommand::Evaluate(command) => evaluate::run(&api, command).await,
            ClientCommand::Event(command) => event::run(&api, command).await,
            ClientCommand::Image(command) => image::run(&api, command).await,
            ClientCommand::Migrate(command) => migrate::run(&api, &command).await,
            ClientCommand::Policy(command) => policy::run(&api, command).await,
            ClientCommand::Query(command) => query::run(&api, command).await,
            ClientCommand::Registry(command) => registry::run(&api, command).await,
            ClientCommand::Repo(command) => repo::run(&api, command).await,
            ClientCommand::Subscription(command) => subscription::run(&api, command).await,
            ClientCommand::System(command) => system::run(&api, command).await,
        },
    };
    let (text, exit, next) = match outcome {
        Ok(Done { text: None, exit, .. }) => return Ok(exit),
        Ok(Done { text: Some(text), exit, next }) => (text, exit, next),
        Err(failure) => {
            if let Some(cause) = failure.cause() {
                writeln!(anstream::stderr(), "caused by: {cause}")?;
            }
            if let Some(hint) = failure.hint(&api.settings) {
                writeln!(anstream::stderr(), "hint: {hint}")?;
            }
            (failure.render(api.settings.json), failure.exit, None)
        }
    };
    // Names out of images stand in it. Programs get the bytes as they are.
    let text = if std::io::stdout().is_terminal() { printable(&text) } else { text.into() };
    crate::stdout::print(&format!("{text}\n"))?;
    if let Some(next) = next.filter(|_| std::io::stderr().is_terminal()) {
        writeln!(anstream::stderr(), "hint: {next}")?;
    }
    Ok(exit)
}

/// Where the server is, for commands of another kind.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) login: Option<publication::Login>,
    pub(crate) verify_tls: bool,
}

impl Server {
    /// As flags, environment, context and credentials file say.
    pub(crate) async fn of(args: &ClientArgs) -> anyhow::Result<Self> {
        let settings = settings::Settings::load(args)?;
        let login = settings.pass().await?.map(|pass| match pass {
            Pass::Basic(user, password) => publication::Login::Password(user, password.unwrap_or_default()),
            Pass::Bearer(token) => publication::Login::Bearer(token),
        });
        Ok(Self { url: settings.url.clone(), login, verify_tls: settings.verify_tls })
    }
}

/// What a command prints on success, and its exit code.
struct Done {
    text: Option<String>,
    exit: Exit,
    /// What to do next, for somebody at a terminal.
    next: Option<String>,
}

impl Done {
    fn new(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), exit: Exit::Success, next: None }
    }

    /// The same with that exit code.
    fn ending(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// The same with what to do next.
    fn hinting(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// The same with what to do if there is nothing to show.
    fn hinting_if_empty(self, next: &str) -> Self {
        if self.text.as_deref() == Some("") { self.hinting(next) } else { self }
    }

    /// Nothing to say.
    fn silent() -> Self {
        Self { text: None, exit: Exit::Success, next: None }
    }

    /// The answer as JSON or YAML if that is wanted, else what `render` makes of it. An answer that `render` cannot
    /// read is shown as JSON too, with a warning.
    fn render<S: Into<Shown>>(api: &Api, reply: &Reply, render: impl FnOnce(&Value) -> Option<S>) -> Self {
        let format = api.settings.format;
        match format {
            ListFormat::Json => return Self::new(python::dumps(&reply.body)),
            ListFormat::Yaml => return Self::new(yaml::dump(&reply.body).trim_end()),
            ListFormat::Table | ListFormat::Csv => {}
        }
        match render(&reply.body).map(Into::into) {
            Some(Shown { rows: Some(rows), .. }) if format == ListFormat::Csv => Self::new(rows.csv()),
            Some(_) if format == ListFormat::Csv => {
                let text = "Error: this command prints no list, of which there could be CSV: write `--output json` or `yaml`, or \
                            `--detail` where the command has it";
                Self::new(text).ending(Exit::Failure)
            }
            Some(shown) => Self::new(shown.text),
            None => Self::new(format!(
                "WARNING: the server's answer has not the expected shape (printing it as it came)\n\n{}",
                python::dumps(&reply.body)
            )),
        }
    }

    /// `Success`, as anchore-cli prints for requests whose answer has nothing to show.
    fn success(api: &Api, reply: &Reply) -> Self {
        Self::render(api, reply, |_| Some("Success".to_owned()))
    }
}

type Outcome = Result<Done, Failure>;
