//! Who may publish, and what is taken.

use killick_model::digest::Digest;
use proptest::prelude::*;

use super::at;
use crate::dsse::Sign as _;
use crate::publication::{
    Accepted, Allowed, Blob, PrivateKey, PublicKey, Publication, PublicationError, PublishedSegment, Seen, Trust,
    accept, peek, sign,
};

fn key(number: u8) -> PrivateKey {
    PrivateKey::of_seed(&[number; 32]).unwrap().0
}

fn publication(version: u64) -> Publication {
    let blob = Blob { digest: Digest::of(b"x"), bytes: 1 };
    Publication {
        format: 1,
        name: "test".to_owned(),
        version,
        built: at(0),
        published: at(1000),
        expires: Some(at(2000)),
        index_format: crate::index::FORMAT,
        manifest: blob,
        segments: Vec::new(),
    }
}

fn judge(envelope: &[u8], keys: &[u8], now: i64, seen: &Seen, allowed: Allowed) -> Result<Accepted, String> {
    let keys: Vec<PublicKey> = keys.iter().map(|number| key(*number).public()).collect();
    accept(envelope, &Trust { keys: &keys, now: at(now), seen, allowed }).map_err(|error| error.to_string())
}

#[test]
fn only_signed_current_and_newer_publications_are_taken() {
    let (none, strict) = (Seen::default(), Allowed::default());
    let signed = sign(&publication(7), &[key(1), key(2)]);
    let taken = judge(&signed, &[1], 1500, &none, strict).unwrap();
    assert_eq!(taken.publication, publication(7));
    assert_eq!(taken.signers, [key(1).public().id()]);
    assert_eq!(judge(&signed, &[3, 2, 1], 1500, &none, strict).unwrap().signers.len(), 2);

    let refused = |envelope: &[u8], keys: &[u8], now: i64, seen: &Seen, allowed: Allowed, want: &str| {
        let error = judge(envelope, keys, now, seen, allowed).unwrap_err();
        assert!(error.contains(want), "{error}");
    };
    refused(&signed, &[3], 1500, &none, strict, "not signed by a trusted key; it names");
    refused(&sign(&publication(7), &[]), &[1], 1500, &none, strict, "it has no signature");
    // That nothing need be signed does not count where keys are given.
    let unsigned = Allowed { unsigned: true, ..strict };
    refused(&sign(&publication(7), &[]), &[1], 1500, &none, unsigned, "it has no signature");
    refused(&signed, &[], 1500, &none, strict, "no key is given");
    assert_eq!(judge(&signed, &[], 1500, &none, unsigned).unwrap().signers, []);

    refused(&signed, &[1], 2000, &none, strict, "expired at 1970-01-01T00:33:20Z");
    assert!(judge(&signed, &[1], 2000, &none, Allowed { expired: true, ..strict }).is_ok());

    let mut seen = Seen::default();
    seen.remember(&taken);
    let seen = Seen::parse(seen.to_json().as_bytes()).unwrap();
    assert!(judge(&signed, &[1], 1500, &seen, strict).is_ok(), "the same again");
    let older = sign(&publication(6), &[key(1), key(2)]);
    refused(&older, &[1], 1500, &seen, strict, "has version 6, but version 7 was taken before");
    let other = Publication { built: at(3), ..publication(7) };
    refused(&sign(&other, &[key(1)]), &[1], 1500, &seen, strict, "differs from what was taken before");
    assert!(judge(&older, &[2], 1500, &seen, strict).is_ok(), "of another key nothing was taken");
    let renamed = Publication { name: "another".to_owned(), ..publication(1) };
    assert!(judge(&sign(&renamed, &[key(1)]), &[1], 1500, &seen, strict).is_ok(), "nor under another name");

    // Going back on purpose begins anew there.
    let back = judge(&older, &[1], 1500, &seen, Allowed { rollback: true, ..strict }).unwrap();
    let mut seen = seen;
    seen.remember(&back);
    assert!(judge(&older, &[1], 1500, &seen, strict).is_ok());
}

/// A publisher who changes his key signs with both for a while.
#[test]
fn keys_are_changed_without_a_gap() {
    let mut seen = Seen::default();
    let strict = Allowed::default();
    for (version, signers, trusted) in
        [(1, &[1][..], &[1][..]), (2, &[1, 2], &[1, 2]), (3, &[2], &[1, 2]), (4, &[2], &[2])]
    {
        let keys: Vec<PrivateKey> = signers.iter().map(|number| key(*number)).collect();
        let taken = judge(&sign(&publication(version), &keys), trusted, 1500, &seen, strict).unwrap();
        seen.remember(&taken);
    }
    let replayed = sign(&publication(2), &[key(1), key(2)]);
    assert!(judge(&replayed, &[2], 1500, &seen, strict).unwrap_err().contains("but version 4"));
}

#[test]
fn every_changed_byte_of_the_payload_is_noticed() {
    let signed = String::from_utf8(sign(&publication(7), &[key(1)])).unwrap();
    let begin = signed.find("\"payload\": \"").unwrap() + 12;
    for place in (begin..begin + 200).step_by(3) {
        let mut bytes = signed.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let error = judge(&bytes, &[1], 1500, &Seen::default(), Allowed::default()).unwrap_err();
        assert!(error.contains("wrong signature"), "{error}");
    }
    let other_type = signed.replace("vnd.killick.publication+json", "vnd.in-toto+json");
    let error = judge(other_type.as_bytes(), &[1], 1500, &Seen::default(), Allowed::default()).unwrap_err();
    assert!(error.contains("application/vnd.in-toto+json"), "{error}");
}

#[test]
fn documents_of_other_forms_and_sizes_are_refused() {
    let too_many = vec![
        PublishedSegment {
            provider: "p".to_owned(),
            namespace: "n".to_owned(),
            blob: Blob { digest: Digest::of(b"x"), bytes: 1 }
        };
        10_001
    ];
    let large = |bytes| Blob { digest: Digest::of(b"x"), bytes };
    let segment = |bytes| PublishedSegment { provider: "p".to_owned(), namespace: "n".to_owned(), blob: large(bytes) };
    for (publication, want) in [
        (Publication { format: 9, ..publication(1) }, "the publication that is published has format 9"),
        (
            Publication { index_format: 1, ..publication(1) },
            "the index that is published has format 1, this program reads",
        ),
        (Publication { segments: too_many, ..publication(1) }, "10001 segments are more"),
        (Publication { manifest: large(1 << 40), ..publication(1) }, "is larger than"),
        (Publication { segments: vec![segment(1 << 40)], ..publication(1) }, "is larger than"),
        (Publication { segments: vec![segment(4 << 30); 5], ..publication(1) }, "bytes are more than"),
        (Publication { name: "n".repeat(300), ..publication(1) }, "its name is too long"),
    ] {
        let error = peek(&sign(&publication, &[])).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    for bytes in [&b""[..], b"{}", b"[]", b"\xff", br#"{"payloadType":1}"#] {
        assert!(matches!(peek(bytes), Err(PublicationError::Malformed { .. })), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn keys_have_the_forms_of_openssl() {
    // RFC 8410, section 10: examples of a private key and of a public key, which do not belong together.
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                   -----END PRIVATE KEY-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    let private: PrivateKey = private.parse().unwrap();
    let public: PublicKey = public.parse().unwrap();
    assert_eq!(public.to_string(), "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
    assert_eq!(private.public(), public);
    assert_eq!(public.to_string().parse(), Ok(public));
    assert!(!format!("{private:?}").contains("1O5y2"), "a key is not shown");

    let (made, text) = PrivateKey::generate().unwrap();
    assert_eq!(text.parse::<PrivateKey>().unwrap().public(), made.public());
    assert_ne!(PrivateKey::generate().unwrap().0.public(), made.public());
    for text in
        ["", "ed25519:", "ed25519:AAAA", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "ssh-ed25519 A"]
    {
        assert!(text.parse::<PublicKey>().is_err(), "{text}");
        assert!(text.parse::<PrivateKey>().is_err(), "{text}");
    }
    // RFC 8032, section 7.1, test 1.
    let seed: [u8; 32] =
        hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap().try_into().unwrap();
    let signature = PrivateKey::of_seed(&seed).unwrap().0.sign(b"").unwrap();
    assert!(hex::encode(signature).starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the bytes are, there is an answer.
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = peek(&bytes);
        let _ = Seen::parse(&bytes);
        let _ = String::from_utf8_lossy(&bytes).parse::<PublicKey>();
        let _ = String::from_utf8_lossy(&bytes).parse::<PrivateKey>();
        let envelope = serde_json::json!({
            "payloadType": "application/vnd.killick.publication+json",
            "payload": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes),
        });
        let _ = peek(envelope.to_string().as_bytes());
    }
}
