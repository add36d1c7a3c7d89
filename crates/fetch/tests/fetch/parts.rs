//! Parts of layers, from registries that give them and others.

use std::io::Read as _;
use std::sync::Arc;

use killick_fetch::layer::LayerError;
use killick_model::digest::Digest;
use killick_model::image::StagedImage;
use killick_model::listing::Unusable;
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Seen, cut, options, reply, serve};
use crate::made_images::{TestImage, config_of, manifest_of, noise, zstd};

/// A content too large for one piece of a body, between others that nobody asks for.
fn content() -> Vec<u8> {
    noise(300_000)
}

/// An image whose layer is a zstd:chunked with three files, and its table at the end.
fn image() -> TestImage {
    let mut blob = zstd(b"header");
    let mut entry = |name: &str, content: &[u8]| {
        let offset = blob.len();
        blob.extend(zstd(content));
        json!({"type": "reg", "name": name, "size": content.len(), "digest": Digest::of(content), "offset": offset})
    };
    let entries = [entry("before", &noise(200_000)), entry("wanted", &content()), entry("after", &noise(200_000))];
    let list = json!({"version": 1, "entries": entries}).to_string();
    let packed = zstd(list.as_bytes());
    let position = format!("{}:{}:{}:1", blob.len() + 8, packed.len(), list.len());
    blob.extend([0x50, 0x2a, 0x4d, 0x18]);
    blob.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
    blob.extend(&packed);
    let config = config_of(&[b"never looked at"], "amd64");
    let mut manifest: Value = serde_json::from_slice(&manifest_of(&config, &[&blob])).unwrap();
    manifest["layers"][0]["annotations"] = json!({
        "io.github.containers.zstd-chunked.manifest-checksum": Digest::of(&packed),
        "io.github.containers.zstd-chunked.manifest-position": position,
    });
    TestImage { tar: Vec::new(), blob, config, manifest: manifest.to_string().into_bytes() }
}

/// First and last byte that are asked for.
fn range(seen: &Seen) -> Option<(usize, usize)> {
    let (first, last) = seen.header("range").strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn part(blob: &[u8], first: usize, last: usize) -> Answer {
    let range = format!("bytes {first}-{last}/{}", blob.len());
    reply(206, &[("content-range", &range)], blob[first..=last].to_owned())
}

/// A registry that answers requests for parts of the layer like this. `number` counts them.
async fn registry(answer: impl Fn(&TestImage, usize, (usize, usize)) -> Answer + Send + Sync + 'static) -> Fake {
    let image = image();
    Fake::start(move |seen| match range(seen) {
        Some(range) => answer(&image, seen.before, range),
        None => serve(&image, seen),
    })
    .await
}

async fn staged(fake: &Fake) -> StagedImage {
    let (mut options, _) = options();
    options.lazy = true;
    fake.stage(options).await.unwrap()
}

/// Reads the wanted file by the table, away from the runtime.
async fn read(fake: &Fake) -> Result<Vec<u8>, std::io::Error> {
    let image = staged(fake).await;
    tokio::task::spawn_blocking(move || {
        let listing = image.layers[0].source.listing()?;
        assert_eq!(listing.entries().len(), 3);
        let mut bytes = Vec::new();
        listing.open(&[1])?.read_to_end(&mut bytes)?;
        Ok(bytes)
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_wanted_is_asked_for() {
    let fake = registry(|image, _, (first, last)| part(&image.blob, first, last)).await;
    assert!(read(&fake).await.unwrap() == content());
    let asked: Vec<String> =
        fake.log().iter().filter_map(|line| Some(line.split_once(" bytes=")?.1.to_owned())).collect();
    let [list, file] = &asked[..] else { panic!("{asked:?}") };
    let length = |range: &str| {
        let (first, last) = range.split_once('-').unwrap();
        last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1
    };
    assert!(length(list) < 1000, "{list}");
    assert!((300_000..300_100).contains(&length(file)), "{file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_go_on_where_they_broke_off() {
    let fake = registry(|image, before, (first, last)| {
        if before == 0 {
            return part(&image.blob, first, last);
        }
        let headers = format!("bytes {first}-{last}/{}", image.blob.len());
        let bytes = &image.blob[first..=last];
        if bytes.len() > 100_000 {
            return cut(206, &[("content-range", &headers)], &bytes[..70_000], bytes.len());
        }
        part(&image.blob, first, last)
    })
    .await;
    assert!(read(&fake).await.unwrap() == content());
    let asked = fake.log().iter().filter(|line| line.contains(" bytes=")).count();
    assert!(asked > 3, "it was asked for {asked} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_registry_led_is_gone_to_again_while_it_is_good() {
    for (uses, asked) in [(9, 1), (1, 2)] {
        let blob = image().blob;
        let storage = Fake::start(move |seen| match range(seen) {
            Some((first, last)) if seen.before < uses => part(&blob, first, last),
            _ => reply(403, &[], ""),
        })
        .await;
        let (image, host) = (image(), storage.host.clone());
        let fake = Fake::start(move |seen| match range(seen) {
            Some(_) => reply(307, &[("location", &format!("http://{host}/{}", seen.before))], ""),
            None => serve(&image, seen),
        })
        .await;
        assert!(read(&fake).await.unwrap() == content());
        assert_eq!(fake.log().iter().filter(|line| line.contains(" bytes=")).count(), asked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_was_asked_for_is_cut_off() {
    let fake =
        registry(|image, _, (first, _)| part(&image.blob, first.saturating_sub(100), image.blob.len() - 1)).await;
    assert!(read(&fake).await.unwrap() == content());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_parts_the_table_is_unusable() {
    let whole: fn(&TestImage, usize, (usize, usize)) -> Answer = |image, _, _| reply(200, &[], image.blob.clone());
    let refused = |_: &TestImage, _, _| reply(416, &[], "");
    let later = |image: &TestImage, before, (first, last)| match before {
        0 => part(&image.blob, first, last),
        _ => reply(200, &[], image.blob.clone()),
    };
    for fake in [registry(whole).await, registry(refused).await, registry(later).await] {
        let error = read(&fake).await.unwrap_err();
        assert!(Unusable::is_in(&error), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ails_the_registry_is_no_fault_of_the_table() {
    let broken = registry(|_, _, _| reply(503, &[], "")).await;
    let error = read(&broken).await.unwrap_err();
    assert!(!Unusable::is_in(&error), "{error:?}");
    assert!(error.to_string().contains("answered 503"), "{error}");
    let other = registry(|image, _, (first, last)| part(&vec![b'x'; image.blob.len()], first, last)).await;
    let error = read(&other).await.unwrap_err();
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<LayerError>());
    assert!(matches!(cause, Some(LayerError::WrongTable { .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_by_a_table_unasked() {
    let fake = registry(|image, _, (first, last)| part(&image.blob, first, last)).await;
    let image = Arc::new(fake.stage(options().0).await.unwrap());
    assert_eq!(image.layers[0].source.listing_digest(), None);
    let unasked = tokio::task::spawn_blocking(move || image.layers[0].source.listing().map(|_| ())).await.unwrap();
    assert!(Unusable::is_in(&unasked.unwrap_err()));
}
