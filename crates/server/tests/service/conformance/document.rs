//! What the OpenAPI document says of an answer.

use std::cell::RefCell;
use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use jsonschema::Validator;
use serde_json::Value;

use super::call::Call;

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The media type.
    pub(super) fn kind(&self) -> &str {
        self.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("-")
    }
}

/// The document.
pub(super) struct Document {
    text: Value,
    /// By their schemas: most answers have one of a few.
    validators: RefCell<HashMap<String, Validator>>,
}

impl Document {
    pub(super) fn read() -> Self {
        Self { text: killick_server::openapi(), validators: RefCell::default() }
    }

    /// Every operation as `GET /path`.
    pub(super) fn operations(&self) -> Vec<String> {
        let paths = self.text["paths"].as_object().unwrap().iter();
        let of = |(path, item): (&String, &Value)| {
            let methods = item.as_object().unwrap().iter().filter(|(_, operation)| operation["responses"].is_object());
            methods.map(|(method, _)| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
        };
        paths.flat_map(of).collect()
    }

    /// The operation that was called, if there is one, or in what the answer is another than it may be.
    pub(super) fn judge(&self, call: &Call, answer: &Answer) -> Result<Option<String>, String> {
        // Of whatever path, its spelling may be refused, and it may be asked what can be done with it.
        let path = self.path(&call.path).filter(|_| call.method != "OPTIONS");
        let Some(path) = path else {
            let is_right = match call.method.as_str() {
                "OPTIONS" => answer.headers.contains_key(header::ALLOW),
                _ => answer.status == if call.path.contains("%00") { 400 } else { 404 },
            };
            return if is_right { Ok(None) } else { Err(format!("{} where there is nothing", answer.status)) };
        };
        let operation = &self.text["paths"][&path][call.method.to_lowercase()];
        if operation.is_null() {
            return if answer.status == 405 { Ok(None) } else { Err(format!("{}, not 405", answer.status)) };
        }
        let mut described = &operation["responses"][answer.status.to_string()];
        if let Some(named) = described["$ref"].as_str() {
            described = self.text.pointer(named.trim_start_matches('#')).unwrap();
        }
        if described.is_null() {
            return Err(format!("the status {} is not described", answer.status));
        }
        let name = format!("{} {path}", call.method);
        let Some(kinds) = described["content"].as_object() else {
            return if answer.body.is_empty() { Ok(Some(name)) } else { Err("there is a body".to_owned()) };
        };
        let Some(content) = kinds.get(answer.kind()) else {
            return Err(format!("{} is none of {:?}", answer.kind(), kinds.keys().collect::<Vec<_>>()));
        };
        if answer.kind().ends_with("json") {
            let body: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
            self.fits(&content["schema"], &body)?;
        }
        Ok(Some(name))
    }

    /// Whether a body is what a schema says.
    fn fits(&self, schema: &Value, body: &Value) -> Result<(), String> {
        let mut validators = self.validators.borrow_mut();
        let validator = validators.entry(schema.to_string()).or_insert_with(|| {
            let mut schema = schema.clone();
            schema["components"] = self.text["components"].clone();
            jsonschema::validator_for(&schema).unwrap()
        });
        match validator.iter_errors(body).next() {
            Some(error) => Err(format!("{error} at {}", error.instance_path())),
            None => Ok(()),
        }
    }

    /// The path of the document that a path is.
    fn path(&self, asked: &str) -> Option<String> {
        let asked = asked.split('?').next()?;
        let asked = asked.strip_prefix("/v1").unwrap_or(asked);
        let asked: Vec<&str> = asked.strip_suffix('/').unwrap_or(asked).split('/').collect();
        let fits = |path: &&String| {
            let words: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
            let takes_the_rest = path.ends_with("{registry}");
            let fits = words
                .iter()
                .zip(&asked)
                .all(|(word, asked)| if word.starts_with('{') { !asked.is_empty() } else { word == asked });
            fits && (words.len() == asked.len() || (takes_the_rest && asked.len() > words.len()))
        };
        // Words go before names.
        let paths = self.text["paths"].as_object().unwrap().keys().filter(fits);
        paths.min_by_key(|path| path.split('/').map(|word| word.starts_with('{')).collect::<Vec<_>>()).cloned()
    }
}
