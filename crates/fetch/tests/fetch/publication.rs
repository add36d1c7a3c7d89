//! Published indexes on web servers, in buckets and in folders: whatever those answer.

use std::io::Read as _;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use killick_fetch::publication::{Edition, Login, Opened, Place, PlaceOptions, Upload, publish};
use killick_fetch::registry::RegistryOptions;
use killick_model::digest::Digest;
use secrecy::SecretString;

use crate::fake::{Answer, Fake, FakeTimer, Seen, cut, reply};
use crate::made_images::noise;

fn options() -> (PlaceOptions, Arc<FakeTimer>) {
    let timer = Arc::new(FakeTimer::default());
    let registry = RegistryOptions { timer: Arc::<FakeTimer>::clone(&timer), ..RegistryOptions::default() };
    (PlaceOptions { registry, manifest_bytes: 1000, ..PlaceOptions::default() }, timer)
}

fn blob() -> Vec<u8> {
    noise(500_000)
}

/// Reads a blob, or a part of it, on a thread that may block.
async fn read(fake: &Fake, options: &PlaceOptions, part: Option<Range<u64>>) -> Result<Vec<u8>, String> {
    let place = Place::parse(&format!("http://{}/mirror", fake.host)).unwrap();
    let opened = Opened::new(&place, options).await.unwrap();
    let host = fake.host.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let mut reader = opened.blob(&Digest::of(&blob()), 500_000, part)?;
        reader.read_to_end(&mut bytes).map(|_| bytes)
    });
    reading.await.unwrap().map_err(|error| error.to_string().replace(&host, "HOST"))
}

/// First and last byte that are asked for.
fn range(seen: &Seen) -> Option<(usize, usize)> {
    let (first, last) = seen.header("range").strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn part(bytes: &[u8], (first, last): (usize, usize)) -> Answer {
    let told = format!("bytes {first}-{last}/{}", bytes.len());
    reply(206, &[("content-range", &told)], bytes[first..=last].to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_resumed_where_it_broke_off() {
    let fake = Fake::start(|seen| match (range(seen), seen.before) {
        (None, 0) => cut(200, &[], &blob()[..200_000], 500_000),
        (Some(_), 1) => reply(503, &[("retry-after", "7")], Vec::new()),
        (Some(range), _) => part(&blob(), range),
        other => panic!("{other:?}"),
    })
    .await;
    let (options, timer) = options();
    assert!(read(&fake, &options, None).await.unwrap() == blob());
    let log = fake.log();
    assert_eq!(log.len(), 3, "{log:?}");
    assert!(log[0].starts_with("/mirror/blobs/sha256/") && log[2].contains("bytes="), "{log:?}");
    assert!(timer.pauses.lock().unwrap().contains(&Duration::from_secs(7)), "as it asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_ranges_sends_all_again() {
    let fake = Fake::start(|seen| {
        if seen.before == 0 { cut(200, &[], &blob()[..300_000], 500_000) } else { reply(200, &[], blob()) }
    })
    .await;
    assert!(read(&fake, &options().0, None).await.unwrap() == blob());
    let error = read(&fake, &options().0, Some(10..20)).await.unwrap_err();
    assert!(error.contains("does not give parts of `blobs/sha256/"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_what_was_asked_for() {
    let fake = Fake::start(|seen| part(&blob(), range(seen).unwrap())).await;
    assert!(read(&fake, &options().0, Some(1000..300_000)).await.unwrap() == blob()[1000..300_000]);
    // Another part than asked for is none.
    let fake = Fake::start(|seen| {
        let (first, last) = range(seen).unwrap();
        part(&blob(), (first + 5, last + 5))
    })
    .await;
    assert!(read(&fake, &options().0, Some(1000..2000)).await.unwrap_err().contains("does not give parts"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_short_or_too_long_is_left_to_the_reader() {
    let fake = Fake::start(|seen| match range(seen) {
        None => reply(200, &[], blob()[..1000].to_vec()),
        Some(_) => reply(416, &[], Vec::new()),
    })
    .await;
    assert_eq!(read(&fake, &options().0, None).await.unwrap().len(), 1000);
    let fake = Fake::start(|_| reply(200, &[], [blob(), noise(2_000_000)].concat())).await;
    let long = read(&fake, &options().0, None).await.unwrap().len();
    assert!((500_001..2_000_000).contains(&long), "it is not read to its end: {long}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_fails_is_given_up() {
    let fake = Fake::start(|_| reply(500, &[], Vec::new())).await;
    let error = read(&fake, &options().0, None).await.unwrap_err();
    assert!(error.contains("`http://HOST/mirror/` answered 500 for `blobs/sha256/"), "{error}");
    assert_eq!(fake.log().len(), 4, "tried four times");
    let fake = Fake::start(|_| cut(200, &[], &blob()[..100], 500_000)).await;
    let mut few = options().0;
    few.registry.retry.resumes = 3;
    assert!(read(&fake, &few, None).await.is_err());
    assert_eq!(fake.log().len(), 4, "begun once and resumed three times");
}

#[tokio::test]
async fn the_document_is_bounded_and_asked_for_as_somebody() {
    let fake = Fake::start(|seen| match seen.header("authorization") {
        "Basic bWU6YSBi" => reply(200, &[], vec![b'x'; if seen.path.contains("large") { 1001 } else { 1000 }]),
        _ => reply(401, &[], Vec::new()),
    })
    .await;
    let ask = async |path: &str, user: &str, options: &PlaceOptions| {
        let place = Place::parse(&format!("http://{user}{}/{path}", fake.host)).unwrap();
        let opened = Opened::new(&place, options).await.unwrap();
        let outcome = opened.manifest(options).await;
        outcome.map(|bytes| bytes.len()).map_err(|error| error.to_string().replace(&fake.host, "HOST"))
    };
    let (nobody, _) = options();
    let me =
        PlaceOptions { login: Some(Login::Password("me".to_owned(), SecretString::from("a b"))), ..nobody.clone() };
    assert_eq!(ask("small", "", &me).await, Ok(1000));
    assert_eq!(ask("small", "me:a%20b@", &nobody).await, Ok(1000));
    assert_eq!(ask("large", "", &me).await, Err("`manifest.json` is larger than 1000 bytes".to_owned()));
    let refused = "`http://HOST/small/` answered 401 for `manifest.json`";
    assert_eq!(ask("small", "", &nobody).await, Err(refused.to_owned()));
    let shown = ask("small", "me:wrong@", &nobody).await.unwrap_err();
    assert!(!shown.contains("wrong"), "{shown}");
}

/// A web server must not send us nearer than it is, nor learn what is for another.
#[tokio::test]
async fn redirects_are_bounded() {
    let other = Fake::start(|seen| reply(200, &[], seen.header("authorization").as_bytes().to_vec())).await;
    let target = format!("http://{}/elsewhere", other.host.replace("127.0.0.1", "localhost"));
    let fake = Fake::start(move |_| reply(302, &[("location", &target)], Vec::new())).await;
    let (mut options, _) = options();
    options.login = Some(Login::Password("me".to_owned(), SecretString::from("secret")));
    let place = Place::parse(&format!("http://{}/", fake.host)).unwrap();
    let document = Opened::new(&place, &options).await.unwrap().manifest(&options).await.unwrap();
    assert_eq!(document, b"", "the password stays here");
}

#[tokio::test]
async fn a_folder_is_replaced_blobs_first() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("published");
    let place = Place::Folder(root.clone());
    let upload = |bytes: &[u8]| Upload { digest: Digest::of(bytes), bytes: bytes.len() as u64, title: "t".to_owned() };
    let (options, _) = options();
    let read_log = Mutex::new(Vec::new());
    let send = async |manifest: &[u8], uploads: &[Upload], keep: Option<&[Digest]>| {
        let read = |upload: &Upload| {
            // Whoever reads now finds the document that was there before.
            read_log.lock().unwrap().push(fs_err::read(root.join("manifest.json")).unwrap_or_default());
            let all = [&b"one"[..], b"two", b"three"];
            Ok(all.into_iter().find(|bytes| Digest::of(bytes) == upload.digest).unwrap().to_vec())
        };
        publish(&place, &Edition { manifest, uploads, read: &read, keep }, &options).await.unwrap()
    };
    let (one, two, three) = (upload(b"one"), upload(b"two"), upload(b"three"));
    assert_eq!(send(b"first", &[one.clone(), two.clone()], None).await.blobs, 2);
    fs_err::write(root.join("blobs/sha256/README"), "not ours").unwrap();
    let keep = [one.digest.clone(), two.digest.clone()];
    assert_eq!(send(b"second", &[two.clone(), three.clone()], Some(&keep)).await.blobs, 1);
    assert_eq!(*read_log.lock().unwrap(), [&b""[..], b"", b"first"]);
    let names = || {
        let entries = fs_err::read_dir(root.join("blobs/sha256")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names().len(), 4, "those of the first document stay");
    send(b"third", std::slice::from_ref(&three), Some(&[two.digest.clone(), three.digest.clone()])).await;
    let mut want = vec!["README".to_owned(), two.digest.hex(), three.digest.hex()];
    want.sort();
    assert_eq!(names(), want);
    // A blob that was cut off is written again.
    fs_err::write(root.join("blobs/sha256").join(three.digest.hex()), "th").unwrap();
    assert_eq!(send(b"fourth", &[three], None).await.blobs, 1);
}
