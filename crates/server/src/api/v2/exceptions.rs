//! Exceptions of an account: findings that somebody answers for.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use killick_model::evaluation::Evaluation;
use killick_policy::{DEFAULT_NOTICE_DAYS, Exception, Exceptions};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::{after, bad, created, limit, page, segment};
use crate::api::error::ApiError;
use crate::api::input::{JsonObject, Path, Query};
use crate::api::permission::{CreatePolicy, DeletePolicy, GetPolicy, Guarded, ListPolicies, Permission, UpdatePolicy};
use crate::api::recording;
use crate::app::App;
use crate::records::StoredException;
use crate::{clock, cpu, judge};

/// Exceptions on a page, unless another number is asked for; and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;
/// Exceptions of one account.
const MAX_EXCEPTIONS: i64 = 10_000;
/// Bytes of one exception, with what it is granted for.
const MAX_BYTES: usize = 4 * 1024 * 1024;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, replace, delete))
}

/// The exceptions by id, page by page.
#[utoipa::path(get, path = "/v2/exceptions", tag = "Exceptions",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = ExceptionPage)))]
async fn list(require: Permission<ListPolicies>, query: Query) -> Result<Json<ExceptionPage>, ApiError> {
    let limit = limit(&query, PAGE, MAX_PAGE)?;
    let after = after(query.text("cursor"))?;
    let found = require.app.records().exceptions(&require.account, &after, limit + 1).await?;
    let (exceptions, next_cursor) = page(found, limit, |exception| exception.id.clone());
    Ok(Json(ExceptionPage { items: exceptions.iter().map(wire).collect(), next_cursor }))
}

/// Grants an exception. With `grant_on` (`digest`, `tag`), for what it selects of this image now, and only as long as
/// that does not change.
#[utoipa::path(post, path = "/v2/exceptions", tag = "Exceptions", request_body = NewExceptionRequest,
    responses((status = 201, body = ExceptionRecord), (status = 400), (status = 409)))]
async fn create(require: Permission<CreatePolicy>, body: JsonObject) -> Result<Response, ApiError> {
    let (app, account) = (&require.app, &require.account);
    let exception = read(app, account, body.0).await?;
    // To end one that was granted before, it may be replaced by one that has ended.
    if exception.is_expired(clock::now()) {
        return Err(bad(
            "`exception.expires_at`: it has ended before it is granted: write a later day, or leave it out",
        ));
    }
    if app.records().exceptions_state(account).await?.number >= MAX_EXCEPTIONS {
        let detail = format!("an account may have {MAX_EXCEPTIONS} exceptions: remove those that ended");
        return Err(ApiError::problem(StatusCode::CONFLICT, detail));
    }
    if app.records().exception(account, &exception.id).await?.is_some() {
        let detail = format!("there is an exception `{}` already: replace it with PUT", exception.id);
        return Err(ApiError::problem(StatusCode::CONFLICT, detail));
    }
    let stored = app.records().create_exception(account, &exception, &require.caller.user).await?;
    let stored = stored.ok_or_else(|| missing(&exception.id))?;
    app.nudges().decisions();
    Ok(created(&format!("/v2/exceptions/{}", segment(&stored.id)), wire(&stored)))
}

/// One exception.
#[utoipa::path(get, path = "/v2/exceptions/{exception_id}", tag = "Exceptions",
    params(("exception_id" = String, Path)), responses((status = 200, body = ExceptionRecord), (status = 404)))]
async fn get(require: Permission<GetPolicy>, Path(id): Path<String>) -> Result<Json<ExceptionRecord>, ApiError> {
    let stored = require.app.records().exception(&require.account, &id).await?;
    Ok(Json(wire(&stored.ok_or_else(|| missing(&id))?)))
}

/// Replaces an exception; who granted it, and when, stays.
#[utoipa::path(put, path = "/v2/exceptions/{exception_id}", tag = "Exceptions",
    params(("exception_id" = String, Path)), request_body = ExceptionRequest,
    responses((status = 200, body = ExceptionRecord), (status = 400), (status = 404)))]
async fn replace(
    require: Permission<UpdatePolicy>,
    Path(id): Path<String>,
    body: JsonObject,
) -> Result<Json<ExceptionRecord>, ApiError> {
    let (app, account) = (&require.app, &require.account);
    let mut members = body.0;
    if members.get("id").is_some_and(|inner| *inner != id) {
        return Err(bad(format!("the body is about another exception than `{id}`")));
    }
    members.insert("id".to_owned(), Value::from(id.as_str()));
    let before = app.records().exception(account, &id).await?.ok_or_else(|| missing(&id))?;
    recording::before(&wire(&before));
    let exception = read(app, account, members).await?;
    let stored = app.records().update_exception(account, &exception).await?;
    app.nudges().decisions();
    Ok(Json(wire(&stored.ok_or_else(|| missing(&id))?)))
}

/// Removes an exception.
#[utoipa::path(delete, path = "/v2/exceptions/{exception_id}", tag = "Exceptions",
    params(("exception_id" = String, Path)), responses((status = 204), (status = 404)))]
async fn delete(require: Permission<DeletePolicy>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let records = require.app.records();
    let before = records.exception(&require.account, &id).await?.ok_or_else(|| missing(&id))?;
    recording::before(&wire(&before));
    records.delete_exception(&require.account, &id).await?;
    require.app.nudges().decisions();
    Ok(StatusCode::NO_CONTENT)
}

fn missing(id: &str) -> ApiError {
    ApiError::problem(StatusCode::NOT_FOUND, format!("there is no exception `{id}`"))
}

/// The exception of a body, with what it is granted for.
async fn read(app: &App, account: &str, mut members: Map<String, Value>) -> Result<Exception, ApiError> {
    let grant_on = members.remove("grant_on");
    // The server's own members, which clients send back.
    for own in ["created_by", "created_at", "updated_at", "state"] {
        members.remove(own);
    }
    let document = Value::Object(members);
    if document.to_string().len() > MAX_BYTES {
        return Err(bad(format!("an exception may be {MAX_BYTES} bytes long")));
    }
    // Patterns are compiled here: not where requests wait.
    let exception = cpu::run(move || Exception::parse(&document, "exception")).await;
    let exception = exception.map_err(|problem| bad(format!("{problem}; {}", problem.remedy)))?;
    let others = judge::exceptions(app, account).await?;
    let (exception, has_room) = cpu::run(move || {
        let has_room = others.has_room_for(&exception);
        (exception, has_room)
    })
    .await;
    if !has_room {
        return Err(bad("the account has too many exceptions with regular expressions: write patterns with `*`"));
    }
    let Some(grant_on) = grant_on else { return Ok(exception) };
    let evaluation = judged(app, account, &grant_on).await?;
    let exception = Exception { granted_for: Vec::new(), ..exception };
    let granted = cpu::run(move || Exceptions::of([exception]).granted_for([&evaluation])).await;
    let granted = granted.into_iter().next().ok_or_else(|| bad("the exception selects nothing"))?;
    if granted.granted_for.is_empty() {
        return Err(bad("`grant_on`: the exception selects no finding of this image"));
    }
    Ok(granted)
}

/// The verdict of the active policy on the image of `grant_on`.
async fn judged(app: &App, account: &str, grant_on: &Value) -> Result<Evaluation, ApiError> {
    let text = |name: &str| {
        let text = grant_on.get(name).and_then(Value::as_str);
        text.ok_or_else(|| bad(format!("`grant_on` has no `{name}`: name an image by `digest` and `tag`")))
    };
    let (digest, tag) = (text("digest")?, text("tag")?);
    let image = app.records().image(account, digest).await?;
    let image = image
        .filter(|image| image.analyzed_at.is_some())
        .ok_or_else(|| bad(format!("`grant_on`: there is no analyzed image `{digest}`")))?;
    let decisions = judge::decisions(app, account, None).await?;
    let bundle = judge::bundle(app, &decisions.policy).await?;
    let evaluation = judge::under(app, &image, tag, &[bundle], clock::now()).await?.pop();
    evaluation.ok_or_else(|| bad("`grant_on`: the image cannot be judged"))
}

/// Exceptions, and the cursor for the next page if there may be one.
#[derive(Debug, Serialize, ToSchema)]
struct ExceptionPage {
    items: Vec<ExceptionRecord>,
    next_cursor: Option<String>,
}

/// An exception as stored.
#[derive(Debug, Serialize, ToSchema)]
struct ExceptionRecord {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    exception: Value,
    updated_at: String,
    /// `active`, `expiring` or `expired`.
    state: &'static str,
}

fn wire(stored: &StoredException) -> ExceptionRecord {
    let (exception, now) = (&stored.exception, clock::now());
    ExceptionRecord {
        state: if exception.is_expired(now) {
            "expired"
        } else if exception.ends_within(now, DEFAULT_NOTICE_DAYS) {
            "expiring"
        } else {
            "active"
        },
        exception: serde_json::to_value(exception).unwrap_or_default(),
        updated_at: stored.updated_at.to_string(),
    }
}

/// An exception to be granted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct NewExceptionRequest {
    #[schema(min_length = 1)]
    id: String,
    #[serde(flatten)]
    exception: ExceptionRequest,
}

/// What an exception says.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct ExceptionRequest {
    /// Which findings: `vulnerability`, `package`, `image`, `path`, `finding`.
    select: Map<String, Value>,
    #[schema(min_length = 1)]
    reason: String,
    #[schema(min_length = 1)]
    owner: String,
    ticket: Option<String>,
    /// An instant or a day.
    expires_at: Option<String>,
    reopen_on: Option<Vec<String>>,
    granted_for: Option<Vec<Map<String, Value>>>,
    grant_on: Option<GrantOn>,
}

/// The image whose findings an exception is granted for.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct GrantOn {
    digest: String,
    tag: String,
}
