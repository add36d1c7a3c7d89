//! Images that come, and go.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::paging::{bad, created, segment};
use super::{ImageRecord, missing};
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{CreateImage, DeleteImage, Guarded, Permission, PermissionOn};
use crate::api::recording;
use crate::api::v1::pull_string::Named;
use crate::images::{self, AddImage};
use crate::records::Deletion;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(add)).routes(routes!(delete))
}

/// Adds what a reference means now, to be analyzed soon. One that is there gets the tag and the annotations, and is analyzed
/// again with `force`.
#[utoipa::path(post, path = "/v2/images", tag = "Images",
    extensions(("x-narrowed-by" = json!("repository"))), request_body = NewImageRequest,
    responses((status = 200, body = ImageRecord), (status = 201, body = ImageRecord), (status = 409)))]
async fn add(require: PermissionOn<CreateImage>, body: JsonObject) -> Result<Response, ApiError> {
    let wanted = read(&Fields::of(&body))?;
    let (Permission { app, account, .. }, known) = require.on_addition(&wanted).await?;
    let is_new = known.known.is_none();
    if let Some(image) = &known.known {
        recording::before(&ImageRecord::of(image));
    }
    let image = ImageRecord::of(&images::add(&app, &account, wanted, known).await?);
    if is_new {
        let place = format!("/v2/images/{}", segment(&image.image_digest));
        return Ok(created(&place, image));
    }
    Ok(Json(image).into_response())
}

/// Removes an image, in the background. One that is being analyzed, or that is the latest of a tag with active subscriptions,
/// takes `force`.
#[utoipa::path(delete, path = "/v2/images/{image_digest}", tag = "Images",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("image_digest" = String, Path), ("force" = Option<bool>, Query)), responses((status = 202), (status = 409)))]
async fn delete(
    require: PermissionOn<DeleteImage>,
    Path(digest): Path<String>,
    query: Query,
) -> Result<StatusCode, ApiError> {
    let force = query.flag("force")?.unwrap_or(false);
    let (Permission { app, account, .. }, image) = require.on_image(&digest).await?;
    let image = image.ok_or_else(missing)?;
    recording::before(&ImageRecord::of(&image));
    match images::delete(&app, &account, &image.digest, force).await? {
        Deletion::Deleting(_) => Ok(StatusCode::ACCEPTED),
        Deletion::NotFound => Err(missing()),
        Deletion::Refused(why) => Err(ApiError::conflict(format!("{why}: delete with `force`"))),
    }
}

fn read(fields: &Fields<'_>) -> Result<AddImage, ApiError> {
    let reference = fields.required("reference")?;
    let force = fields.flag("force")?.unwrap_or(false);
    let tag = fields.text("tag")?;
    let wanted = match reference.split_once('@') {
        Some((name, _)) => {
            // The tag that it is remembered under is never guessed.
            let has_tag = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
            let tag = tag.or_else(|| has_tag.then_some(name));
            let tag =
                tag.ok_or_else(|| bad("`reference` is by digest: name the `tag` that it is to be known under"))?;
            AddImage::by_digest(Named::tagged(tag)?, reference, force)?
        }
        None if tag.is_some() => return Err(bad("`tag` is for a `reference` by digest (`repository@sha256:…`)")),
        None => AddImage::by_tag(Named::tagged(reference)?, force),
    };
    let annotations = fields.object("annotations")?;
    Ok(AddImage {
        asked: reference.to_owned(),
        dockerfile: fields.text("dockerfile")?.map(str::to_owned),
        annotations: annotations.map(|annotations| annotations.members().clone()).unwrap_or_default(),
        autosubscribe: fields.flag("subscribe")?.unwrap_or(false),
        ..wanted
    })
}

/// An image to be added.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`")]
struct NewImageRequest {
    /// `registry.example.com/team/app:1.0`, or `…/app@sha256:…`, or both in one.
    #[schema(min_length = 1, max_length = 512)]
    reference: String,
    /// Of a `reference` by digest: the tag that it is known under, `registry.example.com/team/app:1.0`.
    tag: Option<String>,
    /// The text of the Dockerfile. Of an image that is there, it takes `force`.
    dockerfile: Option<String>,
    /// Texts by their names; `null` removes one.
    annotations: Option<Map<String, Value>>,
    /// Analyze it again if it is there.
    force: Option<bool>,
    /// Watch the tag from now on.
    subscribe: Option<bool>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(value: Value) -> Result<AddImage, ApiError> {
        let Value::Object(members) = value else { panic!("an object") };
        read(&Fields::of(&JsonObject(members)))
    }

    #[test]
    fn references_are_by_tag_or_by_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let both = wanted(json!({"reference": format!("r.io:5000/a:1@{digest}")})).unwrap();
        assert_eq!(both.tag.text, "r.io:5000/a:1");
        assert_eq!(both.pull.text, format!("r.io:5000/a@{digest}"));
        let apart = wanted(json!({"reference": format!("r.io:5000/a@{digest}"), "tag": "r.io:5000/a:1"})).unwrap();
        assert_eq!((apart.tag, apart.pull), (both.tag, both.pull));
        assert_eq!(wanted(json!({"reference": "r.io/a:1", "subscribe": true})).unwrap().tag.text, "r.io/a:1");
        for (value, told) in [
            (json!({}), "'reference' is a required property"),
            (json!({"reference": format!("r.io:5000/a@{digest}")}), "name the `tag`"),
            (json!({"reference": "r.io/a:1", "tag": "r.io/a:1"}), "`tag` is for"),
            (json!({"reference": "has blanks"}), "not an image reference"),
            (json!({"reference": digest}), "by tag"),
            (json!({"reference": "r.io/a:1", "dockerfile": 7}), "is not of type 'string'"),
        ] {
            let error = wanted(value.clone()).unwrap_err();
            assert!(error.message().contains(told), "{value}: {}", error.message());
        }
    }
}
