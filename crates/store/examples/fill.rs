//! Fills a new store with a little of everything, for `testdata/previous/make`.
//!
//! usage: `fill DATA_DIR [DATABASE_URL]`

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use killick_model::digest::Digest;
use killick_store::accounts::{AccountState, AccountType, UserType};
use killick_store::api_keys::NewApiKey;
use killick_store::archives::{NewArchived, NewRule, Transition};
use killick_store::audit::NewAudit;
use killick_store::blobs::BlobsAt;
use killick_store::evaluations::NewEvaluation;
use killick_store::images::{FinishedAnalysis, Naming, NewImage, TagName};
use killick_store::imports::NewContent;
use killick_store::knowledge::{FeedGroup, Knowledge, NewMatches};
use killick_store::known_files::NewKnownPackage;
use killick_store::news::{NewEvent, NewNotice, News};
use killick_store::packages::PackageIdentity;
use killick_store::registries::NewRegistry;
use killick_store::tasks::NewTask;
use killick_store::watches::{NewWatchResult, Watch};
use killick_store::{Settings, Store};

/// What registry passwords are sealed with. `tests/engines/previous.rs` knows it too.
const SECRET: &str = "the secret of stores that are only there to be read by tests";

fn news() -> News {
    let event = NewEvent {
        uuid: "0123456789abcdef0123456789abcdef".to_owned(),
        account: "team".to_owned(),
        kind: "user.image.analysis.completed".to_owned(),
        level: "info".to_owned(),
        service: "analyzer".to_owned(),
        host: "killick".to_owned(),
        resource_type: Some("image_tag".to_owned()),
        resource: Some("registry.example.com/shop/web:1".to_owned()),
        document: "{}".to_owned(),
    };
    News { events: vec![event], notices: Vec::new() }
}

fn image(name: &str, tag: &str) -> NewImage {
    NewImage {
        account: "team".to_owned(),
        digest: Digest::of(name.as_bytes()),
        index_digest: Some(Digest::of(format!("index of {name}").as_bytes())),
        naming: Naming::Image,
        config_digest: Digest::of(format!("config of {name}").as_bytes()),
        given_id: None,
        import: None,
        other_tags: Vec::new(),
        tag: TagName {
            registry: "registry.example.com".to_owned(),
            repository: "shop/web".to_owned(),
            tag: tag.to_owned(),
        },
        detected_at: 1_700_000_000_000_000,
        size_bytes: 1000,
        architecture: "amd64".to_owned(),
        layer_count: 2,
        dockerfile: Some("FROM debian:12\n".to_owned()),
        manifest: Some(Digest::of(b"a manifest")),
        annotations: BTreeMap::from([("owner".to_owned(), Some("shop".to_owned()))]),
        force: false,
        autosubscribe: true,
        resubscribe: true,
        task: NewTask {
            kind: "analyze_image",
            account: "team".to_owned(),
            payload: format!("{{\"digest\":\"{}\"}}", Digest::of(name.as_bytes())),
            priority: 0,
            run_after: 0,
            dedupe: None,
            max_attempts: 3,
        },
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let data_dir = PathBuf::from(arguments.next().ok_or("usage: fill DATA_DIR [DATABASE_URL]")?);
    let database_url = arguments.next().map(Into::into);
    let secret = Some(SECRET.into());
    let blobs = BlobsAt::Folder;
    let settings = Settings { data_dir, database_url, secret, blobs, max_connections: 2, patience: Duration::ZERO };
    let store = Store::open(&settings).await?;
    let start = 1_700_000_000_000_000;

    store.create_account("admin", AccountType::Admin, Some("admin@example.com"), start).await?;
    store.create_account("team", AccountType::User, None, start + 1).await?;
    store.create_account("gone", AccountType::User, None, start + 2).await?;
    store.set_account_state("gone", AccountState::Disabled, start + 3).await?;
    store.create_user("admin", "admin", UserType::Native, None, Some("$argon2id$not-a-hash"), start).await?;
    store.create_user("team", "alice", UserType::Native, None, None, start).await?;

    store.put_policy("team", "shop", "{\"id\":\"shop\"}", "local", start).await?;
    store.put_policy("team", "other", "{\"id\":\"other\"}", "local", start).await?;
    store.activate_policy("team", "shop", start + 1).await?;
    let registry = NewRegistry {
        registry: "registry.example.com".to_owned(),
        name: "ours".to_owned(),
        kind: "docker_v2".to_owned(),
        username: "puller".to_owned(),
        password: "pull-secret".into(),
        verify: true,
    };
    store.add_registry("team", &registry, start).await?;

    // One image is analysed, one has failed, one waits.
    let (analyzed, _) = store.add_image(&image("analyzed", "1"), start).await?;
    let digest = analyzed.digest.to_string();
    let (_, lease) = store.claim(&[], 10, start).await?.ok_or("no task")?;
    store.start_analysis(&lease, "team", &digest, start).await?;
    let package = |name: &str, kind: &str| {
        PackageIdentity([kind, name, "1.0-1", "amd64", name, "1.0-1", "debian:12", ""].map(str::to_owned))
    };
    let done = FinishedAnalysis {
        analysis: Digest::of(b"an analysis"),
        size_bytes: 4000,
        architecture: "amd64".to_owned(),
        distro: "debian".to_owned(),
        distro_version: "12".to_owned(),
        layer_count: 2,
        packages: vec![package("openssl", "deb"), package("zlib", "deb")],
        names: Vec::new(),
        documents: Vec::new(),
    };
    store.finish_analysis(&lease, "team", &digest, &done, start + 5).await?;
    let (failed, _) = store.add_image(&image("failed", "2"), start).await?;
    let (_, lease) = store.claim(&[], 10, start).await?.ok_or("no task")?;
    store.start_analysis(&lease, "team", &failed.digest.to_string(), start).await?;
    store.fail_analysis(&lease, "team", &failed.digest.to_string(), "no such layer", None, start + 6).await?;
    store.add_image(&image("waiting", "3"), start).await?;

    let index = Digest::of(b"an index");
    let knowledge =
        Knowledge { digest: index.clone(), path: "advisories.db".to_owned(), data_at: start, installed_at: start };
    store.set_knowledge(&knowledge).await?;
    let group = FeedGroup {
        feed: "vulnerabilities".to_owned(),
        name: "debian:12".to_owned(),
        enabled: true,
        record_count: 7,
        synced_at: Some(start),
    };
    store.set_feed_group(&group).await?;
    store.put_layer_fact(&Digest::of(b"a layer"), "revision", &Digest::of(b"facts"), start).await?;
    let matches = NewMatches {
        account: "team".to_owned(),
        digest: digest.clone(),
        analysis: done.analysis,
        index,
        blob: Digest::of(b"matches"),
    };
    store.put_matches(&matches, &[("CVE-2024-0001".to_owned(), "openssl 1.0-1".to_owned())], start + 7).await?;
    let verdict = NewEvaluation {
        account: "team".to_owned(),
        digest: analyzed.digest,
        tag: "registry.example.com/shop/web:1".to_owned(),
        policy_id: "shop".to_owned(),
        policy_digest: Digest::of(b"{\"id\":\"shop\"}"),
        action: "stop".to_owned(),
        result: Digest::of(b"a verdict"),
        findings: Digest::of(b"findings"),
        index_built_at: 0,
        follows: None,
    };
    store.record_evaluation(&verdict, start + 8).await?;
    store.tell(&news(), start + 9).await?;
    store.set_setting("a.setting", "its value").await?;
    what_came_later(&store, start + 10).await?;
    store.close().await;
    Ok(())
}

/// What the first version had no tables for.
async fn what_came_later(store: &Store, now: i64) -> Result<(), Box<dyn Error>> {
    let files = vec![Digest::of(b"a library").hex()];
    let known = NewKnownPackage { document: "{\"name\":\"openssl\"}".to_owned(), files };
    store.learn_files("team", &[known], 1000, now).await?;
    store.create_exception("team", "accepted", "{\"id\":\"accepted\"}", "alice", now).await?;

    // One subscription is watched, and something waits to be sent.
    for due in store.due_watches("tag_update", 1, now).await? {
        let watch = Watch { due_at: now + 60_000_000, ..due.clone() };
        if !store.claim_watch(&due, watch.due_at).await? {
            continue;
        }
        store.finish_watch(&watch, "seen", 0, now + 3_600_000_000).await?;
        let seen = NewWatchResult {
            account: watch.account.clone(),
            subscription: watch.id.clone(),
            subject: String::new(),
            basis: "a digest".to_owned(),
            result: Some(Digest::of(b"what was seen")),
            before: None,
        };
        store.put_watch_result(&seen, &News::default(), now).await?;
    }
    let notice = NewNotice {
        uuid: "11111111-2222-4333-8444-555555555555".to_owned(),
        account: "team".to_owned(),
        kind: "event_log".to_owned(),
        key: None,
        payload: "{}".to_owned(),
        folds_at: None,
    };
    store.tell(&News { events: Vec::new(), notices: vec![notice] }, now).await?;

    store.create_import("team", "an-import", "alice", now + 86_400_000_000, 10, now).await?;
    let content = NewContent { kind: "manifest", digest: Digest::of(b"uploaded"), size_bytes: 8, max_contents: 20 };
    store.add_import_content("team", "an-import", &content, now).await?;
    let tag =
        TagName { registry: "registry.example.com".to_owned(), repository: "shop/old".to_owned(), tag: "0".to_owned() };
    let archived = NewArchived {
        account: "team".to_owned(),
        digest: Digest::of(b"archived"),
        index_digest: None,
        annotations: "{}".to_owned(),
        document: Digest::of(b"an archived document"),
        size_bytes: 500,
        analyzed_at: now,
        tags: vec![(tag, now, false)],
    };
    store.archive_image(&archived, now).await?;
    let rule = NewRule {
        id: "a-rule".to_owned(),
        account: "team".to_owned(),
        system_global: false,
        transition: Transition::Archive,
        selector: ["*"; 3].map(str::to_owned),
        analysis_age_days: 30,
        tag_versions_newer: 2,
        max_images_per_account: None,
        exclude: [""; 3].map(str::to_owned),
        exclude_expiration_days: -1,
    };
    store.add_archive_rule(&rule, now).await?;
    let digest = archived.digest.to_string();
    store.add_archive_history("team", "a-rule", &digest, Transition::Archive, now).await?;

    store.set_roles("team", "alice", &["developer"], "admin", now).await?;
    let key = NewApiKey {
        id: "a-key".to_owned(),
        account: "team".to_owned(),
        username: "alice".to_owned(),
        name: "ci".to_owned(),
        role: Some("reader".to_owned()),
        hash: Digest::of(b"a key").hex(),
        expires_at: None,
    };
    store.create_api_key(&key, now).await?;
    let entry = NewAudit {
        account: "team".to_owned(),
        username: "alice".to_owned(),
        user_account: "team".to_owned(),
        via: "password".to_owned(),
        action: "createPolicy".to_owned(),
        method: "POST".to_owned(),
        path: "/policies".to_owned(),
        request: "a-request".to_owned(),
        client: Some("192.0.2.7".to_owned()),
        before: None,
        after: Some("{}".to_owned()),
        created_at: now,
    };
    store.write_audit(entry).await?;
    Ok(())
}
