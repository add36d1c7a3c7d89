//! `-o FORMAT[=FILE]`: where reports go.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use killick_report::formats::{self, Format, IndexReport, Report, Style};

/// How results are written.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// Format, and the file to write to instead of stdout; may be repeated. Formats: table, json, cyclonedx-json,
    /// sarif, openvex-json, csaf-vex-json
    #[arg(short, long = "output", value_name = "FORMAT[=FILE]", default_value = "table")]
    output: Vec<Target>,
}

/// One report to write.
#[derive(Clone)]
struct Target {
    format: &'static Format,
    file: Option<PathBuf>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}={:?}", self.format.name, self.file)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, file) = match text.split_once('=') {
            Some((name, file)) if !file.is_empty() => (name, Some(PathBuf::from(file))),
            Some((name, _)) => return Err(format!("`{name}=` must be followed by a file")),
            None => (text, None),
        };
        let format = formats::FORMATS.iter().find(|format| format.name == name).ok_or_else(|| {
            let known: Vec<&str> = formats::FORMATS.iter().map(|format| format.name).collect();
            format!("`{name}` is not a format; there are {}", known.join(", "))
        })?;
        Ok(Self { format, file })
    }
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
    fn render(&self, format: &Format, style: Style, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Image(report) => (format.render)(report, style, out),
            Self::Index(index) => (format.render_index)(index, style, out),
        }
    }
}

/// Writes `document` in every format asked for.
pub(super) fn write(args: &OutputArgs, document: &Document<'_>) -> anyhow::Result<()> {
    for target in &args.output {
        if let Some(path) = &target.file {
            let mut file = BufWriter::new(fs_err::File::create(path)?);
            document.render(target.format, Style::default(), &mut file)?;
            file.flush()?;
        } else {
            let style = terminal_style();
            crate::stdout::stream(style.colour, |out| document.render(target.format, style, out))?;
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
