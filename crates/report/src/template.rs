//! Documents that somebody else's template makes of a report: <https://docs.rs/minijinja/latest/minijinja/syntax/>.
//!
//! A template sees the document of the format `json`, under the same names, and what to upgrade. What it may take of time
//! and room is bounded, because templates come from repositories like everything else.

use std::io::{self, Write};

use minijinja::{Environment, ErrorKind, Value};

use crate::formats::{IndexReport, Report, json};

/// What a template may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps; a loop takes some for each entry.
    pub steps: u64,
    /// Bytes it writes.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 200_000_000, bytes: 256 * 1024 * 1024 }
    }
}

/// A template that can be read.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    source: String,
    limits: Limits,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The template is wrong, or asks for what is not there, or takes too much.
    #[error("the template `{name}` does not work: {reason}")]
    Template {
        /// What it goes by.
        name: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// The writer failed.
    #[error("the document cannot be written")]
    Write(#[source] io::Error),
}

impl Template {
    /// Checks that the text is a template. By the end of its name it is decided what is escaped: HTML and XML in
    /// `.html` and `.xml`, JSON in `.json`, nothing elsewhere.
    pub fn parse(name: &str, source: String, limits: Limits) -> Result<Self, TemplateError> {
        let template = Self { name: name.to_owned(), source, limits };
        environment(limits)
            .template_from_named_str(&template.name, &template.source)
            .map_err(|error| template.wrong(&error))?;
        Ok(template)
    }

    /// Writes what the template makes of one image.
    pub fn render(&self, report: &Report<'_>, out: &mut dyn Write) -> Result<(), TemplateError> {
        self.write(Value::from_serialize(json::document_for_templates(report)), out)
    }

    /// Writes what the template makes of several images of an index.
    pub fn render_index(&self, index: &IndexReport<'_>, out: &mut dyn Write) -> Result<(), TemplateError> {
        self.write(Value::from_serialize(json::index_document(index, json::document_for_templates)), out)
    }

    fn write(&self, document: Value, out: &mut dyn Write) -> Result<(), TemplateError> {
        let environment = environment(self.limits);
        let template = environment.template_from_named_str(&self.name, &self.source);
        let template = template.map_err(|error| self.wrong(&error))?;
        let mut bounded = Bounded { out, left: self.limits.bytes, failed: None };
        let rendered = template.render_captured_to(document, &mut bounded);
        match (rendered, bounded.failed) {
            (_, Some(failed)) => Err(TemplateError::Write(failed)),
            (Err(_), None) if bounded.left == 0 => Err(TemplateError::Template {
                name: self.name.clone(),
                reason: format!("it writes more than {} bytes", self.limits.bytes),
            }),
            (Err(error), None) => Err(self.wrong(&error)),
            (Ok(_), None) => Ok(()),
        }
    }

    fn wrong(&self, error: &minijinja::Error) -> TemplateError {
        let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        // The engine says where something was undefined, and not what.
        let place = error.range().filter(|_| error.kind() == ErrorKind::UndefinedError);
        let expression = place.and_then(|place| self.source.get(place)).map(|text| format!(" in `{}`", text.trim()));
        let expression = expression.unwrap_or_default();
        let reason = format!("{line}{}{expression}{detail}", error.kind());
        TemplateError::Template { name: self.name.clone(), reason }
    }
}

fn environment(limits: Limits) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(limits.steps));
    environment.set_keep_trailing_newline(true);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment
}

/// A writer that takes so much and no more.
struct Bounded<'a> {
    out: &'a mut dyn Write,
    left: u64,
    /// Why the writer behind it failed; the engine would tell only that it did.
    failed: Option<io::Error>,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            self.left = 0;
            return Err(io::Error::other("too much is written"));
        };
        if let Err(error) = self.out.write_all(bytes) {
            let kind = error.kind();
            self.failed = Some(error);
            return Err(kind.into());
        }
        self.left = left;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
