//! The OpenAPI document: what the handlers say of themselves, and what is so for all of them.
//!
//! A handler names the statuses that are its own. Here every operation gets those that any like it may answer, every
//! error gets its body, and what the format wants to be unique becomes so.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use utoipa::PartialSchema as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, ContentBuilder, OpenApi, Ref, RefOr, Response, Schema, Server};

use super::error::{HandlerError, PROBLEM, Problem};

/// The name of the way to log in.
const LOGIN: &str = "basic";

/// The document with what its operations have in common.
pub(super) fn complete(mut document: OpenApi, version: &str) -> OpenApi {
    version.clone_into(&mut document.info.version);
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(LOGIN, SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    components.schemas.insert("Error".to_owned(), HandlerError::schema());
    components.schemas.insert("Problem".to_owned(), Problem::schema());
    let mut errors = errors();
    let mut used = BTreeSet::new();
    let paths = std::mem::take(&mut document.paths.paths);
    for (path, mut item) in paths {
        // `*` says how far the router reads; whoever writes a request needs not know.
        let path = path.replace("{*", "{");
        let edition = if path.starts_with("/v2/") { Edition::Second } else { Edition::First };
        if edition == Edition::Second {
            item.servers = Some(vec![Server::new("/")]);
        }
        for (method, operation) in operations(&mut item) {
            operation.operation_id = Some(identity(method, &path));
            leave_out(operation);
            answers(method, operation, edition, path.contains('{'));
            used.extend(operation.responses.responses.values().filter_map(|answer| match answer {
                RefOr::Ref(named) => named.ref_location.rsplit('/').next().map(str::to_owned),
                RefOr::T(_) => None,
            }));
        }
        document.paths.paths.insert(path, item);
    }
    errors.retain(|name, _| used.contains(name));
    document.components.get_or_insert_default().responses.extend(errors);
    document
}

/// Which errors an operation tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edition {
    First,
    Second,
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("get", &mut item.get),
        ("post", &mut item.post),
        ("put", &mut item.put),
        ("patch", &mut item.patch),
        ("delete", &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// `get_images_imageDigest_check`.
fn identity(method: &str, path: &str) -> String {
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    [method].into_iter().chain(words).collect::<Vec<_>>().join("_")
}

/// A body that need not be there is left out, and not sent as `null`.
fn leave_out(operation: &mut Operation) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        if let Some(RefOr::T(Schema::OneOf(either))) = &content.schema {
            content.schema = either.items.iter().find(|one| matches!(one, RefOr::Ref(_))).cloned();
        }
    }
}

/// The answers of an operation: those it names, and those that any like it may give.
fn answers(method: &str, operation: &mut Operation, edition: Edition, names_in_path: bool) {
    let is_open = operation.security.as_ref().is_some_and(|security| security.iter().all(|way| way == &<_>::default()));
    let has_body = operation.request_body.is_some();
    let has_query = operation.parameters.is_some();
    let common = [
        (StatusCode::BAD_REQUEST, has_body || has_query),
        (StatusCode::UNAUTHORIZED, !is_open),
        (StatusCode::FORBIDDEN, !is_open),
        // Of what the path names; or of the account that an administrator wants to act in.
        (StatusCode::NOT_FOUND, names_in_path || (!is_open && method != "get")),
        (StatusCode::PAYLOAD_TOO_LARGE, has_body),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, has_body),
        (StatusCode::TOO_MANY_REQUESTS, !is_open),
        (StatusCode::INTERNAL_SERVER_ERROR, true),
        (StatusCode::SERVICE_UNAVAILABLE, !is_open),
        (StatusCode::GATEWAY_TIMEOUT, true),
    ];
    let all = &mut operation.responses.responses;
    for (status, _) in common.into_iter().filter(|(_, is_common)| *is_common) {
        all.entry(status.as_str().to_owned()).or_insert_with(|| Response::new("").into());
    }
    for (status, answer) in all {
        let RefOr::T(response) = answer else { continue };
        let Ok(status) = status.parse::<StatusCode>() else { continue };
        if response.description.is_empty() {
            status.canonical_reason().unwrap_or_default().clone_into(&mut response.description);
        }
        if (status.is_client_error() || status.is_server_error()) && response.content.is_empty() {
            *answer = RefOr::Ref(Ref::from_response_name(error_name(status, edition)));
        }
    }
}

/// `NotFound`, or `NotFoundProblem` of version 2.
fn error_name(status: StatusCode, edition: Edition) -> String {
    let reason = status.canonical_reason().unwrap_or_default().replace([' ', '-'], "");
    match edition {
        Edition::First => reason,
        Edition::Second => format!("{reason}Problem"),
    }
}

/// Every error that operations have in common, by its name.
fn errors() -> BTreeMap<String, RefOr<Response>> {
    let statuses = (400..600).filter_map(|status| StatusCode::from_u16(status).ok());
    let named = statuses.filter(|status| status.canonical_reason().is_some());
    let both = named.flat_map(|status| [(status, Edition::First), (status, Edition::Second)]);
    let error = |(status, edition): (StatusCode, Edition)| {
        let mut response = Response::new(status.canonical_reason().unwrap_or_default());
        let bodies = bodies(status, edition).into_iter();
        response.content = bodies.map(|(kind, content)| (kind.to_owned(), content.into())).collect();
        (error_name(status, edition), response.into())
    };
    both.map(error).collect()
}

/// What an error may look like.
fn bodies(status: StatusCode, edition: Edition) -> Vec<(&'static str, Content)> {
    let named = |name: &str| ContentBuilder::new().schema(Some(Ref::from_schema_name(name))).build();
    match (edition, status) {
        (Edition::Second, _) => vec![(PROBLEM, named("Problem"))],
        (Edition::First, StatusCode::UNAUTHORIZED) => {
            vec![("text/html; charset=utf-8", ContentBuilder::new().schema(Some(String::schema())).build())]
        }
        (Edition::First, _) => vec![("application/json", named("Error")), (PROBLEM, named("Problem"))],
    }
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for item in document().paths.paths.values_mut() {
            for (_, operation) in operations(item) {
                let name = operation.operation_id.clone().unwrap();
                assert!(names.insert(name.clone()), "{name} twice");
            }
        }
    }

    #[test]
    fn every_name_in_a_path_is_described() {
        for (path, mut item) in document().paths.paths {
            for (method, operation) in operations(&mut item) {
                for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                    let parameters = operation.parameters.iter().flatten();
                    let mut named = parameters.filter_map(|parameter| match parameter {
                        RefOr::T(parameter) => Some(parameter.name.as_str()),
                        RefOr::Ref(_) => None,
                    });
                    assert!(named.any(|described| described == name), "{method} {path}: {name}");
                }
            }
        }
    }
}
