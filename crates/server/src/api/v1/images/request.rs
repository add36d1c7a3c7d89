//! The body of `POST /images`, in its older and newer form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::super::pull_string::{Named, Pick, PullString};
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject};
use crate::images::AddImage;

/// Pattern of a Dockerfile in base64, as the contract writes it.
const BASE64_PATTERN: &str = "^[a-zA-Z0-9+/=]+$";

/// Reads what to add.
pub(super) fn read(body: &JsonObject, force: bool) -> Result<AddImage, ApiError> {
    let fields = Fields::of(body);
    let dockerfile = fields.matching("dockerfile", BASE64_PATTERN, is_base64)?;
    let (tag, digest) = (fields.text("tag")?, fields.text("digest")?);
    let mut wanted = match fields.object("source")? {
        Some(_) if tag.is_some() || digest.is_some() || dockerfile.is_some() => {
            return Err(ApiError::bad_request("`source` stands alone: no `tag`, `digest` or `dockerfile` beside it"));
        }
        Some(source) => from_source(&source, force)?,
        None => from_tag(tag, digest, force)?,
    };
    if let Some(text) = dockerfile {
        wanted.dockerfile = Some(decoded(text)?);
    }
    if !fields.value("source").is_some_and(Value::is_object)
        && let Some(text) = fields.text("created_at")?
    {
        wanted.detected_at = Some(instant("created_at", text)?);
    }
    if let Some(annotations) = fields.object("annotations")? {
        wanted.annotations.clone_from(annotations.members());
    }
    Ok(wanted)
}

fn from_tag(tag: Option<&str>, digest: Option<&str>, force: bool) -> Result<AddImage, ApiError> {
    match (tag, digest) {
        (Some(tag), None) => Ok(AddImage { asked: tag.to_owned(), ..by_tag(tag_of(tag)?, force) }),
        (Some(tag), Some(digest)) => by_digest(tag_of(tag)?, digest, force),
        (None, Some(_)) => Err(ApiError::bad_request("`digest` needs a `tag` beside it")),
        (None, None) => Err(ApiError::bad_request(
            "Must include either \"tag\", \"tag\" and \"digest\", or \"source\" property in body",
        )),
    }
}

fn from_source(source: &Fields<'_>, force: bool) -> Result<AddImage, ApiError> {
    if let Some(digest) = source.object("digest")? {
        let pull = digest.required("pullstring")?;
        let tag = tag_of(digest.required("tag")?)?;
        let mut wanted = by_digest(tag, pull, force)?;
        wanted.dockerfile = dockerfile_of(&digest)?;
        if let Some(text) = digest.text("creation_timestamp_override")? {
            wanted.detected_at = Some(instant("creation_timestamp_override", text)?);
        }
        return Ok(wanted);
    }
    if let Some(tag) = source.object("tag")? {
        let asked = tag.required("pullstring")?;
        let mut wanted = AddImage { asked: asked.to_owned(), ..by_tag(tag_of(asked)?, force) };
        wanted.dockerfile = dockerfile_of(&tag)?;
        return Ok(wanted);
    }
    if source.value("archive").is_some() || source.value("import").is_some() {
        return Err(ApiError::new(
            axum::http::StatusCode::NOT_IMPLEMENTED,
            "this release adds images from registries only",
        ));
    }
    Err(ApiError::bad_request("`source` has none of `tag`, `digest`, `archive` and `import`"))
}

fn by_tag(tag: Named, force: bool) -> AddImage {
    AddImage::new(tag.clone().into(), tag.into(), force)
}

/// `digest` is bare, or a whole pull string by digest.
fn by_digest(tag: Named, digest: &str, force: bool) -> Result<AddImage, ApiError> {
    let pull = match PullString::parse(digest)? {
        PullString::Digest(digest) => Named { pick: Pick::Digest(digest), ..tag.clone() },
        PullString::Reference(named @ Named { pick: Pick::Digest(_), .. }) => named,
        _ => return Err(ApiError::bad_request(format!("`{digest}` does not name an image by digest"))),
    };
    Ok(AddImage::new(pull.into(), tag.into(), force))
}

fn tag_of(text: &str) -> Result<Named, ApiError> {
    match PullString::parse(text)? {
        PullString::Reference(named) if named.tag().is_some() => Ok(named),
        _ => Err(ApiError::bad_request(format!("`{text}` does not name an image by tag"))),
    }
}

fn dockerfile_of(fields: &Fields<'_>) -> Result<Option<String>, ApiError> {
    fields.matching("dockerfile", BASE64_PATTERN, is_base64)?.map(decoded).transpose()
}

fn is_base64(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let bytes = STANDARD.decode(text).map_err(|_| ApiError::bad_request("`dockerfile` is not base64"))?;
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
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> JsonObject {
        let Value::Object(map) = value else { panic!("an object") };
        JsonObject(map)
    }

    #[test]
    fn both_forms_mean_the_same() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let older = read(&body(json!({"tag": "r.io/a:1", "digest": digest})), false).unwrap();
        let pull = format!("r.io/a@{digest}");
        let source = json!({"source": {"digest": {"pullstring": pull, "tag": "r.io/a:1"}}});
        let newer = read(&body(source), false).unwrap();
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
            (json!({"tag": "a b"}), "not an image reference"),
            (json!({"tag": "a@sha256:ab"}), "by tag"),
            (json!({"tag": "a", "created_at": "yesterday"}), "no UTC time stamp"),
            (json!({"tag": "a", "dockerfile": "@@@notb64"}), "does not match '^[a-zA-Z0-9+/=]+$' - 'dockerfile'"),
        ] {
            let error = read(&body(value.clone()), false).unwrap_err();
            assert!(error.message().contains(want), "{value}: {}", error.message());
            assert_eq!(error.status(), axum::http::StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn fractions_are_read_after_a_dot_or_a_colon() {
        for text in ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.250000Z", "2024-01-02T03:04:05:250000Z"] {
            assert_eq!(instant("x", text).unwrap().as_second(), 1_704_164_645, "{text}");
        }
    }
}
