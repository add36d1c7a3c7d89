//! The processes of one service, that are killed and started again.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

use super::dice::Dice;
use crate::command::killick;
use crate::registry::free_port;
use crate::service::PASSWORD;

/// What each process does.
const ROLES: [&str; 6] = ["api", "api", "scheduler", "scheduler", "worker", "worker"];

/// Milliseconds by which the first start is let go on for longer each time, on average.
const LONGER_MILLIS: u64 = 50;

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
    /// Starts all, with these settings, after a first start that was killed again and again.
    pub(super) async fn start(folder: tempfile::TempDir, settings: &str, dice: &mut Dice) -> Self {
        fs_err::write(folder.path().join("killick.toml"), settings).unwrap();
        start_by_halves(folder.path(), dice).await;
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
        self.members[chosen].lock().unwrap().kill_and_start(self.folder.path());
    }

    /// The same with all of a role.
    pub(super) fn restart(&self, role: &str) {
        for member in &self.members {
            let mut member = member.lock().unwrap();
            if member.role == role {
                member.kill_and_start(self.folder.path());
            }
        }
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
            let request = request.basic_auth(user, Some(PASSWORD)).timeout(Duration::from_mins(1));
            let request = if body.is_null() { request } else { request.json(&body) };
            if let Ok(answer) = request.send().await {
                let status = answer.status().as_u16();
                if status < 500
                    && let Ok(text) = answer.text().await
                {
                    return (status, serde_json::from_str(&text).unwrap_or(Value::String(text)));
                }
            }
            tokio::time::sleep(Duration::from_millis(50 + 10 * tries as u64)).await;
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
    fn kill_and_start(&mut self, folder: &Path) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.kills += 1;
        self.process = spawn(folder, self.role, &self.address);
    }

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

/// Starts two on what is not there yet, and kills them, each time a little later, until they had all done.
async fn start_by_halves(folder: &Path, dice: &mut Dice) {
    let address = format!("127.0.0.1:{}", free_port());
    let (mut patience, mut is_complete) = (0, false);
    while !is_complete {
        patience += 1 + dice.below(2 * LONGER_MILLIS);
        let both = [("api", address.as_str()), ("scheduler", "127.0.0.1:0")];
        let mut both = both.map(|(role, address)| spawn(folder, role, address));
        tokio::time::sleep(Duration::from_millis(patience)).await;
        is_complete = TcpStream::connect(&address).is_ok();
        for process in &mut both {
            process.kill().unwrap();
            process.wait().unwrap();
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
