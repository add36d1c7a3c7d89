//! The processes of one service, that are killed and started again.

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Mutex;

use serde_json::Value;

use super::dice::Dice;
use crate::command::killick;
use crate::registry::free_port;
use crate::service::PASSWORD;

/// What each process does.
const ROLES: [&str; 6] = ["api", "api", "scheduler", "scheduler", "worker", "worker"];

/// How often one may end by itself: the database goes away once.
const MOST_ENDS: u32 = 3;

/// A service of several processes; they end with the value.
pub(super) struct Fleet {
    pub(super) folder: tempfile::TempDir,
    members: Vec<Mutex<Member>>,
    /// Where the API is, one address for each process that answers.
    addresses: Vec<String>,
    http: reqwest::Client,
}

struct Member {
    role: &'static str,
    address: String,
    process: Child,
    kills: u32,
    /// How often it ended by itself.
    ends: u32,
}

impl Fleet {
    /// Starts all, with these settings.
    pub(super) fn start(folder: tempfile::TempDir, settings: &str) -> Self {
        fs_err::write(folder.path().join("killick.toml"), settings).unwrap();
        let members: Vec<Member> = ROLES
            .iter()
            .map(|role| {
                let address = format!("127.0.0.1:{}", free_port());
                let process = spawn(folder.path(), role, &address);
                Member { role, address, process, kills: 0, ends: 0 }
            })
            .collect();
        let addresses =
            members.iter().filter(|member| member.role == "api").map(|member| member.address.clone()).collect();
        let http = killick_fetch::http::client(&killick_fetch::http::ClientOptions::default()).unwrap();
        Self { folder, members: members.into_iter().map(Mutex::new).collect(), addresses, http }
    }

    /// Starts again who ended by itself, as whatever runs containers does: one that is only starting does so when the
    /// database goes away.
    pub(super) fn revive(&self) {
        for member in &self.members {
            let mut member = member.lock().unwrap();
            if member.process.try_wait().unwrap().is_some() {
                member.ends += 1;
                assert!(member.ends <= MOST_ENDS, "the role `{}` ends by itself: {}", member.role, self.log());
                member.process = spawn(self.folder.path(), member.role, &member.address);
            }
        }
    }

    /// Kills one with `SIGKILL` and starts it again.
    pub(super) fn kill_one(&self, dice: &mut Dice) {
        let chosen = usize::try_from(dice.below(self.members.len() as u64)).unwrap();
        let mut member = self.members[chosen].lock().unwrap();
        member.process.kill().unwrap();
        member.process.wait().unwrap();
        member.kills += 1;
        member.process = spawn(self.folder.path(), member.role, &member.address);
    }

    /// How often each was killed; all must be there still.
    pub(super) fn kills(&self) -> Vec<(&'static str, u32)> {
        self.members
            .iter()
            .map(|member| {
                let mut member = member.lock().unwrap();
                member.check(|| self.log());
                (member.role, member.kills)
            })
            .collect()
    }

    /// Asks until somebody answers: a killed API is asked again, as clients do. The status and the body.
    pub(super) async fn call(&self, user: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method: reqwest::Method = method.parse().unwrap();
        for (tries, address) in self.addresses.iter().cycle().take(400).enumerate() {
            let request = self.http.request(method.clone(), format!("http://{address}{path}"));
            let request = request.basic_auth(user, Some(PASSWORD)).timeout(std::time::Duration::from_mins(1));
            let request = if body.is_null() { request } else { request.json(&body) };
            if let Ok(answer) = request.send().await {
                let status = answer.status().as_u16();
                if status < 500
                    && let Ok(text) = answer.text().await
                {
                    return (status, serde_json::from_str(&text).unwrap_or(Value::String(text)));
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(50 + 10 * tries as u64)).await;
        }
        panic!("nobody answers {method} {path}: {}", self.log());
    }

    /// The end of what all of them said.
    pub(super) fn log(&self) -> String {
        let log = fs_err::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Whether any of them ever panicked.
    pub(super) fn panicked(&self) -> bool {
        fs_err::read_to_string(self.folder.path().join("log")).unwrap().contains("panicked")
    }
}

impl Member {
    /// It ends when it is killed, and not by itself.
    fn check(&mut self, log: impl FnOnce() -> String) {
        let ended = self.process.try_wait().unwrap();
        assert!(ended.is_none(), "a process of the role `{}` ended by itself: {ended:?}: {}", self.role, log());
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for member in &mut self.members {
            let member = member.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
    }
}

fn spawn(folder: &Path, role: &str, address: &str) -> Child {
    let log = fs_err::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    killick(folder)
        .args(["serve", "--role", role, "--listen", address, "--config"])
        .arg(folder.join("killick.toml"))
        .arg("--data")
        .arg(folder.join("data"))
        .env("KILLICK_ADMIN_PASSWORD", PASSWORD)
        .stdout(Stdio::null())
        .stderr(log.into_parts().0)
        .spawn()
        .expect("the binary starts")
}
