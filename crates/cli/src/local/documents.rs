//! Documents that people write by hand: JSON or YAML.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

/// Bytes that are read of a document; reports of images are large.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// What a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Json,
    Yaml,
}

impl Language {
    /// By the name of the file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// The text of a document.
pub(super) fn text(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    fs_err::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    anyhow::ensure!(text.len() as u64 <= MAX_BYTES, "`{}` is larger than {MAX_BYTES} bytes", path.display());
    Ok(text)
}

/// The text without the byte order mark that editors of Windows begin files with, which is no part of a document.
pub(super) fn unmarked(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A document: YAML by its name, else JSON.
pub(super) fn read(path: &Path) -> anyhow::Result<Value> {
    parse(&text(path)?, Language::of(path).unwrap_or(Language::Json))
        .with_context(|| format!("`{}` cannot be read", path.display()))
}

/// The text as a document.
pub(super) fn parse(text: &str, language: Language) -> anyhow::Result<Value> {
    let text = unmarked(text);
    match language {
        Language::Json => serde_json::from_str(text).context("it is not JSON"),
        Language::Yaml => serde_saphyr::from_str(text).map_err(|error| {
            // The lines that follow show the place once more.
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default();
            anyhow::anyhow!("it is not YAML: {}", first.trim_start_matches("error: "))
        }),
    }
}
