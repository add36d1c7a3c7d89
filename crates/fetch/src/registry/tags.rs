//! The tags of a repository (OCI distribution specification, "Listing Tags").

use killick_model::reference::Reference;
use serde::Deserialize;

use super::client::{Ask, Client};
use super::referrers::next_page;
use super::upstreams::Upstreams;
use crate::documents::DocumentError;
use crate::stage::{StageError, StageOptions};

/// Tags that are asked for at once. Registries may give fewer.
const PAGE: usize = 1000;

/// Pages of one list.
const PAGES: usize = 200;

/// Tags of one repository.
const TAGS: usize = 100_000;

/// A page of the list. Some say `null` where there is none.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

/// The tags of the repository of `reference`, in the order of the registry, each once.
///
/// The registry itself is asked, where the rules say that it is, no mirror of it: those have what somebody fetched. What is
/// no tag is left out; of a list that does not end, the beginning is all.
pub async fn list_tags(reference: &Reference, options: &StageOptions) -> Result<Vec<String>, StageError> {
    Upstreams::own(reference, options)?.any(|client| Box::pin(async move { tags(&client).await })).await
}

async fn tags(client: &Client) -> Result<Vec<String>, StageError> {
    let path = format!("tags/list?n={PAGE}");
    let what = format!("list of the tags of `{}`", client.repository);
    let mut seen = std::collections::HashSet::new();
    let mut found = Vec::new();
    let mut page = None;
    for _ in 0..PAGES {
        let ask = Ask { page: page.take(), ..Ask::get(path.clone()) };
        let (answer, headers) = client.document(&ask, &what).await?;
        let read: Page = serde_json::from_slice(&answer.body).map_err(|source| DocumentError::Malformed {
            what: "list of tags",
            subject: format!("{}/{}", client.registry, client.repository),
            source,
        })?;
        for tag in read.tags.unwrap_or_default() {
            if is_tag(&tag) && seen.insert(tag.clone()) {
                found.push(tag);
            }
        }
        page = next_page(&headers).and_then(|target| client.next_page(&path, target));
        if page.is_none() {
            return Ok(found);
        }
        if found.len() >= TAGS {
            break;
        }
    }
    tracing::warn!(registry = client.registry, "the {what} does not end: only the first {} are taken", found.len());
    Ok(found)
}

/// The grammar of tags in the specification.
fn is_tag(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let rest = |byte: u8| is_letter(byte) || byte == b'.' || byte == b'-';
    text.len() <= 128 && text.bytes().next().is_some_and(is_letter) && text.bytes().all(rest)
}
