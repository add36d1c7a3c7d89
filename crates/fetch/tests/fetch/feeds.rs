//! Fetching the files of advisory providers from servers that behave, and from those that do not.

mod broken;
mod forms;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use killick_fetch::feeds::{FeedError, FeedOptions, Outcome, Source, fetch, lock};
use killick_model::feed::{Each, File, Form, Upstream};
use sha2::{Digest as _, Sha256};

use crate::fake::{Answer, Fake, FakeTimer, Seen, reply};

/// Files as a good server has them, each named by its content.
#[derive(Clone, Default)]
pub(crate) struct Site(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Site {
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let site = Self::default();
        for (path, content) in files {
            site.put(path, content);
        }
        site
    }

    pub(crate) fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        self.0.lock().unwrap().insert(path.to_owned(), content.as_ref().to_vec());
    }

    pub(crate) fn delete(&self, path: &str) {
        self.0.lock().unwrap().remove(path);
    }

    pub(crate) fn answer(&self, seen: &Seen) -> Answer {
        let files = self.0.lock().unwrap();
        let Some(content) = files.get(&seen.path) else { return reply(404, &[], "no") };
        let etag = format!("\"{}\"", &sha256(content)[..8]);
        if seen.header("if-none-match") == etag {
            return reply(304, &[], "");
        }
        let headers = [("etag", etag.as_str()), ("last-modified", "Sat, 28 Nov 2026 06:00:00 GMT")];
        match seen.range().filter(|_| seen.header("if-range") == etag) {
            Some(first) => {
                let range = format!("bytes {first}-{}/{}", content.len() - 1, content.len());
                reply(206, &[&headers[..], &[("content-range", &range)]].concat(), content[first..].to_owned())
            }
            None => reply(200, &headers, content.clone()),
        }
    }
}

pub(crate) fn sha256(content: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(content.as_ref()))
}

/// A provider `made` of one upstream `feed`, which fills the folder `made`.
pub(crate) fn made(form: Form) -> Source {
    let upstream = Upstream {
        name: "feed",
        base: "https://feeds.example.com/",
        folder: "made",
        is_default: true,
        max_bytes: 1 << 20,
        hours: 0,
        notes_date: false,
        form,
    };
    Source { provider: "made", upstreams: vec![upstream] }
}

/// The same of one file.
pub(crate) fn file(file: File) -> Source {
    made(Form::Files { each: Each::Once, files: Box::leak(Box::new([file])) })
}

/// A feeds folder and how it is filled.
pub(crate) struct Feeds {
    pub(crate) work: tempfile::TempDir,
    pub(crate) options: FeedOptions,
    pub(crate) timer: Arc<FakeTimer>,
}

impl Feeds {
    /// Fetches everything from `server`.
    pub(crate) fn from(server: &Fake) -> Self {
        Self::at("2026-11-28T10:00:00Z", server)
    }

    pub(crate) fn at(now: &str, server: &Fake) -> Self {
        let work = tempfile::tempdir().unwrap();
        let mut feeds =
            Self { options: FeedOptions::new(work.path().join("feeds"), clock(now)), work, timer: Arc::default() };
        feeds.options.timer = Arc::<FakeTimer>::clone(&feeds.timer);
        feeds.options.urls.insert("made".to_owned(), format!("http://{}/", server.host).parse().unwrap());
        feeds
    }

    /// At another time.
    pub(crate) fn later(&mut self, now: &str) {
        self.options.now = clock(now);
    }

    pub(crate) async fn fetch(&self, source: Source) -> Outcome {
        self.fetch_all(&[source]).await.unwrap().remove(0)
    }

    pub(crate) async fn fetch_all(&self, sources: &[Source]) -> Result<Vec<Outcome>, FeedError> {
        fetch(sources, &self.options, &lock(&self.options.folder)?).await
    }

    /// The error of fetching, with addresses taken out.
    pub(crate) async fn error(&self, source: Source, server: &Fake) -> String {
        let outcome = self.fetch(source).await;
        outcome.health.last_error.unwrap_or_default().replace(&server.host, "HOST")
    }

    /// A file of the folder.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs_err::read_to_string(self.work.path().join("feeds").join(path)).ok()
    }

    /// Everything in the folder that a provider could see.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.work.path().join("feeds"), "", &mut found);
        found.sort();
        found
    }
}

fn clock(now: &str) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
    let now: Timestamp = now.parse().unwrap();
    Arc::new(move || now)
}

fn list(folder: &Path, below: &str, found: &mut Vec<String>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name == ".state" {
            continue;
        }
        if entry.path().is_dir() {
            list(&entry.path(), &format!("{below}{name}/"), found);
        } else {
            found.push(format!("{below}{name}"));
        }
    }
}

/// What a site was asked for since the last look, less the answers 304.
pub(crate) fn asked(server: &Fake) -> Vec<String> {
    std::mem::take(&mut *server.log.lock().unwrap())
}

#[tokio::test]
async fn what_did_not_change_is_not_fetched_again() {
    let site = Site::of(&[("/a.json", "{\"a\":1}")]);
    let answers = Arc::new(Mutex::new(Vec::new()));
    let server = {
        let (site, answers) = (site.clone(), Arc::clone(&answers));
        Fake::start(move |seen| {
            let answer = site.answer(seen);
            answers.lock().unwrap().push(answer.status().as_u16());
            answer
        })
        .await
    };
    let mut feeds = Feeds::from(&server);
    let source = file(File::new("a.json", "sub/b.json"));
    let first = feeds.fetch(source.clone()).await;
    assert!(first.changed && first.fetched_bytes == 7, "{first:?}");
    assert_eq!(feeds.read("made/sub/b.json").as_deref(), Some("{\"a\":1}"));
    assert_eq!((first.health.files, first.health.bytes), (1, 7));
    feeds.later("2026-11-28T11:00:00Z");
    let second = feeds.fetch(source.clone()).await;
    assert!(!second.changed && second.fetched_bytes == 0, "{second:?}");
    assert_eq!(second.health.last_success.unwrap().to_string(), "2026-11-28T11:00:00Z");
    assert_eq!(second.health.last_change.unwrap().to_string(), "2026-11-28T10:00:00Z");
    site.put("/a.json", "{\"a\":2}");
    assert!(feeds.fetch(source.clone()).await.changed);
    assert_eq!(feeds.read("made/sub/b.json").as_deref(), Some("{\"a\":2}"));
    // Somebody took the file away, or changed it: what is known of it counts no more.
    fs_err::write(feeds.work.path().join("feeds/made/sub/b.json"), "{}").unwrap();
    feeds.fetch(source.clone()).await;
    assert_eq!(feeds.read("made/sub/b.json").as_deref(), Some("{\"a\":2}"));
    assert_eq!(*answers.lock().unwrap(), [200, 304, 200, 200]);
}

#[tokio::test]
async fn a_server_that_knows_only_dates_is_asked_by_date() {
    let server = Fake::start(|seen| match seen.header("if-modified-since") {
        "" => reply(200, &[("last-modified", "Sat, 28 Nov 2026 06:00:00 GMT")], "[1]"),
        _ => reply(304, &[], ""),
    })
    .await;
    let feeds = Feeds::from(&server);
    let source = file(File::new("a.json", "a.json"));
    assert!(feeds.fetch(source.clone()).await.changed);
    assert!(!feeds.fetch(source.clone()).await.changed);
}

#[tokio::test]
async fn dates_are_noted_for_data_that_have_none() {
    let site = Site::of(&[("/a.json", "[]")]);
    let server = Fake::start(move |seen| site.answer(seen)).await;
    let feeds = Feeds::from(&server);
    let mut upstream = file(File::new("a.json", "a.json")).upstreams[0];
    upstream.notes_date = true;
    feeds.fetch(Source { provider: "made", upstreams: vec![upstream] }).await;
    assert_eq!(feeds.files(), ["made/a.json", "made/a.json.date"]);
    assert_eq!(feeds.read("made/a.json.date").as_deref(), Some("2026-11-28T06:00:00Z"));
}

#[tokio::test]
async fn what_was_asked_lately_is_left_alone() {
    let site = Site::of(&[("/a.json", "[]")]);
    let server = Fake::start(move |seen| site.answer(seen)).await;
    let mut feeds = Feeds::from(&server);
    let mut upstream = file(File::new("a.json", "a.json")).upstreams[0];
    upstream.hours = 24;
    let source = Source { provider: "made", upstreams: vec![upstream] };
    feeds.fetch(source.clone()).await;
    feeds.later("2026-11-29T09:00:00Z");
    feeds.fetch(source.clone()).await;
    assert_eq!(asked(&server).len(), 1);
    feeds.options.is_forced = true;
    feeds.fetch(source.clone()).await;
    assert_eq!(asked(&server).len(), 1);
    feeds.options.is_forced = false;
    feeds.later("2026-11-30T10:00:00Z");
    feeds.fetch(source.clone()).await;
    assert_eq!(asked(&server).len(), 1);
    fs_err::remove_file(feeds.work.path().join("feeds/made/a.json")).unwrap();
    feeds.fetch(source.clone()).await;
    assert_eq!(asked(&server).len(), 1, "it is not here");
}

#[tokio::test]
async fn a_mirror_has_everything_by_host() {
    let site = Site::of(&[("/feeds/feeds.example.com/a.json", "[]")]);
    let server = Fake::start(move |seen| site.answer(seen)).await;
    let mut feeds = Feeds::from(&server);
    feeds.options.urls.clear();
    feeds.options.mirror = Some(format!("http://{}/feeds/", server.host).parse().unwrap());
    assert!(feeds.fetch(file(File::new("a.json", "a.json"))).await.changed);
}

#[tokio::test]
async fn only_upstreams_can_be_elsewhere() {
    let server = Fake::start(|_| reply(200, &[], "[]")).await;
    let mut feeds = Feeds::from(&server);
    feeds.options.urls.insert("made/other".to_owned(), "http://example.com/".parse().unwrap());
    let found = feeds.fetch_all(&[file(File::new("a.json", "a.json"))]).await;
    assert!(matches!(found, Err(FeedError::Unknown { name }) if name == "made/other"));
}

#[tokio::test]
async fn one_that_fails_blocks_no_other() {
    let site = Site::of(&[("/b/b.json", "[2]")]);
    let server = Fake::start(move |seen| site.answer(seen)).await;
    let mut feeds = Feeds::from(&server);
    let (bad, good) = (file(File::new("a.json", "a.json")), file(File::new("b.json", "b.json")));
    let (bad, good) = (Source { provider: "bad", ..bad }, Source { provider: "good", ..good });
    let url = |below: &str| format!("http://{}/{below}/", server.host).parse().unwrap();
    feeds.options.urls = BTreeMap::from([("bad".to_owned(), url("a")), ("good".to_owned(), url("b"))]);
    let found = feeds.fetch_all(&[bad, good]).await.unwrap();
    let told: Vec<_> = found.iter().map(|outcome| (outcome.provider, outcome.health.last_error.is_some())).collect();
    assert_eq!(told, [("bad", true), ("good", false)]);
    assert_eq!(feeds.files(), ["made/b.json"]);
    assert_eq!(found[0].health.last_success, None);
}
