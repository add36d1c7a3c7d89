//! Fetches one file: only if it changed, from where it broke off, within bounds, and puts it in place when it is right.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use http::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_RANGE, LAST_MODIFIED, RANGE,
};
use jiff::fmt::rfc2822;
use reqwest::Response;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWriteExt as _, BufWriter};
use url::Url;

use super::error::{FeedError, shown};
use super::folder::{FileState, Part};
use super::plausible::{self, HEAD_BYTES};
use super::work::{Secrecy, Task};
use crate::progress::{Event, report};
use crate::registry::retry_after;

/// Time in which some bytes must come.
const WINDOW: Duration = Duration::from_mins(1);

/// Those bytes.
const WINDOW_BYTES: u64 = 64 << 10;

/// Time until an answer begins.
const ANSWER: Duration = Duration::from_mins(2);

/// Bytes of an unpacked file whose checksum is that of its content.
const UNPACKED_BYTES: u64 = 16 << 30;

/// Files of less may shrink as they like.
const SMALL_BYTES: u64 = 64 << 10;

/// A file to be fetched.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Where it is.
    pub(super) url: Url,
    /// Where it is to be, below the feeds folder.
    pub(super) path: String,
    /// Whether it is no error that it does not exist.
    pub(super) is_optional: bool,
    /// Whether less than half of what was here is suspicious.
    pub(super) is_growing: bool,
    /// What a list says of its content.
    pub(super) version: Option<String>,
    /// Its checksum.
    pub(super) checksum: Option<Checksum>,
}

/// A SHA-256 in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checksum {
    /// Of the file.
    File(String),
    /// Of what is in the file, packed with gzip.
    Unpacked(String),
}

impl Wanted {
    /// A document that is known to be of this version, and may be gone by now.
    pub(super) fn document(url: Url, path: String, version: &str) -> Self {
        let version = Some(version.to_owned());
        Self { url, path, is_optional: true, is_growing: false, version, checksum: None }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    /// It is what was here.
    Same,
    /// It is here, and was not.
    Changed,
    /// It does not exist.
    Missing,
}

/// One try.
enum Try {
    Done(Got),
    /// All of it is here.
    Complete(Headers),
}

/// What the server says of what it sent.
#[derive(Debug, Clone, Default)]
struct Headers {
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Headers {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
        Self { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
    }

    /// What tells that a rest is of the same content (RFC 9110, section 13.1.5).
    fn validator(&self) -> Option<String> {
        self.etag.clone().filter(|etag| etag.starts_with('"')).or_else(|| self.last_modified.clone())
    }
}

impl Task {
    /// Fetches a file.
    pub(super) async fn fetch(&self, wanted: &Wanted) -> Result<Got, FeedError> {
        let known = self.known(&wanted.path);
        if wanted.version.is_some() && known.as_ref().is_some_and(|known| known.version == wanted.version) {
            return Ok(Got::Same);
        }
        let (mut fruitless, mut resumes) = (0, 0);
        let headers = loop {
            let before = self.part_bytes(&wanted.path);
            let error = match self.attempt(wanted, known.as_ref()).await {
                Ok(Try::Done(got)) => return Ok(got),
                Ok(Try::Complete(headers)) => break headers,
                Err(error) => error,
            };
            if !error.is_passing() {
                return Err(error);
            }
            let retry = &self.options().retry;
            let has_progressed = self.part_bytes(&wanted.path) > before;
            fruitless = if has_progressed { 0 } else { fruitless + 1 };
            resumes += u32::from(has_progressed);
            if fruitless >= retry.attempts
                || resumes > retry.resumes
                || !self.pause(fruitless.max(1), error.after(), &wanted.url).await
            {
                return Err(error);
            }
        };
        self.settle(wanted, known.as_ref(), headers).await
    }

    /// Waits before the next try. False if the server wants us to wait longer than we will.
    pub(super) async fn pause(&self, attempt: u32, after: Option<Duration>, url: &Url) -> bool {
        let options = self.options();
        let retry = &options.retry;
        let doubled = retry.pause.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(retry.longest_pause);
        let pause = after.unwrap_or_else(|| doubled.mul_f64(1.0 - options.timer.chance() / 2.0));
        if pause > retry.longest_pause {
            return false;
        }
        report(options.progress.as_ref(), Event::Retrying { what: url.as_str(), after: pause });
        tracing::debug!("asking again for `{url}` after {pause:?}");
        options.timer.sleep(pause).await;
        true
    }

    fn part_bytes(&self, path: &str) -> u64 {
        fs_err::metadata(self.folder().part(path)).map_or(0, |metadata| metadata.len())
    }

    async fn attempt(&self, wanted: &Wanted, known: Option<&FileState>) -> Result<Try, FeedError> {
        let folder = self.folder();
        let part = folder.part_state(&wanted.path).filter(|part| part.url == wanted.url.as_str());
        let have = part.as_ref().map_or(0, |_| self.part_bytes(&wanted.path));
        let mut request =
            self.client(&wanted.url, Secrecy::Open)?.get(wanted.url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(part) = part.filter(|_| have > 0) {
            request = request.header(RANGE, format!("bytes={have}-")).header(IF_RANGE, part.validator);
        } else if let Some(known) = known {
            request = match (&known.etag, &known.last_modified) {
                (Some(etag), _) => request.header(IF_NONE_MATCH, etag),
                (None, Some(date)) => request.header(IF_MODIFIED_SINCE, date),
                (None, None) => request,
            };
        }
        let response = self.send(request, &wanted.url).await?;
        let status = response.status();
        let headers = Headers::of(response.headers());
        match status {
            StatusCode::NOT_MODIFIED => {
                self.note_version(&wanted.path, wanted.version.as_deref());
                return Ok(Try::Done(Got::Same));
            }
            StatusCode::NOT_FOUND | StatusCode::GONE if wanted.is_optional => return Ok(Try::Done(Got::Missing)),
            StatusCode::PARTIAL_CONTENT if begins_at(response.headers(), have) => {
                self.receive(wanted, response, have).await?;
            }
            StatusCode::OK => {
                folder.drop_part(&wanted.path)?;
                if let Some(validator) = headers.validator() {
                    folder.note_part(&wanted.path, Some(&Part { url: wanted.url.to_string(), validator }))?;
                }
                self.receive(wanted, response, 0).await?;
            }
            // The rest of something else: from the beginning.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
                folder.drop_part(&wanted.path)?;
                return Err(FeedError::Status { url: shown(&wanted.url), status: 503, after: Some(Duration::ZERO) });
            }
            _ => return Err(refusal(&wanted.url, &response)),
        }
        Ok(Try::Complete(headers))
    }

    async fn send(&self, request: reqwest::RequestBuilder, url: &Url) -> Result<Response, FeedError> {
        let transport = |source| FeedError::Transport { url: shown(url), source };
        match tokio::time::timeout(ANSWER, request.send()).await {
            Ok(response) => response.map_err(transport),
            Err(_) => Err(FeedError::Slow { url: shown(url), bytes: 1, window: ANSWER }),
        }
    }

    /// Writes the body behind what is here.
    async fn receive(&self, wanted: &Wanted, mut response: Response, have: u64) -> Result<(), FeedError> {
        let (url, limit, options) = (&wanted.url, self.upstream.max_bytes, self.options());
        let too_large = || FeedError::TooLarge { url: shown(url), limit };
        if response.content_length().is_some_and(|rest| rest.saturating_add(have) > limit) {
            return Err(too_large());
        }
        let path = self.folder().part(&wanted.path);
        let failed = |source| FeedError::File { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(failed)?;
        }
        let mut open = tokio::fs::File::options();
        open.create(true).write(true).append(have > 0).truncate(have == 0);
        let mut file = BufWriter::with_capacity(1 << 18, open.open(&path).await.map_err(failed)?);
        let (mut all, mut window_bytes, mut begun) = (have, 0_u64, options.timer.now());
        let outcome = loop {
            let bytes = match response.chunk().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break Ok(()),
                Err(source) => break Err(FeedError::Transport { url: shown(url), source }),
            };
            let count = bytes.len() as u64;
            all = all.saturating_add(count);
            if all > limit {
                break Err(too_large());
            }
            if let Err(error) = self.count(count) {
                break Err(error);
            }
            file.write_all(&bytes).await.map_err(failed)?;
            report(options.progress.as_ref(), Event::FeedBytes { provider: self.work.provider, bytes: count });
            window_bytes += count;
            let now = options.timer.now();
            if now.saturating_sub(begun) >= WINDOW {
                if window_bytes < WINDOW_BYTES {
                    break Err(FeedError::Slow { url: shown(url), bytes: WINDOW_BYTES, window: WINDOW });
                }
                (window_bytes, begun) = (0, now);
            }
        };
        file.flush().await.map_err(failed)?;
        file.get_ref().sync_all().await.map_err(failed)?;
        outcome
    }

    /// Holds a complete file against what is known of it, and puts it in place.
    async fn settle(&self, wanted: &Wanted, known: Option<&FileState>, headers: Headers) -> Result<Got, FeedError> {
        let folder = self.folder();
        let part = folder.part(&wanted.path);
        let found = match inspect(part.clone(), wanted.checksum.clone()).await {
            Ok(found) => found,
            Err(source) => return Err(FeedError::File { path: part, source }),
        };
        let url = || shown(&wanted.url);
        let fault = if !found.is_right {
            Some(FeedError::Checksum { url: url() })
        } else if let Some(detail) = plausible::fault(&wanted.path, &found.head) {
            Some(FeedError::Implausible { url: url(), detail })
        } else {
            let before =
                known.filter(|_| wanted.is_growing && !self.options().accept_smaller).map_or(0, |known| known.bytes);
            (before > SMALL_BYTES && found.bytes < before / 2).then(|| FeedError::Shrunk {
                url: url(),
                before,
                now: found.bytes,
            })
        };
        if let Some(fault) = fault {
            folder.drop_part(&wanted.path)?;
            return Err(fault);
        }
        let is_same = known.is_some_and(|known| known.sha256 == found.sha256);
        let file = FileState {
            etag: headers.etag,
            last_modified: headers.last_modified,
            version: wanted.version.clone(),
            sha256: found.sha256,
            bytes: found.bytes,
        };
        if is_same {
            folder.drop_part(&wanted.path)?;
            self.work.with(|state| state.files.insert(wanted.path.clone(), file));
            return Ok(Got::Same);
        }
        if self.upstream.notes_date {
            folder.write(&format!("{}.date", wanted.path), self.date(file.last_modified.as_deref()).as_bytes())?;
        }
        folder.place(&wanted.path)?;
        self.note(&wanted.path, file);
        tracing::debug!(feed.name = self.work.provider, "fetched `{}`, {} bytes", wanted.path, found.bytes);
        Ok(Got::Changed)
    }

    /// When a file was changed, by its server; else now.
    fn date(&self, last_modified: Option<&str>) -> String {
        let said = last_modified.and_then(|text| rfc2822::parse(text).ok()).map(|at| at.timestamp());
        said.unwrap_or_else(|| self.now()).to_string()
    }

    /// A small text or document, which is not kept; `None` if it does not exist.
    pub(super) async fn text(&self, url: &Url, limit: usize) -> Result<Option<Vec<u8>>, FeedError> {
        self.text_with(url, limit, &[]).await
    }

    /// The same with headers, which are for that server alone.
    pub(super) async fn text_with(
        &self,
        url: &Url,
        limit: usize,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Option<Vec<u8>>, FeedError> {
        let mut attempt = 0;
        loop {
            let error = match self.text_once(url, limit, headers).await {
                Err(error) => error,
                done => return done,
            };
            attempt += 1;
            if !error.is_passing()
                || attempt >= self.options().retry.attempts
                || !self.pause(attempt, error.after(), url).await
            {
                return Err(error);
            }
        }
    }

    async fn text_once(
        &self,
        url: &Url,
        limit: usize,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Option<Vec<u8>>, FeedError> {
        let secrecy = if headers.is_empty() { Secrecy::Open } else { Secrecy::Secret };
        let mut request = self.client(url, secrecy)?.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut response = self.send(request, url).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            _ => return Err(refusal(url, &response)),
        }
        let mut bytes = Vec::new();
        let transport = |source| FeedError::Transport { url: shown(url), source };
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if bytes.len().saturating_add(chunk.len()) > limit {
                return Err(FeedError::TooLarge { url: shown(url), limit: limit as u64 });
            }
            self.count(chunk.len() as u64)?;
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }
}

fn refusal(url: &Url, response: &Response) -> FeedError {
    let url = shown(url);
    match response.status() {
        StatusCode::NOT_FOUND | StatusCode::GONE => FeedError::Missing { url },
        status => FeedError::Status { url, status: status.as_u16(), after: retry_after(response.headers()) },
    }
}

/// Whether this is the rest from a byte on.
fn begins_at(headers: &HeaderMap, first: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let begin = range.strip_prefix("bytes ").and_then(|range| range.split('-').next());
    begin.and_then(|begin| begin.parse().ok()) == Some(first)
}

/// What a complete file is.
struct Found {
    head: Vec<u8>,
    bytes: u64,
    sha256: String,
    is_right: bool,
}

/// Reads a file through, away from the runtime.
async fn inspect(path: PathBuf, checksum: Option<Checksum>) -> std::io::Result<Found> {
    let read = move || -> std::io::Result<Found> {
        let mut file = fs_err::File::open(&path)?;
        let (mut hash, mut head, mut bytes, mut buffer) = (Sha256::new(), Vec::new(), 0_u64, vec![0; 1 << 17]);
        loop {
            let count = file.read(&mut buffer)?;
            let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { break };
            if head.len() < HEAD_BYTES {
                head.extend(chunk.iter().take(HEAD_BYTES));
            }
            hash.update(chunk);
            bytes += count as u64;
        }
        let sha256 = hex::encode(hash.finalize());
        let is_right = match checksum {
            None => true,
            Some(Checksum::File(wanted)) => wanted == sha256,
            Some(Checksum::Unpacked(wanted)) => unpacked(&path).is_ok_and(|found| found == wanted),
        };
        Ok(Found { head, bytes, sha256, is_right })
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

fn unpacked(path: &std::path::Path) -> std::io::Result<String> {
    let packed = std::io::BufReader::new(fs_err::File::open(path)?);
    let mut content = flate2::read::MultiGzDecoder::new(packed).take(UNPACKED_BYTES);
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 17]);
    loop {
        let count = content.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { break };
        hash.update(chunk);
    }
    Ok(hex::encode(hash.finalize()))
}
