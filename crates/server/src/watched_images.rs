//! The images that a subscription to a tag is about.

use std::collections::BTreeSet;

use killick_store::Result;
use killick_store::watches::Watch;
use serde_json::Value;

use crate::app::App;
use crate::config::MAX_OF_INDEX;
use crate::images::Wanted;
use crate::records::{AnalysisStatus, Image, ImageStatus};

/// Digests that a subscription may list.
const LISTED: usize = 100;

/// The images that the tag points to, and those that the subscription lists, by their digests, of all that it ever pointed
/// to; of these, those that are analysed.
pub(crate) async fn of(app: &App, watch: &Watch) -> Result<Vec<(String, Image)>> {
    let mut found = present(app, watch).await?;
    let mut listed = listed(watch.value.as_deref());
    for (_, image) in &found {
        listed.remove(&image.digest);
    }
    for digest in listed {
        let image = app.records().image(&watch.account, &digest).await?;
        let is_of_tag = |image: &Image| image.digest == digest && image.tags.iter().any(|tag| tag.full() == watch.key);
        found.extend(image.filter(is_of_tag).map(|image| (digest.clone(), image)));
    }
    found.retain(|(_, image)| is_ready(image));
    Ok(found)
}

/// The image that the tag means now, as the tag itself (empty), and the others of the index that it names, by their digests.
pub(crate) async fn present(app: &App, watch: &Watch) -> Result<Vec<(String, Image)>> {
    let Some(tag) = Wanted::of_key(&watch.key).map(|wanted| wanted.tag_name()) else { return Ok(Vec::new()) };
    let meant = app.records().images_by_tag(&watch.account, &tag, 1).await?;
    let mut images: Vec<(String, Image)> = meant.into_iter().map(|image| (String::new(), image)).collect();
    let children = app.records().children_of_tag(&watch.account, &tag, MAX_OF_INDEX).await?;
    images.extend(children.into_iter().map(|image| (image.digest.clone(), image)));
    Ok(images)
}

/// Whether it can be judged.
pub(crate) fn is_ready(image: &Image) -> bool {
    image.status == ImageStatus::Active && image.analysis_status == AnalysisStatus::Analyzed
}

/// The digests of `{"digests": […]}`.
fn listed(value: Option<&str>) -> BTreeSet<String> {
    let value: Value = value.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let digests = value.get("digests").and_then(Value::as_array);
    digests.into_iter().flatten().take(LISTED).filter_map(|digest| digest.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn listed_digests_are_read() {
        assert_eq!(
            listed(Some(r#"{"digests": ["sha256:b", "sha256:a", 7]}"#)).into_iter().collect::<Vec<_>>(),
            ["sha256:a", "sha256:b"]
        );
        for none in [None, Some(""), Some("[]"), Some(r#"{"digests": 1}"#)] {
            assert!(listed(none).is_empty());
        }
    }
}
