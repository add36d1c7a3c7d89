//! Notifications in the formats of those who take them, and many of them as one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::caller::{ADMIN, Service};
use crate::receiver::Receiver;
use crate::registry;

/// How long after a failed try the next one is due at the latest.
const LATER: Duration = Duration::from_hours(1);

/// A mail server on loopback that refuses the first letters.
struct Mailbox {
    url: String,
    letters: Arc<Mutex<Vec<String>>>,
}

impl Mailbox {
    async fn start(refusals: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let letters = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&letters);
        tokio::spawn(async move {
            let mut left = refusals;
            while let Ok((stream, _)) = listener.accept().await {
                let letter = converse(stream, left > 0).await;
                left = left.saturating_sub(1);
                taken.lock().unwrap().extend(letter);
            }
        });
        Self { url, letters }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.letters.lock().unwrap())
    }
}

/// Takes one letter, with who logged in and to whom it goes before it.
async fn converse(stream: TcpStream, refuses: bool) -> Option<String> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut letter = String::new();
    write.write_all(b"220 mail.example\r\n").await.ok()?;
    while let Some(line) = lines.next_line().await.ok()? {
        let answer: &[u8] = match line.split(' ').next().unwrap_or_default() {
            "EHLO" => b"250-mail.example\r\n250 AUTH PLAIN\r\n",
            "AUTH" | "RCPT" => {
                letter.push_str(&format!("{line}\n"));
                if line.starts_with("AUTH") { b"235 welcome\r\n" } else { b"250 ok\r\n" }
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.ok()?;
                while let Some(line) = lines.next_line().await.ok()?.filter(|line| line != ".") {
                    letter.push_str(&format!("{line}\n"));
                }
                if refuses { b"451 try again later\r\n" } else { b"250 taken\r\n" }
            }
            "QUIT" => break,
            _ => b"250 ok\r\n",
        };
        write.write_all(answer).await.ok()?;
    }
    Some(letter)
}

async fn analyzed(service: &Service, tag: &str) -> String {
    let upstream = registry::serve(None).await;
    let name = format!("{}/tiny/alpine:{tag}", upstream.address);
    service.analyzed(ADMIN, &name).await;
    name
}

#[tokio::test]
async fn chats_and_trackers_get_their_own_documents() {
    for (format, settings) in [("slack", ""), ("teams", ""), ("jira", "project = 'SEC'\nissue_type = 'Bug'")] {
        let receiver = Receiver::start().await;
        let settings = format!(
            "url = '{}'\nformat = '{format}'\nwebhook_user = 'bob'\nwebhook_pass = 'pa55'\n{settings}",
            receiver.url
        );
        let service = Service::start(|config| config.webhooks.general = toml::from_str(&settings).unwrap()).await;
        let name = analyzed(&service, "3.20").await;
        service.app().deliver(Duration::ZERO).await.unwrap();
        let received = receiver.take();
        let [one] = received.as_slice() else { panic!("{format}: {received:?}") };
        assert_eq!(one.headers["authorization"], "Basic Ym9iOnBhNTU=");
        assert!(one.headers.contains_key("webhook-id"));
        let title = format!("{name} was analyzed");
        let told = match format {
            "slack" => &one.body["blocks"][0]["text"]["text"],
            "teams" => &one.body["attachments"][0]["content"]["body"][0]["text"],
            _ => &one.body["fields"]["summary"],
        };
        assert_eq!(told, &json!(title), "{}", one.body);
        if format == "jira" {
            let fields = &one.body["fields"];
            assert_eq!((&fields["project"]["key"], &fields["issuetype"]["name"]), (&json!("SEC"), &json!("Bug")));
        }
        let (status, _) = service.call(ADMIN, "POST", "/system/webhooks/general/test", Value::Null).await;
        assert_eq!((status, receiver.take().len()), (200, 1), "{format} can be tried");
    }
}

/// Jira makes another issue for each post: the answer to one may be lost, or who read it may be killed.
#[tokio::test]
async fn an_issue_that_is_there_is_not_made_again() {
    for (found, again) in [(json!([{"key": "SEC-1"}]), false), (json!([]), true)] {
        let receiver = Receiver::start().await;
        let base = receiver.url.split("/hooks").next().unwrap();
        let settings = format!("url = '{base}/rest/api/2/issue'\nformat = 'jira'\nproject = 'SEC'");
        let service = Service::start(|config| config.webhooks.general = toml::from_str(&settings).unwrap()).await;
        receiver.answer(&[500]);
        receiver.finds(json!({"issues": found}));
        analyzed(&service, "3.20").await;
        let mut paths = Vec::new();
        let mut labels = Vec::new();
        for tries in 0..3 {
            service.app().deliver(LATER * tries).await.unwrap();
            for one in receiver.take() {
                labels.extend(one.body["fields"]["labels"][2].as_str().map(str::to_owned));
                labels.extend(one.body["jql"].as_str().map(|jql| jql.replace("labels = ", "").replace('"', "")));
                paths.push(one.path);
            }
        }
        let mut want = vec!["/rest/api/2/issue", "/rest/api/2/search"];
        if again {
            want.insert(1, "/rest/api/2/issue");
        }
        assert_eq!(paths, want, "sorted within a try");
        assert!(labels.iter().all(|label| *label == labels[0]), "{labels:?}");
    }
}

#[tokio::test]
async fn letters_are_sent_until_they_are_taken() {
    let mailbox = Mailbox::start(1).await;
    let settings = format!(
        "url = '{}'\nformat = 'email'\nfrom = 'Killick <killick@example.com>'\nto = ['team@example.com', 'b@example.com']\n\
         webhook_user = 'bob'\nwebhook_pass = 'pa55'",
        mailbox.url
    );
    let service = Service::start(|config| config.webhooks.general = toml::from_str(&settings).unwrap()).await;
    let name = analyzed(&service, "3.20").await;
    let mut tried = Vec::new();
    for tries in 0..3 {
        service.app().deliver(LATER * tries).await.unwrap();
        tried.extend(mailbox.take());
    }
    let [refused, taken] = tried.as_slice() else { panic!("one is refused, one is taken: {tried:?}") };
    let line = |letter: &str, start: &str| letter.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    assert_eq!(line(refused, "Message-ID: <"), line(taken, "Message-ID: <"));
    assert!(line(taken, "AUTH PLAIN").ends_with("AGJvYgBwYTU1"), "{taken}");
    assert_eq!(taken.matches("RCPT TO").count(), 2, "{taken}");
    let body = taken.split_once("\n\n").unwrap().1;
    assert!(body.replace("=\n", "").contains(&format!("{name} was analyzed")), "{taken}");
}

#[tokio::test]
async fn a_mistake_in_the_settings_is_told_at_the_start() {
    let data = tempfile::tempdir().unwrap();
    let mut config = killick_server::Config::default();
    config.storage.data_dir = data.path().to_owned();
    config.webhooks.general = toml::from_str("url = 'https://x:s3cret@h.example/'\nformat = 'jira'").unwrap();
    let error = killick_server::App::open(config).await.err().expect("it is refused").to_string();
    assert_eq!(error, "`webhooks.general` cannot be used: issues need the key of a `project`");
}

#[tokio::test]
async fn many_are_told_as_one() {
    let receiver = Receiver::start().await;
    let url = receiver.url.clone();
    let service = Service::start(|config| {
        config.webhooks.general.url = url.as_str().into();
        config.webhooks.general.group_seconds = 600;
    })
    .await;
    let names = [analyzed(&service, "3.20").await, analyzed(&service, "3.21").await];
    service.app().deliver(Duration::ZERO).await.unwrap();
    assert!(receiver.take().is_empty(), "they wait for others");
    service.app().deliver(LATER).await.unwrap();
    let received = receiver.take();
    let [one] = received.as_slice() else { panic!("{received:?}") };
    let payload = &one.body["data"]["notification_payload"];
    assert_eq!((&payload["grouped"], &payload["count"]), (&json!(true), &json!(2)), "{payload}");
    assert_eq!((&payload["userId"], &payload["subscription_type"]), (&json!("admin"), &json!("analysis_update")));
    let change = &payload["changes"][0];
    assert_eq!((&change["what"], &change["count"]), (&json!("image is analyzed"), &json!(2)));
    let keys: Vec<_> = change["first"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, names);
    service.app().deliver(LATER * 2).await.unwrap();
    assert!(receiver.take().is_empty(), "once");
    // One that nobody came to join is as it was.
    let name = analyzed(&service, "debian").await;
    service.app().deliver(LATER).await.unwrap();
    let received = receiver.take();
    let [one] = received.as_slice() else { panic!("{received:?}") };
    let payload = &one.body["data"]["notification_payload"];
    assert_eq!((payload.get("grouped"), &payload["subscription_key"]), (None, &json!(name)));
}
