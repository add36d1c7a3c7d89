//! JSON Web Tokens of an issuer (RFC 7519), checked against its keys (RFC 7517): RS256 and ES256 signatures, and whether
//! the token is for us and holds now.
//!
//! The algorithm is that of the key; what a token says of it is only compared.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Bytes of a token that is looked at.
const MAX_TOKEN_BYTES: usize = 16 << 10;

/// Keys of one issuer that are looked at.
const MAX_KEYS: usize = 100;

/// Seconds that clocks may differ.
const LEEWAY: i64 = 60;

/// The keys of an issuer.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeySet(Vec<PublicKey>);

#[derive(Debug, Clone)]
struct PublicKey {
    id: Option<String>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
}

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It is none.
    #[error("it is no signed token")]
    Malformed,
    /// There is no such key, as far as is known.
    #[error("the issuer has no such key")]
    UnknownKey,
    /// The key says something else.
    #[error("its signature is wrong")]
    Signature,
    /// Not of this issuer.
    #[error("it is of another issuer")]
    Issuer,
    /// Not for us.
    #[error("it is for another audience")]
    Audience,
    /// Not now.
    #[error("it does not hold now")]
    Time,
}

/// Whom tokens must be of and for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

impl KeySet {
    /// The keys of a JWKS document that can sign; none if it is no such document. Others are left out.
    pub(crate) fn read(document: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(document).ok()?;
        let keys = document.get("keys")?.as_array()?;
        Some(Self(keys.iter().take(MAX_KEYS).filter_map(read_key).collect()))
    }

    /// The claims of a token, if it is one of the issuer, for us, and holds now.
    pub(crate) fn claims(
        &self,
        token: &str,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<Map<String, Value>, Refused> {
        let Parts { signed, header, claims, signature } = parts(token).ok_or(Refused::Malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| Refused::Malformed)?;
        if header.crit.is_some() {
            return Err(Refused::Malformed);
        }
        let fits = |key: &&PublicKey| {
            key.algorithm() == header.alg && (header.kid.is_none() || key.id.is_none() || key.id == header.kid)
        };
        let mut keys = self.0.iter().filter(fits).peekable();
        if keys.peek().is_none() {
            return Err(Refused::UnknownKey);
        }
        if !keys.any(|key| key.has_signed(signed.as_bytes(), &signature)) {
            return Err(Refused::Signature);
        }
        let claims: Map<String, Value> = serde_json::from_slice(&claims).map_err(|_| Refused::Malformed)?;
        if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
            return Err(Refused::Issuer);
        }
        let is_for_us = match claims.get("aud") {
            Some(Value::String(audience)) => audience == expected.audience,
            Some(Value::Array(audiences)) => audiences.iter().any(|one| one.as_str() == Some(expected.audience)),
            _ => false,
        };
        if !is_for_us {
            return Err(Refused::Audience);
        }
        let now = now.as_second();
        let ends = claims.get("exp").and_then(second).ok_or(Refused::Time)?;
        let begins = match claims.get("nbf") {
            Some(begins) => second(begins).ok_or(Refused::Time)?,
            None => i64::MIN,
        };
        if now >= ends.saturating_add(LEEWAY) || now.saturating_add(LEEWAY) < begins {
            return Err(Refused::Time);
        }
        Ok(claims)
    }
}

/// Who a token says issued it. Nothing has been checked.
pub(crate) fn claimed_issuer(token: &str) -> Option<String> {
    let claims: Map<String, Value> = serde_json::from_slice(&parts(token)?.claims).ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// What a token consists of.
struct Parts<'a> {
    signed: &'a str,
    header: Vec<u8>,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

fn parts(token: &str) -> Option<Parts<'_>> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    Some(Parts { signed, header: bytes(header)?, claims: bytes(claims)?, signature: bytes(signature)? })
}

/// Some issuers write seconds with a fraction.
#[expect(clippy::cast_possible_truncation, reason = "a float beyond the range becomes its end")]
fn second(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}

fn read_key(key: &Value) -> Option<PublicKey> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let bytes = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok());
    if text("use").is_some_and(|usage| usage != "sig") {
        return None;
    }
    let material = match (text("kty")?, text("crv")) {
        ("RSA", _) => Material::Rsa { n: bytes("n")?, e: bytes("e")? },
        ("EC", Some("P-256")) => {
            let (x, y) = (bytes("x")?, bytes("y")?);
            if x.len() != 32 || y.len() != 32 {
                return None;
            }
            Material::P256([&[4], x.as_slice(), y.as_slice()].concat())
        }
        _ => return None,
    };
    let key = PublicKey { id: text("kid").map(str::to_owned), material };
    text("alg").is_none_or(|algorithm| algorithm == key.algorithm()).then_some(key)
}

impl PublicKey {
    fn algorithm(&self) -> &'static str {
        match self.material {
            Material::Rsa { .. } => "RS256",
            Material::P256(_) => "ES256",
        }
    }

    fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, bytes, signature).is_ok()
            }
            Material::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(bytes, signature).is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = include_str!("../../testdata/oidc/jwks.json");
    const RS256: &str = include_str!("../../testdata/oidc/rs256.jwt");
    const ES256: &str = include_str!("../../testdata/oidc/es256.jwt");
    const US: Expected<'_> = Expected { issuer: "https://id.example.org", audience: "killick" };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn keys() -> KeySet {
        KeySet::read(KEYS.as_bytes()).unwrap()
    }

    /// Both were signed by another implementation, for 1000 to 2000.
    #[test]
    fn tokens_of_the_issuer_hold_for_their_time() {
        for token in [RS256.trim(), ES256.trim()] {
            let claims = keys().claims(token, US, at(1500)).unwrap();
            assert_eq!(claims["sub"], "alice");
            assert!(keys().claims(token, US, at(1000 - LEEWAY)).is_ok(), "clocks differ");
            assert!(keys().claims(token, US, at(2000 + LEEWAY - 1)).is_ok(), "clocks differ");
            assert_eq!(keys().claims(token, US, at(1000 - LEEWAY - 1)), Err(Refused::Time));
            assert_eq!(keys().claims(token, US, at(2000 + LEEWAY)), Err(Refused::Time));
            let other = Expected { audience: "strangers", ..US };
            assert_eq!(keys().claims(token, other, at(1500)), Err(Refused::Audience));
            let other = Expected { issuer: "https://id.example.com", ..US };
            assert_eq!(keys().claims(token, other, at(1500)), Err(Refused::Issuer));
            assert_eq!(claimed_issuer(token).as_deref(), Some(US.issuer));
        }
    }

    #[test]
    fn tokens_of_others_are_refused() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let claims = part(r#"{"iss":"https://id.example.org","aud":"killick","exp":9999,"sub":"admin"}"#);
        let [header, _, signature] = RS256.trim().split('.').collect::<Vec<_>>()[..] else { unreachable!() };
        let forged = format!("{header}.{claims}.{signature}");
        assert_eq!(keys().claims(&forged, US, at(1500)), Err(Refused::Signature));
        let with = |header: &str| format!("{}.{claims}.{signature}", part(header));
        for (header, want) in [
            (r#"{"alg":"none"}"#, Refused::UnknownKey),
            (r#"{"alg":"HS256","kid":"rsa"}"#, Refused::UnknownKey),
            (r#"{"alg":"ES256","kid":"rsa"}"#, Refused::UnknownKey),
            (r#"{"alg":"RS256","kid":"another"}"#, Refused::UnknownKey),
            (r#"{"alg":"RS256","crit":["b64"]}"#, Refused::Malformed),
            ("{}", Refused::Malformed),
        ] {
            assert_eq!(keys().claims(&with(header), US, at(1500)), Err(want), "{header}");
        }
        for token in ["", ".", "..", "...", "a.b", "a.b.c", &"a".repeat(MAX_TOKEN_BYTES + 1)] {
            assert_eq!(keys().claims(token, US, at(1500)), Err(Refused::Malformed), "{token}");
        }
        assert_eq!(KeySet::default().claims(RS256.trim(), US, at(1500)), Err(Refused::UnknownKey));
    }

    #[test]
    fn keys_that_cannot_sign_are_left_out() {
        for document in ["", "[]", "{}", r#"{"keys": 1}"#] {
            assert!(KeySet::read(document.as_bytes()).is_none(), "{document}");
        }
        for key in [
            r#"{"kty":"oct","k":"AAAA"}"#,
            r#"{"kty":"RSA","n":"AAAA"}"#,
            r#"{"kty":"RSA","n":"AAAA","e":"AQAB","use":"enc"}"#,
            r#"{"kty":"RSA","n":"AAAA","e":"AQAB","alg":"RS512"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#,
            r#"{"kty":"EC","crv":"P-521","x":"AAAA","y":"AAAA"}"#,
            "7",
        ] {
            let document = format!(r#"{{"keys": [{key}]}}"#);
            assert!(KeySet::read(document.as_bytes()).unwrap().0.is_empty(), "{key}");
        }
    }
}
