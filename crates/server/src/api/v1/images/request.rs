//! The body of `POST /images`, in its older and newer form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use killick_model::digest::Digest;
use serde_json::Map;

use super::super::pull_string::Named;
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject};
use crate::images::AddImage;
use crate::imports::{ImportImage, KINDS};
use crate::records::TagName;

/// Pattern of a Dockerfile in base64, as the contract writes it.
const BASE64_PATTERN: &str = "^[a-zA-Z0-9+/=]+$";

/// Pattern of a digest in the archive, as the contract writes it.
const DIGEST_PATTERN: &str = "^sha256:[a-fA-F0-9]{64}$";

/// Bytes of an id that somebody else gave an image.
const MAX_ID: usize = 256;

/// What to add, by where it is.
#[derive(Debug, PartialEq)]
pub(super) enum Wanted {
    /// In a registry.
    Registry(Box<AddImage>),
    /// In the analysis archive, under this digest.
    Archive(Digest),
    /// Among what was uploaded.
    Import(Box<ImportImage>),
}

/// Reads what to add.
pub(super) fn read(body: &JsonObject, force: bool, autosubscribe: bool) -> Result<Wanted, ApiError> {
    let fields = Fields::of(body);
    let dockerfile = fields.matching("dockerfile", BASE64_PATTERN, is_base64)?;
    let (tag, digest) = (fields.text("tag")?, fields.text("digest")?);
    let mut wanted = match fields.object("source")? {
        Some(_) if tag.is_some() || digest.is_some() || dockerfile.is_some() => {
            return Err(ApiError::bad_request("`source` stands alone: no `tag`, `digest` or `dockerfile` beside it"));
        }
        Some(source) => from_source(&source, force)?,
        None => {
            let mut wanted = from_tag(tag, digest, force)?;
            if let Some(text) = dockerfile {
                wanted.dockerfile = Some(decoded(text)?);
            }
            if let Some(text) = fields.text("created_at")? {
                wanted.detected_at = Some(instant("created_at", text)?);
            }
            Wanted::Registry(Box::new(wanted))
        }
    };
    let annotations =
        fields.object("annotations")?.map(|annotations| annotations.members().clone()).unwrap_or_default();
    match &mut wanted {
        Wanted::Registry(wanted) => (wanted.annotations, wanted.autosubscribe) = (annotations, autosubscribe),
        Wanted::Import(wanted) => (wanted.annotations, wanted.autosubscribe) = (annotations, autosubscribe),
        Wanted::Archive(_) => {}
    }
    Ok(wanted)
}

fn from_tag(tag: Option<&str>, digest: Option<&str>, force: bool) -> Result<AddImage, ApiError> {
    match (tag, digest) {
        (Some(tag), None) => Ok(AddImage { asked: tag.to_owned(), ..AddImage::by_tag(Named::tagged(tag)?, force) }),
        (Some(tag), Some(digest)) => AddImage::by_digest(Named::tagged(tag)?, digest, force),
        (None, Some(_)) => Err(ApiError::bad_request("`digest` needs a `tag` beside it")),
        (None, None) => Err(ApiError::bad_request(
            "Must include either \"tag\", \"tag\" and \"digest\", or \"source\" property in body",
        )),
    }
}

/// All members are checked; the first of import, archive, tag and digest counts.
fn from_source(source: &Fields<'_>, force: bool) -> Result<Wanted, ApiError> {
    let mut wanted = None;
    if let Some(digest) = source.object("digest")? {
        let pull = digest.required("pullstring")?;
        let tag = Named::tagged(digest.required("tag")?)?;
        let mut image = AddImage::by_digest(tag, pull, force)?;
        image.dockerfile = dockerfile_of(&digest)?;
        if let Some(text) = digest.text("creation_timestamp_override")? {
            image.detected_at = Some(instant("creation_timestamp_override", text)?);
        }
        wanted = Some(Wanted::Registry(Box::new(image)));
    }
    if let Some(tag) = source.object("tag")? {
        let asked = tag.required("pullstring")?;
        let mut image = AddImage { asked: asked.to_owned(), ..AddImage::by_tag(Named::tagged(asked)?, force) };
        image.dockerfile = dockerfile_of(&tag)?;
        wanted = Some(Wanted::Registry(Box::new(image)));
    }
    if let Some(archive) = source.object("archive")? {
        archive.required("digest")?;
        let digest = archive.matching("digest", DIGEST_PATTERN, |text| digest_of(text).is_some())?;
        wanted = digest.and_then(digest_of).map(Wanted::Archive);
    }
    if let Some(import) = source.object("import")? {
        wanted = Some(Wanted::Import(Box::new(from_import(&import, force)?)));
    }
    wanted.ok_or_else(|| ApiError::bad_request("`source` has none of `tag`, `digest`, `archive` and `import`"))
}

fn from_import(import: &Fields<'_>, force: bool) -> Result<ImportImage, ApiError> {
    let texts = import.texts("tags")?;
    let digest = import.required("digest")?;
    let operation = import.required("operation_uuid")?;
    let contents = import.required_object("contents")?;
    for needed in ["packages", "manifest", "image_config"] {
        contents.required(needed)?;
    }
    let mut kinds = Vec::new();
    for kind in KINDS {
        if let Some(text) = contents.text(kind)? {
            // As uploads answer it, or with the algorithm before it.
            let bare = format!("sha256:{}", text.trim_start_matches("sha256:"));
            let digest = digest_of(&bare).ok_or_else(|| {
                ApiError::bad_request(format!("`contents.{kind}` is no SHA-256 digest")).with_detail("digest", text)
            })?;
            kinds.push((kind, digest));
        }
    }
    let image_digest =
        |text: &str| digest_of(text).ok_or_else(|| ApiError::bad_request(format!("`{text}` is no digest of an image")));
    let mut tags = texts.into_iter().map(|text| {
        let named = Named::tagged(text)?;
        let tag = named.tag().unwrap_or_default().to_owned();
        Ok(TagName { registry: named.registry, repository: named.repository, tag })
    });
    let tag = tags.next().unwrap_or_else(|| Err(ApiError::bad_request("an import needs at least one of `tags`")))?;
    let given_id = import.text("local_image_id")?.filter(|text| !text.is_empty()).map(str::to_owned);
    if given_id.as_ref().is_some_and(|id| id.len() > MAX_ID) {
        return Err(ApiError::bad_request(format!("`local_image_id` is longer than {MAX_ID} bytes")));
    }
    Ok(ImportImage {
        operation: operation.to_owned(),
        digest: image_digest(digest)?,
        index_digest: import.text("parent_digest")?.filter(|text| !text.is_empty()).map(image_digest).transpose()?,
        given_id,
        tag,
        other_tags: tags.collect::<Result<_, ApiError>>()?,
        contents: kinds,
        annotations: Map::new(),
        force,
        autosubscribe: false,
    })
}

/// A digest in either letter case.
fn digest_of(text: &str) -> Option<Digest> {
    text.to_ascii_lowercase().parse().ok()
}

fn dockerfile_of(fields: &Fields<'_>) -> Result<Option<String>, ApiError> {
    fields.matching("dockerfile", BASE64_PATTERN, is_base64)?.map(decoded).transpose()
}

fn is_base64(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let bytes = STANDARD.decode(text).map_err(|_| ApiError::bad_request("`dockerfile` is not base64"))?;
    if bytes.contains(&0) {
        return Err(ApiError::bad_request("`dockerfile` has NUL in it: no Dockerfile has"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `2024-01-02T03:04:05Z`, with an optional fraction after `.` or `:`.
fn instant(property: &str, text: &str) -> Result<Timestamp, ApiError> {
    let wrong = || {
        ApiError::bad_request(format!("`{property}` is no UTC time stamp such as `2024-01-02T03:04:05Z`"))
            .with_detail("Property", property)
            .with_detail("Value", text)
    };
    if !text.ends_with('Z') || text.len() > 40 {
        return Err(wrong());
    }
    let dotted = match text.match_indices(':').nth(2) {
        Some((at, _)) => format!("{}.{}", &text[..at], &text[at + 1..]),
        None => text.to_owned(),
    };
    dotted.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn body(value: Value) -> JsonObject {
        let Value::Object(map) = value else { panic!("an object") };
        JsonObject(map)
    }

    #[test]
    fn both_forms_mean_the_same() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let older = read(&body(json!({"tag": "r.io/a:1", "digest": digest})), false, false).unwrap();
        let pull = format!("r.io/a@{digest}");
        let source = json!({"source": {"digest": {"pullstring": pull, "tag": "r.io/a:1"}}});
        let newer = read(&body(source), false, false).unwrap();
        assert_eq!(older, newer);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (value, want) in [
            (json!({}), "Must include either"),
            (json!({"digest": "sha256:ab"}), "needs a `tag`"),
            (json!({"source": {}}), "none of"),
            (json!({"tag": "a", "source": {"tag": {"pullstring": "a"}}}), "stands alone"),
            (json!({"source": {"tag": {}}}), "'pullstring' is a required property"),
            (json!({"source": {"archive": {}}}), "'digest' is a required property - 'archive'"),
            (json!({"source": {"archive": {"digest": "sha256:1"}}}), "does not match '^sha256:[a-fA-F0-9]{64}$'"),
            (json!({"source": {"import": {}}}), "'tags' is a required property - 'import'"),
            (json!({"source": {"import": {"tags": "a"}}}), "is not of type 'array' - 'import.tags'"),
            (json!({"source": {"import": {"tags": []}}}), "'digest' is a required property - 'import'"),
            (json!({"tag": "a b"}), "not an image reference"),
            (json!({"tag": "a@sha256:ab"}), "by tag"),
            (json!({"tag": "a", "created_at": "yesterday"}), "no UTC time stamp"),
            (json!({"tag": "a", "dockerfile": "@@@notb64"}), "does not match '^[a-zA-Z0-9+/=]+$' - 'dockerfile'"),
        ] {
            let error = read(&body(value.clone()), false, false).unwrap_err();
            assert!(error.message().contains(want), "{value}: {}", error.message());
            assert_eq!(error.status(), axum::http::StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn imports_are_read() {
        let (image, hex) = (format!("sha256:{}", "A".repeat(64)), "b".repeat(64));
        let import = json!({"tags": ["r.io/a:1", "b"], "digest": image, "operation_uuid": "u", "local_image_id": "",
            "contents": {"packages": hex, "manifest": format!("sha256:{hex}"), "image_config": hex, "dockerfile": null}});
        let read_one = |import: &Value| read(&body(json!({"source": {"import": import}})), true, true);
        let Wanted::Import(read) = read_one(&import).unwrap() else { panic!("an import") };
        assert_eq!((read.tag.full().as_str(), read.other_tags[0].full().as_str()), ("r.io/a:1", "docker.io/b:latest"));
        assert_eq!(
            read.contents.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
            ["packages", "manifest", "image_config"]
        );
        assert_eq!((read.digest.hex(), read.force, read.autosubscribe), ("a".repeat(64), true, true));
        assert_eq!((read.given_id, read.index_digest), (None, None));
        for (pointer, value, want) in [
            ("/tags", json!([]), "at least one of `tags`"),
            ("/tags", json!(["a@sha256:1"]), "by tag"),
            ("/digest", json!("sha256:1"), "no digest of an image"),
            ("/contents/packages", json!("x"), "`contents.packages` is no SHA-256 digest"),
        ] {
            let mut import = import.clone();
            *import.pointer_mut(pointer).unwrap() = value;
            let error = read_one(&import).unwrap_err();
            assert!(error.message().contains(want), "{import}: {}", error.message());
        }
    }

    #[test]
    fn fractions_are_read_after_a_dot_or_a_colon() {
        for text in ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.250000Z", "2024-01-02T03:04:05:250000Z"] {
            assert_eq!(instant("x", text).unwrap().as_second(), 1_704_164_645, "{text}");
        }
    }
}
