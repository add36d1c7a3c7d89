//! `killick query …` about one image: what is in it, question by question. No server is needed.

use clap::{Args, Subcommand, ValueEnum};
use globset::{GlobBuilder, GlobMatcher};
use killick_analysis::inspectors::Inspections;
use killick_model::analysis::Analysis;
use killick_model::package::PackageKind;
use killick_model::spelling::nearest;
use killick_report::questions::{self, Question, WantedFiles, WantedPackages};
use serde_json::json;

use super::image::{ImageArgs, analyse_one};
use super::output::{print, terminal_style};
use crate::exit::Exit;
use crate::report_error::with_hint;

/// What can be asked about one image.
#[derive(Debug, Subcommand)]
pub(crate) enum QuestionCommand {
    /// What an image is: digests, platform, distribution, sizes, counts
    Summary(Asked),
    /// Packages of an image
    Packages(Packages),
    /// Files of an image, and whose they are
    Files(Files),
    /// Licences that packages of an image declare
    Licenses(Asked),
    /// Layers of an image, and what each brought that is still there
    Layers(Asked),
    /// The steps that built an image
    History(Asked),
    /// The Dockerfile that the history of an image suggests
    Dockerfile(Asked),
    /// Whether an image has a package: exit with 1 if not
    HasPackage(HasPackage),
    /// Whether an image has a file: exit with 1 if not
    HasFile(HasFile),
}

/// The image, and how the answer is written.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    #[command(flatten)]
    image: ImageArgs,
    /// Form of the answer
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "table")]
    output: Form,
}

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Table,
    /// For programs, with every column.
    Json,
    /// For spreadsheets, with every column.
    Csv,
}

/// Arguments of `query packages`.
#[derive(Debug, Args)]
pub(crate) struct Packages {
    #[command(flatten)]
    asked: Asked,
    /// Only packages of this kind (deb, npm, python, …); may be repeated
    #[arg(long = "type", value_name = "KIND", value_parser = kind)]
    kinds: Vec<PackageKind>,
    /// Only packages whose name matches; `*` and `?` stand for anything
    #[arg(long, value_name = "PATTERN", value_parser = name_pattern)]
    name: Option<GlobMatcher>,
    /// Only packages that came with this layer; the lowest is 0
    #[arg(long, value_name = "NUMBER")]
    layer: Option<u32>,
    /// Also packages that lock files and documents in the image speak of
    #[arg(long)]
    declared: bool,
}

/// Arguments of `query files`.
#[derive(Debug, Args)]
pub(crate) struct Files {
    #[command(flatten)]
    asked: Asked,
    /// Only files whose path matches: `*` stands for anything but `/`, `**` for anything
    #[arg(long, value_name = "PATTERN", value_parser = path_pattern)]
    path: Option<GlobMatcher>,
    /// Only files that came with this layer; the lowest is 0
    #[arg(long, value_name = "NUMBER")]
    layer: Option<u32>,
    /// Only files that no package owns
    #[arg(long)]
    unpackaged: bool,
    /// Only files with the setuid or setgid bit
    #[arg(long)]
    setuid: bool,
}

/// Arguments of `query has-package`.
#[derive(Debug, Args)]
pub(crate) struct HasPackage {
    #[command(flatten)]
    asked: Asked,
    /// Its name; `*` and `?` stand for anything
    #[arg(value_name = "NAME", value_parser = name_pattern)]
    name: GlobMatcher,
    /// Its version, as `query packages` prints it
    #[arg(value_name = "VERSION")]
    version: Option<String>,
    /// Also packages that lock files and documents in the image speak of
    #[arg(long)]
    declared: bool,
}

/// Arguments of `query has-file`.
#[derive(Debug, Args)]
pub(crate) struct HasFile {
    #[command(flatten)]
    asked: Asked,
    /// Its path: `*` stands for anything but `/`, `**` for anything
    #[arg(value_name = "PATH", value_parser = path_pattern)]
    path: GlobMatcher,
}

fn kind(text: &str) -> Result<PackageKind, String> {
    PackageKind::all().find(|kind| kind.name() == text).ok_or_else(|| {
        let names: Vec<&str> = PackageKind::all().map(PackageKind::name).collect();
        // `dpkg` is Anchore's word.
        let meant = if text == "dpkg" { Some("deb") } else { nearest(text, names.iter().copied()) };
        let meant = meant.map_or_else(|| "; there".to_owned(), |meant| format!(": did you mean `{meant}`? There"));
        format!("there is no such kind{meant} are {}", names.join(", "))
    })
}

fn name_pattern(text: &str) -> Result<GlobMatcher, String> {
    pattern(text, false)
}

fn path_pattern(text: &str) -> Result<GlobMatcher, String> {
    if !text.starts_with(['/', '*']) {
        return Err(format!("paths begin with `/`: try `/{text}`, or `**/{text}` for any folder"));
    }
    pattern(text, true)
}

fn pattern(text: &str, is_path: bool) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(text).literal_separator(is_path).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| error.kind().to_string())
}

pub(crate) async fn run(command: QuestionCommand) -> anyhow::Result<Exit> {
    let all = WantedPackages::default;
    match command {
        QuestionCommand::Summary(asked) => answer(&asked, &Question::Summary, false).await,
        QuestionCommand::Packages(args) => {
            let Packages { asked, kinds, name, layer, declared } = args;
            let wanted = WantedPackages { kinds, name, layer, with_declared: declared, ..all() };
            answer(&asked, &Question::Packages(wanted), false).await
        }
        QuestionCommand::Files(args) => {
            let Files { asked, path, layer, unpackaged, setuid } = args;
            let wanted = WantedFiles { path, layer, is_unpackaged: unpackaged, is_setuid: setuid };
            answer(&asked, &Question::Files(wanted), false).await
        }
        QuestionCommand::Licenses(asked) => answer(&asked, &Question::Licenses, false).await,
        QuestionCommand::Layers(asked) => answer(&asked, &Question::Layers, false).await,
        QuestionCommand::History(asked) => answer(&asked, &Question::History, false).await,
        QuestionCommand::Dockerfile(asked) => dockerfile(&asked).await,
        QuestionCommand::HasPackage(HasPackage { asked, name, version, declared }) => {
            let wanted = WantedPackages { name: Some(name), version, with_declared: declared, ..all() };
            answer(&asked, &Question::Packages(wanted), true).await
        }
        QuestionCommand::HasFile(HasFile { asked, path }) => {
            let wanted = WantedFiles { path: Some(path), ..WantedFiles::default() };
            answer(&asked, &Question::Files(wanted), true).await
        }
    }
}

/// The image. An SBOM lists packages; that it lists nothing else does not mean that there is nothing.
async fn analysis(asked: &Asked, is_of_packages: bool) -> anyhow::Result<Analysis> {
    let analysis = analyse_one(&asked.image, Inspections::none()).await?;
    if analysis.sbom.is_some() && !is_of_packages {
        return Err(with_hint("an SBOM tells nothing of files and build steps", "ask about the image itself"));
    }
    Ok(analysis)
}

async fn answer(asked: &Asked, question: &Question, must_be: bool) -> anyhow::Result<Exit> {
    let is_of_packages = matches!(question, Question::Summary | Question::Packages(_) | Question::Licenses);
    let analysis = analysis(asked, is_of_packages).await?;
    let answer = questions::answer(&analysis, question);
    match asked.output {
        Form::Table => print(&answer.text(terminal_style()))?,
        Form::Json => print(&(serde_json::to_string_pretty(&answer.json())? + "\n"))?,
        Form::Csv => crate::stdout::stream(false, |out| answer.csv(out))?,
    }
    if let Question::Packages(wanted) = question
        && answer.is_empty()
        && !wanted.with_declared
    {
        let declared = Question::Packages(WantedPackages { with_declared: true, ..wanted.clone() });
        if !questions::answer(&analysis, &declared).is_empty() {
            tracing::warn!("only lock files and documents in the image speak of it; `--declared` shows what they say");
        }
    }
    Ok(if must_be && answer.is_empty() { Exit::Refused } else { Exit::Success })
}

async fn dockerfile(asked: &Asked) -> anyhow::Result<Exit> {
    let text = questions::dockerfile(&analysis(asked, false).await?);
    match asked.output {
        Form::Table => print(&killick_model::printable::printable(&text))?,
        Form::Json => print(&(serde_json::to_string_pretty(&json!({"mode": "guessed", "dockerfile": text}))? + "\n"))?,
        Form::Csv => anyhow::bail!("a Dockerfile has no columns: it is printed as text, or with `-o json`"),
    }
    Ok(Exit::Success)
}
