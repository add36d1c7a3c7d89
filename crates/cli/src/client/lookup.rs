//! Which image a command means: a digest, an image id or a tag.

use super::api::{Api, percent_encode};

/// What the words of an image argument look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ImageForm {
    /// `sha256:…`.
    Digest,
    /// 64 hexadecimal digits.
    Id,
    /// Anything else.
    Tag,
}

impl ImageForm {
    pub(super) fn of(text: &str) -> Self {
        let hex = |digits: &str| digits.len() >= 64 && digits.bytes().take(64).all(|byte| byte.is_ascii_hexdigit());
        match text.strip_prefix("sha256:").or_else(|| text.strip_prefix("local:")) {
            Some(digits) if hex(digits) => Self::Digest,
            _ if hex(text) => Self::Id,
            _ => Self::Tag,
        }
    }
}

/// What to do where the server knows no such image.
pub(super) const REMEDY: &str = "`killick image list` shows what the server has, `killick image add` adds an image";

/// An image the server knows.
pub(super) struct KnownImage {
    /// Percent-encoded, ready for a path.
    pub(super) digest: String,
    /// The argument named it by tag.
    pub(super) by_tag: bool,
}

/// Finds the digest of the image that `input` names; `None` if the server knows no such image.
pub(super) async fn find(api: &Api, input: &str) -> Option<KnownImage> {
    if let Some(at) = input.find("sha256:").filter(|&at| at == 0 || input[..at].ends_with('@')) {
        return Some(KnownImage { digest: percent_encode(&input[at..]), by_tag: false });
    }
    if input.starts_with("local:") || input.contains("@local:") {
        return Some(KnownImage { digest: input.to_owned(), by_tag: false });
    }
    let reply = api.get("/images", &[("fulltag", input), ("history", "false")]).await.ok()?;
    let digest = reply.body[0]["imageDigest"].as_str()?.to_owned();
    Some(KnownImage { digest: percent_encode(&digest), by_tag: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let hex = "0123456789abcdef".repeat(4);
        assert_eq!(ImageForm::of(&format!("sha256:{hex}")), ImageForm::Digest);
        assert_eq!(ImageForm::of(&hex), ImageForm::Id);
        for tag in ["nginx", "docker.io/nginx:latest", "sha256:abc", &hex[1..]] {
            assert_eq!(ImageForm::of(tag), ImageForm::Tag, "{tag}");
        }
    }
}
