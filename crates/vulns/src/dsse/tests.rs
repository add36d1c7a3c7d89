use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::publication::PrivateKey;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/keys")
}

fn private(name: &str) -> Result<SigningKey, SigningKeyError> {
    SigningKey::read(&fs_err::read_to_string(testdata().join(name)).unwrap())
}

/// As openssl makes keys and signatures.
#[test]
fn signatures_are_of_keys() {
    let read = |name: &str| fs_err::read_to_string(testdata().join(name)).unwrap();
    let lines = read("signatures.txt");
    let mut kinds = BTreeSet::new();
    for line in lines.lines().filter(|line| !line.starts_with('#')) {
        let (name, signature) = line.split_once(' ').unwrap();
        let signature = STANDARD.decode(signature).unwrap();
        kinds.insert(name);
        for other in ["ed25519", "p256", "p384", "rsa"] {
            let keys = VerifyingKey::read(&read(&format!("{other}.pub"))).unwrap();
            let [key] = keys.as_slice() else { panic!("{other}") };
            assert_eq!(key.verify(b"message", &signature), other == name, "{line} by {other}");
            assert!(!key.verify(b"massage", &signature));
        }
    }
    assert_eq!(kinds.len(), 4);
    assert_eq!(VerifyingKey::read(&read("p521.pub")), Err(VerifyingKeyError::Unknown(1)));
    assert_eq!(VerifyingKey::read("ssh-ed25519 AAAA"), Err(VerifyingKeyError::None));
    let both = read("p256.pub") + &read("rsa.pub");
    assert_eq!(VerifyingKey::read(&both).map(|keys| keys.len()), Ok(2));
    assert_eq!(VerifyingKey::read(&read("p256.pub").replace("MFkw", "MFkx")), Err(VerifyingKeyError::Unknown(1)));
}

/// As `openssl genpkey`, `openssl ecparam` and others write them.
#[test]
fn private_keys_are_read_or_refused_with_a_remedy() {
    for name in ["signer-ed25519.pem", "signer-p256.pem"] {
        assert!(private(name).is_ok(), "{name}");
    }
    for (name, want, remedy) in [
        ("signer-p384.pem", SigningKeyError::Unknown, "killick db key generate"),
        ("encrypted.pem", SigningKeyError::Encrypted, "openssl pkcs8 -in"),
        ("sec1.pem", SigningKeyError::Form("EC PRIVATE KEY".to_owned()), "openssl pkcs8 -topk8 -nocrypt"),
        ("p256.pub", SigningKeyError::Public, "BEGIN PRIVATE KEY"),
        ("signatures.txt", SigningKeyError::None, "openssl genpkey"),
    ] {
        let error = private(name).expect_err(name);
        assert_eq!(error, want, "{name}");
        let hint = killick_model::hint::Hint::hint(&error).unwrap();
        assert!(hint.contains(remedy), "{name}: {hint}");
    }
    assert_eq!(
        SigningKey::read("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").map(drop),
        Err(SigningKeyError::Unknown)
    );
}

#[test]
fn what_is_sealed_is_signed_by_its_keys_alone() {
    let keys = [private("signer-ed25519.pem").unwrap(), private("signer-p256.pem").unwrap()];
    let sealed = Envelope::seal("text/plain", "hällo".as_bytes(), &keys).unwrap();
    let text = serde_json::to_vec(&sealed).unwrap();
    let found = Envelope::find(&text).unwrap().unwrap();
    assert_eq!(found, sealed);
    let payload = found.payload().unwrap();
    assert_eq!(payload, "hällo".as_bytes());
    let other = VerifyingKey::read(&fs_err::read_to_string(testdata().join("p256.pub")).unwrap()).unwrap();
    let all: Vec<VerifyingKey> = keys.iter().map(|key| key.public().clone()).chain(other).collect();
    let signers = found.signers(&payload, &all);
    assert_eq!((signers.right, signers.wrong), (vec![&all[0], &all[1]], vec![]));
    // Of other bytes, or of bytes of another type, nobody is the signer, although two are named.
    let signers = found.signers(b"hullo", &all);
    assert_eq!((signers.right, signers.wrong.len()), (vec![], 2));
    let retyped = Envelope { payload_type: "text/html".to_owned(), ..found };
    assert!(retyped.signers(&payload, &all).right.is_empty());
    // The line that `killick db key` prints is the same key.
    let (key, text) = PrivateKey::generate().unwrap();
    let line = key.public().to_string();
    assert_eq!(VerifyingKey::read(&line).unwrap(), [SigningKey::read(&text).unwrap().public().clone()], "{line}");
}

/// Names of keys are hints: a signature counts by whatever name, or by none.
#[test]
fn envelopes_of_others_are_found() {
    let key = private("signer-ed25519.pem").unwrap();
    let sealed = serde_json::to_value(Envelope::seal("a/b", b"{}", std::slice::from_ref(&key)).unwrap()).unwrap();
    let nameless = |name: Value| {
        let mut envelope = sealed.clone();
        envelope["signatures"][0]["keyid"] = name;
        envelope
    };
    let bare = json!({"payloadType": "a/b", "payload": sealed["payload"], "signatures": [{"sig": sealed["signatures"][0]["sig"]}]});
    let bundle = json!({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": sealed});
    let keys = [key.public().clone()];
    for envelope in [sealed.clone(), nameless(json!("")), nameless(json!("x")), nameless(Value::Null), bare, bundle] {
        let found = Envelope::find(envelope.to_string().as_bytes()).unwrap().unwrap();
        assert_eq!(found.signers(b"{}", &keys).right.len(), 1, "{envelope}");
    }
    let mut many = sealed.clone();
    many["signatures"] = vec![sealed["signatures"][0].clone(); 33].into();
    let mut broken = sealed;
    broken["payload"] = "###".into();
    let broken = Envelope::find(broken.to_string().as_bytes()).unwrap().unwrap();
    assert_eq!(broken.payload(), Err(EnvelopeError::Payload));
    for (text, want) in [
        (many.to_string(), Err(EnvelopeError::Signatures)),
        (json!({"messageSignature": {}}).to_string(), Err(EnvelopeError::Detached)),
        (json!({"bomFormat": "CycloneDX"}).to_string(), Ok(None)),
    ] {
        assert_eq!(Envelope::find(text.as_bytes()), want);
    }
    assert!(matches!(Envelope::find(b"[1]"), Err(EnvelopeError::Json(_))));
}

proptest! {
    #[test]
    fn no_key_makes_it_panic(der in prop::collection::vec(prop::sample::select(vec![0_u8, 3, 6, 0x30, 0x2a, 0x81, 0x82, 5, 9]), 0..60)) {
        let text = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(der));
        let _ = VerifyingKey::read(&text);
    }

    #[test]
    fn no_private_key_makes_it_panic(der in prop::collection::vec(any::<u8>(), 0..140)) {
        let _ = SigningKey::read(&format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", STANDARD.encode(der)));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Envelope::find(&bytes);
    }
}
