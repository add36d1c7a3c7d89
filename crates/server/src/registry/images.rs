//! What a reference names at a registry: an image, or an index with those of its images that are taken.

use killick_fetch::documents::DocumentError;
use killick_fetch::{
    IndexedImage, Platforms, Source, StageError, StageOptions, Staged, StagedIndex, platform, stage, stage_several,
};
use killick_model::digest::Digest;
use killick_model::image::{Platform, StagedImage};
use killick_model::reference::Reference;

use super::{FetchError, Purpose, over_transports, told};
use crate::app::App;
use crate::config::{MAX_OF_INDEX, TakenPlatforms};

/// What a reference names.
pub(crate) struct Named {
    /// The image that it means.
    pub(crate) image: NamedImage,
    /// The others that are taken of the same index.
    pub(crate) others: Vec<NamedImage>,
}

/// An image, and where it stands in an index.
pub(crate) struct NamedImage {
    /// The image.
    pub(crate) staged: StagedImage,
    /// The index that was named, and what it says that the image is for; nothing if the image itself was named.
    pub(crate) of: Option<(Digest, Platform)>,
}

/// Finds out what a reference names, and which images of an index are taken.
pub(crate) async fn named(app: &App, account: &str, reference: &Reference) -> Result<Named, FetchError> {
    let platforms = match &app.config().analysis.platforms {
        TakenPlatforms::Own => return own(app, account, reference).await,
        TakenPlatforms::All => Platforms::All,
        TakenPlatforms::These(platforms) => Platforms::Any(platforms.clone()),
    };
    let source = Source::Registry(reference.clone());
    let staged = over_transports(app, account, reference, Purpose::Lookup, |mut options| {
        let (source, platforms) = (source.clone(), platforms.clone());
        if platforms == Platforms::All {
            options.limits.images = options.limits.images.min(MAX_OF_INDEX);
        }
        Box::pin(async move { stage_several(&source, &platforms, &options).await })
    });
    match staged.await? {
        Staged::Image(staged) => Ok(Named { image: NamedImage { staged: *staged, of: None }, others: Vec::new() }),
        Staged::Index(index) => taken(index, &platforms),
    }
}

/// The image for the processor of the service; of an index without one, that for Linux on amd64.
async fn own(app: &App, account: &str, reference: &Reference) -> Result<Named, FetchError> {
    let staged = match of_platform(app, account, reference, None).await {
        Err(FetchError::Stage(StageError::Document(none @ DocumentError::NoPlatform { .. }))) => {
            match of_platform(app, account, reference, Some(amd64())).await {
                Err(FetchError::Stage(StageError::Document(other @ DocumentError::NoPlatform { .. }))) => {
                    return Err(StageError::from(none.or(other)).into());
                }
                other => other?,
            }
        }
        other => other?,
    };
    let of = staged.index.as_ref().map(|(digest, _)| (digest.clone(), staged.platform()));
    Ok(Named { image: NamedImage { staged, of }, others: Vec::new() })
}

async fn of_platform(
    app: &App,
    account: &str,
    reference: &Reference,
    platform: Option<Platform>,
) -> Result<StagedImage, FetchError> {
    let source = Source::Registry(reference.clone());
    over_transports(app, account, reference, Purpose::Lookup, |options| {
        let (source, options) = (source.clone(), StageOptions { platform: platform.clone(), ..options });
        Box::pin(async move { stage(&source, &options).await })
    })
    .await
}

fn amd64() -> Platform {
    Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None }
}

/// The images of an index, that which it means by itself first. One that cannot be read is left out, unless it may be read
/// later: then all is to be tried again.
#[expect(clippy::result_large_err, reason = "it is the error of those who call it, which are asynchronous")]
fn taken(index: StagedIndex, platforms: &Platforms) -> Result<Named, FetchError> {
    let StagedIndex { name, digest, mut images, .. } = index;
    if *platforms == Platforms::All {
        let told: Vec<Option<&Platform>> = images.iter().map(|child| child.platform.as_ref()).collect();
        let first = usual(&told, &platform::host());
        // Those before it move up.
        if let Some(before) = images.get_mut(..=first) {
            before.rotate_right(1);
        }
    }
    let mut images = images.into_iter();
    let first = images.next().ok_or_else(|| StageError::from(DocumentError::EmptyIndex { subject: name.clone() }))?;
    let named = |platform: Option<Platform>, staged: StagedImage| {
        let of = platform.unwrap_or_else(|| staged.platform());
        NamedImage { staged, of: Some((digest.clone(), of)) }
    };
    let image = named(first.platform, first.image?);
    let mut others = Vec::new();
    for IndexedImage { digest, platform, image } in images {
        match image.map_err(FetchError::from) {
            Ok(staged) => others.push(named(platform, staged)),
            Err(error) if error.may_heal() => return Err(error),
            Err(error) => tracing::warn!("the image `{digest}` of the index `{name}` is left out: {}", told(&error)),
        }
    }
    Ok(Named { image, others })
}

/// Where the image stands that an index means by itself: that for this machine, else for Linux on amd64, else the first.
fn usual(platforms: &[Option<&Platform>], host: &Platform) -> usize {
    let find =
        |wanted: &Platform| platforms.iter().position(|told| told.is_some_and(|told| platform::fits(told, wanted)));
    find(host).or_else(|| find(&amd64())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_means_the_image_for_this_machine() {
        let usual_of = |platforms: &[&str], host: &str| {
            let platforms: Vec<Option<Platform>> = platforms.iter().map(|text| text.parse().ok()).collect();
            let platforms: Vec<Option<&Platform>> = platforms.iter().map(Option::as_ref).collect();
            usual(&platforms, &host.parse().unwrap())
        };
        for (platforms, host, want) in [
            (&["linux/s390x", "linux/amd64", "linux/arm64/v8"] as &[&str], "linux/arm64", 2),
            (&["linux/s390x", "linux/amd64", "linux/arm64"], "linux/amd64", 1),
            (&["linux/s390x", "windows/amd64", "linux/amd64"], "linux/arm64", 2),
            (&["", "windows/amd64", "linux/s390x"], "linux/arm64", 0),
            (&[], "linux/arm64", 0),
        ] {
            assert_eq!(usual_of(platforms, host), want, "{platforms:?} {host}");
        }
    }
}
