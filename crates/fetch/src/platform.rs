//! Which of an index's images is meant.

use killick_model::image::Platform;

use crate::documents::{DocumentError, Entry};

/// Platforms that an error message lists at most.
const LISTED: usize = 20;

/// The platform of images for this machine: Linux on its processor, as container engines choose everywhere.
pub fn host() -> Platform {
    let (architecture, variant) = match std::env::consts::ARCH {
        "x86_64" => ("amd64", None),
        "x86" => ("386", None),
        "aarch64" => ("arm64", None),
        "arm" => ("arm", Some("v7")),
        "powerpc64" => ("ppc64le", None),
        other => (other, None),
    };
    Platform { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) }
}

/// The entry for `wanted`, or without a wish the entry for the host, or the only one there is.
pub(crate) fn choose<'a>(
    entries: &'a [Entry],
    wanted: Option<&Platform>,
    subject: &str,
) -> Result<&'a Entry, DocumentError> {
    let real: Vec<&Entry> = entries.iter().filter(|entry| !entry.is_attestation()).collect();
    let default = host();
    let target = wanted.unwrap_or(&default);
    let best = real
        .iter()
        .filter_map(|entry| Some((rank(entry.platform.as_ref()?, target)?, *entry)))
        .min_by_key(|(rank, _)| *rank);
    if let Some((_, entry)) = best {
        return Ok(entry);
    }
    let Some(first) = real.first() else {
        return Err(DocumentError::EmptyIndex { subject: subject.to_owned() });
    };
    let is_only = real.iter().all(|entry| entry.platform == first.platform);
    let may_be = wanted.is_none() || first.platform.is_none();
    if is_only && may_be && (first.platform.is_some() || real.len() == 1) {
        return Ok(first);
    }
    Err(DocumentError::NoPlatform {
        subject: subject.to_owned(),
        wanted: vec![target.clone()],
        available: available(&real),
    })
}

/// Whether an image configured for `found` may stand for `wanted`.
pub fn fits(found: &Platform, wanted: &Platform) -> bool {
    rank(found, wanted).is_some()
}

/// How well `found` serves `wanted`, best first; `None` if not at all.
fn rank(found: &Platform, wanted: &Platform) -> Option<u8> {
    let (found, wanted) = (normal(found), normal(wanted));
    if found.0 != wanted.0 || found.1 != wanted.1 {
        return None;
    }
    match (found.2, wanted.2) {
        (found, wanted) if found == wanted => Some(0),
        (None, Some(_)) => Some(1),
        (Some(_), None) => Some(2),
        _ => None,
    }
}

/// Other names of the same platform, as containerd knows them ("platforms", normalizeArch).
fn normal(platform: &Platform) -> (&str, &str, Option<&str>) {
    let variant = platform.variant.as_deref().filter(|variant| !variant.is_empty());
    let (architecture, variant) = match (platform.architecture.as_str(), variant) {
        ("x86_64" | "x86-64" | "amd64", None | Some("v1")) => ("amd64", None),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", None | Some("8" | "v8")) => ("arm64", None),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", None | Some("7")) => ("arm", Some("v7")),
        ("armel", _) | ("arm", Some("6")) => ("arm", Some("v6")),
        ("i386", variant) => ("386", variant),
        other => other,
    };
    (&platform.os, architecture, variant)
}

fn available(entries: &[&Entry]) -> String {
    let mut names: Vec<String> = entries
        .iter()
        .map(|entry| entry.platform.as_ref().map_or_else(|| "unnamed".to_owned(), |platform| format!("`{platform}`")))
        .collect();
    names.sort();
    names.dedup();
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    let listed = names.join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}

#[cfg(test)]
mod tests {
    use killick_model::digest::Digest;

    use super::*;

    fn index(platforms: &[&str]) -> Vec<Entry> {
        let entry = |text: &&str| Entry {
            media_type: String::new(),
            digest: Digest::of(text.as_bytes()),
            size: 1,
            platform: text.parse().ok(),
            reference_type: None,
            reference: None,
            artifact_type: None,
            cosign_kind: None,
            ref_name: None,
            full_name: None,
        };
        platforms.iter().map(entry).collect()
    }

    fn pick(platforms: &[&str], wanted: Option<&str>) -> Result<String, String> {
        let wanted = wanted.map(|text| text.parse().unwrap());
        let entries = index(platforms);
        match choose(&entries, wanted.as_ref(), "x") {
            Ok(entry) => Ok(entry.platform.as_ref().map_or_else(String::new, ToString::to_string)),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_right_platform_is_chosen() {
        let host = host().to_string();
        for (platforms, wanted, want) in [
            (&["linux/s390x", &host, "unknown/unknown"] as &[&str], None, host.as_str()),
            (&["linux/s390x", "unknown/unknown"], None, "linux/s390x"),
            (&["linux/arm/v6", "linux/arm/v7"], Some("linux/arm"), "linux/arm/v7"),
            (&["linux/arm64/v8", "linux/amd64"], Some("linux/arm64"), "linux/arm64/v8"),
            (&["linux/arm64/v9", "linux/arm64"], Some("linux/aarch64"), "linux/arm64"),
            (&["windows/amd64", "linux/amd64/v3"], Some("linux/amd64"), "linux/amd64/v3"),
            (&["none"], Some("linux/amd64"), ""),
        ] {
            assert_eq!(pick(platforms, wanted).as_deref(), Ok(want), "{platforms:?} {wanted:?}");
        }
    }

    #[test]
    fn what_is_there_is_listed() {
        assert_eq!(
            pick(&["linux/s390x", "linux/arm/v5", "unknown/unknown"], Some("linux/riscv64")),
            Err("`x` has no image for `linux/riscv64`: it has `linux/arm/v5`, `linux/s390x`".to_owned())
        );
        assert_eq!(pick(&["unknown/unknown"], None), Err("the index `x` names no image".to_owned()));
        let many: Vec<String> = (0..5000).map(|n| format!("linux/a{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(pick(&many, None).unwrap_err().ends_with("and 4980 more"));
    }
}
