//! The images that a subscription to a tag is about.

use std::collections::BTreeSet;

use killick_store::Result;
use killick_store::watches::Watch;
use serde_json::Value;

use crate::app::App;
use crate::images::Wanted;
use crate::records::{AnalysisStatus, Image, ImageStatus};

/// Digests that a subscription may list.
const LISTED: usize = 100;

/// The image that the tag points to, as the tag itself (empty), and those that the subscription lists, by their
/// digests; of these, those that are analysed.
pub(crate) async fn of(app: &App, watch: &Watch) -> Result<Vec<(String, Image)>> {
    let listed = listed(watch.value.as_deref());
    let mut images = tagged(app, watch, if listed.is_empty() { 1 } else { usize::MAX }).await?.into_iter();
    let mut found: Vec<(String, Image)> = images.next().map(|image| (String::new(), image)).into_iter().collect();
    found.extend(images.filter(|image| listed.contains(&image.digest)).map(|image| (image.digest.clone(), image)));
    found.retain(|(_, image)| is_ready(image));
    Ok(found)
}

/// The image that a tag points to.
pub(crate) enum Newest {
    /// It is analysed.
    Ready(Box<Image>),
    /// It is not, or not yet.
    Unready,
    /// There is none.
    None,
}

/// The image that the tag points to.
pub(crate) async fn newest(app: &App, watch: &Watch) -> Result<Newest> {
    Ok(match tagged(app, watch, 1).await?.pop() {
        Some(image) if is_ready(&image) => Newest::Ready(Box::new(image)),
        Some(_) => Newest::Unready,
        None => Newest::None,
    })
}

/// The images that the tag points, and pointed, to, the present one first; so many at most.
async fn tagged(app: &App, watch: &Watch, limit: usize) -> Result<Vec<Image>> {
    let Some(tag) = Wanted::of_key(&watch.key) else { return Ok(Vec::new()) };
    app.records().images_by_tag(&watch.account, &tag.tag_name(), limit).await
}

fn is_ready(image: &Image) -> bool {
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
