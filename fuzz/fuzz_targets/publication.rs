//! A published index: the signed document, keys, what is remembered of earlier ones; and the bytes as a bundle.
#![no_main]

use killick_fetch::publication::{Opened, Place, PlaceOptions};
use killick_vulns::publication::{Allowed, PrivateKey, PublicKey, Seen, Trust, accept, peek};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let seen = Seen::parse(data).unwrap_or_default();
    let _ = (text.parse::<PublicKey>(), text.parse::<PrivateKey>());
    let key: PublicKey = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".parse().expect("a key");
    let now = jiff::Timestamp::UNIX_EPOCH;
    let _ = peek(data);
    for keys in [&[key][..], &[]] {
        let allowed = Allowed { unsigned: true, ..Allowed::default() };
        let _ = accept(data, &Trust { keys, now, seen: &seen, allowed });
    }
    let place = Place::Bundle(killick_fuzz::file("bundle.tar", data));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let options = PlaceOptions { manifest_bytes: 1 << 20, ..PlaceOptions::default() };
        let Ok(opened) = Opened::new(&place, &options).await else { return };
        let Ok(document) = opened.manifest(&options).await else { return };
        let Ok(publication) = peek(&document) else { return };
        for blob in publication.blobs().into_iter().take(4) {
            for part in [None, Some(1..blob.bytes)] {
                if let Ok(reader) = opened.blob(&blob.digest, blob.bytes, part) {
                    let _ = std::io::copy(&mut std::io::Read::take(reader, 1 << 16), &mut std::io::sink());
                }
            }
        }
    });
});
