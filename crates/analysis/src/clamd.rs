//! clamd's protocol, as clamd(8) tells it under "COMMANDS": one connection per command, commands and answers in the
//! form that ends with a zero byte, contents in chunks with their length before them.
//!
//! Blocks, within time limits. The version in the answer to `VERSION` has that of the signatures in it, and so is what
//! verdicts depend on.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use killick_model::hint::Hint;
use serde::{Deserialize, Serialize};

/// Bytes in one chunk.
const CHUNK: usize = 64 << 10;
/// Bytes of an answer that are read.
const ANSWER_BYTES: u64 = 4096;
/// How long to wait for a connection.
const CONNECT_SECONDS: u64 = 5;

/// How to reach clamd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClamdSettings {
    /// Its socket.
    pub address: Address,
    /// Bytes of the largest content that is sent: at most clamd's own `StreamMaxLength`.
    #[serde(default = "default_max_bytes")]
    pub max_file_bytes: u64,
    /// How long clamd may be silent.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
}

impl ClamdSettings {
    /// The usual settings for the clamd at `address`.
    pub fn new(address: Address) -> Self {
        Self { address, max_file_bytes: default_max_bytes(), timeout_seconds: default_timeout() }
    }
}

/// `StreamMaxLength` if clamd's configuration has no word on it.
const fn default_max_bytes() -> u64 {
    100 << 20
}

const fn default_timeout() -> u64 {
    120
}

/// A socket of clamd: `unix:/run/clamav/clamd.ctl`, or `tcp:host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// A path of this machine.
    Unix(PathBuf),
    /// Host and port.
    Tcp(String),
}

/// A text that is no address of clamd.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address of clamd: expected `unix:/path` or `tcp:host:port`")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("tcp", host)) if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {
                Ok(Self::Tcp(host.to_owned()))
            }
            _ => Err(AddressError(text.chars().take(200).collect())),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
            Self::Tcp(host) => write!(out, "tcp:{host}"),
        }
    }
}

/// Why clamd gave no verdict.
#[derive(Debug, thiserror::Error)]
pub enum ClamdError {
    /// It cannot be reached, or broke off.
    #[error("clamd at `{address}` cannot be talked to: {source}")]
    Io {
        /// Its socket.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// What answers is no clamd, or one that is not well.
    #[error("clamd at `{address}` gave an answer that is none: `{answer}`")]
    Answer {
        /// Its socket.
        address: Address,
        /// What it said.
        answer: String,
    },
}

impl Hint for ClamdError {
    fn hint(&self) -> Option<String> {
        let Self::Io { .. } = self else { return None };
        Some("start clamd, or point to its socket: `unix:/run/clamav/clamd.ctl`, `tcp:host:3310`".to_owned())
    }
}

/// What clamd says of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Clean,
    /// The signature that it matches.
    Found(String),
    /// It was not scanned, and why.
    Refused(String),
}

/// A clamd that answered.
#[derive(Debug)]
pub(crate) struct Clamd {
    settings: ClamdSettings,
    /// Engine and signatures, such as `ClamAV 1.4.3/27800/Mon Oct 20 08:00:00 2025`.
    pub(crate) version: String,
}

impl Clamd {
    /// Asks who is there.
    pub(crate) fn connect(settings: &ClamdSettings) -> Result<Self, ClamdError> {
        let mut clamd = Self { settings: settings.clone(), version: String::new() };
        let pong = clamd.command("PING")?;
        if pong != "PONG" {
            return Err(clamd.no_answer(pong));
        }
        clamd.version = clamd.command("VERSION")?;
        Ok(clamd)
    }

    /// Scans a content.
    pub(crate) fn scan(&self, bytes: &[u8]) -> Result<Verdict, ClamdError> {
        let mut stream = self.stream(bytes.len() as u64);
        stream.piece(bytes);
        stream.end()
    }

    /// Begins to scan a content of `size` bytes that comes in pieces.
    pub(crate) fn stream(&self, size: u64) -> Stream {
        let limit = self.settings.max_file_bytes;
        let state = if size > limit {
            State::Ended(Ok(Verdict::Refused(format!("{size} bytes, more than the limit of {limit}"))))
        } else {
            let opened = self.open().and_then(|mut socket| {
                socket.write_all(b"zINSTREAM\0")?;
                Ok(socket)
            });
            opened.map_or_else(|error| State::Ended(Err(error)), State::Open)
        };
        Stream { address: self.settings.address.clone(), state }
    }

    fn command(&self, word: &str) -> Result<String, ClamdError> {
        let answer = self.open().and_then(|mut socket| {
            socket.write_all(format!("z{word}\0").as_bytes())?;
            answer(&mut socket)
        });
        answer.map_err(|source| ClamdError::Io { address: self.settings.address.clone(), source })
    }

    fn open(&self) -> io::Result<Socket> {
        let timeout = Some(Duration::from_secs(self.settings.timeout_seconds.max(1)));
        match &self.settings.address {
            Address::Unix(path) => {
                let socket = UnixStream::connect(path)?;
                socket.set_read_timeout(timeout)?;
                socket.set_write_timeout(timeout)?;
                Ok(Socket::Unix(socket))
            }
            Address::Tcp(host) => {
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
                for address in host.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, Duration::from_secs(CONNECT_SECONDS)) {
                        Ok(socket) => {
                            socket.set_read_timeout(timeout)?;
                            socket.set_write_timeout(timeout)?;
                            return Ok(Socket::Tcp(socket));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    fn no_answer(&self, answer: String) -> ClamdError {
        ClamdError::Answer { address: self.settings.address.clone(), answer }
    }
}

/// A content on its way to clamd.
#[derive(Debug)]
pub(crate) struct Stream {
    address: Address,
    state: State,
}

#[derive(Debug)]
enum State {
    Open(Socket),
    /// The outcome was known before the content came to its end.
    Ended(io::Result<Verdict>),
}

impl Stream {
    /// Sends a piece. A fault is told at the end.
    pub(crate) fn piece(&mut self, bytes: &[u8]) {
        let State::Open(socket) = &mut self.state else { return };
        let sent = bytes.chunks(CHUNK).try_for_each(|chunk| {
            socket.write_all(&u32::try_from(chunk.len()).unwrap_or(0).to_be_bytes())?;
            socket.write_all(chunk)
        });
        if let Err(error) = sent {
            // It stopped listening; mostly it said why.
            let said = answer(socket).ok().and_then(|answer| verdict(&answer));
            self.state = State::Ended(said.ok_or(error));
        }
    }

    /// Waits for the verdict.
    pub(crate) fn end(self) -> Result<Verdict, ClamdError> {
        let address = self.address;
        let mut socket = match self.state {
            State::Open(socket) => socket,
            State::Ended(outcome) => return outcome.map_err(|source| ClamdError::Io { address, source }),
        };
        let sent = socket.write_all(&0_u32.to_be_bytes());
        match (answer(&mut socket), sent) {
            (Ok(answer), _) => verdict(&answer).ok_or(ClamdError::Answer { address, answer }),
            (Err(source), Ok(())) | (Err(_), Err(source)) => Err(ClamdError::Io { address, source }),
        }
    }
}

/// Up to the zero byte or the end.
fn answer(socket: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 512];
    while !bytes.contains(&0) && (bytes.len() as u64) < ANSWER_BYTES {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    if bytes.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up without an answer"));
    }
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).trim().chars().filter(|letter| !letter.is_control()).collect())
}

/// `stream: OK`, `stream: NAME FOUND`, `… ERROR`.
fn verdict(answer: &str) -> Option<Verdict> {
    let said = answer.strip_prefix("stream: ").unwrap_or(answer);
    match (said, said.strip_suffix(" FOUND"), said.strip_suffix(" ERROR")) {
        ("OK", ..) => Some(Verdict::Clean),
        (_, Some(signature), _) if !signature.is_empty() => Some(Verdict::Found(signature.to_owned())),
        (_, _, Some(reason)) => Some(Verdict::Refused(reason.trim_end_matches('.').to_owned())),
        _ => None,
    }
}

#[derive(Debug)]
enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.read(buffer),
            Self::Tcp(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.write(bytes),
            Self::Tcp(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.flush(),
            Self::Tcp(socket) => socket.flush(),
        }
    }
}

#[cfg(test)]
mod tests;
