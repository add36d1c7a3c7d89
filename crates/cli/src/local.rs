//! Commands on one image, without a server.
//!
//! The same line as the server's: stage, analyse, match, evaluate, report. The only store is a folder of layer
//! facts in the user's cache.

mod attestations;
mod base;
pub(crate) mod bundles;
mod check;
mod db;
mod decisions;
mod diff;
mod documents;
mod exceptions;
mod explain;
pub(crate) mod image;
mod inspections;
mod knowledge;
mod limits;
mod many;
mod output;
pub(crate) mod query;
mod registry;
mod sbom;
mod scan;
mod several;
pub(crate) mod standing;
mod subject;

use clap::Subcommand;

use crate::client::ClientArgs;
use crate::exit::Exit;

/// Commands on one image.
#[derive(Debug, Subcommand)]
pub(crate) enum LocalCommand {
    /// Packages of an image, their vulnerabilities, and with --policy the verdict
    Scan(scan::Scan),
    /// Packages of an image
    Sbom(sbom::Sbom),
    /// Judge an image by a policy bundle; every finding with its remedy
    Check(check::Check),
    /// Why a vulnerability does, or does not, apply to an image
    Explain(explain::Explain),
    /// What an image has from its base, and what another base would change
    Base(base::Base),
    /// What changed from one image to another: packages, files, settings, vulnerabilities, and with --policy the verdict
    Diff(diff::Diff),
    /// Sign what is known of an image: its SBOM, its vulnerabilities, or the verdict of a policy
    Attest(Box<attestations::Attest>),
    /// Whether what is attested of an image is signed by who may, and is what follows from what it names
    Verify(Box<attestations::Verify>),
    /// The advisory index
    #[command(subcommand)]
    Db(db::DbCommand),
}

impl LocalCommand {
    /// Whether it speaks to a server of ours all the same.
    pub(crate) fn needs_server(&self) -> bool {
        matches!(self, Self::Db(command) if command.needs_server())
    }
}

pub(crate) async fn run(command: LocalCommand, client: &ClientArgs) -> anyhow::Result<Exit> {
    match command {
        LocalCommand::Scan(args) => scan::run(args).await,
        LocalCommand::Sbom(args) => sbom::run(args).await,
        LocalCommand::Check(args) => check::run(args).await,
        LocalCommand::Explain(args) => explain::run(args).await,
        LocalCommand::Base(args) => base::run(args).await,
        LocalCommand::Diff(args) => diff::run(args).await,
        LocalCommand::Attest(args) => attestations::attest(*args).await,
        LocalCommand::Verify(args) => attestations::verify(*args).await,
        LocalCommand::Db(command) => db::run(command, client).await,
    }
}
