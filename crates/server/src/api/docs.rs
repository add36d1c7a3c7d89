//! The API for people: `/docs` is the OpenAPI document as one page, which needs nothing from elsewhere.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;
use serde_json::Value;

use super::v1;

/// The page. Of what it may do, a browser is told the least: it has no scripts, and loads nothing.
const POLICY: (HeaderName, HeaderValue) = (
    header::CONTENT_SECURITY_POLICY,
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
);

static PAGE: LazyLock<String> = LazyLock::new(|| {
    let document = serde_json::to_value(v1::document()).unwrap_or_default();
    render(&document).unwrap_or_else(|error| format!("<p>The page cannot be shown: {error}</p>"))
});

/// Serves the page.
pub(super) async fn page() -> Response {
    ([POLICY], Html(PAGE.as_str())).into_response()
}

/// What belongs together.
#[derive(Debug, Default, Serialize)]
struct Group {
    operations: Vec<Operation>,
}

#[derive(Debug, Serialize)]
struct Operation {
    method: String,
    path: String,
    /// Its name in the page.
    id: String,
    about: String,
    parameters: Vec<Parameter>,
    /// Names of schemas, or words.
    body: Vec<String>,
    answers: Vec<Answer>,
}

#[derive(Debug, Serialize)]
struct Parameter {
    name: String,
    place: String,
    required: bool,
    shape: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    status: String,
    about: String,
    shapes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Schema {
    name: String,
    about: String,
    members: Vec<Member>,
}

#[derive(Debug, Serialize)]
struct Member {
    name: String,
    shape: String,
    about: String,
    required: bool,
}

fn render(document: &Value) -> Result<String, minijinja::Error> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item).filter(|(_, operation)| operation["responses"].is_object()) {
            let group = text(&operation["tags"][0]);
            let operation = Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                id: text(&operation["operationId"]),
                about: [text(&operation["summary"]), text(&operation["description"])].join(" ").trim().to_owned(),
                parameters: list(&operation["parameters"]).iter().map(parameter).collect(),
                body: shapes(&operation["requestBody"]["content"]),
                answers: members(&operation["responses"])
                    .map(|(status, told)| answer(document, status, told))
                    .collect(),
            };
            groups.entry(group).or_default().operations.push(operation);
        }
    }
    let schemas: Vec<Schema> =
        members(&document["components"]["schemas"]).map(|(name, schema)| self::schema(name, schema)).collect();
    let mut pages = Environment::new();
    pages.set_auto_escape_callback(|_| AutoEscape::Html);
    pages.add_template("docs", include_str!("docs.html"))?;
    pages.get_template("docs")?.render(context! { info => document["info"], groups, schemas })
}

fn parameter(parameter: &Value) -> Parameter {
    Parameter {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        required: parameter["required"] == true,
        shape: shape(&parameter["schema"]),
    }
}

fn answer(document: &Value, status: &str, told: &Value) -> Answer {
    let told = match told["$ref"].as_str().and_then(|pointer| document.pointer(pointer.trim_start_matches('#'))) {
        Some(named) => named,
        None => told,
    };
    Answer { status: status.to_owned(), about: text(&told["description"]), shapes: shapes(&told["content"]) }
}

fn schema(name: &str, schema: &Value) -> Schema {
    // One that is put together of others has members in each.
    let parts = [schema].into_iter().chain(list(&schema["allOf"]));
    let members = parts.flat_map(|part| {
        members(&part["properties"]).map(|(name, member)| Member {
            name: name.clone(),
            shape: shape(member),
            about: text(&member["description"]),
            required: list(&part["required"]).iter().any(|required| required == name.as_str()),
        })
    });
    Schema { name: name.to_owned(), about: text(&schema["description"]), members: members.collect() }
}

/// What a value of a schema looks like, in a word or a few.
fn shape(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|pointer| pointer.rsplit('/').next()) {
        return name.to_owned();
    }
    let either = list(&schema["oneOf"]).iter().chain(list(&schema["anyOf"])).chain(list(&schema["allOf"]));
    let either: Vec<String> = either.map(shape).filter(|shape| !shape.is_empty() && shape != "null").collect();
    if !either.is_empty() {
        return either.join(" or ");
    }
    let words: Vec<&str> = list(&schema["enum"]).iter().filter_map(Value::as_str).collect();
    if !words.is_empty() {
        return words.join(" | ");
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    match kinds.as_slice() {
        ["array"] => format!("list of {}", shape(&schema["items"])),
        kinds => [kinds.join(" or "), text(&schema["format"])].join(" ").trim().to_owned(),
    }
}

fn shapes(content: &Value) -> Vec<String> {
    let shape = |(kind, content): (&String, &Value)| {
        let shape = shape(&content["schema"]);
        if kind.ends_with("json") { shape } else { format!("{kind} {shape}").trim().to_owned() }
    };
    members(content).map(shape).filter(|shape| !shape.is_empty()).collect()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation and every schema of the document stands on the page.
    #[test]
    fn the_page_tells_all() {
        let document = serde_json::to_value(v1::document()).unwrap();
        let page = render(&document).unwrap();
        for (path, item) in members(&document["paths"]) {
            for (method, operation) in members(item).filter(|(_, operation)| operation["responses"].is_object()) {
                let id = operation["operationId"].as_str().unwrap();
                assert!(page.contains(&format!("id=\"{id}\"")), "{method} {path}");
            }
        }
        for (name, _) in members(&document["components"]["schemas"]) {
            assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
        }
        assert!(!page.contains("<script"), "the page has no scripts");
    }

    #[test]
    fn shapes_are_a_few_words() {
        for (schema, want) in [
            (r##"{"$ref": "#/components/schemas/Image"}"##, "Image"),
            (r##"{"type": "array", "items": {"$ref": "#/components/schemas/Image"}}"##, "list of Image"),
            (r#"{"type": ["string", "null"], "format": "date-time"}"#, "string date-time"),
            (r##"{"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/A"}]}"##, "A"),
            (r#"{"type": "string", "enum": ["a", "b"]}"#, "a | b"),
            ("{}", ""),
        ] {
            assert_eq!(shape(&serde_json::from_str(schema).unwrap()), want, "{schema}");
        }
    }

    #[test]
    fn what_is_told_is_text() {
        let document = serde_json::json!({"info": {"title": "<b>", "version": "1"}, "paths": {"/<i>": {"get": {
            "operationId": "x", "tags": ["t"], "description": "a < b", "responses": {}}}}, "components": {}});
        let page = render(&document).unwrap();
        assert!(page.contains("a &lt; b") && !page.contains("<i>") && !page.contains("<b>"), "{page}");
    }
}
