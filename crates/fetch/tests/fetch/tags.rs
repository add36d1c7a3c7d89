//! Lists of tags.

use killick_fetch::StageError;
use killick_fetch::documents::DocumentError;
use killick_fetch::registry::mirrors::read_containers_conf;
use killick_fetch::registry::{RegistryError, list_tags, log_in};
use killick_model::reference::Reference;

use crate::fake::{Fake, options, reply, with_password};

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

/// The rules of `registries.conf` count as for a pull, but that mirrors are not asked.
#[tokio::test(flavor = "multi_thread")]
async fn lists_and_logins_are_asked_for_where_images_are() {
    let moved = Fake::start(|seen| match (seen.path.as_str(), seen.header("authorization")) {
        ("/v2/hub/team/app/tags/list", "Basic bWU6czNjcmV0") => reply(200, &[], r#"{"tags": ["1"]}"#),
        ("/v2/", "Basic bWU6czNjcmV0") => reply(200, &[], "{}"),
        _ => reply(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
    })
    .await;
    let mirror = Fake::start(|_| reply(200, &[], r#"{"tags": ["of a mirror"]}"#)).await;
    let (there, at_mirror) = (&moved.host, &mirror.host);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registries.conf");
    let text = format!(
        "[[registry]]\nprefix = 'reg.example'\nlocation = '{there}/hub'\ninsecure = true\n\
         [[registry.mirror]]\nlocation = '{at_mirror}'\ninsecure = true\n\
         [[registry]]\nprefix = 'reg.example/secret'\nblocked = true\n\
         [[registry]]\nlocation = 'old.example'\nblocked = true\n"
    );
    fs_err::write(&path, text).unwrap();
    let mut options = with_password("s3cret");
    options.registry.mirrors = read_containers_conf(&path).unwrap();
    let tags = async |name: &str| list_tags(&name.parse().unwrap(), &options).await.map_err(|error| error.to_string());
    assert_eq!(tags("reg.example/team/app").await, Ok(vec!["1".to_owned()]));
    for name in ["reg.example/secret/app", "old.example/app"] {
        assert_eq!(tags(name).await, Err(format!("images of `{name}` are blocked by a rule for registries")));
    }
    for (registry, want) in [
        ("reg.example", Ok(())),
        ("reg.example/team/*", Ok(())),
        ("reg.example/secret/*", Err("images of `reg.example/secret/*` are blocked by a rule for registries")),
        ("old.example", Err("images of `old.example` are blocked by a rule for registries")),
    ] {
        let got = log_in(registry, &options.registry).await.map_err(|error| error.to_string());
        assert_eq!(got, want.map_err(str::to_owned), "{registry}");
    }
    options.registry.credentials = with_password("wrong").registry.credentials;
    let refused = log_in("reg.example", &options.registry).await.unwrap_err().to_string();
    assert_eq!(refused, format!("registry `{there}` refused the credentials"));
    assert!(mirror.log().is_empty(), "{:?}", mirror.log());
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
