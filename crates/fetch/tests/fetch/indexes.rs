//! An index as one object: which of its images are staged, from a registry and from a layout.

use killick_fetch::{Platforms, Source, StageError, StageOptions, Staged, stage_several};
use killick_model::digest::Digest;
use serde_json::json;

use crate::attachments::platform_layout;
use crate::fake::{Fake, manifest, options, reply};
use crate::made_images::{
    TestImage, artifact_of, config_of, descriptor, index_of, index_with_attestations, manifest_of,
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The manifest of an image for a processor, and its blobs.
fn image(architecture: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let image = TestImage::usual();
    let config = config_of(&[&image.tar], architecture);
    let manifest = manifest_of(&config, &[&image.blob]);
    (manifest.clone(), vec![config, image.blob, manifest])
}

fn these(platforms: &str) -> Platforms {
    Platforms::These(platforms.split(',').map(|platform| platform.parse().unwrap()).collect())
}

fn any(platforms: &str) -> Platforms {
    Platforms::Any(platforms.split(',').map(|platform| platform.parse().unwrap()).collect())
}

/// What was staged: the index and, of each image, the platform that the index and the configuration say.
fn told(staged: Result<Staged, StageError>) -> Result<Vec<String>, String> {
    match staged.map_err(|error| error.to_string())? {
        Staged::Image(image) => Ok(vec![image.platform().to_string()]),
        Staged::Index(index) => {
            let images = index.images.iter().map(|child| {
                let platform = child.platform.as_ref().map(ToString::to_string).unwrap_or_default();
                match &child.image {
                    Ok(image) => {
                        assert_eq!(image.manifest_digest, child.digest);
                        assert!(image.index.is_some());
                        format!("{platform}={}", image.platform())
                    }
                    Err(error) => format!("{platform}: {error}"),
                }
            });
            Ok(std::iter::once(index.digest.to_string()).chain(images).collect())
        }
    }
}

/// A registry and a layout with the same document by the name `v1`, and its parts.
struct Both {
    registry: Fake,
    folder: tempfile::TempDir,
}

impl Both {
    async fn of(top: &[u8], media_type: &str, parts: &[Vec<u8>]) -> Self {
        let (bytes, blobs) = (top.to_vec(), parts.to_vec());
        let registry = Fake::start(move |seen| {
            let last = seen.path.rsplit('/').next().unwrap_or_default();
            if last == "v1" {
                return manifest(&bytes);
            }
            let blob = blobs.iter().find(|blob| Digest::of(blob).to_string() == last);
            blob.map_or_else(
                || reply(404, &[], ""),
                |blob| if seen.path.contains("/manifests/") { manifest(blob) } else { reply(200, &[], blob.clone()) },
            )
        })
        .await;
        let mut entry = descriptor(media_type, top);
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": "v1"});
        let folder = platform_layout(&entry, top, parts);
        Self { registry, folder }
    }

    /// Both must say the same.
    async fn staged(&self, platforms: &Platforms, options: &StageOptions) -> Result<Vec<String>, String> {
        let mut options = options.clone();
        options.registry.plain_http = true;
        let name = format!("{}/app:v1", self.registry.host);
        let registry = Source::parse(&format!("registry:{name}")).unwrap();
        let layout = format!("oci:{}", self.folder.path().display());
        let of_registry = told(stage_several(&registry, platforms, &options).await);
        let of_layout = told(stage_several(&Source::parse(&layout).unwrap(), platforms, &options).await);
        let (of_registry, of_layout) = (
            of_registry.map_err(|error| error.replace(&name, "NAME")),
            of_layout.map_err(|error| error.replace(&layout, "NAME")),
        );
        assert_eq!(of_registry, of_layout);
        of_registry
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_images_of_an_index_or_the_wanted_ones_are_staged() {
    let names = ["amd64", "arm64", "s390x"];
    let images = names.map(image);
    let attestation = artifact_of("", &[], None);
    let listed: Vec<(&[u8], &str, &[u8])> =
        images.iter().zip(names).map(|((manifest, _), name)| (&manifest[..], name, &attestation[..])).collect();
    let top = index_with_attestations(&listed);
    let parts: Vec<Vec<u8>> = images.iter().flat_map(|(_, blobs)| blobs.clone()).collect();
    let both = Both::of(&top, INDEX, &parts).await;
    let digest = Digest::of(&top).to_string();
    let line = |name: &str| format!("linux/{name}=linux/{name}");
    for (platforms, want) in [
        (Platforms::All, &names[..]),
        (these("linux/arm64,linux/amd64"), &["amd64", "arm64"]),
        (these("linux/s390x,linux/s390x"), &["s390x"]),
        (any("linux/s390x,linux/riscv64,linux/amd64,linux/x86_64"), &["s390x", "amd64"]),
    ] {
        let want: Vec<String> = std::iter::once(digest.clone()).chain(want.iter().map(|name| line(name))).collect();
        assert_eq!(both.staged(&platforms, &options().0).await, Ok(want), "{platforms:?}");
    }
    for (platforms, lacks) in [
        (these("linux/amd64,linux/riscv64"), "`linux/riscv64`"),
        (any("linux/riscv64,windows/amd64,linux/riscv64"), "`linux/riscv64` or `windows/amd64`"),
    ] {
        let want = format!("`NAME` has no image for {lacks}: it has `linux/amd64`, `linux/arm64`, `linux/s390x`");
        assert_eq!(both.staged(&platforms, &options().0).await, Err(want));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_indexes_are_unfolded_within_limits() {
    let [(amd, amd_parts), (arm, arm_parts)] = ["amd64", "arm64"].map(image);
    let mut inner = index_of(&[(&arm, "linux/arm64", None)]);
    let mut parts = [amd_parts, arm_parts].concat();
    let mut top = Vec::new();
    for depth in 0..6 {
        let document = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            descriptor(INDEX, &inner),
            {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": Digest::of(&amd), "size": amd.len(), "platform": {"os": "linux", "architecture": "amd64"}},
        ]});
        parts.push(std::mem::replace(&mut inner, document.to_string().into_bytes()));
        if depth == 1 {
            top.clone_from(&inner);
        }
    }
    let both = Both::of(&top, INDEX, &parts).await;
    let digest = Digest::of(&top).to_string();
    assert_eq!(
        both.staged(&Platforms::All, &options().0).await,
        Ok(vec![digest, "linux/amd64=linux/amd64".to_owned(), "linux/arm64=linux/arm64".to_owned()])
    );
    let mut few = options().0;
    few.limits.images = 2;
    assert_eq!(both.staged(&Platforms::All, &few).await, Err("`NAME` has more than 2 images".to_owned()));
    let deep = Both::of(&inner, INDEX, &parts).await;
    assert_eq!(
        deep.staged(&Platforms::All, &options().0).await,
        Err("`NAME` has more than 4 indexes inside each other".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_read_spares_the_others() {
    let [(amd, amd_parts), (arm, _), (odd, _)] = ["amd64", "arm64", "odd"].map(image);
    let hidden = index_of(&[(&amd, "linux/amd64", None)]);
    let top = index_of(&[(&amd, "linux/amd64", None), (&arm, "linux/arm64", None), (&hidden, "linux/odd", None)]);
    let both = Both::of(&top, INDEX, &[amd_parts, vec![hidden.clone(), odd]].concat()).await;
    let source = Source::parse(&format!("oci:{}", both.folder.path().display())).unwrap();
    let told = told(stage_several(&source, &Platforms::All, &options().0).await).unwrap();
    assert_eq!(told[1], "linux/amd64=linux/amd64");
    assert!(told[2].starts_with(&format!("linux/arm64: the blob `{}` is missing from", Digest::of(&arm))), "{told:?}");
    assert!(told[3].starts_with("linux/odd: "), "{told:?}");
    assert_eq!(told.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_one_image_gives_it_if_it_is_wanted() {
    let (arm, parts) = image("arm64");
    let both = Both::of(&arm, "application/vnd.oci.image.manifest.v1+json", &parts).await;
    for platforms in [Platforms::All, these("linux/arm64"), these("linux/arm64/v8,linux/arm64"), any("linux/amd64")] {
        assert_eq!(both.staged(&platforms, &options().0).await, Ok(vec!["linux/arm64".to_owned()]));
    }
    assert_eq!(
        both.staged(&these("linux/arm64,linux/amd64"), &options().0).await,
        Err("`NAME` is for `linux/arm64`, not for `linux/amd64`".to_owned())
    );
}
