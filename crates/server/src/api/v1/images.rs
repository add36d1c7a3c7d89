//! Images: adding, finding, deleting.

mod request;
mod wire;

use std::collections::HashMap;

use axum::Json;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::request::Wanted;
use self::wire::{DeleteImageResponse, ImageRequest, ImageTagSummary};
use super::pull_string::{Named, Pick, PullString};
use crate::api::error::ApiError;
use crate::api::input::{JsonObject, Path, Query};
use crate::api::permission::{CreateImage, DeleteImage, GetImage, Guarded, ListImages, Permission, PermissionOn};
use crate::api::recording;
use crate::app::App;
use crate::images;
use crate::records::{self, AnalysisStatus, Deletion, TagName};

pub(super) use self::wire::Image;

/// Images whose records are made at once: each reads a document from wherever those are kept.
const AT_ONCE: usize = 16;

/// Values of `image_status` and `analysis_status`.
const IMAGE_STATUS: &[&str] = &["all", "active", "deleting"];
const ANALYSIS_STATUS: &[&str] = &["not_analyzed", "analyzing", "analyzed", "analysis_failed"];

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(list, add, delete_many))
        .routes(routes!(get, delete))
        .routes(routes!(get_by_id, delete_by_id))
        .routes(routes!(tags))
}

#[utoipa::path(post, path = "/images", tag = "Images",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("force" = Option<bool>, Query), ("autosubscribe" = Option<bool>, Query)),
    request_body = ImageRequest, responses((status = 200, body = [Image]), (status = 404), (status = 409)))]
async fn add(require: PermissionOn<CreateImage>, query: Query, body: JsonObject) -> Result<Json<Vec<Image>>, ApiError> {
    let force = query.flag("force")?.unwrap_or(false);
    let autosubscribe = query.flag("autosubscribe")?.unwrap_or(false);
    let (app, image) = match request::read(&body, force, autosubscribe)? {
        Wanted::Registry(wanted) => {
            let (Permission { app, account, .. }, found) = require.on_addition(&wanted).await?;
            record_before(&app, found.known.as_ref()).await?;
            let image = images::add(&app, &account, *wanted, found).await?;
            (app, image)
        }
        Wanted::Import(wanted) => {
            let Permission { app, account, .. } = require.on_imported(&wanted).await?;
            let digest = wanted.digest.to_string();
            let known = app.records().image(&account, &digest).await?.filter(|image| image.digest == digest);
            record_before(&app, known.as_ref()).await?;
            let image = crate::imports::add(&app, &account, *wanted).await?;
            (app, image)
        }
        Wanted::Archive(digest) => {
            let Permission { app, account, .. } = require.on_archived(&digest.to_string()).await?;
            let image = crate::archive::restore(&app, &account, &digest).await?;
            (app, image)
        }
    };
    Ok(Json(vec![Image::of(&app, &image).await?]))
}

#[utoipa::path(get, path = "/images", tag = "Images",
    params(("history" = Option<bool>, Query), ("fulltag" = Option<String>, Query, pattern = "^[A-Za-z0-9@:/_.-]{1,512}$"),
           ("image_status" = Option<String>, Query, pattern = "^(all|active|deleting)$"),
           ("analysis_status" = Option<String>, Query, pattern = "^(not_analyzed|analyzing|analyzed|analysis_failed)$")),
    responses((status = 200, body = [Image]), (status = 404)))]
async fn list(require: Permission<ListImages>, query: Query) -> Result<Json<Vec<Image>>, ApiError> {
    let history = query.flag("history")?.unwrap_or(false);
    let filter = Filter {
        image: query.word("image_status", IMAGE_STATUS)?.unwrap_or("active"),
        analysis: query.word("analysis_status", ANALYSIS_STATUS)?,
    };
    let Some(text) = query.text("fulltag") else {
        let mut images = require.app.records().images(&require.account).await?;
        images.retain(|image| filter.accepts(image));
        return told(&require.app, &children_first(images)).await;
    };
    let mut found = by_pull_string(&require.app, &require.account, &PullString::parse(text)?).await?;
    found.retain(|image| filter.accepts(image));
    if !history {
        found.truncate(1);
    }
    if found.is_empty() {
        return Err(ApiError::not_found(format!("there is no image `{text}`")));
    }
    told(&require.app, &found).await
}

/// The images with the others of an index before the one that their tag means, and else in their order. Of several with one
/// tag since one instant, clients of version 1 show the last.
fn children_first(images: Vec<records::Image>) -> Vec<records::Image> {
    let mut children: HashMap<(String, Timestamp), Vec<usize>> = HashMap::new();
    for (at, image) in images.iter().enumerate() {
        for tag in image.tags.iter().filter(|tag| tag.child) {
            children.entry((tag.full(), tag.detected_at)).or_default().push(at);
        }
    }
    if children.is_empty() {
        return images;
    }
    let before: Vec<Vec<usize>> = images
        .iter()
        .map(|image| {
            let meant = image.tags.iter().filter(|tag| !tag.child);
            meant.flat_map(|tag| children.get(&(tag.full(), tag.detected_at)).into_iter().flatten().copied()).collect()
        })
        .collect();
    let order = after_those_before(&before);
    let mut images: Vec<Option<records::Image>> = images.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| images.get_mut(at).and_then(Option::take)).collect()
}

/// Every place after those that are to come before it, and else in order. Where two are to come before each other, which may
/// be if each means another index, one does.
fn after_those_before(before: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(before.len());
    let mut seen = vec![false; before.len()];
    for start in 0..before.len() {
        let mut waiting = vec![(start, false)];
        while let Some((at, is_ready)) = waiting.pop() {
            if is_ready {
                order.push(at);
            } else if let Some(seen) = seen.get_mut(at)
                && !std::mem::replace(seen, true)
            {
                waiting.push((at, true));
                let first = before.get(at).into_iter().flatten().rev();
                waiting.extend(first.map(|first| (*first, false)));
            }
        }
    }
    order
}

/// Adding may change an image that is there.
async fn record_before(app: &App, known: Option<&records::Image>) -> Result<(), ApiError> {
    if let Some(known) = known {
        recording::before(&Image::of(app, known).await?);
    }
    Ok(())
}

async fn told(app: &App, images: &[records::Image]) -> Result<Json<Vec<Image>>, ApiError> {
    let mut told = Vec::new();
    for some in images.chunks(AT_ONCE) {
        told.extend(try_join_all(some.iter().map(|image| Image::of(app, image))).await?);
    }
    Ok(Json(told))
}

#[utoipa::path(delete, path = "/images", tag = "Images",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("imageDigests" = String, Query), ("force" = Option<bool>, Query)),
    responses((status = 200, body = [DeleteImageResponse])))]
async fn delete_many(
    require: PermissionOn<DeleteImage>,
    query: Query,
) -> Result<Json<Vec<DeleteImageResponse>>, ApiError> {
    query.required("imageDigests")?;
    let force = query.flag("force")?.unwrap_or(false);
    let digests = query.list("imageDigests").unwrap_or_default();
    let (Permission { app, account, .. }, images) = require.on_images(&digests).await?;
    let there: Vec<ImageTagSummary> = images.iter().flatten().flat_map(ImageTagSummary::of).collect();
    recording::before(&there);
    let mut answers = Vec::new();
    for (digest, image) in digests.into_iter().zip(images) {
        answers.push(remove(&app, &account, digest, image.as_ref(), force).await?);
    }
    Ok(Json(answers))
}

#[utoipa::path(get, path = "/images/{imageDigest}", tag = "Images",
    params(("imageDigest" = String, Path), ("detail" = Option<bool>, Query)),
    responses((status = 200, body = [Image])))]
async fn get(
    require: Permission<GetImage>,
    Path(digest): Path<String>,
    query: Query,
) -> Result<Json<Vec<Image>>, ApiError> {
    let image = found(&require.app, &require.account, &digest).await?;
    let mut image = Image::of(&require.app, &image).await?;
    if query.flag("detail")? == Some(false) {
        image.image_detail.clear();
    }
    Ok(Json(vec![image]))
}

#[utoipa::path(delete, path = "/images/{imageDigest}", tag = "Images",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("imageDigest" = String, Path), ("force" = Option<bool>, Query)),
    responses((status = 200, body = DeleteImageResponse)))]
async fn delete(
    require: PermissionOn<DeleteImage>,
    Path(digest): Path<String>,
    query: Query,
) -> Result<Json<DeleteImageResponse>, ApiError> {
    let force = query.flag("force")?.unwrap_or(false);
    let (Permission { app, account, .. }, image) = require.on_image(&digest).await?;
    if let Some(image) = &image {
        note(&app, image).await;
    }
    Ok(Json(remove(&app, &account, &digest, image.as_ref(), force).await?))
}

#[utoipa::path(get, path = "/images/by_id/{imageId}", tag = "Images", params(("imageId" = String, Path)),
    responses((status = 200, body = [Image])))]
async fn get_by_id(require: Permission<GetImage>, Path(id): Path<String>) -> Result<Json<Vec<Image>>, ApiError> {
    let image = found_by_id(&require.app, &require.account, &id).await?;
    Ok(Json(vec![Image::of(&require.app, &image).await?]))
}

#[utoipa::path(delete, path = "/images/by_id/{imageId}", tag = "Images",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("imageId" = String, Path), ("force" = Option<bool>, Query)),
    responses((status = 200, body = DeleteImageResponse)))]
async fn delete_by_id(
    require: PermissionOn<DeleteImage>,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<DeleteImageResponse>, ApiError> {
    let force = query.flag("force")?.unwrap_or(false);
    let (Permission { app, account, .. }, image) = require.on_image_by_id(&id).await?;
    let image = image.ok_or_else(not_found)?;
    note(&app, &image).await;
    Ok(Json(remove(&app, &account, &image.digest, Some(&image), force).await?))
}

#[utoipa::path(get, path = "/summaries/imagetags", tag = "Images", params(("image_status" = Option<String>, Query)),
    responses((status = 200, body = [ImageTagSummary])))]
async fn tags(require: Permission<ListImages>, query: Query) -> Result<Json<Vec<ImageTagSummary>>, ApiError> {
    let wanted = query.list("image_status").unwrap_or_else(|| vec!["active"]);
    let images = require.app.records().images(&require.account).await?;
    let shown = images.iter().filter(|image| wanted.contains(&"all") || wanted.contains(&image.status.as_str()));
    Ok(Json(shown.flat_map(ImageTagSummary::of).collect()))
}

/// The image with this digest, or that of the index it came from.
pub(super) async fn found(app: &App, account: &str, digest: &str) -> Result<records::Image, ApiError> {
    app.records().image(account, digest).await?.ok_or_else(not_found)
}

/// The image with this id; failing that, with this digest.
pub(super) async fn found_by_id(app: &App, account: &str, id: &str) -> Result<records::Image, ApiError> {
    app.records().image_by_id(account, id).await?.ok_or_else(not_found)
}

fn not_found() -> ApiError {
    ApiError::not_found("image not found in DB")
}

/// The image, once it is analysed; until then 404 with the words that clients look for.
pub(super) fn analyzed(image: &records::Image) -> Result<(), ApiError> {
    match image.analysis_status {
        AnalysisStatus::Analyzed => Ok(()),
        status => Err(ApiError::not_found(format!("image is not analyzed - analysis_status: {}", status.as_str()))),
    }
}

async fn by_pull_string(app: &App, account: &str, text: &PullString) -> Result<Vec<records::Image>, ApiError> {
    let records = app.records();
    Ok(match text {
        PullString::ImageId(id) => records.images_by_id(account, id).await?,
        PullString::Digest(digest) => records.image(account, digest).await?.into_iter().collect(),
        PullString::Reference(Named { registry, repository, pick: Pick::Tag(tag) }) => {
            let [registry, repository, tag] = [registry, repository, tag].map(Clone::clone);
            records.images_by_tag(account, &TagName { registry, repository, tag }, usize::MAX).await?
        }
        PullString::Reference(Named { registry, repository, pick: Pick::Digest(digest) }) => {
            let image = records.image(account, digest).await?;
            let is_there = |image: &records::Image| {
                image.tags.iter().any(|tag| tag.registry == *registry && tag.repository == *repository)
            };
            image.into_iter().filter(is_there).collect()
        }
    })
}

/// Notes an image that is about to go. One that cannot be read can go all the same.
async fn note(app: &App, image: &records::Image) {
    if let Ok(shown) = Image::of(app, image).await {
        recording::before(&shown);
    }
}

/// Removes the image that was found by what the caller calls its digest.
async fn remove(
    app: &App,
    account: &str,
    digest: &str,
    image: Option<&records::Image>,
    force: bool,
) -> Result<DeleteImageResponse, ApiError> {
    let deletion = match image {
        Some(image) => images::delete(app, account, &image.digest, force).await?,
        None => Deletion::NotFound,
    };
    let (status, detail) = match deletion {
        Deletion::Deleting(_) => ("deleting", None),
        Deletion::NotFound => ("not_found", Some("No image found with the digest".to_owned())),
        Deletion::Refused(why) => ("delete_failed", Some(format!("{why}: delete with force"))),
    };
    Ok(DeleteImageResponse { digest: digest.to_owned(), status, detail })
}

/// What `GET /images` shows.
struct Filter {
    image: &'static str,
    analysis: Option<&'static str>,
}

impl Filter {
    fn accepts(&self, image: &records::Image) -> bool {
        (self.image == "all" || image.status.as_str() == self.image)
            && self.analysis.is_none_or(|analysis| image.analysis_status.as_str() == analysis)
    }
}

#[cfg(test)]
mod tests {
    use super::after_those_before;

    #[test]
    fn what_is_to_come_first_does() {
        let order =
            |before: &[&[usize]]| after_those_before(&before.iter().map(|before| before.to_vec()).collect::<Vec<_>>());
        assert_eq!(order(&[&[], &[], &[]]), [0, 1, 2]);
        assert_eq!(order(&[&[], &[3, 2], &[], &[], &[]]), [0, 3, 2, 1, 4]);
        assert_eq!(order(&[&[1], &[2], &[]]), [2, 1, 0], "one after the other");
        assert_eq!(order(&[&[1], &[0]]), [1, 0], "there is no order for both");
        assert_eq!(order(&[&[0]]), [0]);
    }
}
