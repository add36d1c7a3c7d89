//! Whom a signing certificate names: as much of X.509 (RFC 5280) as that takes, and what Sigstore's Fulcio adds
//! (<https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md>).
//!
//! Nothing is verified here: anybody can make a certificate that names anybody.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Most bytes of a certificate that are read.
const MAX_BYTES: usize = 64 << 10;
/// Most names of one certificate.
const MAX_NAMES: usize = 32;

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const UTF8: u8 = 0x0c;
/// `[3]` of a `TBSCertificate`.
const EXTENSIONS: u8 = 0xa3;
/// `[1]` and `[6]` of a `GeneralName`.
const EMAIL: u8 = 0x81;
const URI: u8 = 0x86;

/// `2.5.29.17`
const SUBJECT_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// `1.3.6.1.4.1.57264.1.1` and `.8`: who told Fulcio who the signer is.
const TOLD_BY_RAW: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01, 0x01];
const TOLD_BY: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01, 0x08];

/// Addresses and URIs of the subject of the first certificate of a PEM text, and who vouched for them.
pub(crate) fn names(pem: &str) -> Vec<String> {
    read(pem).unwrap_or_default()
}

fn read(pem: &str) -> Option<Vec<String>> {
    let (_, rest) = pem.get(..pem.len().min(MAX_BYTES))?.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let body: String = body.split_whitespace().collect();
    let der = STANDARD.decode(body).ok()?;
    let certificate = inside(&der, SEQUENCE)?;
    let mut fields = inside(certificate, SEQUENCE)?;
    let extensions = loop {
        let (tag, content, rest) = element(fields)?;
        if tag == EXTENSIONS {
            break content;
        }
        fields = rest;
    };
    let mut extensions = inside(extensions, SEQUENCE)?;
    let mut names = Vec::new();
    while let Some((SEQUENCE, extension, rest)) = element(extensions) {
        extensions = rest;
        let Some((OBJECT_ID, id, mut fields)) = element(extension) else { continue };
        let value = loop {
            match element(fields) {
                Some((OCTETS, value, _)) => break Some(value),
                Some((_, _, rest)) => fields = rest,
                None => break None,
            }
        };
        let Some(value) = value else { continue };
        match id {
            SUBJECT_NAMES => {
                let mut general = inside(value, SEQUENCE)?;
                while let Some((tag, name, rest)) = element(general) {
                    general = rest;
                    if matches!(tag, EMAIL | URI) {
                        push(&mut names, name);
                    }
                }
            }
            TOLD_BY_RAW => push(&mut names, value),
            TOLD_BY => push(&mut names, inside(value, UTF8)?),
            _ => {}
        }
    }
    Some(names)
}

fn push(names: &mut Vec<String>, name: &[u8]) {
    if let Ok(name) = std::str::from_utf8(name)
        && names.len() < MAX_NAMES
        && !names.iter().any(|known| known == name)
    {
        names.push(name.to_owned());
    }
}

/// The content of an element that must have this tag.
fn inside(bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    element(bytes).filter(|(tag, _, _)| *tag == wanted).map(|(_, content, _)| content)
}

/// Tag, content and what follows; lengths of at most three bytes.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn subjects_and_who_vouched_for_them_are_read() {
        let pem = include_str!("../testdata/certificate.pem");
        assert_eq!(
            names(pem),
            [
                "https://github.com/example/app/.github/workflows/release.yml@refs/tags/v1",
                "release@example.com",
                "https://token.actions.githubusercontent.com"
            ]
        );
        for cut in (0..pem.len()).step_by(7) {
            // Whatever is left says nothing else.
            assert!(names(&format!("{}-----END CERTIFICATE-----", &pem[..cut])).len() <= 3);
        }
        assert!(names("").is_empty() && names("-----BEGIN CERTIFICATE----------END CERTIFICATE-----").is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let body = STANDARD.encode(&bytes);
            let _ = names(&format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"));
            let _ = element(&bytes);
        }
    }
}
