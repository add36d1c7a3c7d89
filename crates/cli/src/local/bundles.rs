//! Bundles as files: tests, remarks, validation, differences. No server is needed.

mod cases;
mod differences;
mod document;
mod junit;
mod remarks;
mod validation;

use clap::Subcommand;

pub(crate) use differences::verdict_text;
pub(crate) use document::read_bundle;

use crate::exit::Exit;

/// What can be done with bundles in files.
#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Run the test cases of a bundle: facts of images in, verdicts out
    Test(cases::Test),
    /// Tell what is odd about bundles: rules that cannot fire, mappings that are never reached, …
    Lint(remarks::Lint),
    /// Whether bundles, and exceptions, would be accepted
    Validate(validation::Validate),
    /// What changes from one bundle to another, in itself and in the verdicts on images
    Diff(differences::Diff),
    /// Print the JSON Schema of bundles, for editors
    Schema,
}

pub(crate) async fn run(command: BundleCommand) -> anyhow::Result<Exit> {
    match command {
        BundleCommand::Test(args) => cases::run(&args),
        BundleCommand::Lint(args) => remarks::run(&args).await,
        BundleCommand::Validate(args) => validation::run(&args),
        BundleCommand::Diff(args) => differences::run(&args).await,
        BundleCommand::Schema => {
            let text = serde_json::to_string_pretty(&killick_policy::bundle_schema())?;
            crate::stdout::print(&format!("{text}\n"))?;
            Ok(Exit::Success)
        }
    }
}
