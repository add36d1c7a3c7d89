//! Servers that break off, refuse, lie and send on.

use std::time::Duration;

use killick_fetch::feeds::FeedError;
use killick_model::feed::{Each, File, Form};

use super::{Feeds, Site, asked, file, made, sha256};
use crate::fake::{Answer, Fake, cut, reply, ticking};

const A: File = File::new("a.json", "a.json");

const SERIES: &[File] = &[File::new("{}.json", "{}.json")];

/// A document that is large enough for a rest to be worth something.
fn document() -> String {
    format!("[\"{}\"]", "x".repeat(200_000))
}

/// The first thousand bytes of a content, which the server names.
fn broken_off(content: &str) -> Answer {
    let etag = format!("\"{}\"", &sha256(content)[..8]);
    cut(200, &[("etag", &etag)], &content.as_bytes()[..1000], content.len())
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_was() {
    let content = document();
    let site = Site::of(&[("/a.json", &content)]);
    let begun = content.clone();
    let server = Fake::start(move |seen| match seen.before {
        0 => broken_off(&begun),
        _ => site.answer(seen),
    })
    .await;
    let feeds = Feeds::from(&server);
    assert!(feeds.fetch(file(A)).await.changed);
    assert_eq!(feeds.read("made/a.json"), Some(content));
    assert_eq!(asked(&server), ["/a.json", "/a.json  bytes=1000-"]);
}

/// Also when the process ended in between, and never as a file that somebody could read.
#[tokio::test]
async fn a_later_run_goes_on_as_well() {
    let content = document();
    let site = Site::of(&[("/a.json", &content)]);
    let begun = content.clone();
    let server = Fake::start(move |seen| match seen.before {
        0 => broken_off(&begun),
        1 => reply(500, &[], ""),
        _ => site.answer(seen),
    })
    .await;
    let mut feeds = Feeds::from(&server);
    feeds.options.retry.attempts = 1;
    assert!(feeds.error(file(A), &server).await.starts_with("`http://HOST/a.json` answers 500"));
    assert!(feeds.files().is_empty());
    assert!(feeds.fetch(file(A)).await.changed);
    assert_eq!(feeds.read("made/a.json"), Some(content));
    assert_eq!(asked(&server).last().unwrap(), "/a.json  bytes=1000-");
}

/// The rest of another content is not put behind the beginning of this one.
#[tokio::test]
async fn what_changed_meanwhile_begins_anew() {
    let site = Site::of(&[("/a.json", "[2]")]);
    let server = Fake::start(move |seen| match seen.before {
        0 => cut(200, &[("etag", "\"old\"")], b"[1111111", 100),
        // A server that ignores `If-Range` tells by where its rest begins.
        1 => reply(206, &[("content-range", "bytes 0-2/3")], "[2]"),
        _ => site.answer(seen),
    })
    .await;
    let feeds = Feeds::from(&server);
    assert!(feeds.fetch(file(A)).await.changed);
    assert_eq!(feeds.read("made/a.json").as_deref(), Some("[2]"));
}

#[tokio::test]
async fn servers_that_are_busy_are_asked_again() {
    let site = Site::of(&[("/a.json", "[]")]);
    let server = Fake::start(move |seen| match seen.before {
        0 => reply(500, &[], ""),
        1 => reply(429, &[("retry-after", "17")], ""),
        _ => site.answer(seen),
    })
    .await;
    let feeds = Feeds::from(&server);
    assert!(feeds.fetch(file(A)).await.changed);
    assert_eq!(*feeds.timer.pauses.lock().unwrap(), [Duration::from_millis(225), Duration::from_secs(17)]);
}

#[tokio::test]
async fn who_wants_us_to_wait_too_long_is_told_of() {
    let server = Fake::start(|_| reply(429, &[("retry-after", "3600")], "")).await;
    let feeds = Feeds::from(&server);
    assert_eq!(feeds.error(file(A), &server).await, "`http://HOST/a.json` answers 429, to come back in 3600 s");
    assert_eq!(asked(&server).len(), 1);
}

#[tokio::test]
async fn what_does_not_exist_may_be_missing_or_not() {
    let server = Fake::start(|_| reply(404, &[], "")).await;
    let feeds = Feeds::from(&server);
    assert_eq!(feeds.error(file(A), &server).await, "`http://HOST/a.json` does not exist");
    assert_eq!(feeds.error(file(A.optional()), &server).await, "");
    let series = made(Form::Files { each: Each::Number { first: 1, known: 3 }, files: SERIES });
    assert_eq!(feeds.error(series, &server).await, "`http://HOST/` does not exist");
}

#[tokio::test]
async fn what_is_too_large_is_given_up() {
    let server = Fake::start(|seen| {
        let body = vec![b' '; (1 << 20) + 1];
        if seen.path == "/told.json" {
            return reply(200, &[], body);
        }
        let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(body)]);
        reply(200, &[], axum::body::Body::from_stream(chunks))
    })
    .await;
    let mut feeds = Feeds::from(&server);
    for name in ["told.json", "untold.json"] {
        let error = feeds.error(file(File::new(name, name)), &server).await;
        assert_eq!(error, format!("`http://HOST/{name}` is larger than 1048576 bytes"));
    }
    feeds.options.total_bytes = 100;
    let site = Site::of(&[("/a.json", &document())]);
    let server = Fake::start(move |seen| site.answer(seen)).await;
    feeds.options.urls = Feeds::from(&server).options.urls;
    assert_eq!(feeds.error(file(A), &server).await, "the feeds together are larger than 100 bytes");
    assert!(feeds.files().is_empty());
}

#[tokio::test]
async fn a_trickle_is_given_up() {
    let server = Fake::start(|_| {
        let drops = futures_util::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(" ")));
        reply(200, &[], axum::body::Body::from_stream(drops))
    })
    .await;
    let mut feeds = Feeds::from(&server);
    feeds.options.timer = ticking(Duration::from_secs(30)).1;
    assert_eq!(feeds.error(file(A), &server).await, "`http://HOST/a.json` sends less than 65536 bytes in 60 s");
}

#[tokio::test]
async fn what_is_something_else_replaces_nothing() {
    let site = Site::of(&[("/a.json", "[1]"), ("/a.zip", "PK..")]);
    let server = {
        let site = site.clone();
        Fake::start(move |seen| site.answer(seen)).await
    };
    let feeds = Feeds::from(&server);
    feeds.fetch(file(A)).await;
    for (content, detail) in [("<!DOCTYPE html><title>Login</title>", "a page for people"), ("", "it is empty")] {
        site.put("/a.json", content);
        let error = feeds.error(file(A), &server).await;
        assert_eq!(error, format!("`http://HOST/a.json` is not what its name says: {detail}"));
        assert_eq!(feeds.read("made/a.json").as_deref(), Some("[1]"));
    }
}

#[tokio::test]
async fn a_file_that_lost_half_of_itself_is_not_believed() {
    let site = Site::of(&[("/a.json", &document())]);
    let server = {
        let site = site.clone();
        Fake::start(move |seen| site.answer(seen)).await
    };
    let mut feeds = Feeds::from(&server);
    feeds.fetch(file(A)).await;
    site.put("/a.json", "[\"little\"]");
    assert_eq!(feeds.error(file(A), &server).await, "`http://HOST/a.json` shrank from 200004 to 10 bytes");
    feeds.options.accept_smaller = true;
    assert!(feeds.fetch(file(A)).await.changed);
    assert_eq!(feeds.read("made/a.json").as_deref(), Some("[\"little\"]"));
}

#[tokio::test]
async fn others_may_have_it_but_nothing_nearer() {
    let site = Site::of(&[("/elsewhere.json", "[3]")]);
    let other = Fake::start(move |seen| site.answer(seen)).await;
    let there = format!("http://{}/elsewhere.json", other.host);
    let server = Fake::start(move |seen| match seen.path.as_str() {
        "/a.json" => reply(302, &[("location", &there)], ""),
        "/loop.json" => reply(302, &[("location", "/loop.json")], ""),
        _ => reply(302, &[("location", "http://169.254.169.254/latest/meta-data/")], ""),
    })
    .await;
    let feeds = Feeds::from(&server);
    assert!(feeds.fetch(file(A)).await.changed);
    assert_eq!(feeds.read("made/a.json").as_deref(), Some("[3]"));
    let error = feeds.error(file(File::new("loop.json", "loop.json")), &server).await;
    assert!(error.contains("too many redirects"), "{error}");
    let error = feeds.error(file(File::new("meta.json", "meta.json")), &server).await;
    assert!(error.contains("`169.254.169.254`, an address of the local link"), "{error}");
}

/// What a description or a server says must not lead from an encrypted base to one that is not.
#[tokio::test]
async fn plain_http_is_only_what_the_user_names() {
    let server = Fake::start(|_| reply(200, &[], "[]")).await;
    let mut feeds = Feeds::from(&server);
    feeds.options.urls.clear();
    feeds.options.mirror = Some(format!("https://{}/", server.host).parse().unwrap());
    feeds.options.retry.attempts = 1;
    let error = feeds.error(file(A), &server).await;
    assert!(error.starts_with("cannot fetch `https://HOST/feeds.example.com/a.json`"), "{error}");
}

#[tokio::test]
async fn two_runs_keep_apart() {
    let server = Fake::start(|_| reply(200, &[], "[]")).await;
    let feeds = Feeds::from(&server);
    let state = feeds.work.path().join("feeds/.state");
    fs_err::create_dir_all(&state).unwrap();
    let lock = std::fs::File::create(state.join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(feeds.fetch_all(&[file(A)]).await, Err(FeedError::Locked { .. })));
    lock.unlock().unwrap();
    assert!(feeds.fetch(file(A)).await.changed);
}
