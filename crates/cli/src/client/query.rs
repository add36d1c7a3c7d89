//! `killick query`: which images of a server have a package, or a vulnerability; and what is in one image.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::Api;
use super::columns::{Columns, Shown};
use super::{Done, Failure, Outcome, python};
use crate::local::query::QuestionCommand;

/// What can be asked about all images of the account, and without a server about one image.
#[derive(Debug, Subcommand)]
pub(crate) enum QueryCommand {
    /// Search system for images with the given package installed
    ImagesByPackage(ByPackage),
    /// Search system for images with the given vulnerability ID present
    ImagesByVulnerability(ByVulnerability),
    #[command(flatten)]
    Local(Box<QuestionCommand>),
}

/// Arguments of `query images-by-package`.
#[derive(Debug, Args)]
pub(crate) struct ByPackage {
    /// Search for images with this package name (e.g. sed)
    #[arg(long)]
    name: String,
    /// Filter results to only packages with given version (e.g. 4.4-1)
    #[arg(long)]
    version: Option<String>,
    /// Filter results to only packages of given type (e.g. dpkg)
    #[arg(long)]
    package_type: Option<String>,
}

/// Arguments of `query images-by-vulnerability`.
#[derive(Debug, Args)]
pub(crate) struct ByVulnerability {
    /// Search for images vulnerable to this vulnerability ID (e.g. CVE-1999-0001)
    #[arg(long)]
    vulnerability_id: String,
    /// Filter results to images with vulnerable packages in the given namespace (e.g. debian:9)
    #[arg(long)]
    namespace: Option<String>,
    /// Filter results to images with the given vulnerable package name (e.g. sed)
    #[arg(long)]
    package: Option<String>,
    /// Filter results to images with the given vulnerability severity (e.g. Medium)
    #[arg(long)]
    severity: Option<String>,
    /// Only show images with vulnerabilities explicitly deemed applicable by upstream OS vendor, if present
    #[arg(long = "vendor_only", alias = "vendor-only")]
    vendor_only: bool,
}

pub(super) async fn run(api: &Api, command: QueryCommand) -> Outcome {
    match command {
        QueryCommand::ImagesByPackage(args) => {
            let query = given(&[
                ("name", Some(&args.name)),
                ("version", args.version.as_ref()),
                ("package_type", args.package_type.as_ref()),
            ]);
            let reply = api.get("/query/images/by_package", &query).await?;
            Ok(Done::render(api, &reply, by_package).hinting_if_empty("no image has such a package"))
        }
        QueryCommand::ImagesByVulnerability(args) => {
            let mut query = given(&[
                ("vulnerability_id", Some(&args.vulnerability_id)),
                ("namespace", args.namespace.as_ref()),
                ("affected_package", args.package.as_ref()),
                ("severity", args.severity.as_ref()),
            ]);
            if args.vendor_only {
                query.push(("vendor_only", "True"));
            }
            let reply = api.get("/query/images/by_vulnerability", &query).await?;
            Ok(Done::render(api, &reply, by_vulnerability).hinting_if_empty("no image has such a vulnerability"))
        }
        QueryCommand::Local(_) => Err(Failure::local("this command needs no server")),
    }
}

fn given<'a>(parameters: &[(&'static str, Option<&'a String>)]) -> Vec<(&'static str, &'a str)> {
    parameters.iter().filter_map(|(name, value)| value.map(|value| (*name, value.as_str()))).collect()
}

/// A row for each tag an image ever had and each of its packages, in the server's order.
fn rows(answer: &Value, packages: &str, mut row: impl FnMut(&str, &Value, &str)) -> Option<()> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    answer.as_object()?;
    for record in list(&answer["images"]) {
        let digest = record["image"]["imageDigest"].as_str().unwrap_or("N/A").to_owned();
        for tag in list(&record["image"]["tag_history"]) {
            for package in list(&record[packages]) {
                row(tag["fulltag"].as_str().unwrap_or("N/A"), &package, &digest);
            }
        }
    }
    Some(())
}

fn name_and_version(package: &Value) -> String {
    format!("{}-{}", python::field(package, "name"), python::field(package, "version"))
}

fn by_package(answer: &Value) -> Option<Shown> {
    let mut table = Columns::new(&["Full Tag", "Package", "Package Type", "Digest"]);
    rows(answer, "packages", |tag, package, digest| {
        table.row(vec![tag.to_owned(), name_and_version(package), python::field(package, "type"), digest.to_owned()]);
    })?;
    Some(table.shown())
}

fn by_vulnerability(answer: &Value) -> Option<Shown> {
    let header = ["Full Tag", "Severity", "Package", "Package Type", "Namespace", "Digest"];
    let mut table = Columns::new(&header);
    let or_missing = |package: &Value, key: &str| package.get(key).map_or_else(|| "N/A".to_owned(), python::str);
    rows(answer, "vulnerable_packages", |tag, package, digest| {
        table.row(vec![
            tag.to_owned(),
            or_missing(package, "severity"),
            name_and_version(package),
            python::field(package, "type"),
            or_missing(package, "namespace"),
            digest.to_owned(),
        ]);
    })?;
    Some(table.shown())
}
