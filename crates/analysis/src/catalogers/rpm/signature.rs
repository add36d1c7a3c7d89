//! Who signed a package: the signature packet that a header carries (RFC 4880 and RFC 9580, "Signature Packet").
//!
//! Read for the key alone. Whether the signature is right cannot be told without the package.

use killick_model::package::RpmSignature;

const SIGNATURE: u8 = 2;

/// Subpacket types.
const ISSUER: u8 = 16;
const ISSUER_FINGERPRINT: u8 = 33;

/// The first packet, if it is a signature that names its key.
pub(super) fn read(packet: &[u8]) -> Option<RpmSignature> {
    let body = body(packet)?;
    match body.split_first()? {
        (2 | 3, rest) => {
            // Length of what was hashed (5), its type, a time; the key; algorithms.
            let key = rest.get(6..14)?;
            Some(RpmSignature { algorithm: algorithm(rest.get(14..16)?)?, key_id: hex::encode(key), fingerprint: None })
        }
        (&version @ 4..=6, rest) => {
            let algorithm = algorithm(rest.get(1..3)?)?;
            let mut rest = rest.get(3..)?;
            let mut issuer = Issuer::default();
            for _hashed_then_unhashed in 0..2 {
                let (area, after) = area(rest, version)?;
                issuer.subpackets(area);
                rest = after;
            }
            let key_id = issuer.key_id.or_else(|| issuer.fingerprint.as_deref().and_then(key_id))?;
            Some(RpmSignature { algorithm, key_id, fingerprint: issuer.fingerprint })
        }
        _ => None,
    }
}

/// The body of a packet: old and new framing, without partial lengths, which signatures do not have.
fn body(packet: &[u8]) -> Option<&[u8]> {
    let (&head, rest) = packet.split_first()?;
    let (tag, length, rest) = match head {
        0x80..0xc0 => {
            let width = 1_usize << (head & 3);
            // The fourth kind of length is "to the end".
            let (length, rest) = if width == 8 { (rest.len(), rest) } else { number(rest, width)? };
            (head >> 2 & 0xf, length, rest)
        }
        0xc0.. => {
            let (length, rest) = new_length(rest)?;
            (head & 0x3f, length, rest)
        }
        _ => return None,
    };
    if tag == SIGNATURE { rest.get(..length) } else { None }
}

/// A big-endian number of this many bytes, and what follows it.
fn number(bytes: &[u8], width: usize) -> Option<(usize, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(width)?;
    Some((digits.iter().fold(0_usize, |number, &byte| number << 8 | usize::from(byte)), rest))
}

/// A length of one, two or five bytes.
fn new_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..192 => Some((usize::from(first), rest)),
        192..255 => {
            let (&second, rest) = rest.split_first()?;
            Some(((usize::from(first) - 192) * 256 + usize::from(second) + 192, rest))
        }
        255 => number(rest, 4),
    }
}

/// An area of subpackets, whose length has two bytes, since version 6 four.
fn area(bytes: &[u8], version: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(bytes, if version == 6 { 4 } else { 2 })?;
    rest.split_at_checked(length)
}

#[derive(Default)]
struct Issuer {
    key_id: Option<String>,
    fingerprint: Option<String>,
}

impl Issuer {
    /// What is hashed comes first and stays.
    fn subpackets(&mut self, mut area: &[u8]) {
        while let Some((length, rest)) = new_length(area) {
            let Some((subpacket, after)) = rest.split_at_checked(length) else { return };
            area = after;
            // The first bit says that a reader must understand it.
            let Some((&kind, body)) = subpacket.split_first() else { continue };
            match (kind & 0x7f, body) {
                (ISSUER, key) if key.len() == 8 => {
                    self.key_id.get_or_insert_with(|| hex::encode(key));
                }
                (ISSUER_FINGERPRINT, [_version, print @ ..]) if matches!(print.len(), 20 | 32) => {
                    self.fingerprint.get_or_insert_with(|| hex::encode(print));
                }
                _ => {}
            }
        }
    }
}

/// The id within a fingerprint: the last digits of those of 160 bits, the first of longer ones.
fn key_id(fingerprint: &str) -> Option<String> {
    let digits = if fingerprint.len() == 40 { fingerprint.get(24..) } else { fingerprint.get(..16) };
    digits.map(str::to_owned)
}

/// `rsa/sha256`.
fn algorithm(codes: &[u8]) -> Option<String> {
    let &[key, hash] = codes else { return None };
    let key = match key {
        1..=3 => "rsa",
        17 => "dsa",
        19 => "ecdsa",
        22 => "eddsa",
        27 => "ed25519",
        28 => "ed448",
        30 => "ml-dsa-65+ed25519",
        31 => "ml-dsa-87+ed448",
        _ => "unknown",
    };
    let hash = match hash {
        1 => "md5",
        2 => "sha1",
        3 => "ripemd160",
        8 => "sha256",
        9 => "sha384",
        10 => "sha512",
        11 => "sha224",
        12 => "sha3-256",
        14 => "sha3-512",
        _ => "unknown",
    };
    Some(format!("{key}/{hash}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of `GnuPG` 2.2, with keys made for this test.
    const ED25519: &str = "888a04001608003216210459a850e64dcad65f3d90fb4b64ab3ec62bc4bb1505026b0a5abb141c6564323535313940\
        6578616d706c652e636f6d000a091064ab3ec62bc4bb15b8f200fe24c43083ec4dc05f1f17b88d5187fd7b391f884f54dd9d3d4930ff2866\
        209d7800ff5712270375e041240745d1b1af885046df3e7e71a40df0c2c83fc324450c5504";
    /// The same in the newer framing, of a DSA key.
    const DSA: &str = "c28a040011080032162104393dfd6b4e6fe3825d02805835ae3fd48b59684905026b0a5abb141c6473613230343840\
        6578616d706c652e636f6d000a091035ae3fd48b596849ae1c00fc087f112d416118a7af967308d269d4073d68c9f9f8be1fbfc0c0e036cc\
        6a033a00fc0c69037ad50baecc225dd36e21d97aa14f0b0b96b51b39108ca39bcd48666e9c";

    #[test]
    fn packets() {
        // Version 3, as signed by GnuPG 1: no fingerprint.
        let old = "88150305005a1b2c3d24c6a8a7f4a80eb501020a0b0c0001ff";
        // Version 6: four bytes of length, and the key by its fingerprint alone.
        let six = format!("c23006001b0a00000023222106{}0000000000", "cb".repeat(32));
        for (packet, algorithm, key_id, fingerprint) in [
            (ED25519, "eddsa/sha256", "64ab3ec62bc4bb15", Some("59a850e64dcad65f3d90fb4b64ab3ec62bc4bb15")),
            (DSA, "dsa/sha256", "35ae3fd48b596849", Some("393dfd6b4e6fe3825d02805835ae3fd48b596849")),
            (old, "rsa/sha1", "24c6a8a7f4a80eb5", None),
            (&six, "ed25519/sha512", "cbcbcbcbcbcbcbcb", Some(&*"cb".repeat(32))),
        ] {
            let found = read(&hex::decode(packet).unwrap()).unwrap();
            assert_eq!(found.algorithm, algorithm);
            assert_eq!((found.key_id.as_str(), found.fingerprint.as_deref()), (key_id, fingerprint));
        }
        for nothing in ["", "88", "99010d04", "888a0400160800ff", "8803030000", "ff", "c2ff80000000"] {
            assert_eq!(read(&hex::decode(nothing).unwrap()), None, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn any_packet_ends(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), version in 2_u8..8) {
            let _ = read(&bytes);
            bytes.splice(..0, [0x88, 70, version]);
            let _ = read(&bytes);
        }
    }
}
