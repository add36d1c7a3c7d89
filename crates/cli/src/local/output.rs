//! `-o FORMAT[=FILE]`: where reports go.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use killick_model::spelling::nearest;
use killick_report::formats::{self, Format, IndexReport, Needs, Report, Style};
use killick_report::template::{Limits, Template, TemplateError};

use super::documents;
use crate::report_error::with_hint;

/// How results are written.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    // The text is made of `FORMATS`.
    #[arg(short, long = "output", value_name = "FORMAT[=FILE]", default_value = "table", help = help(), long_help = long_help())]
    output: Vec<Target>,
}

fn help() -> String {
    let names: Vec<&str> = formats::FORMATS.iter().map(|format| format.name).collect();
    format!(
        "Format, and the file to write to instead of stdout; may be repeated. Formats: {}, template=FILE",
        names.join(", ")
    )
}

fn long_help() -> String {
    let width = formats::FORMATS.iter().map(|format| format.name.len()).max().unwrap_or_default();
    let mut text = "Format, and the file to write to instead of stdout; may be repeated. Formats:\n".to_owned();
    let template = ("template=FILE", "what the template in FILE makes of it (`template=FILE=OUT` writes to OUT)");
    let formats = formats::FORMATS.iter().map(|format| (format.name, format.description));
    for (name, description) in formats.chain([template]) {
        text.push_str(&format!("\n{name:width$}  {description}"));
    }
    text
}

/// One report to write.
#[derive(Debug, Clone)]
struct Target {
    notation: Notation,
    file: Option<PathBuf>,
}

/// How it is written.
#[derive(Debug, Clone)]
enum Notation {
    Format(&'static Format),
    Template(Template),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(files) = text.strip_prefix("template=") {
            return Self::of_template(files);
        }
        let (name, file) = match text.split_once('=') {
            Some((name, file)) if !file.is_empty() => (name, Some(PathBuf::from(file))),
            Some((name, _)) => return Err(format!("`{name}=` must be followed by a file")),
            None => (text, None),
        };
        let format = formats::find(name).ok_or_else(|| {
            let known: Vec<&str> = formats::FORMATS.iter().map(|format| format.name).collect();
            let meant = nearest(name, known.iter().copied().chain(["template"]));
            let meant = meant.map_or_else(|| "; there".to_owned(), |meant| format!(": did you mean `{meant}`? There"));
            format!("`{name}` is not a format{meant} are {}, template=FILE", known.join(", "))
        })?;
        Ok(Self { notation: Notation::Format(format), file })
    }
}

impl Target {
    /// `TEMPLATE[=FILE]`. The template is read at once, so that a mistake in it is told before an image is pulled.
    fn of_template(files: &str) -> Result<Self, String> {
        let (path, file) = match files.split_once('=') {
            Some((path, file)) => (path, Some(PathBuf::from(file))),
            None => (files, None),
        };
        let is_missing = path.is_empty() || file.as_ref().is_some_and(|file| file.as_os_str().is_empty());
        if is_missing {
            return Err(
                "`template=` must be followed by the file of the template, and another `=` by a file".to_owned()
            );
        }
        let source = documents::text(Path::new(path)).map_err(|error| format!("{error:#}"))?;
        let template = Template::parse(path, source, Limits::default()).map_err(|error| error.to_string())?;
        Ok(Self { notation: Notation::Template(template), file })
    }
}

/// How a summary of many images is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SummaryForm {
    /// For people.
    Table,
    /// For programs.
    Json,
}

impl OutputArgs {
    /// Refuses what a command that tells this much cannot write, before an image is read: documents that would read as if
    /// nothing were found, and two in one place, as nothing of the first could be kept.
    pub(super) fn check(&self, told: Needs) -> anyhow::Result<()> {
        for target in &self.output {
            if let Notation::Format(format) = &target.notation
                && format.needs > told
            {
                return Err(unmet(format));
            }
        }
        if self.output.iter().filter(|target| target.file.is_none()).nth(1).is_some() {
            return Err(with_hint(
                "two documents cannot be written to stdout",
                "give all but one `-o` a file, as in `-o table -o json=FILE`",
            ));
        }
        let mut files = BTreeSet::new();
        for file in self.output.iter().filter_map(|target| target.file.as_ref()) {
            // A device or a pipe takes any number.
            let is_kept = !file.exists() || file.is_file();
            if is_kept && !files.insert(file) {
                return Err(with_hint(
                    format!("two documents cannot be written to `{}`", file.display()),
                    "give each `-o` a file of its own",
                ));
            }
        }
        Ok(())
    }

    /// The form of a summary: of many images there is one, on stdout.
    pub(super) fn summary(&self) -> anyhow::Result<SummaryForm> {
        match self.output.as_slice() {
            [Target { notation: Notation::Format(format), file: None }] if format.name == "table" => {
                Ok(SummaryForm::Table)
            }
            [Target { notation: Notation::Format(format), file: None }] if format.name == "json" => {
                Ok(SummaryForm::Json)
            }
            _ => Err(with_hint(
                "the summary of a list of images is printed as `-o table` or `-o json`",
                "the report of each image, as JSON, is written into the folder that `--reports DIR` names",
            )),
        }
    }
}

fn unmet(format: &Format) -> anyhow::Error {
    let name = format.name;
    let (what, or_check) = if format.needs == Needs::Findings {
        ("vulnerabilities or a verdict", format!(", or `killick check IMAGE --policy FILE -o {name}`"))
    } else {
        ("vulnerabilities", String::new())
    };
    with_hint(
        format!("`{name}` is made of {what}, which this command does not tell: it would read as if nothing were found"),
        format!("use `killick scan IMAGE -o {name}`, with `--policy FILE` for the verdict{or_check}"),
    )
}

/// Writes `document` as `json`.
pub(super) fn write_json(document: &Document<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let format = formats::find("json").context("there is no format `json`")?;
    Ok(document.render(&Notation::Format(format), Style::default(), out)?)
}

/// Output of commands whose result is not a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TextOrJson {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What is reported.
pub(super) enum Document<'a> {
    /// One image.
    Image(Report<'a>),
    /// Several images of an index.
    Index(IndexReport<'a>),
}

impl Document<'_> {
    fn render(&self, notation: &Notation, style: Style, out: &mut dyn Write) -> Result<(), TemplateError> {
        match (self, notation) {
            (Self::Image(report), Notation::Format(format)) => {
                (format.render)(report, style, out).map_err(TemplateError::Write)
            }
            (Self::Index(index), Notation::Format(format)) => {
                (format.render_index)(index, style, out).map_err(TemplateError::Write)
            }
            (Self::Image(report), Notation::Template(template)) => template.render(report, out),
            (Self::Index(index), Notation::Template(template)) => template.render_index(index, out),
        }
    }
}

/// Writes `document` in every format asked for.
pub(super) fn write(args: &OutputArgs, document: &Document<'_>) -> anyhow::Result<()> {
    for target in &args.output {
        if let Some(path) = &target.file {
            let mut file = BufWriter::new(fs_err::File::create(path)?);
            document
                .render(&target.notation, Style::default(), &mut file)
                .with_context(|| format!("`{}` is not complete", path.display()))?;
            file.flush()?;
        } else {
            let style = terminal_style();
            let mut wrong = None;
            crate::stdout::stream(style.colour, |out| match document.render(&target.notation, style, out) {
                Err(TemplateError::Write(error)) => Err(error),
                Err(error) => {
                    wrong = Some(error);
                    Ok(())
                }
                Ok(()) => Ok(()),
            })?;
            if let Some(error) = wrong {
                return Err(error.into());
            }
        }
    }
    Ok(())
}

/// Prints text, without colour where none is wanted.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    crate::stdout::print(text)
}

/// What the terminal can show; anything else gets plain text as wide as needed.
pub(super) fn terminal_style() -> Style {
    if !io::stdout().is_terminal() {
        return Style::default();
    }
    let width = terminal_size::terminal_size().map(|(terminal_size::Width(columns), _)| columns);
    Style { width, colour: anstream::stdout().current_choice() != anstream::ColorChoice::Never }
}
