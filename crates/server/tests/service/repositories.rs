//! Watching repositories.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry;
use crate::told::told;

/// The tags that have images, and what the subscription says.
async fn state(service: &Service, repository: &str) -> (Vec<String>, Value) {
    let tags = service.get(ADMIN, "/summaries/imagetags").await;
    let tag = |row: &Value| row["fulltag"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let mut tags: Vec<String> = tags.as_array().unwrap().iter().map(tag).collect();
    tags.sort();
    let path = format!("/subscriptions?subscription_type=repo_update&subscription_key={repository}");
    let subscription = service.get(ADMIN, &path).await;
    let value = subscription[0]["subscription_value"].as_str().map(|text| serde_json::from_str(text).unwrap());
    (tags, value.unwrap_or_default())
}

#[tokio::test]
async fn calls_good_and_bad() {
    let service = Service::start(|_| {}).await;
    let upstream = registry::serve(None).await;
    let address = upstream.address.to_string();
    let repository = format!("{address}/tiny/alpine");
    let calls = [
        format!("repository={repository}&dryrun=true&lookuptag=3.20"),
        format!("repository={repository}"),
        format!("repository={repository}&autosubscribe=True"),
        format!("repository={address}/no/such"),
        "repository=127.0.0.1:1/x".to_owned(),
        "repository=a%20b".to_owned(),
        format!("repository={repository}&dryrun=1"),
        String::new(),
    ];
    let calls = calls.map(|query| ("POST", format!("/repositories?{query}"), Value::Null)).to_vec();
    let ids = ["admin"].map(|account| id(account, &repository));
    insta::assert_snapshot!(
        "repositories",
        told(&service, ADMIN, &[(&address, "REGISTRY"), (&ids[0], "ID")], calls).await
    );
    let (tags, value) = state(&service, &repository).await;
    assert_eq!((tags, value["autosubscribe"].as_bool()), (Vec::new(), Some(true)), "nothing was looked at yet");
}

fn id(account: &str, repository: &str) -> String {
    killick_store::subscriptions::subscription_id(account, repository, "repo_update")
}

#[tokio::test]
async fn tags_are_added_now_and_later() {
    let service = Service::start(|_| {}).await;
    let upstream = registry::serve(None).await;
    let repository = format!("{}/tiny/alpine", upstream.address);
    let path = format!("/repositories?repository={repository}&autosubscribe=true");
    assert_eq!(service.call(ADMIN, "POST", &path, Value::Null).await.0, 200);
    service.app().look_now().await.unwrap();
    let (tags, value) = state(&service, &repository).await;
    assert_eq!(tags, ["3.20", "3.21", "copied", "debian"]);
    let known = json!({"autosubscribe": true, "repotags": tags, "tagcount": 4, "lookuptag": "latest"});
    assert_eq!(value, known);
    let watched = service.get(ADMIN, "/subscriptions?subscription_type=tag_update").await;
    assert!(watched.as_array().unwrap().iter().all(|row| row["active"] == true), "{watched}");

    upstream.point("4.0", "3.21");
    service.app().look_now().await.unwrap();
    let (tags, value) = state(&service, &repository).await;
    assert_eq!((tags.len(), value["tagcount"].as_u64()), (5, Some(5)));

    // One that is not watched any more stays as it is.
    let subscription = format!("/subscriptions/{}", id("admin", &repository));
    assert_eq!(service.call(ADMIN, "PUT", &subscription, json!({"active": false})).await.0, 200);
    upstream.point("5.0", "3.21");
    service.app().look_now().await.unwrap();
    assert_eq!(state(&service, &repository).await.0.len(), 5);
}

#[tokio::test]
async fn a_repository_that_cannot_be_listed_is_told_once() {
    let service = Service::start(|_| {}).await;
    let key = "127.0.0.1:1/x";
    let body = json!({"subscription_key": key, "subscription_type": "repo_update", "active": true});
    assert_eq!(service.call(ADMIN, "POST", "/subscriptions", body).await.0, 200);
    for _ in 0..2 {
        service.app().look_now().await.unwrap();
    }
    let events = service.get(ADMIN, "/events?event_type=system.repository.list_tags_fail").await;
    assert_eq!(events["item_count"], 1, "{events}");
    let event = &events["results"][0]["event"];
    assert_eq!((&event["resource"]["id"], &event["resource"]["type"]), (&json!(key), &json!("repository")));
    assert!(event["details"]["msg"].as_str().unwrap().contains("cannot reach registry"), "{event}");
}
