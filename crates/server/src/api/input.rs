//! Reading what callers send: query parameters and JSON bodies, with the contract's words where they are wrong.
//!
//! Unknown parameters and unknown body members are ignored; a repeated parameter counts with its last value. The
//! messages about bodies are those of a JSON schema validator, because clients look for them. No text has NUL in it: no
//! name has, and not every database takes it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use killick_model::spelling::nearest;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::api::error::ApiError;

/// Members that hold secrets: what is sent in them is not told back, because answers end up in logs.
const SECRETS: &[&str] = &["password", "registry_pass", "value"];

/// What is told instead.
const HIDDEN: &str = "***";

/// Turns away a path or a query with NUL in it.
pub(super) async fn refuse_nul(request: Request, next: Next) -> Response {
    let asks = request.uri().path_and_query().is_some_and(|asked| asked.as_str().contains("%00"));
    if asks { bad("NUL (`%00`) is in no name: leave it out").into_response() } else { next.run(request).await }
}

/// What the path names.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        let axum::extract::Path(names) = read.map_err(|_| bad("What the path names is not UTF-8"))?;
        Ok(Self(names))
    }
}

/// The query string.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// The parameter as text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The parameter as text, or 400.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| {
            let told = format!("Missing query parameter '{name}'");
            bad(with_misspelling(&told, name, self.0.keys()))
        })
    }

    /// The parameter as a boolean in any letter case.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(bad(format!("Wrong type, expected 'boolean' for query parameter '{name}'"))),
        }
    }

    /// The parameter as one of a few words.
    pub(crate) fn word(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match words.iter().find(|word| **word == text) {
            Some(word) => Ok(Some(word)),
            None => Err(bad(not_one_of(&Value::from(text), words))),
        }
    }

    /// The parameter as a number within bounds.
    pub(crate) fn number(&self, name: &str, least: i64, most: i64) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number: i64 =
            text.parse().map_err(|_| bad(format!("Wrong type, expected 'integer' for query parameter '{name}'")))?;
        if number < least {
            return Err(bad(format!("{number} is less than the minimum of {least}")));
        }
        if number > most {
            return Err(bad(format!("{number} is greater than the maximum of {most}")));
        }
        Ok(Some(number))
    }

    /// The parameter as a comma-separated list.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<&str>> {
        Some(self.text(name)?.split(',').map(str::trim).filter(|item| !item.is_empty()).collect())
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let pairs = url_decoded(parts.uri.query().unwrap_or_default());
        Ok(Self(pairs.collect()))
    }
}

fn url_decoded(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned()))
}

/// A JSON body that is an object.
#[derive(Debug, Clone)]
pub(crate) struct JsonObject(pub(crate) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match json_body(request, state).await? {
            Value::Object(map) => Ok(Self(map)),
            other => Err(bad(format!("{} is not of type 'object'", python(&other)))),
        }
    }
}

/// A JSON body that is a list of so many texts at most, and at least one.
#[derive(Debug, Clone)]
pub(crate) struct JsonTexts<const MOST: usize>(pub(crate) Vec<String>);

impl<S: Send + Sync, const MOST: usize> FromRequest<S> for JsonTexts<MOST> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = json_body(request, state).await?;
        let Value::Array(items) = &body else {
            return Err(bad(format!("{} is not of type 'array'", python(&body))));
        };
        if items.is_empty() {
            return Err(bad("[] is too short"));
        }
        if items.len() > MOST {
            return Err(bad(format!("{} is too long", python(&body))));
        }
        let text = |(at, item): (usize, &Value)| match item {
            Value::String(text) => Ok(text.clone()),
            other => Err(bad(format!("{} is not of type 'string' - '{at}'", python(other)))),
        };
        items.iter().enumerate().map(text).collect::<Result<_, _>>().map(Self)
    }
}

/// The bytes of a body, whatever they are, and whether they are said to be JSON.
#[derive(Debug, Clone)]
pub(crate) struct RawBody {
    /// What was sent.
    pub(crate) bytes: Bytes,
    /// The media type is one of JSON, or was not told.
    pub(crate) may_be_json: bool,
}

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let may_be_json = is_json(&request) || !request.headers().contains_key(header::CONTENT_TYPE);
        Ok(Self { bytes: all_of(request, state).await?, may_be_json })
    }
}

async fn all_of<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        ApiError::problem(rejection.status(), "The request body is too large or could not be read")
    })
}

fn is_json(request: &Request) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .is_some_and(|kind| kind == "application/json" || kind.ends_with("+json"))
}

/// The refusal of a body that is said to be something else than JSON.
pub(crate) fn not_json() -> ApiError {
    ApiError::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Invalid Content-type, expected JSON data")
}

async fn json_body<S: Send + Sync>(request: Request, state: &S) -> Result<Value, ApiError> {
    let is_json = is_json(&request);
    let has_type = request.headers().contains_key(header::CONTENT_TYPE);
    let body = all_of(request, state).await?;
    if body.is_empty() {
        return Ok(Value::Null);
    }
    if has_type && !is_json {
        return Err(not_json());
    }
    let body = serde_json::from_slice(&body).map_err(|_| bad("Request body is not valid JSON"))?;
    if has_nul(&body) {
        return Err(bad("Request body has NUL (`\\u0000`) in a text: leave it out"));
    }
    Ok(body)
}

/// Whether a text in it has NUL. The nesting is that of a document that was parsed, and so bounded.
pub(crate) fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Reads the members of a body, with where it stands for the messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    members: &'a Map<String, Value>,
    path: &'a str,
}

impl<'a> Fields<'a> {
    /// The members of the body itself.
    pub(crate) fn of(body: &'a JsonObject) -> Self {
        Self { members: &body.0, path: "" }
    }

    /// All members.
    pub(crate) fn members(&self) -> &'a Map<String, Value> {
        self.members
    }

    /// The members of an object inside the body, if it is there and not null.
    pub(crate) fn object(&self, name: &'a str) -> Result<Option<Fields<'a>>, ApiError> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Fields { members, path: name })),
            Some(other) => Err(self.wrong(name, &format!("{} is not of type 'object'", shown(name, other)))),
        }
    }

    /// The member, unless absent or null.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// The object inside the body that must be there.
    pub(crate) fn required_object(&self, name: &'a str) -> Result<Fields<'a>, ApiError> {
        match self.members.get(name) {
            Some(Value::Object(members)) => Ok(Fields { members, path: name }),
            Some(other) => Err(self.wrong(name, &format!("{} is not of type 'object'", shown(name, other)))),
            None => Err(self.missing(name)),
        }
    }

    /// The member as a list of texts, which must be there.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&'a str>, ApiError> {
        let items = match self.members.get(name) {
            Some(Value::Array(items)) => items,
            Some(other) => return Err(self.wrong(name, &format!("{} is not of type 'array'", shown(name, other)))),
            None => return Err(self.missing(name)),
        };
        let text = |(at, item): (usize, &'a Value)| match item {
            Value::String(text) => Ok(text.as_str()),
            other => {
                Err(self.wrong(&format!("{name}.{at}"), &format!("{} is not of type 'string'", shown(name, other))))
            }
        };
        items.iter().enumerate().map(text).collect()
    }

    /// The member as a whole number, unless absent or null.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(name, &format!("{} is not of type 'integer'", shown(name, value)))),
            },
        }
    }

    /// The member as text, unless absent or null.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, &format!("{} is not of type 'string'", shown(name, other)))),
        }
    }

    /// The member as text, or the message that clients look for.
    pub(crate) fn required(&self, name: &str) -> Result<&'a str, ApiError> {
        match self.members.get(name) {
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(self.wrong(name, &format!("{} is not of type 'string'", shown(name, other)))),
            None => Err(self.missing(name)),
        }
    }

    /// The member as text that looks like `pattern`, which `accepts` decides.
    pub(crate) fn matching(
        &self,
        name: &str,
        pattern: &str,
        accepts: impl Fn(&str) -> bool,
    ) -> Result<Option<&'a str>, ApiError> {
        match self.text(name)? {
            Some(text) if !accepts(text) => {
                let text = if SECRETS.contains(&name) { HIDDEN.to_owned() } else { quoted(text) };
                Err(self.wrong(name, &format!("{text} does not match {}", quoted(pattern))))
            }
            found => Ok(found),
        }
    }

    /// The member as one of a few words.
    pub(crate) fn word(&self, name: &str, words: &[&'static str]) -> Result<&'static str, ApiError> {
        let text = self.required(name)?;
        words
            .iter()
            .find(|word| **word == text)
            .copied()
            .ok_or_else(|| self.wrong(name, &not_one_of(&Value::from(text), words)))
    }

    /// The member as a boolean, if it is there.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.wrong(name, &format!("{} is not of type 'boolean'", shown(name, other)))),
        }
    }

    fn missing(&self, name: &str) -> ApiError {
        let told = match self.path {
            "" => format!("'{name}' is a required property"),
            path => format!("'{name}' is a required property - '{path}'"),
        };
        bad(with_misspelling(&told, name, self.members.keys()))
    }

    fn wrong(&self, name: &str, message: &str) -> ApiError {
        match self.path {
            "" => bad(format!("{message} - '{name}'")),
            path => bad(format!("{message} - '{path}.{name}'")),
        }
    }
}

fn bad(detail: impl Into<String>) -> ApiError {
    ApiError::problem(StatusCode::BAD_REQUEST, detail)
}

/// That something is missing, with what was sent in its place if that is a typing error: what is unknown is ignored, so
/// nobody else tells of it.
fn with_misspelling<'a>(told: &str, missing: &str, sent: impl Iterator<Item = &'a String>) -> String {
    match nearest(missing, sent.map(String::as_str)) {
        Some(sent) => format!("{told} (there is {}: did you mean '{missing}'?)", quoted(sent)),
        None => told.to_owned(),
    }
}

fn not_one_of(value: &Value, words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("{} is not one of [{}]", python(value), words.join(", "))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "\\'"))
}

/// The value of a member as messages tell it. That there is none is no secret.
fn shown(name: &str, value: &Value) -> String {
    if SECRETS.contains(&name) && !value.is_null() { HIDDEN.to_owned() } else { python(value) }
}

/// A value in the notation of the validator whose messages clients know; long ones cut.
fn python(value: &Value) -> String {
    let text = match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().take(10).map(python).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .take(10)
                .map(|(name, value)| format!("{}: {}", quoted(name), shown(name, value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    };
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn query(text: &str) -> Query {
        Query(url_decoded(text).collect())
    }

    #[test]
    fn booleans_are_read_in_any_case_and_nothing_else() {
        let query = query("a=True&b=false&c=1&a=FALSE");
        assert_eq!(query.flag("a"), Ok(Some(false)), "the last one counts");
        assert_eq!(query.flag("b"), Ok(Some(false)));
        assert_eq!(query.flag("z"), Ok(None));
        assert_eq!(query.flag("c").unwrap_err().message(), "Wrong type, expected 'boolean' for query parameter 'c'");
    }

    #[test]
    fn a_parameter_with_a_typing_error_is_told_where_one_is_missing() {
        let says = |text: &str| query(text).required("repository").unwrap_err().message().to_owned();
        assert_eq!(says("tag=1"), "Missing query parameter 'repository'");
        assert_eq!(
            says("dryrun=true&repositry=a"),
            "Missing query parameter 'repository' (there is 'repositry': did you mean 'repository'?)"
        );
    }

    #[test]
    fn numbers_have_bounds() {
        let query = query("a=5&b=x&c=0&d=11&e=9999999999999999999");
        assert_eq!(query.number("a", 1, 10), Ok(Some(5)));
        assert_eq!(query.number("z", 1, 10), Ok(None));
        let says = |name: &str| query.number(name, 1, 10).unwrap_err().message().to_owned();
        assert_eq!(says("b"), "Wrong type, expected 'integer' for query parameter 'b'");
        assert_eq!(says("c"), "0 is less than the minimum of 1");
        assert_eq!(says("d"), "11 is greater than the maximum of 10");
        assert_eq!(says("e"), "Wrong type, expected 'integer' for query parameter 'e'");
    }

    #[test]
    fn bodies_are_refused_in_the_words_of_the_contract() {
        let Value::Object(map) = json!({"name": 7, "state": "zzz", "b64": "@@", "inner": {}}) else { unreachable!() };
        let body = JsonObject(map);
        let fields = Fields::of(&body);
        let says = |result: Result<_, ApiError>| result.map(|_: &str| ()).unwrap_err().message().to_owned();
        assert_eq!(says(fields.required("missing")), "'missing' is a required property");
        assert_eq!(
            says(fields.required("nam")),
            "'nam' is a required property (there is 'name': did you mean 'nam'?)",
            "a typing error is told, for what is unknown is ignored"
        );
        assert_eq!(says(fields.required("name")), "7 is not of type 'string' - 'name'");
        assert_eq!(says(fields.word("state", &["a", "b"])), "'zzz' is not one of ['a', 'b'] - 'state'");
        assert_eq!(
            says(fields.matching("b64", "^[a-z]+$", |_| false).map(Option::unwrap_or_default)),
            "'@@' does not match '^[a-z]+$' - 'b64'"
        );
        let inner = fields.object("inner").unwrap().unwrap();
        assert_eq!(says(inner.required("x")), "'x' is a required property - 'inner'");
    }

    #[test]
    fn secrets_are_not_told_back() {
        let secret = json!(["MySecret"]);
        let sent = json!({"password": "short", "value": secret, "registry_pass": secret, "state": {"password": 7}});
        let Value::Object(map) = sent else { unreachable!() };
        let body = JsonObject(map);
        let fields = Fields::of(&body);
        let says = |error: ApiError| error.message().to_owned();
        assert_eq!(
            says(fields.matching("password", ".{6,128}$", |_| false).unwrap_err()),
            "*** does not match '.{6,128}$' - 'password'"
        );
        assert_eq!(says(fields.required("value").unwrap_err()), "*** is not of type 'string' - 'value'");
        assert_eq!(says(fields.text("registry_pass").unwrap_err()), "*** is not of type 'string' - 'registry_pass'");
        assert_eq!(says(fields.text("state").unwrap_err()), "{'password': ***} is not of type 'string' - 'state'");
    }
}
