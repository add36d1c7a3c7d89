//! Adding an image: find out what the reference means, remember it, and queue the analysis.

use axum::http::StatusCode;
use jiff::Timestamp;
use killick_fetch::StageError;
use killick_fetch::documents::DocumentError;
use killick_fetch::registry::RegistryError;
use killick_model::digest::Digest;
use killick_model::image::StagedImage;
use killick_model::reference::Reference;
use killick_store::StoreError;
use serde_json::{Map, Value, json};

use crate::api::error::{
    ApiError, OSARCH_MISMATCH, REGISTRY_IMAGE_NOT_FOUND, REGISTRY_NOT_ACCESSIBLE, REGISTRY_NOT_SUPPORTED,
    REGISTRY_PERMISSION_DENIED, SKOPEO_UNKNOWN_ERROR,
};
use crate::app::App;
use crate::events::LOOKUP_FAILED;
use crate::herald::Service;
use crate::records::{AnalysisStatus, Deletion, Image, ImageStatus, IndexPlace, Naming, NewImage, TagName, Urgency};
use crate::registry::{FetchError, Named, NamedImage};
use crate::{clock, registry};

/// What to add.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AddImage {
    /// What to ask the registry for.
    pub(crate) pull: Wanted,
    /// The tag it is remembered under.
    pub(crate) tag: Wanted,
    /// The Dockerfile, if the caller has it.
    pub(crate) dockerfile: Option<String>,
    /// Merged into the image's.
    pub(crate) annotations: Map<String, Value>,
    /// When the tag pointed here, if not now.
    pub(crate) detected_at: Option<Timestamp>,
    /// Analyse again.
    pub(crate) force: bool,
    /// Watch the tag from now on.
    pub(crate) autosubscribe: bool,
    /// Switch on again what is on for a new tag: somebody asks for the image who wants to be told of it.
    pub(crate) resubscribe: bool,
    /// What the caller wrote, to tell of it.
    pub(crate) asked: String,
}

impl AddImage {
    /// An image without anything beside it.
    pub(crate) fn new(pull: Wanted, tag: Wanted, force: bool) -> Self {
        Self {
            asked: pull.text.clone(),
            pull,
            tag,
            dockerfile: None,
            annotations: Map::new(),
            detected_at: None,
            force,
            autosubscribe: false,
            resubscribe: true,
        }
    }
}

/// A reference as version 1 spells it, and what is wrong with it for a registry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    /// As spelt.
    pub(crate) text: String,
    /// Where it is kept.
    pub(crate) registry: String,
    /// Path within the registry.
    pub(crate) repository: String,
    /// The tag, unless it is by digest.
    pub(crate) tag: Option<String>,
    /// As registries read it, or why they cannot.
    pub(crate) reference: Result<Reference, String>,
}

impl Wanted {
    /// The tag of a subscription, `registry/repository:tag`.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        let (registry, rest) = key.split_once('/')?;
        let (repository, tag) = rest.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
        if registry.is_empty() || repository.is_empty() || tag.is_empty() || key.contains('@') {
            return None;
        }
        Some(Self {
            text: key.to_owned(),
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: Some(tag.to_owned()),
            reference: registry::as_registries_read(registry, repository, key),
        })
    }

    /// The tag by its parts, as images have it.
    pub(crate) fn tag_name(&self) -> TagName {
        TagName {
            registry: self.registry.clone(),
            repository: self.repository.clone(),
            tag: self.tag.clone().unwrap_or_else(|| "latest".to_owned()),
        }
    }
}

/// What a reference means.
pub(crate) struct Found {
    reference: Reference,
    named: Named,
    /// The image, if it is there already.
    pub(crate) known: Option<Image>,
}

/// Finds out what to add. That a registry does not have it becomes an event.
pub(crate) async fn find(app: &App, account: &str, wanted: &AddImage) -> Result<Found, ApiError> {
    let found = find_unannounced(app, account, wanted).await;
    if let Err(error) = &found
        && error.is_lookup()
    {
        tell_lookup_failed(app, account, &wanted.asked, error).await;
    }
    found
}

/// Tells that a registry does not have an image, or cannot be asked.
pub(crate) async fn tell_lookup_failed(app: &App, account: &str, asked: &str, error: &ApiError) {
    let details = json!({"anchore_error_json": error.body()});
    app.tell(&LOOKUP_FAILED, Service::Catalog, account, Some(asked), details).await;
}

/// Finds out what to add, and adds it. What goes wrong is for the caller to tell.
pub(crate) async fn add_unannounced(app: &App, account: &str, wanted: AddImage) -> Result<Image, ApiError> {
    let found = find_unannounced(app, account, &wanted).await?;
    Box::pin(add(app, account, wanted, found)).await
}

async fn find_unannounced(app: &App, account: &str, wanted: &AddImage) -> Result<Found, ApiError> {
    if app.records().account(account).await?.is_none() {
        return Err(ApiError::not_found(format!("there is no account `{account}`")));
    }
    let reference = wanted.pull.reference.clone().map_err(|why| unresolved(&why, SKOPEO_UNKNOWN_ERROR))?;
    let named = registry::named(app, account, &reference).await.map_err(|error| lookup_failed(&error))?;
    let staged = &named.image.staged;
    check_size(app, staged)?;
    let known = app.records().image(account, &staged.manifest_digest.to_string()).await?;
    Ok(Found { reference, named, known })
}

/// The images that are there, and of which adding changes more than their tags: what is said of them, their analysis, or that
/// they are going away.
pub(crate) async fn changed(
    app: &App,
    account: &str,
    wanted: &AddImage,
    found: &Found,
) -> Result<Vec<Image>, StoreError> {
    let mut there = Vec::from_iter(found.known.clone());
    for other in &found.named.others {
        there.extend(app.records().image(account, &other.staged.manifest_digest.to_string()).await?);
    }
    let says_more = wanted.force || wanted.dockerfile.is_some() || !wanted.annotations.is_empty();
    let is_set_going = |image: &Image| {
        image.status == ImageStatus::Deleting || image.analysis_status == AnalysisStatus::AnalysisFailed
    };
    there.retain(|image| says_more || is_set_going(image));
    Ok(there)
}

/// Adds an image, or merges tag and annotations into the one that is there; and before it the others that are taken of its
/// index, so that whoever is interrupted, and sees that it is not there, adds them again.
pub(crate) async fn add(app: &App, account: &str, wanted: AddImage, found: Found) -> Result<Image, ApiError> {
    let Found { reference, named: Named { image, others }, known } = found;
    let by_digest = wanted.pull.tag.is_none();
    match &known {
        None if wanted.force && by_digest => {
            return Err(ApiError::bad_request("an image that is not known cannot be forced by digest"));
        }
        Some(known) if wanted.dockerfile.is_some() && !wanted.force => {
            return Err(ApiError::bad_request("the image is known already: a Dockerfile can only be given with force")
                .with_detail("digest", known.digest.as_str())
                .with_detail("tag", wanted.tag.text.as_str()));
        }
        _ => {}
    }
    let kept = known.as_ref().filter(|_| by_digest && wanted.force).map(|image| image.created_at);
    let detected_at = wanted.detected_at.or(kept).unwrap_or_else(clock::now);
    let tag = TagName {
        registry: wanted.tag.registry,
        repository: wanted.tag.repository,
        tag: wanted.tag.tag.unwrap_or_else(|| "latest".to_owned()),
    };
    let urgency = match &known {
        Some(known) if known.analyzed_at.is_some() => Urgency::Again,
        _ if wanted.resubscribe => Urgency::Asked,
        _ => Urgency::Found,
    };
    let main = image.staged.manifest_digest.clone();
    let new = |named: &NamedImage, position: i64, urgency: Urgency| NewImage {
        account: account.to_owned(),
        pull: reference_to(&reference, &named.staged),
        tag: tag.clone(),
        dockerfile: wanted.dockerfile.clone(),
        annotations: wanted.annotations.clone(),
        detected_at,
        force: wanted.force,
        autosubscribe: wanted.autosubscribe,
        resubscribe: wanted.resubscribe,
        urgency,
        naming: match place(named, &main, position) {
            Some(place) => Naming::Index(place),
            None if by_digest => Naming::Unknown,
            None => Naming::Image,
        },
    };
    for (position, other) in (1..).zip(&others) {
        let digest = other.staged.manifest_digest.to_string();
        if let Err(error) = check_size(app, &other.staged) {
            tracing::warn!(image.digest = digest, "the image `{digest}` of an index is left out: {}", error.message());
            continue;
        }
        let is_known = app.records().image(account, &digest).await?.is_some_and(|image| image.analyzed_at.is_some());
        let urgency = if is_known { Urgency::Again } else { Urgency::Further };
        app.records().add_image(&new(other, position, urgency), &other.staged).await?;
    }
    let added = app.records().add_image(&new(&image, 0, urgency), &image.staged).await?;
    if added.analyzed_at.is_some() {
        // No analysis comes whose end would wake who watches the tag.
        app.nudges().facts();
    }
    Ok(added)
}

fn place(named: &NamedImage, main: &Digest, position: i64) -> Option<IndexPlace> {
    let (index, platform) = named.of.as_ref()?;
    let platform = killick_store::text::column(&platform.to_string());
    Some(IndexPlace { index: index.clone(), main: main.clone(), position, platform })
}

/// The very image that was found, wherever its tag goes until it is analysed.
fn reference_to(reference: &Reference, staged: &StagedImage) -> Reference {
    Reference { tag: None, digest: Some(staged.manifest_digest.clone()), ..reference.clone() }
}

fn check_size(app: &App, staged: &StagedImage) -> Result<(), ApiError> {
    let limit = app.config().analysis.max_compressed_image_size_mb;
    let bytes = staged.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
    let size = bytes.div_ceil(1 << 20);
    if limit == 0 || size <= limit {
        return Ok(());
    }
    Err(ApiError::bad_request("the image is larger than this service accepts")
        .with_detail("requested_image_compressed_size_mb", size)
        .with_detail("max_compressed_image_size_mb", limit))
}

/// The answer where a registry does not have an image, or cannot be asked.
pub(crate) fn lookup_failed(error: &FetchError) -> ApiError {
    let cause = match error {
        FetchError::Login { .. } => return ApiError::internal(error),
        FetchError::Stage(cause) => cause,
    };
    let code = match cause {
        StageError::Registry(RegistryError::Unauthorized { .. } | RegistryError::Token { .. }) => {
            REGISTRY_PERMISSION_DENIED
        }
        StageError::Registry(RegistryError::NotFound { .. }) => REGISTRY_IMAGE_NOT_FOUND,
        StageError::Registry(RegistryError::Unreachable { .. }) => REGISTRY_NOT_ACCESSIBLE,
        StageError::Registry(RegistryError::PlainHttp { .. } | RegistryError::Tls { .. }) => REGISTRY_NOT_SUPPORTED,
        StageError::Document(DocumentError::NoPlatform { .. }) => OSARCH_MISMATCH,
        _ => SKOPEO_UNKNOWN_ERROR,
    };
    unresolved(&registry::told(error), code)
}

fn unresolved(why: &str, code: &'static str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "cannot fetch image digest/manifest from registry")
        .with_code(code)
        .with_detail("raw_exception_message", why)
}

/// Marks an image as going away, by the rules of version 1, and has it removed at once.
pub(crate) async fn delete(app: &App, account: &str, digest: &str, force: bool) -> Result<Deletion, StoreError> {
    let deletion = app.records().delete_image(account, digest, force).await?;
    if let Deletion::Deleting(_) = deletion {
        app.nudges().deletions.notify_one();
    }
    Ok(deletion)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_subscriptions_are_tags() {
        let wanted = Wanted::of_key("r.io:5000/a/b:1.0").unwrap();
        assert_eq!(
            (wanted.registry.as_str(), wanted.repository.as_str(), wanted.tag.as_deref()),
            ("r.io:5000", "a/b", Some("1.0"))
        );
        let short = Wanted::of_key("docker.io/nginx:latest").unwrap();
        assert_eq!(short.reference.unwrap().to_string(), "docker.io/library/nginx:latest");
        for none in ["", "nginx", "r.io/a", "r.io:5000/a", "r.io/a@sha256:ab", "/a:1", "r.io/:1", "r.io/a:"] {
            assert_eq!(Wanted::of_key(none), None, "{none}");
        }
    }
}
