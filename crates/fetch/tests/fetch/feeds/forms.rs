//! The ways in which upstreams are kept up to date.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use killick_fetch::feeds::Source;
use killick_model::feed::{Archive, Each, File, Form, Proof};

use super::{Feeds, Site, asked, made, sha256};
use crate::fake::{Fake, reply};

const SERIES: &[File] = &[File::new("{}.json", "v{}.json")];

const YEARS: &[File] = &[File::new("n-{}.json.gz", "n-{}.json.gz").proved(Proof::Meta)];

const NUMBERS: &[File] = &[File::new("{}.json", "{}.json")];

async fn serve(site: &Site) -> Fake {
    let site = site.clone();
    Fake::start(move |seen| site.answer(seen)).await
}

#[tokio::test]
async fn series_go_on_while_there_are_any() {
    let site = Site::of(&[("/2.json", "[2]"), ("/4.json", "[4]"), ("/5.json", "[5]"), ("/7.json", "[7]")]);
    let server = serve(&site).await;
    let feeds = Feeds::from(&server);
    feeds.fetch(made(Form::Files { each: Each::Number { first: 1, known: 3 }, files: SERIES })).await;
    assert_eq!(feeds.files(), ["made/v2.json", "made/v4.json", "made/v5.json"]);
    assert_eq!(asked(&server).last().unwrap(), "/6.json");
    let feeds = Feeds::from(&server);
    site.put("/2026.json", "[]");
    site.put("/2027.json", "[]");
    feeds.fetch(made(Form::Files { each: Each::Year { first: 2024 }, files: SERIES })).await;
    assert_eq!(feeds.files(), ["made/v2026.json"]);
}

/// Object stores say so of what does not exist.
#[tokio::test]
async fn a_number_that_is_forbidden_is_none() {
    let site = Site::of(&[("/1.json", "[1]")]);
    let server = Fake::start(move |seen| match seen.path.as_str() {
        "/1.json" => site.answer(seen),
        _ => reply(403, &[], ""),
    })
    .await;
    let feeds = Feeds::from(&server);
    let series = |known| made(Form::Files { each: Each::Number { first: 1, known }, files: NUMBERS });
    assert_eq!(feeds.error(series(1), &server).await, "");
    assert_eq!(feeds.error(series(2), &server).await, "`http://HOST/2.json` answers 403", "it was there once");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn the_nvd_is_held_against_its_meta_files() {
    let site = Site::default();
    let put = |text: &str, sum: &str| {
        site.put("/n-2026.json.gz", gzip(text));
        site.put("/n-2026.meta", format!("lastModifiedDate:2026\r\nsize:3\r\nsha256:{}\r\n", sum.to_uppercase()));
    };
    put("{\"a\":1}", &sha256("{\"a\":1}"));
    let server = serve(&site).await;
    let feeds = Feeds::from(&server);
    let source = made(Form::Files { each: Each::Year { first: 2026 }, files: YEARS });
    assert!(feeds.fetch(source.clone()).await.changed);
    assert!(!feeds.fetch(source.clone()).await.changed);
    assert_eq!(asked(&server), ["/n-2026.meta", "/n-2026.json.gz", "/n-2026.meta"]);
    put("{\"a\":2}", &sha256("another"));
    assert_eq!(
        feeds.error(source.clone(), &server).await,
        "`http://HOST/n-2026.json.gz` does not have the checksum that is published for it"
    );
    let packed = fs_err::read(feeds.work.path().join("feeds/made/n-2026.json.gz")).unwrap();
    assert_eq!(packed, gzip("{\"a\":1}"));
}

fn repomd(sum: &str, path: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><repomd><data type=\"updateinfo\"><checksum type=\"sha256\">{sum}</checksum>\
         <location href=\"{path}\"/></data></repomd>"
    )
}

const REPOSITORY: Form = Form::Repositories {
    each: Each::Number { first: 1, known: 2 },
    paths: &["{}/core/x86_64"],
    mirrors: Some("mirror.list"),
};

#[tokio::test]
async fn repositories_name_their_file_of_updates() {
    let site = Site::default();
    let put = |content: &str, name: &str| {
        site.put("/2/core/GUID/repodata/repomd.xml", repomd(&sha256(content), &format!("repodata/{name}")));
        site.put(&format!("/2/core/GUID/repodata/{name}"), content);
    };
    site.put("/2/core/x86_64/mirror.list", "https://feeds.example.com/2/core/GUID/\nhttps://other.example.com/\n");
    put("<updates>1</updates>", "1-updateinfo.xml");
    let server = serve(&site).await;
    let feeds = Feeds::from(&server);
    assert_eq!(feeds.error(made(REPOSITORY), &server).await, "");
    let folder = "made/2/core/x86_64/repodata/";
    assert_eq!(feeds.files(), [format!("{folder}1-updateinfo.xml"), format!("{folder}repomd.xml")]);
    assert!(!feeds.fetch(made(REPOSITORY)).await.changed);
    put("<updates>2</updates>", "2-updateinfo.xml");
    assert!(feeds.fetch(made(REPOSITORY)).await.changed);
    assert_eq!(feeds.files(), [format!("{folder}2-updateinfo.xml"), format!("{folder}repomd.xml")]);
    // The file does not fit its checksum: what was here stays, and stays the one that is named.
    put("<updates>3</updates>", "3-updateinfo.xml");
    site.put("/2/core/GUID/repodata/3-updateinfo.xml", "<updates>x</updates>");
    let error = feeds.error(made(REPOSITORY), &server).await;
    assert!(error.ends_with("3-updateinfo.xml` does not have the checksum that is published for it"), "{error}");
    assert!(feeds.read(&format!("{folder}repomd.xml")).unwrap().contains("2-updateinfo.xml"));
    assert_eq!(feeds.files(), [format!("{folder}2-updateinfo.xml"), format!("{folder}repomd.xml")]);
}

#[tokio::test]
async fn topics_are_read_from_a_catalogue() {
    let site = Site::of(&[("/catalogue.json", "{\"topics\":[{\"n\":\"docker\"},{\"n\":\"none\"}]}")]);
    site.put("/x/docker/repodata/repomd.xml", repomd(&sha256("<u/>"), "repodata/updateinfo.xml"));
    site.put("/x/docker/repodata/updateinfo.xml", "<u/>");
    let server = serve(&site).await;
    let feeds = Feeds::from(&server);
    let source = made(Form::Repositories { each: Each::Topic("catalogue.json"), paths: &["x/{}"], mirrors: None });
    assert_eq!(feeds.error(source.clone(), &server).await, "");
    assert_eq!(feeds.files(), ["made/x/docker/repodata/repomd.xml", "made/x/docker/repodata/updateinfo.xml"]);
}

/// A list of changes, `name day` each.
fn csv(rows: &[(&str, &str)]) -> String {
    rows.iter().map(|(name, at)| format!("\"{name}\",\"{at}\"\n")).collect()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

#[tokio::test]
async fn documents_that_changed_after_the_archive_are_fetched_one_by_one() {
    let site = Site::of(&[("/archive_latest.txt", "vex_2026-11-20.tar.zst\n")]);
    site.put("/vex_2026-11-20.tar.zst", zstd("old"));
    site.put("/vex_2026-11-20.tar.zst.sha256", format!("{}  vex_2026-11-20.tar.zst", sha256(zstd("old"))));
    let (new, newer) = ("2026-11-28T08:00:00+00:00", "2026-11-28T09:00:00+00:00");
    site.put(
        "/changes.csv",
        csv(&[
            ("2026/c.json", new),
            ("2026/gone.json", new),
            ("2020/a.json", "2020-01-01T00:00:00Z"),
            ("2026/d.json", newer),
        ]),
    );
    site.put("/deletions.csv", csv(&[("2026/d.json", newer)]));
    site.put("/2026/c.json", "{\"c\":1}");
    site.put("/2026/d.json", "{\"d\":1}");
    let server = serve(&site).await;
    let mut feeds = Feeds::from(&server);
    let source =
        made(Form::Changes { archive: Archive::Latest("archive_latest.txt"), documents: "", has_deletions: true });
    assert_eq!(feeds.error(source.clone(), &server).await, "");
    let lists = ["made/archive_latest.txt", "made/changes.csv", "made/deletions.csv"].map(str::to_owned);
    let with = |more: &[&str]| {
        let mut all = [lists.to_vec(), more.iter().map(|name| format!("made/{name}")).collect()].concat();
        all.sort();
        all
    };
    assert_eq!(feeds.files(), with(&["2026/c.json", "vex_2026-11-20.tar.zst"]));
    asked(&server);
    // Nothing changed: lists and the pointer are asked for, no document, no archive. One that vanished may come back.
    assert!(!feeds.fetch(source.clone()).await.changed);
    let mut again = asked(&server);
    again.sort();
    assert_eq!(again, ["/2026/gone.json", "/archive_latest.txt", "/changes.csv", "/deletions.csv"]);
    // A newer archive; its server says that it may not have everything yet. Then a document is taken back.
    site.put("/archive_latest.txt", "vex_2026-11-29.tar.zst");
    site.put("/vex_2026-11-29.tar.zst", zstd("new"));
    site.put("/changes.csv", csv(&[("2026/c.json", new), ("2026/e.json", "2026-11-29T12:00:00+00:00")]));
    site.put("/2026/e.json", "{\"e\":1}");
    site.put("/deletions.csv", "");
    feeds.later("2026-11-29T13:00:00Z");
    assert_eq!(feeds.error(source.clone(), &server).await, "");
    assert_eq!(feeds.files(), with(&["2026/c.json", "2026/e.json", "vex_2026-11-29.tar.zst"]));
    site.put("/deletions.csv", csv(&[("2026/c.json", "2026-11-29T01:00:00+00:00")]));
    assert_eq!(feeds.error(source.clone(), &server).await, "");
    assert_eq!(feeds.files(), with(&["2026/e.json", "vex_2026-11-29.tar.zst"]));
}

#[tokio::test]
async fn an_archive_that_is_made_every_day_is_kept_while_few_documents_changed() {
    let site = Site::of(&[("/vex.tar.bz2", "BZh1")]);
    site.put("/vex/changes.csv", csv(&[("a.json", "2020-01-01T00:00:00Z"), ("b.json", "2026-11-28T07:00:00Z")]));
    site.put("/vex/b.json", "{}");
    let server = serve(&site).await;
    let feeds = Feeds::from(&server);
    let source =
        made(Form::Changes { archive: Archive::Fixed("vex.tar.bz2"), documents: "vex/", has_deletions: false });
    assert_eq!(feeds.error(source.clone(), &server).await, "");
    assert_eq!(feeds.files(), ["made/vex.tar.bz2", "made/vex/b.json", "made/vex/changes.csv"]);
    asked(&server);
    site.put("/vex.tar.bz2", "BZh2");
    feeds.fetch(source.clone()).await;
    assert_eq!(asked(&server), ["/vex/changes.csv"]);
    // Very many changed: the archive is the shorter way.
    let names: Vec<String> = (0..2001).map(|at| format!("x{at}.json")).collect();
    let rows: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "2026-11-28T01:00:00Z")).collect();
    site.put("/vex/changes.csv", csv(&rows));
    feeds.fetch(source.clone()).await;
    assert_eq!(feeds.read("made/vex.tar.bz2").as_deref(), Some("BZh2"));
}

#[tokio::test]
async fn records_of_a_bucket_are_fetched_as_they_change() {
    let site =
        Site::of(&[("/all.zip", "PK1"), ("/modified_id.csv", "2026-11-28T01:00:00Z,X-1\n2020-01-01T00:00:00Z,X-0\n")]);
    let server = serve(&site).await;
    let mut feeds = Feeds::from(&server);
    assert_eq!(feeds.error(made(Form::Bucket), &server).await, "");
    assert_eq!(feeds.files(), ["made/all.zip", "made/modified_id.csv"]);
    asked(&server);
    assert!(!feeds.fetch(made(Form::Bucket)).await.changed);
    assert_eq!(asked(&server), ["/modified_id.csv"]);
    site.put("/modified_id.csv", "2026-11-28T09:00:00Z,X-2\n2026-11-28T08:00:00Z,X-1\n2026-11-28T08:00:00Z,../up\n");
    site.put("/X-1.json", "{\"id\":\"X-1\"}");
    let error = feeds.error(made(Form::Bucket), &server).await;
    assert_eq!(error, "", "a record that vanished between list and request is none");
    site.put("/X-2.json", "{\"id\":\"X-2\"}");
    site.put("/modified_id.csv", "2026-11-28T09:30:00Z,X-2\n2026-11-28T08:00:00Z,X-1\n");
    asked(&server);
    assert!(feeds.fetch(made(Form::Bucket)).await.changed);
    assert_eq!(asked(&server), ["/modified_id.csv", "/X-2.json"]);
    assert_eq!(
        feeds.files(),
        ["made/all.zip", "made/modified_id.csv", "made/records/X-1.json", "made/records/X-2.json"]
    );
    // What is on no list any more goes; after a week the archive comes again, with what was single before.
    site.put("/modified_id.csv", "2026-11-28T09:30:00Z,X-2\n");
    feeds.fetch(made(Form::Bucket)).await;
    assert_eq!(feeds.files(), ["made/all.zip", "made/modified_id.csv", "made/records/X-2.json"]);
    site.put("/all.zip", "PK2");
    site.put("/X-3.json", "{}");
    site.put("/modified_id.csv", "2026-12-07T09:30:00Z,X-3\n2026-11-28T01:30:00Z,X-2\n");
    feeds.later("2026-12-07T10:00:00Z");
    feeds.fetch(made(Form::Bucket)).await;
    assert_eq!(feeds.read("made/all.zip").as_deref(), Some("PK2"));
}

/// A record that could not be fetched is asked for next time, and the others are not.
#[tokio::test]
async fn a_bucket_goes_on_after_a_failure() {
    let site = Site::of(&[("/all.zip", "PK1"), ("/modified_id.csv", "2026-11-28T01:00:00Z,X-0\n")]);
    let server =
        {
            let site = site.clone();
            Fake::start(move |seen| {
                if seen.path == "/X-2.json" && seen.before == 0 { reply(403, &[], "") } else { site.answer(seen) }
            })
            .await
        };
    let feeds = Feeds::from(&server);
    feeds.fetch(made(Form::Bucket)).await;
    site.put("/modified_id.csv", "2026-11-28T09:00:00Z,X-2\n2026-11-28T08:00:00Z,X-1\n");
    site.put("/X-1.json", "{}");
    site.put("/X-2.json", "{}");
    assert_eq!(feeds.error(made(Form::Bucket), &server).await, "`http://HOST/X-2.json` answers 403");
    asked(&server);
    assert_eq!(feeds.error(made(Form::Bucket), &server).await, "");
    assert_eq!(asked(&server), ["/modified_id.csv", "/X-2.json"]);
}

#[tokio::test]
async fn listed_documents_are_fetched_once() {
    let site = Site::of(&[("/index.txt", "2025/sa-1.xml\n2026/sa-2.xml\n2026/hot-1.xml\n../sa-3.xml\n")]);
    site.put("/2025/sa-1.xml", "<a/>");
    site.put("/2026/sa-2.xml", "<a/>");
    let server = serve(&site).await;
    let feeds = Feeds::from(&server);
    let source = made(Form::Listing { index: "index.txt", prefix: "sa-" });
    assert_eq!(feeds.error(source.clone(), &server).await, "");
    assert_eq!(feeds.files(), ["made/2025/sa-1.xml", "made/2026/sa-2.xml", "made/index.txt"]);
    asked(&server);
    site.put("/index.txt", "2026/sa-2.xml\n2026/sa-4.xml\n");
    site.put("/2026/sa-4.xml", "<a/>");
    feeds.fetch(source.clone()).await;
    assert_eq!(asked(&server), ["/index.txt", "/2026/sa-4.xml"]);
    assert_eq!(feeds.files(), ["made/2026/sa-2.xml", "made/2026/sa-4.xml", "made/index.txt"]);
}

#[tokio::test]
async fn a_pointer_names_file_and_checksum() {
    let site = Site::default();
    let put = |name: &str, content: &[u8], sum: &str| {
        site.put(&format!("/{name}"), content);
        site.put(
            "/latest.json",
            format!("{{\"status\":\"active\",\"path\":\"{name}\",\"checksum\":\"sha256:{sum}\"}}"),
        );
    };
    put("db_1.tar.zst", &zstd("1"), &sha256(zstd("1")));
    let server = serve(&site).await;
    let feeds = Feeds::from(&server);
    let source = made(Form::Pointer { file: "latest.json", prefix: "db_" });
    assert!(feeds.fetch(source.clone()).await.changed);
    asked(&server);
    assert!(!feeds.fetch(source.clone()).await.changed);
    assert_eq!(asked(&server), ["/latest.json"]);
    put("db_2.tar.zst", &zstd("2"), &sha256("other"));
    assert!(feeds.error(source.clone(), &server).await.contains("checksum"));
    assert_eq!(feeds.files(), ["made/db_1.tar.zst"]);
    put("db_2.tar.zst", &zstd("2"), &sha256(zstd("2")));
    feeds.fetch(source.clone()).await;
    assert_eq!(feeds.files(), ["made/db_2.tar.zst"]);
    put("../up_2.tar.zst", &zstd("2"), &sha256(zstd("2")));
    assert!(feeds.error(source.clone(), &server).await.contains("is not the name of a file it should name"));
}

#[tokio::test]
async fn releases_have_everything_and_what_changed() {
    let site = Site::default();
    let release = |names: &[&str]| {
        let assets: Vec<String> = names
            .iter()
            .map(|name| {
                let content = format!("PK {name}");
                site.put(&format!("/download/{name}"), &content);
                format!(
                    "{{\"name\":\"{name}\",\"browser_download_url\":\"https://feeds.example.com/download/{name}\",\
                     \"digest\":\"sha256:{}\"}}",
                    sha256(&content)
                )
            })
            .collect();
        format!("{{\"assets\":[{}]}}", assets.join(","))
    };
    let midnight = release(&["2026-11-28_all_CVEs_at_midnight.zip.zip", "2026-11-28_delta_CVEs_at_0900Z.zip"]);
    site.put("/releases", format!("[{midnight},{{}}]"));
    let server = serve(&site).await;
    let mut feeds = Feeds::from(&server);
    assert_eq!(feeds.error(made(Form::Releases), &server).await, "");
    let all = "made/2026-11-28_all_CVEs_at_midnight.zip.zip".to_owned();
    assert_eq!(feeds.files(), [all.clone(), "made/2026-11-28_delta_CVEs_at_0900Z.zip".to_owned()]);
    asked(&server);
    let day = release(&["2026-11-28_delta_CVEs_at_end_of_day.zip", "2026-11-29_delta_CVEs_at_0100Z.zip"]);
    site.put("/releases", format!("[{day},{midnight}]"));
    feeds.later("2026-11-29T01:30:00Z");
    assert_eq!(feeds.error(made(Form::Releases), &server).await, "");
    assert_eq!(asked(&server).len(), 3);
    let deltas = ["made/2026-11-28_delta_CVEs_at_end_of_day.zip", "made/2026-11-29_delta_CVEs_at_0100Z.zip"];
    assert_eq!(feeds.files(), [vec![all], deltas.map(str::to_owned).to_vec()].concat());
}

/// A provider of the NVD's API, which answers 5 records on pages of 2.
async fn api() -> (Fake, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let server = Fake::start(move |seen| {
        let query = url::form_urlencoded::parse(seen.query.as_bytes());
        let query: std::collections::BTreeMap<_, _> = query.into_owned().collect();
        let start: u64 = query["startIndex"].parse().unwrap();
        let window = query.get("lastModStartDate").map_or("all", String::as_str).to_owned();
        log.lock().unwrap().push(format!("{window} {start} {}", seen.header("apikey")));
        // The third request of all is one too many.
        if seen.before == 2 {
            return reply(403, &[], "");
        }
        let total = if window == "all" { 5 } else { 0 };
        let count = 2.min(total - start.min(total));
        reply(
            200,
            &[],
            format!(
                "{{\"resultsPerPage\":{count},\"startIndex\":{start},\"totalResults\":{total},\"vulnerabilities\":[]}}"
            ),
        )
    })
    .await;
    (server, asked)
}

#[tokio::test]
async fn an_api_is_walked_through_page_by_page() {
    let (server, log) = api().await;
    let mut feeds = Feeds::from(&server);
    feeds.options.nvd_api_key = Some("key".into());
    assert_eq!(feeds.error(made(Form::Windows), &server).await, "");
    let pages = ["0000000", "0000002", "0000004"].map(|page| format!("made/20261128T100000Z-{page}.json"));
    assert_eq!(feeds.files(), pages);
    assert_eq!(*log.lock().unwrap(), ["all 0 key", "all 2 key", "all 4 key", "all 4 key"]);
    let pauses = feeds.timer.pauses.lock().unwrap().clone();
    assert_eq!(pauses, [Duration::from_millis(600), Duration::from_millis(600), Duration::from_secs(30)]);
    log.lock().unwrap().clear();
    feeds.later("2026-11-29T10:00:00Z");
    assert_eq!(feeds.error(made(Form::Windows), &server).await, "");
    assert_eq!(*log.lock().unwrap(), ["2026-11-28T06:00:00Z 0 key"]);
    assert_eq!(feeds.files(), pages, "a page of nothing is not kept");
}

#[tokio::test]
async fn a_walk_that_broke_off_goes_on_at_its_page() {
    let (server, log) = api().await;
    let mut feeds = Feeds::from(&server);
    feeds.options.retry.longest_pause = Duration::from_secs(1);
    let source: Source = made(Form::Windows);
    // Whoever does not wait is refused; the pages before stay.
    feeds.options.total_bytes = 150;
    assert!(feeds.error(source.clone(), &server).await.contains("together"), "{:?}", log.lock().unwrap());
    feeds.options.total_bytes = 1 << 20;
    feeds.later("2026-11-28T11:00:00Z");
    assert_eq!(feeds.error(source.clone(), &server).await, "");
    let all: Vec<String> = log.lock().unwrap().iter().map(|line| line.trim_end().to_owned()).collect();
    assert_eq!(all.iter().filter(|line| *line == "all 0").count(), 1, "{all:?}");
    assert_eq!(all.last().unwrap(), "2026-11-28T06:00:00Z 0", "{all:?}");
}

#[tokio::test]
async fn files_that_upstream_gave_up_stay() {
    let site = Site::of(&[("/1.json", "[1]"), ("/2.json", "[2]")]);
    let server = serve(&site).await;
    let feeds = Feeds::from(&server);
    let source = made(Form::Files { each: Each::Number { first: 1, known: 2 }, files: NUMBERS });
    feeds.fetch(source.clone()).await;
    site.delete("/1.json");
    assert_eq!(feeds.error(source.clone(), &server).await, "");
    assert_eq!(feeds.files(), ["made/1.json", "made/2.json"]);
}
