//! Docker's Engine API, as far as images are exported (`GET /_ping`, `/images/{name}/json`, `/images/{name}/get`).

use std::path::Path;
use std::time::Duration;

use killick_model::digest::Digest;
use killick_model::image::Platform;
use reqwest::Response;
use reqwest::header::HeaderValue;
use secrecy::SecretSlice;
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Handle;
use url::Url;

use super::address::{self, Address};
use super::{Engine, EngineError};
use crate::channel::{ChannelReader, ChannelWriter, channel};
use crate::http::{self, ClientOptions};
use crate::stage::StageOptions;

/// The newest version of the API that we know.
const VERSION: (u32, u32) = (1, 48);
/// The first version that exports one platform of several.
const WITH_PLATFORM: (u32, u32) = (1, 48);
/// Bytes of an answer that only explains an error.
const MESSAGE_BYTES: u64 = 64 << 10;
/// Characters of it that are shown.
const MESSAGE_CHARS: usize = 300;
/// Bytes of an image's name.
const NAME_BYTES: usize = 512;

/// A connection to an engine.
#[derive(Clone)]
pub(super) struct Api {
    engine: Engine,
    http: reqwest::Client,
    base: Url,
    /// Time to wait for an answer, and for its next bytes.
    patience: Duration,
    /// Agreed upon; `None` with engines that name none.
    version: Option<(u32, u32)>,
}

/// What an engine says of an image.
#[derive(Deserialize)]
pub(super) struct Inspected {
    /// Of the configuration, or of the manifest or index, depending on the engine's store.
    #[serde(rename = "Id")]
    pub(super) id: String,
    #[serde(default, rename = "RepoTags", deserialize_with = "list")]
    pub(super) tags: Vec<String>,
    #[serde(default, rename = "RepoDigests", deserialize_with = "list")]
    digests: Vec<String>,
}

/// A list that may be `null`.
fn list<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Inspected {
    /// Whether the image is, or was pulled as, the manifest or index of this digest.
    pub(super) fn is_known_as(&self, digest: &Digest) -> bool {
        let digest = digest.to_string();
        let pulled = self.digests.iter().filter_map(|name| Some(name.rsplit_once('@')?.1));
        self.id == digest || pulled.into_iter().any(|other| other == digest)
    }
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Api {
    /// Connects to `engine` and agrees on a version.
    pub(super) async fn connect(engine: Engine, options: &StageOptions) -> Result<Self, EngineError> {
        let address = address::find(engine, &options.environment)?;
        let mut client = ClientOptions {
            connect_timeout: options.engine_timeouts.connect,
            read_timeout: None,
            redirects: 0,
            ..ClientOptions::default()
        };
        let (base, shown) = match address {
            Address::Socket(path) => {
                let shown = path.display().to_string();
                client.unix_socket = Some(path);
                ("http://localhost/".parse().ok(), shown)
            }
            Address::Port { url, certificates, skip_verify } => {
                client.skip_tls_verify = skip_verify;
                if let Some(folder) = certificates {
                    let read = |name: &str| read_certificate(engine, &folder.join(name));
                    client.extra_ca_pem = read("ca.pem")?;
                    client.identity_pem = match (read("cert.pem")?, read("key.pem")?) {
                        (Some(certificate), Some(key)) => {
                            Some(SecretSlice::from([certificate, b"\n".to_vec(), key].concat()))
                        }
                        _ => None,
                    };
                }
                let shown = url.to_string();
                (Some(url), shown)
            }
        };
        let refuse = || EngineError::Address { engine, address: shown.clone(), reason: "it is malformed" };
        let base = base.ok_or_else(refuse)?;
        let http = http::client(&client).map_err(|source| EngineError::Client { engine, source })?;
        let patience = options.engine_timeouts.read;
        let mut api = Self { engine, http, base, patience, version: None };
        let what = "its version";
        let sent = tokio::time::timeout(patience, api.http.get(api.url(&["_ping"])).send()).await;
        let unreachable = |source: reqwest::Error| EngineError::Unreachable { engine, address: shown, source };
        let response = sent.map_err(|_| EngineError::Slow { engine, what })?;
        let response = response.map_err(|error| unreachable(error.without_url()))?;
        let offered = response.headers().get("api-version").and_then(version);
        api.answered(response, what, "").await?;
        api.version = offered.map(|offered| offered.min(VERSION));
        Ok(api)
    }

    /// What the engine says of an image.
    pub(super) async fn inspect(&self, image: &str, options: &StageOptions) -> Result<Inspected, EngineError> {
        if !is_name(image) {
            return Err(EngineError::Name { image: image.chars().take(200).collect() });
        }
        let what = "an image";
        let segments: Vec<&str> = ["images"].into_iter().chain(image.split('/')).chain(["json"]).collect();
        let request = self.http.get(self.url(&segments));
        let response = self.in_time(what, request.send()).await?;
        let response = self.answered(response, what, image).await?;
        let body = self.body(response, options.limits.document_bytes, what).await?;
        serde_json::from_slice::<Inspected>(&body)
            .ok()
            .filter(|inspected| is_name(&inspected.id))
            .ok_or(EngineError::Malformed { engine: self.engine, what })
    }

    /// The archive of an image, from its beginning. To be read outside the runtime.
    pub(super) fn export(&self, runtime: &Handle, id: String, platform: Option<Platform>) -> ChannelReader {
        let (writer, reader) = channel();
        // Ends by itself when the archive or the reader does.
        runtime.spawn(self.clone().send_export(id, platform, writer));
        reader
    }

    async fn send_export(self, id: String, platform: Option<Platform>, writer: ChannelWriter) {
        let what = "an archive of the image";
        let mut url = self.url(&["images", &id, "get"]);
        if let Some(platform) = platform.filter(|_| self.version.is_some_and(|version| version >= WITH_PLATFORM)) {
            let mut wanted = json!({"os": platform.os, "architecture": platform.architecture});
            if let Some(variant) = platform.variant {
                wanted["variant"] = variant.into();
            }
            url.query_pairs_mut().append_pair("platform", &wanted.to_string());
        }
        let answered = match self.in_time(what, self.http.get(url).send()).await {
            Ok(response) => self.answered(response, what, &id).await,
            Err(error) => Err(error),
        };
        let mut response = match answered {
            Ok(response) => response,
            Err(error) => return writer.fail(error).await,
        };
        loop {
            match self.in_time(what, response.chunk()).await {
                Ok(Some(bytes)) => {
                    if !writer.send(bytes).await {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => return writer.fail(error).await,
            }
        }
    }

    /// An address of the API.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            if let Some((major, minor)) = self.version {
                path.push(&format!("v{major}.{minor}"));
            }
            path.extend(segments);
        }
        url
    }

    /// The response, if it is a good one.
    async fn answered(&self, response: Response, what: &'static str, image: &str) -> Result<Response, EngineError> {
        let status = response.status().as_u16();
        if (200..=299).contains(&status) {
            return Ok(response);
        }
        if status == 404 && !image.is_empty() {
            return Err(EngineError::NoImage { engine: self.engine, image: image.to_owned() });
        }
        let body = self.body(response, MESSAGE_BYTES, what).await.unwrap_or_default();
        let message = match serde_json::from_slice::<Message>(&body) {
            Ok(Message { message }) => message,
            Err(_) => String::from_utf8_lossy(&body).into_owned(),
        };
        let message = message.trim().chars().filter(|letter| !letter.is_control()).take(MESSAGE_CHARS).collect();
        Err(EngineError::Refused { engine: self.engine, what, status, message })
    }

    async fn body(&self, mut response: Response, limit: u64, what: &'static str) -> Result<Vec<u8>, EngineError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.in_time(what, response.chunk()).await? {
            if body.len() as u64 + chunk.len() as u64 > limit {
                return Err(EngineError::Malformed { engine: self.engine, what });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// What the engine sends, if it comes in time. What its reader takes in between is not counted.
    async fn in_time<T>(
        &self,
        what: &'static str,
        coming: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, EngineError> {
        let engine = self.engine;
        let came = tokio::time::timeout(self.patience, coming).await.map_err(|_| EngineError::Slow { engine, what })?;
        came.map_err(|error| EngineError::Broken { engine, what, source: error.without_url() })
    }
}

/// A certificate or key, if it is there.
fn read_certificate(engine: Engine, path: &Path) -> Result<Option<Vec<u8>>, EngineError> {
    match fs_err::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EngineError::Settings { engine, path: path.to_owned(), source }),
    }
}

/// `1.41`.
fn version(header: &HeaderValue) -> Option<(u32, u32)> {
    let (major, minor) = header.to_str().ok()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Whether a text may be a name or id. What is none must not become another path of the API.
fn is_name(text: &str) -> bool {
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:@".contains(&byte))
    };
    text.len() <= NAME_BYTES && text.split('/').all(is_segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_place() {
        for (text, want) in [
            ("alpine", true),
            ("localhost:5000/a/b_c.d-e:v1", true),
            ("a@sha256:00", true),
            ("0123abcd", true),
            ("", false),
            ("../containers", false),
            ("a/../b", false),
            ("a//b", false),
            ("a?x", false),
            ("a b", false),
            ("a%2e", false),
        ] {
            assert_eq!(is_name(text), want, "{text}");
        }
    }

    #[test]
    fn versions_are_read() {
        for (text, want) in [("1.41", Some((1, 41))), ("1.9", Some((1, 9))), ("x", None), ("1.", None), ("", None)] {
            assert_eq!(version(&HeaderValue::from_static(text)), want, "{text}");
        }
    }
}
