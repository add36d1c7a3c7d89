//! Logging in at a provider of `OpenID` Connect: the binary, a server, and a provider in this process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::command::Run;
use crate::contexts::{Person, server};
use crate::provider::{AUDIENCE, CLIENT, Provider};
use crate::registry::wait_until;
use crate::service::Service;

/// A provider, and a server that takes its tokens.
struct Site {
    provider: Provider,
    service: Service,
    _runtime: tokio::runtime::Runtime,
}

impl Site {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let provider = runtime.block_on(Provider::start());
        let service = Service::start_with(&[
            ("KILLICK__OIDC__ISSUER", provider.issuer.clone()),
            ("KILLICK__OIDC__AUDIENCE", AUDIENCE.to_owned()),
            ("KILLICK__OIDC__CLIENT_ID", CLIENT.to_owned()),
            ("KILLICK__OIDC__ACCOUNT", "admin".to_owned()),
            ("KILLICK__OIDC__DEFAULT_ROLE", "developer".to_owned()),
        ]);
        Self { provider, service, _runtime: runtime }
    }

    fn login(&self, person: &Person) -> Run {
        person.run(&["login", &server(&self.service), "--name", "o"])
    }

    /// A login that is still going on.
    fn begun(&self, person: &Person) -> Child {
        let mut command = person.command();
        command.args(["login", &server(&self.service), "--name", "o"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    }

    /// Refresh tokens that still give something.
    fn alive(&self) -> usize {
        self.provider.state().refresh_tokens.len()
    }
}

/// A command after the token has expired.
fn later(person: &Person) -> Command {
    person.age("o");
    let mut command = person.command();
    command.args(["image", "list"]);
    command
}

fn remembered(person: &Person) -> Option<Value> {
    let text = fs_err::read_to_string(person.home.path().join(".config/killick/contexts.json")).ok()?;
    let document: Value = serde_json::from_str(&text).expect("JSON");
    Some(document["contexts"]["o"].clone()).filter(|context| !context.is_null())
}

/// What is answered to a `GET`.
fn get(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an address");
    let mut stream = TcpStream::connect(host).expect("somebody listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn a_login_lasts_while_the_provider_allows_it() {
    let (site, person) = (Site::start(), Person::new());
    site.provider.state().errors = vec!["authorization_pending"];
    let logged_in = site.login(&person);
    assert_eq!(logged_in.code, 0, "{}", logged_in.transcript());
    let issuer = &site.provider.issuer;
    for line in [format!("\n    {issuer}/activate\n"), "\n    WDJB-MJHT\n".to_owned()] {
        assert!(logged_in.stderr.contains(&line), "{}", logged_in.stderr);
    }
    let told = format!("Logged in to {} as erin: the context `o` is in use, its token is renewed", site.service.url);
    assert!(logged_in.stdout.starts_with(&told), "{}", logged_in.stdout);
    let file = person.home.path().join(".config/killick/contexts.json");
    assert_eq!(fs_err::metadata(&file).expect("the contexts").permissions().mode() & 0o777, 0o600);
    let before = remembered(&person).expect("it is remembered");
    let token = before["token"].as_str().expect("a token");
    let listed = person.run(&["--debug", "image", "list"]);
    assert_eq!(listed.code, 0, "{}", listed.transcript());
    for run in [&logged_in, &listed] {
        assert!(!run.transcript().contains(token) && !run.transcript().contains("secret-"), "{}", run.transcript());
    }
    assert_eq!(person.contexts()[0]["renewed"], true);
    assert_eq!(site.provider.asked("refresh_token"), 0, "it still holds");

    // Hours later there is another, and a refresh token that took the place of the first.
    let aged = Run::of(later(&person).output().expect("the binary starts"));
    assert_eq!((aged.code, aged.stderr.as_str()), (0, ""), "{}", aged.transcript());
    let after = remembered(&person).expect("it is remembered");
    assert_ne!(before["oidc"]["refresh_token"], after["oidc"]["refresh_token"]);
    assert_eq!((site.provider.asked("refresh_token"), site.alive()), (1, 1));
    // Two commands at once: one of them fetches it, and nobody is logged out.
    let both = [later(&person), later(&person)]
        .map(|mut command| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts"));
    for process in both {
        let run = Run::of(process.wait_with_output().expect("it ends"));
        assert_eq!(run.code, 0, "{}", run.transcript());
    }
    assert_eq!((site.provider.asked("refresh_token"), site.alive()), (2, 1));

    // A provider that is ill for a moment takes nothing away, and one that allows no more says so.
    site.provider.state().otherwise.insert("configuration", json!({"issuer": "https://id.example.org"}));
    let ill = Run::of(later(&person).output().expect("the binary starts"));
    assert!(ill.code == 2 && ill.stderr.contains("configuration is not that of"), "{}", ill.transcript());
    site.provider.state().otherwise.clear();
    assert_eq!(later(&person).output().expect("the binary starts").status.code(), Some(0));
    site.provider.state().refresh_tokens.clear();
    let over = Run::of(later(&person).output().expect("the binary starts"));
    let url = &site.service.url;
    assert_eq!(over.code, 2, "{}", over.transcript());
    let want = format!(
        "error: the login of the context `o` for {url} cannot be renewed: the provider refuses (`invalid_grant`: this is \
         invalid_grant)\nhint: log in again: `killick login {url} --oidc --name o`\n"
    );
    assert_eq!(over.stderr, want);

    assert_eq!(site.login(&person).code, 0);
    assert_eq!(site.login(&person).code, 0);
    // Providers end all logins of a client together: what is replaced by one of the same is left to end by itself.
    assert_eq!(later(&person).output().expect("the binary starts").status.code(), Some(0));
    assert_eq!(person.run(&["login", &server(&site.service), "--name", "p"]).code, 0);
    let removed = person.run(&["context", "remove", "p"]);
    assert!(
        removed.code == 0 && removed.stdout.contains("another context has the same login"),
        "{}",
        removed.transcript()
    );
    assert_eq!(person.run(&["context", "use", "o"]).code, 0);
    assert_eq!(
        (later(&person).output().expect("the binary starts").status.code(), site.provider.asked("revoke")),
        (Some(0), 0)
    );
    let removed = person.run(&["context", "remove", "o"]);
    assert!(removed.code == 0 && removed.stdout.contains("its login is revoked"), "{}", removed.transcript());
    assert_eq!((site.alive(), remembered(&person)), (0, None));
}

/// What goes on for longer than a token is good fetches others.
#[test]
fn a_command_that_goes_on_renews_its_token() {
    let (site, person) = (Site::start(), Person::new());
    // A moment longer than it takes to get there.
    site.provider.state().lifetime = 31;
    assert_eq!(site.login(&person).code, 0);
    let mut process = person.command();
    let process = process.args(["image", "list", "--watch=1"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let process = process.expect("the binary starts");
    wait_until("it fetches another token, and another", || site.provider.asked("refresh_token") >= 3);
    let interrupted = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
    assert!(interrupted.expect("kill is there").success());
    let ended = process.wait_with_output().expect("it ends");
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
}

/// Before somebody logs in, nobody knows the server.
#[test]
fn a_server_that_nobody_knows_is_not_believed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let way = |issuer: &str, scopes: usize| {
        let scopes = vec!["openid"; scopes];
        json!({"oidc": {"issuer": issuer, "client_id": "x", "scopes": scopes, "token": "id_token"}}).to_string()
    };
    for (answer, want) in [
        ("nonsense".to_owned(), "what the server says of logging in makes no sense"),
        (json!({"oidc": {"issuer": 7}}).to_string(), "what the server says of logging in makes no sense"),
        (way("https://id.example.org/", 101), "what the server says of its provider is too long"),
        (way(&"x".repeat(2001), 1), "what the server says of its provider is too long"),
        (" ".repeat(65 << 10), "the server's answer is larger than 65536 bytes"),
        (way("http://id.example.org", 1), "is not an `https://` address"),
        (way("file:///etc/passwd?", 1), "is not an `https://` address"),
    ] {
        let router = axum::Router::new().route("/v1/v2/login", axum::routing::get(async move || answer));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("loopback is there");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        runtime.spawn(async move { axum::serve(listener, router).await });
        let person = Person::new();
        let run = person.run(&["login", &url, "--oidc"]);
        assert!(run.code == 2 && run.stderr.contains(want), "{want}: {}", run.transcript());
        assert_eq!(remembered(&person), None);
    }
}

#[test]
fn a_browser_of_this_machine_brings_the_code() {
    let (site, person) = (Site::start(), Person::new());
    site.provider.state().otherwise.insert("device", json!({"error": "unauthorized_client"}));
    let mut process = site.begun(&person);
    let mut lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
    let mut lines = lines.by_ref().map_while(Result::ok);
    let url = lines.find(|line| line.starts_with("    http://")).expect("it says where");
    assert!(url.trim().starts_with(&format!("{}/authorize?response_type=code&", site.provider.issuer)), "{url}");
    let answer = get(url.trim());
    let back = answer.lines().find_map(|line| line.strip_prefix("location: ")).expect("a redirect").trim();
    assert!(back.starts_with("http://127.0.0.1:"), "{back}");
    // Whoever else comes to the port is turned away, and the login goes on.
    let place = back.split('?').next().expect("a place");
    for other in [place.to_owned(), format!("{place}?code=x&state=y"), format!("{place}?error=access_denied")] {
        assert!(get(&other).starts_with("HTTP/1.1 400 "), "{other}");
    }
    let closed = get(back);
    assert!(closed.starts_with("HTTP/1.1 200 ") && closed.contains("Close this page"), "{closed}");
    let run = Run::of(process.wait_with_output().expect("it ends"));
    assert!(run.code == 0 && run.stdout.contains("as erin"), "{}", run.transcript());
    let listed = person.run(&["image", "list"]);
    assert_eq!(listed.code, 0, "{}", listed.transcript());
}

type Change = fn(&Provider);

#[test]
fn a_login_that_fails_leaves_nothing() {
    let (site, person) = (Site::start(), Person::new());
    let changes: [(Change, &str); 5] = [
        (|provider| provider.state().errors = vec!["access_denied"], "the login was denied at the provider"),
        (|provider| provider.state().errors = vec!["expired_token"], "nobody confirmed the login in time"),
        (
            |provider| {
                let elsewhere = json!({"token_endpoint": "http://id.example.org/token"});
                provider.state().otherwise.insert("configuration", elsewhere);
            },
            "`http://id.example.org/token` is not an `https://` address",
        ),
        (
            |provider| {
                provider.state().otherwise.insert("configuration", json!({"issuer": "https://id.example.org"}));
            },
            "the provider's configuration is not that of",
        ),
        (|provider| provider.state().claims["sub"] = json!("../x"), "does not let you in: "),
    ];
    for (change, want) in changes {
        site.provider.state().otherwise.clear();
        change(&site.provider);
        let run = site.login(&person);
        assert!(run.code == 2 && run.stderr.contains(want), "{want}: {}", run.transcript());
        assert!(run.stderr.contains("\nhint: ") && !run.stderr.contains("secret-"), "{}", run.stderr);
        assert_eq!((site.alive(), remembered(&person)), (0, None), "{want}");
    }
    // Whoever gives up is not logged in.
    site.provider.state().errors = vec!["authorization_pending"; 1000];
    let process = site.begun(&person);
    wait_until("it waits", || site.provider.asked("device_code") > 4);
    let interrupted = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
    assert!(interrupted.expect("kill is there").success());
    let run = Run::of(process.wait_with_output().expect("it ends"));
    assert!(run.code == 2 && run.stderr.contains("interrupted: nobody is logged in"), "{}", run.transcript());
    assert_eq!(remembered(&person), None);
    // Where there is no provider, passwords are asked for, and `--oidc` is told.
    let plain = Service::start();
    let run = person.run(&["login", &server(&plain), "--oidc"]);
    assert!(run.code == 2 && run.stderr.contains("names no provider to log in at"), "{}", run.transcript());
    let run = person.run(&["login", &server(&plain)]);
    assert!(run.stderr.contains("there is nobody to ask for `User`"), "{}", run.transcript());
    // A user name is one of the server's, whatever provider there is; and a provider is not spoken of to whoever listens.
    let run = person.run(&["login", &server(&site.service), "--user", "admin"]);
    assert!(run.stderr.contains("there is nobody to ask for `Password`"), "{}", run.transcript());
    let run = person.run(&["login", "http://killick.example.com", "--oidc"]);
    assert!(run.code == 2 && run.stderr.contains("not sent in plain HTTP"), "{}", run.transcript());
}
