//! The `killick` command: arguments, terminal output, exit codes.
//!
//! Data goes to stdout, everything else to stderr. What a command does lives in the crates below; this one
//! reads the arguments, shows progress, and turns errors into `error:`, `caused by:` and `hint:` lines.

mod client;
mod clock;
mod completions;
mod environment;
mod exit;
mod local;
mod manual;
mod progress;
mod report_error;
mod reset_password;
mod serve;
mod stdout;
mod storage;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::client::{ClientArgs, ClientCommand, WithoutServer};
use crate::exit::Exit;
use crate::local::LocalCommand;

/// musl's own allocator has one lock for all threads. Without huge pages: they would double what an idle server takes.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is inside a container image, what is known to be wrong with it, and whether policy lets it through.
#[derive(Debug, Parser)]
#[command(name = "killick", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Local(Box<LocalCommand>),
    /// Run the service
    Serve(serve::Serve),
    /// Answer Kubernetes whether images may run: a validating webhook that asks a server, or judges by a bundle
    Admission(Box<client::Admission>),
    /// Move the service's documents
    #[command(subcommand)]
    Storage(storage::StorageCommand),
    /// Give a user of the service a new password, on the machine of its database
    ResetPassword(reset_password::ResetPassword),
    #[command(flatten)]
    Client(ClientCommand),
    /// Log in to a server: the commands for servers show a token from then on
    Login(client::Login),
    /// The servers that somebody logged in to
    #[command(subcommand)]
    Context(client::ContextCommand),
    /// Print what a shell needs to complete the words of killick
    Completions(completions::Completions),
    /// Write pages for man
    Manual(manual::Manual),
}

/// A command that needs no server although it stands among those that do.
enum Work {
    WithoutServer(WithoutServer),
    Other(Command),
}

fn main() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // As anchore-cli: a group of commands alone shows what is in it.
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let shown = stdout::print(&error.render().ansi().to_string());
            return shown.map_or_else(|error| report_error::report(&error), |()| Exit::Success);
        }
        Err(error) => client::told_where(error).exit(),
    };
    let default_level = if arguments.client.debug {
        "killick=debug"
    } else {
        // What is wrong with a certificate is told in the error.
        "warn,killick=info,rustls_platform_verifier=off"
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(anstream::stderr().current_choice() != anstream::ColorChoice::Never)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_level)))
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report_error::report(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    let outcome = runtime.block_on(async {
        clock::check()?;
        let work = match arguments.command {
            Command::Client(command) => match command.into_local() {
                Ok(command) => Work::WithoutServer(command),
                Err(command) => Work::Other(Command::Client(command)),
            },
            other => Work::Other(other),
        };
        let needs_server = match &work {
            Work::Other(Command::Local(command)) => command.needs_server(),
            Work::Other(Command::Admission(args)) => args.asks_a_server(),
            Work::Other(Command::Client(_) | Command::Login(_) | Command::Context(_)) => true,
            Work::Other(
                Command::Serve(_)
                | Command::Storage(_)
                | Command::ResetPassword(_)
                | Command::Completions(_)
                | Command::Manual(_),
            )
            | Work::WithoutServer(_) => false,
        };
        if arguments.client.is_given() && !needs_server {
            return Err(report_error::with_hint(
                "`--u`, `--p`, `--url`, `--insecure`, `--context`, `--json`, `--as-account`, and `--output` before the command, \
                 are for commands that speak to a server",
                "leave them out; `--output json` behind the command prints JSON",
            ));
        }
        match work {
            Work::WithoutServer(WithoutServer::Bundles(command)) => local::bundles::run(*command).await,
            Work::WithoutServer(WithoutServer::Question(command)) => local::query::run(*command).await,
            Work::Other(Command::Local(command)) => local::run(*command, &arguments.client).await,
            Work::Other(Command::Serve(command)) => Box::pin(serve::run(command)).await,
            Work::Other(Command::Completions(args)) => completions::run::<Arguments>(&args),
            Work::Other(Command::Manual(args)) => manual::run::<Arguments>(&args),
            Work::Other(Command::Storage(command)) => storage::run(command).await,
            Work::Other(Command::ResetPassword(args)) => reset_password::run(args).await,
            Work::Other(Command::Admission(args)) => client::admission(*args, &arguments.client).await,
            Work::Other(Command::Login(args)) => client::login(args, &arguments.client).await,
            Work::Other(Command::Context(command)) => client::context(command, &arguments.client).await,
            Work::Other(Command::Client(command)) => client::run(command, &arguments.client).await,
        }
    });
    // Blocking readers of a cancelled pull must not hold up the exit.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| report_error::report(&error))
}
