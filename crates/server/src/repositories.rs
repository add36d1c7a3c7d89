//! Watched repositories: what their subscriptions say, and what is to be added of them.

use killick_store::StoreError;
use killick_store::subscriptions::{Subscription, subscription_id};
use serde_json::{Map, Value, json};

use crate::api::error::ApiError;
use crate::app::App;
use crate::records::now;
use crate::registry;

/// The type of subscriptions to repositories.
pub(crate) const KIND: &str = "repo_update";

/// The tag that version 1 says it looks up.
const LOOKUP_TAG: &str = "latest";

/// What the value of a subscription says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Watched {
    /// Whether tags that are found are watched too.
    pub(crate) autosubscribe: bool,
    /// The tags that are there; none before the first look at a stored one.
    pub(crate) tags: Vec<String>,
    /// How many there are.
    pub(crate) count: usize,
    /// Whether the tags are told.
    pub(crate) is_known: bool,
}

impl Watched {
    /// What a stored value says; a broken one says nothing.
    pub(crate) fn parse(value: Option<&str>) -> Self {
        let value: Map<String, Value> = value.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let tags = value.get("repotags").and_then(Value::as_array);
        let count = value.get("tagcount").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        Self {
            autosubscribe: value.get("autosubscribe").and_then(Value::as_bool).unwrap_or(false),
            tags: tags.into_iter().flatten().filter_map(|tag| tag.as_str().map(str::to_owned)).collect(),
            count: count.unwrap_or(0),
            is_known: tags.is_some(),
        }
    }

    /// As it is stored and told: JSON in a text, in the order and with the blanks of version 1.
    pub(crate) fn to_text(&self) -> String {
        let tags = |tags: &[String]| {
            let quoted: Vec<String> = tags.iter().map(|tag| json!(tag).to_string()).collect();
            format!("\"repotags\": [{}], ", quoted.join(", "))
        };
        let tags = if self.is_known { tags(&self.tags) } else { String::new() };
        format!(
            "{{\"autosubscribe\": {}, {tags}\"tagcount\": {}, \"lookuptag\": \"{LOOKUP_TAG}\"}}",
            self.autosubscribe, self.count
        )
    }
}

/// Watches a repository from now on, or says what would be watched. `asked` is what the caller wrote.
pub(crate) async fn watch(
    app: &App,
    account: &str,
    (registry, repository): (&str, &str),
    asked: &str,
    autosubscribe: bool,
    dry_run: bool,
) -> Result<(Option<Subscription>, Watched), ApiError> {
    if app.records().account(account).await?.is_none() {
        return Err(ApiError::not_found(format!("there is no account `{account}`")));
    }
    let listed = registry::tags(app, account, registry, repository).await;
    let tags = listed.unwrap_or_else(|error| {
        tracing::info!(error = %error, "the tags of `{registry}/{repository}` cannot be listed: {error}");
        Vec::new()
    });
    if tags.is_empty() {
        return Err(ApiError::not_found(format!("no tags could be added from input regrepo ({asked})")));
    }
    let found = Watched { autosubscribe, count: tags.len(), tags, is_known: true };
    if dry_run {
        return Ok((None, found));
    }
    let key = format!("{registry}/{repository}");
    let subscription = store(app, account, &key, &found).await?;
    app.nudges().repositories.notify_one();
    Ok((Some(subscription), found))
}

/// Adds the subscription, or changes what it says of new tags; what is known of them stays.
async fn store(app: &App, account: &str, key: &str, found: &Watched) -> Result<Subscription, ApiError> {
    let store = app.records().store();
    let id = subscription_id(account, key, KIND);
    let new = Watched { tags: Vec::new(), is_known: false, ..found.clone() };
    match store.add_subscription(account, key, KIND, Some(&new.to_text()), true, now()).await {
        Err(StoreError::AlreadyExists { .. }) => {}
        added => return Ok(added?),
    }
    update(app, account, &id, |watched| watched.autosubscribe = found.autosubscribe).await?;
    Ok(store.subscription(account, &id).await?)
}

/// Changes what a subscription says, whoever else changes it at the same time.
pub(crate) async fn update(
    app: &App,
    account: &str,
    id: &str,
    change: impl Fn(&mut Watched) + Send + Sync,
) -> Result<(), StoreError> {
    let store = app.records().store();
    loop {
        let before = store.subscription(account, id).await?;
        let mut watched = Watched::parse(before.value.as_deref());
        change(&mut watched);
        let after = watched.to_text();
        let is_same = before.value.as_deref() == Some(after.as_str());
        if is_same || store.replace_subscription_value(account, id, before.value.as_deref(), &after, now()).await? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_version_1() {
        let recorded =
            r#"{"autosubscribe": false, "repotags": ["bookworm", "12"], "tagcount": 2, "lookuptag": "latest"}"#;
        let watched = Watched::parse(Some(recorded));
        assert_eq!((watched.tags.len(), watched.count, watched.is_known), (2, 2, true));
        assert_eq!(watched.to_text(), recorded);
        let fresh = Watched { autosubscribe: true, count: 3, ..Watched::default() };
        let text = fresh.to_text();
        assert_eq!(text, r#"{"autosubscribe": true, "tagcount": 3, "lookuptag": "latest"}"#);
        assert_eq!(Watched::parse(Some(&text)), fresh);
        for broken in [None, Some(""), Some("[]"), Some("{\"repotags\": 7, \"tagcount\": -1}")] {
            assert_eq!(Watched::parse(broken), Watched::default(), "{broken:?}");
        }
    }
}
