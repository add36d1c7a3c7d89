//! Lists of tags.

use killick_fetch::StageError;
use killick_fetch::documents::DocumentError;
use killick_fetch::registry::{RegistryError, list_tags};
use killick_model::reference::Reference;

use crate::fake::{Fake, options, reply};

async fn list(fake: &Fake) -> Result<Vec<String>, StageError> {
    let reference: Reference = format!("{}/app", fake.host).parse().unwrap();
    let (mut options, _) = options();
    options.registry.plain_http = true;
    list_tags(&reference, &options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_followed_within_the_registry() {
    let fake = Fake::start(|seen| match seen.query.as_str() {
        "n=1000" => reply(
            200,
            &[("link", "</v2/app/tags/list?last=b&n=2>; rel=\"next\"")],
            r#"{"name": "app", "tags": ["b", "a", "b", "not a tag", "", ".x", "_ok.1-2"]}"#,
        ),
        "last=b&n=2" => {
            reply(200, &[("link", "<http://127.0.0.1:1/v2/app/tags/list>; rel=next")], r#"{"tags": ["c"]}"#)
        }
        _ => reply(500, &[], ""),
    })
    .await;
    assert_eq!(list(&fake).await.unwrap(), ["b", "a", "_ok.1-2", "c"], "the last page is somebody else's");
    assert_eq!(fake.log.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_an_end_ends() {
    let fake = Fake::start(|seen| {
        let body = format!(r#"{{"tags": ["t{}"]}}"#, seen.before);
        reply(200, &[("link", "</v2/app/tags/list?n=1000>; rel=next")], body)
    })
    .await;
    assert_eq!(list(&fake).await.unwrap().len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_list_is_an_error_or_empty() {
    for (status, body, want) in
        [(200, r#"{"name": "app", "tags": null}"#, Ok(())), (200, "<html>", Err(200)), (404, "{}", Err(404))]
    {
        let fake = Fake::start(move |_| reply(status, &[], body)).await;
        match (list(&fake).await, want) {
            (Ok(tags), Ok(())) => assert_eq!(tags, [] as [String; 0]),
            (Err(StageError::Document(DocumentError::Malformed { .. })), Err(200))
            | (Err(StageError::Registry(RegistryError::NotFound { .. })), Err(404)) => {}
            (got, want) => panic!("{status} {body}: {got:?} {want:?}"),
        }
    }
}
