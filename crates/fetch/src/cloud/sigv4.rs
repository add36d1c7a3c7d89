//! Signatures of requests to Amazon (AWS Signature Version 4, "Create a signed AWS API request").

use jiff::Timestamp;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;

/// Keys of an Amazon identity.
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
    /// With keys that are good for a while only.
    pub(crate) session: Option<SecretString>,
}

/// What is signed.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: &'a Url,
    /// In lower case and in order, without those that signing adds.
    pub(crate) headers: &'a [(&'static str, &'a str)],
    pub(crate) body: &'a [u8],
    pub(crate) region: &'a str,
    pub(crate) service: &'static str,
}

impl Signed<'_> {
    /// The headers that the request needs besides its own.
    pub(crate) fn sign(&self, keys: &Keys, now: Timestamp) -> Vec<(&'static str, String)> {
        let (date, time) = (now.strftime("%Y%m%d").to_string(), now.strftime("%Y%m%dT%H%M%SZ").to_string());
        let session = keys.session.as_ref().map(|token| token.expose_secret().to_owned());
        let mut headers: Vec<(&str, String)> =
            self.headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        headers.push(("host", host(self.url)));
        headers.push(("x-amz-date", time.clone()));
        headers.extend(session.clone().map(|token| ("x-amz-security-token", token)));
        headers.sort();
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let canonical = format!(
            "{}\n{}\n{}\n{lines}\n{names}\n{}",
            self.method,
            self.url.path(),
            query(self.url),
            hex::encode(Sha256::digest(self.body)),
        );
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let mut key = format!("AWS4{}", keys.secret.expose_secret()).into_bytes();
        for part in [date.as_str(), self.region, self.service, "aws4_request"] {
            key = hmac(&key, part);
        }
        let signature = hex::encode(hmac(&key, &to_sign));
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", keys.id);
        let mut added = vec![("x-amz-date", time), ("authorization", authorization)];
        added.extend(session.map(|token| ("x-amz-security-token", token)));
        added
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The query with its pairs in order. Its letters are taken as they are written: ours need no escapes.
fn query(url: &Url) -> String {
    let mut pairs: Vec<&str> = url.query().unwrap_or_default().split('&').collect();
    pairs.sort_unstable();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Amazon's own documentation.
    #[test]
    fn the_documented_signature_is_made() {
        let keys = Keys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: SecretString::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session: None,
        };
        let url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08".parse().unwrap();
        let signed = Signed {
            method: "GET",
            url: &url,
            headers: &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
            body: b"",
            region: "us-east-1",
            service: "iam",
        };
        let added = signed.sign(&keys, "2015-08-30T12:36:00Z".parse().unwrap());
        assert_eq!(added[0], ("x-amz-date", "20150830T123600Z".to_owned()));
        assert_eq!(
            added[1].1,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
        assert_eq!(added.len(), 2);
    }

    #[test]
    fn the_token_of_a_session_is_signed_too() {
        let keys =
            Keys { id: "A".to_owned(), secret: SecretString::from("s"), session: Some(SecretString::from("t0k")) };
        let url = "https://api.ecr.eu-west-1.amazonaws.com/".parse().unwrap();
        let signed =
            Signed { method: "POST", url: &url, headers: &[], body: b"{}", region: "eu-west-1", service: "ecr" };
        let added = signed.sign(&keys, Timestamp::UNIX_EPOCH);
        assert_eq!(added[2], ("x-amz-security-token", "t0k".to_owned()));
        assert!(added[1].1.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"), "{added:?}");
    }
}
