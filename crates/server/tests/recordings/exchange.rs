//! One recorded exchange.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;

/// A request and the answer it got.
pub(crate) struct Recording {
    pub(crate) request: Request,
    pub(crate) answer: Answer,
}

/// What is sent.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) query: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) auth: Option<Login>,
    #[serde(default)]
    pub(crate) request_headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) request_body: Value,
    #[serde(default)]
    pub(crate) request_form: Value,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) pass: String,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The few headers that clients look at.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(flatten)]
    request: Request,
    status: u16,
    response_headers: BTreeMap<String, String>,
    response_body: Value,
}

impl Recording {
    pub(crate) fn read(path: &Path) -> Self {
        let mut bytes = Vec::new();
        let mut file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if path.extension().is_some_and(|extension| extension == "gz") {
            GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        } else {
            file.read_to_end(&mut bytes).unwrap();
        }
        let wire: Wire = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let answer = Answer { status: wire.status, headers: wire.response_headers, body: wire.response_body };
        Self { request: wire.request, answer }
    }

    /// `group/case`, as the list of differences names it.
    pub(crate) fn name(&self, folder: &Path, path: &Path) -> String {
        let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        name.trim_end_matches(".gz").trim_end_matches(".json").to_owned()
    }
}
