//! Credential helpers: programs that know secrets (docker-credential-helpers, "Development").
//!
//! `docker-credential-NAME get` reads the registry's name from its input and writes JSON. It is run without a shell, for
//! a bounded time, and its output is read as far as a secret may be long.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use killick_model::reference::DEFAULT_REGISTRY;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::{Credentials, CredentialsError};
use crate::environment::Environment;

/// Bytes of an answer that are read.
const ANSWER_BYTES: u64 = 1 << 20;
/// What Docker calls its own registry in its stores.
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// What a helper says if it has nothing.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user whose password is an identity token.
const TOKEN_USER: &str = "<token>";

/// How credential helpers are run.
#[derive(Debug, Clone)]
pub struct Helpers {
    /// Folders that are searched for their programs.
    pub path: Vec<PathBuf>,
    /// How long one may take.
    pub timeout: Duration,
}

impl Helpers {
    /// Those of the search path.
    pub fn of(environment: &Environment) -> Self {
        let path = environment.get("PATH").map(|path| std::env::split_paths(path).collect());
        Self { path: path.unwrap_or_default(), timeout: Duration::from_secs(10) }
    }

    /// What the helper `name` knows about `registry`.
    pub(super) async fn ask(&self, name: &str, registry: &str) -> Result<Option<Credentials>, CredentialsError> {
        let program = format!("docker-credential-{name}");
        let path = self.path.iter().filter(|folder| folder.is_absolute()).map(|folder| folder.join(&program));
        let Some(path) = path.into_iter().find(|path| path.is_file()) else {
            return Err(CredentialsError::NoHelper { program });
        };
        let key = if registry == DEFAULT_REGISTRY { HUB_KEY } else { registry };
        match tokio::time::timeout(self.timeout, run(&path, key)).await {
            Err(_) => Err(CredentialsError::SlowHelper { program, limit: self.timeout }),
            Ok(Err(source)) => Err(CredentialsError::RunHelper { program, source }),
            Ok(Ok((is_success, answer))) => {
                understand(is_success, &answer).map_err(|reason| CredentialsError::Helper { program, reason })
            }
        }
    }
}

/// Whether it ended well, and what it wrote.
async fn run(path: &Path, key: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let mut child = Command::new(path)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // When the time is up.
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // One that does not want to hear the name will say what is wrong.
        let _ = input.write_all(format!("{key}\n").as_bytes()).await;
    }
    let mut answer = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(ANSWER_BYTES + 1).read_to_end(&mut answer).await?;
    }
    if answer.len() as u64 > ANSWER_BYTES {
        return Ok((false, answer));
    }
    Ok((child.wait().await?.success(), answer))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

fn understand(is_success: bool, answer: &[u8]) -> Result<Option<Credentials>, String> {
    if answer.len() as u64 > ANSWER_BYTES {
        return Err(format!("wrote more than {ANSWER_BYTES} bytes"));
    }
    if !is_success {
        let is_nothing = String::from_utf8_lossy(answer).trim() == NOT_FOUND;
        return if is_nothing { Ok(None) } else { Err("failed".to_owned()) };
    }
    // What is wrong with the text is not told, because the text is a secret.
    let Answer { username, secret } =
        serde_json::from_slice(answer).map_err(|_| "wrote something else than credentials".to_owned())?;
    if secret.is_empty() {
        return Ok(None);
    }
    let secret = SecretString::from(secret);
    Ok(Some(match username.as_str() {
        TOKEN_USER => Credentials::IdentityToken(secret),
        _ => Credentials::Password { user: username, password: secret },
    }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    /// Asks a helper that is this shell script.
    async fn asked(script: &str, registry: &str, timeout: Duration) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("docker-credential-test");
        fs_err::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let helpers = Helpers { path: vec![PathBuf::from("relative"), folder.path().to_owned()], timeout };
        match helpers.ask("test", registry).await {
            Ok(None) => Ok("nothing".to_owned()),
            Ok(Some(Credentials::IdentityToken(token))) => Ok(format!("token {}", token.expose_secret())),
            Ok(Some(Credentials::Password { user, password })) => Ok(format!("{user} {}", password.expose_secret())),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn helpers_are_understood() {
        let long = Duration::from_mins(1);
        for (script, want) in [
            (r#"read name; echo "{\"Username\":\"$1\",\"Secret\":\"$name\"}""#, Ok("get r.io")),
            (r#"echo '{"ServerURL":"x","Username":"<token>","Secret":"t0k"}'"#, Ok("token t0k")),
            (r#"echo '{"Username":"","Secret":""}'"#, Ok("nothing")),
            ("echo 'credentials not found in native keychain'; exit 1", Ok("nothing")),
            ("echo s3cret; exit 1", Err("the credential helper `docker-credential-test` failed")),
            ("exit 0", Err("the credential helper `docker-credential-test` wrote something else than credentials")),
            ("echo '[1]'", Err("the credential helper `docker-credential-test` wrote something else than credentials")),
            ("yes", Err("the credential helper `docker-credential-test` wrote more than 1048576 bytes")),
        ] {
            let got = asked(script, "r.io", long).await;
            assert_eq!(got.as_ref().map(String::as_str).map_err(String::as_str), want, "{script}");
        }
        let hub = asked(r#"read name; echo "{\"Username\":\"u\",\"Secret\":\"$name\"}""#, "docker.io", long).await;
        assert_eq!(hub.unwrap(), "u https://index.docker.io/v1/");
        let missing = Helpers { path: vec![PathBuf::from("/none")], timeout: long }.ask("x", "r.io").await.unwrap_err();
        assert_eq!(missing.to_string(), "the credential helper `docker-credential-x` is not in the search path");
    }

    #[tokio::test]
    async fn a_helper_that_does_not_end_is_ended() {
        let got = asked("while :; do :; done", "r.io", Duration::from_millis(50)).await;
        assert_eq!(got.unwrap_err(), "the credential helper `docker-credential-test` gave no answer in 50ms");
    }
}
