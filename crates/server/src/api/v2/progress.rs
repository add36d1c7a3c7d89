//! How far the analysis of an image is: once, or as server-sent events until it is over.
//!
//! Format of the stream: [Server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html).

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::Timestamp;
use killick_store::tasks::{Task, TaskState};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::images::missing;
use crate::api::error::ApiError;
use crate::api::input::Path;
use crate::api::permission::{GetImage, Guarded, Permission};
use crate::app::App;
use crate::progress::Work;
use crate::records::AnalysisStatus;
use crate::streams::Stream;

/// Between two looks at the database.
const EVERY: Duration = Duration::from_millis(500);

/// A stream ends after this time; whoever still waits asks again, and shows again who they are.
const LONGEST: Duration = Duration::from_mins(15);

/// Seconds after which somebody who was refused may ask again.
const RETRY_AFTER: &str = "5";

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(progress))
}

/// How far an image is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct ImageProgress {
    /// The image.
    image_digest: String,
    /// `not_analyzed`, `analyzing`, `analyzed` or `analysis_failed`: the last two are the end.
    analysis_status: &'static str,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// Attempts that were begun, and how many there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<i64>,
    /// When the next attempt may begin, if it waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_attempt_at: Option<Timestamp>,
    /// How far the present attempt is. An analysis that takes less than a second says nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<Work>,
}

impl ImageProgress {
    fn is_over(&self) -> bool {
        self.analysis_status == AnalysisStatus::Analyzed.as_str()
            || self.analysis_status == AnalysisStatus::AnalysisFailed.as_str()
    }
}

/// How far the analysis of an image is. With `Accept: text/event-stream`, events `progress` with this document whenever it
/// changed, the last one when the image is analyzed or has failed.
#[utoipa::path(get, path = "/v2/images/{image_digest}/progress", tag = "Images",
    params(("image_digest" = String, Path)),
    responses((status = 200, content((ImageProgress = "application/json"), (String = "text/event-stream")))))]
async fn progress(
    require: Permission<GetImage>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (app, account) = (require.app.clone(), require.account.clone());
    let first = look(&app, &account, &digest).await?.ok_or_else(missing)?;
    if !wants_events(&headers) {
        return Ok(Json(first).into_response());
    }
    let Some(stream) = app.streams().open(&require.caller.user) else {
        let detail = "too many streams are open: end one, or ask for the document every now and then";
        let refused = ApiError::problem(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
        return Ok(([(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER))], refused).into_response());
    };
    let telling =
        Telling { app, account, digest, stream, next: Some(first), last: None, end: Instant::now() + LONGEST };
    let events = stream::unfold(telling, |mut telling| async move {
        let progress = telling.next().await?;
        let event = Event::default().event("progress").json_data(&progress).unwrap_or_default();
        Some((Ok::<_, Infallible>(event), telling))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response())
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// One stream.
struct Telling {
    app: App,
    account: String,
    digest: String,
    stream: Stream,
    next: Option<ImageProgress>,
    last: Option<ImageProgress>,
    end: Instant,
}

impl Telling {
    /// What is otherwise than what was told last; nothing when all is told, or the service stops.
    async fn next(&mut self) -> Option<ImageProgress> {
        loop {
            if self.last.as_ref().is_some_and(ImageProgress::is_over) {
                return None;
            }
            if let Some(next) = self.next.take().filter(|next| self.last.as_ref() != Some(next)) {
                self.last = Some(next.clone());
                return Some(next);
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = tokio::time::sleep_until(self.end) => return None,
                () = self.stream.ended() => return None,
            }
            // One that is deleted, or cannot be read, is asked for anew by whoever waits.
            self.next = Some(look(&self.app, &self.account, &self.digest).await.ok()??);
        }
    }
}

async fn look(app: &App, account: &str, digest: &str) -> Result<Option<ImageProgress>, ApiError> {
    let Some(image) = app.records().image(account, digest).await? else { return Ok(None) };
    let task = app.records().store().task_of_image(account, &image.digest).await?;
    Ok(Some(describe(&image.digest, image.analysis_status, image.failure, task)))
}

fn describe(digest: &str, status: AnalysisStatus, cause: Option<String>, task: Option<Task>) -> ImageProgress {
    let live = task.filter(|task| matches!(task.state, TaskState::Queued | TaskState::Running));
    let waits = live.as_ref().filter(|task| task.state == TaskState::Queued && task.attempts > 0);
    ImageProgress {
        image_digest: digest.to_owned(),
        analysis_status: status.as_str(),
        cause,
        attempt: live.as_ref().map(|task| task.attempts),
        attempts: live.as_ref().map(|task| task.max_attempts),
        next_attempt_at: waits.and_then(|task| Timestamp::from_microsecond(task.run_after).ok()),
        work: live.and_then(|task| serde_json::from_str(task.progress.as_deref()?).ok()),
    }
}
