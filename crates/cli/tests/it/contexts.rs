//! Logging in, contexts, and the forms of what a server answers.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::command::{Run, killick};
use crate::service::{PASSWORD, Service};

/// Somebody with a folder of their own, and no word about servers in the environment.
pub(crate) struct Person {
    pub(crate) home: tempfile::TempDir,
}

impl Person {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a folder") }
    }

    /// The binary by the clock of the server.
    pub(crate) fn command(&self) -> Command {
        let mut command = killick(self.home.path());
        command.env_remove("SOURCE_DATE_EPOCH");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(&[], arguments)
    }

    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
        let mut command = self.command();
        command.envs(variables.iter().copied()).args(arguments);
        Run::of(command.output().expect("the binary starts"))
    }

    fn login(&self, server: &str, more: &[&str], password: &str) -> Run {
        let mut command = self.command();
        command.args(["login", server, "--user", "admin", "--password-stdin"]).args(more);
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = process.spawn().expect("the binary starts");
        let mut input = process.stdin.take().expect("a pipe");
        input.write_all(format!("{password}\n").as_bytes()).expect("the binary reads");
        drop(input);
        Run::of(process.wait_with_output().expect("the binary ends"))
    }

    /// Makes the token of a context one that has expired.
    pub(crate) fn age(&self, context: &str) {
        let file = self.home.path().join(".config/killick/contexts.json");
        let text = fs_err::read_to_string(&file).expect("the contexts");
        let mut document: Value = serde_json::from_str(&text).expect("JSON");
        document["contexts"][context]["expires_at"] = "2020-01-01T00:00:00Z".into();
        fs_err::write(&file, document.to_string()).expect("writable");
    }

    pub(crate) fn contexts(&self) -> Value {
        let listed = self.run(&["--output", "json", "context", "list"]);
        serde_json::from_str(&listed.stdout).expect("JSON")
    }
}

pub(crate) fn server(service: &Service) -> String {
    service.url.trim_end_matches("/v1").to_owned()
}

/// Names of the keys that the server knows.
fn keys(service: &Service) -> Vec<String> {
    let document = crate::migrate::get(service, "/v2/api-keys", None);
    document["items"].as_array().expect("keys").iter().map(|key| key["name"].to_string()).collect()
}

#[test]
fn a_token_is_kept_instead_of_the_password() {
    let (service, person) = (Service::start(), Person::new());
    let refused = person.login(&server(&service), &[], "wrong");
    assert!(refused.code == 2 && refused.stdout.is_empty(), "{}", refused.transcript());
    assert!(refused.stderr.contains("hint: are the user name and the password right?"), "{}", refused.stderr);
    let logged_in = person.login(&server(&service), &["--name", "test"], PASSWORD);
    assert_eq!(logged_in.code, 0, "{}", logged_in.transcript());
    assert!(logged_in.stdout.contains("the context `test` is in use"), "{}", logged_in.stdout);

    let file = person.home.path().join(".config/killick/contexts.json");
    let text = fs_err::read_to_string(&file).expect("the contexts");
    assert_eq!(fs_err::metadata(&file).expect("the contexts").permissions().mode() & 0o777, 0o600);
    assert!(text.contains("killick_") && !text.contains(PASSWORD), "{text}");
    let who = person.run(&["account", "whoami"]);
    assert!(who.code == 0 && who.stdout.contains("Username: admin"), "{}", who.transcript());
    let debug = person.run(&["--debug", "system", "status"]);
    assert!(debug.code == 0 && !debug.transcript().contains("killick_"), "{}", debug.transcript());

    // Another login replaces the token, and leaves no key behind.
    assert_eq!(person.login(&server(&service), &["--name", "test", "--expires", "1"], PASSWORD).code, 0);
    assert_eq!(keys(&service).len(), 1);
    let listed = person.run(&["context", "list"]);
    let words: Vec<Vec<&str>> = listed.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["In", "use", "Context", "Server", "User", "Token", "expires"], "{}", listed.stdout);
    assert_eq!(words[1][..4], ["*", "test", &service.url, "admin"], "{}", listed.stdout);
    assert!(!listed.stdout.contains("killick_") && !person.contexts().to_string().contains("killick_"));

    // Years later the token opens nothing, and nobody needs to ask the server for that.
    person.age("test");
    let later = person.run(&["image", "list"]);
    assert_eq!(later.code, 2, "{}", later.transcript());
    assert!(later.stderr.contains("error: the token of the context `test`"), "{}", later.stderr);
    let hint = format!("hint: log in again: `killick login {} --name test`", service.url);
    assert!(later.stderr.contains(&hint), "{}", later.stderr);

    // One that the server does not know is told as well.
    fs_err::write(&file, text.replace("killick_", "killick_other_")).expect("writable");
    let unknown = person.run(&["image", "list"]);
    assert_eq!(unknown.code, 2, "{}", unknown.transcript());
    assert!(unknown.stderr.contains("is the token of the context `test` still good?"), "{}", unknown.transcript());
    assert_eq!(person.login(&server(&service), &["--name", "test"], PASSWORD).code, 0);
    assert_eq!(keys(&service).len(), 2, "of the one that was lost nobody knows");

    let removed = person.run(&["context", "remove", "test"]);
    assert!(removed.code == 0 && removed.stdout.contains("its token is revoked"), "{}", removed.transcript());
    assert_eq!(keys(&service).len(), 1);
    assert_eq!(person.contexts(), Value::Array(Vec::new()));
    let unknown = person.run(&["context", "use", "test"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("there is no context `test`"), "{}", unknown.transcript());
}

/// What was said of one server is told to no other.
#[test]
fn of_several_servers_one_is_in_use() {
    let (one, other, person) = (Service::start(), Service::start(), Person::new());
    for (name, service) in [("one", &one), ("other", &other)] {
        assert_eq!(person.login(&server(service), &["--name", name], PASSWORD).code, 0);
    }
    let url = |run: &Run| run.code == 0 && run.stdout.contains("Username: admin");
    let current = || {
        let all = person.contexts();
        let found = all.as_array().expect("contexts").iter().find(|context| context["current"] == true).cloned();
        found.expect("one is in use")["context"].as_str().expect("a name").to_owned()
    };
    assert_eq!(current(), "other", "the last one");
    assert_eq!(person.run(&["context", "use", "one"]).code, 0);
    assert_eq!(current(), "one");
    let system = |variables: &[(&str, &str)], before: &[&str]| {
        person.run_with(variables, &[before, &["--debug", "account", "whoami"]].concat())
    };
    let speaks_to = |run: &Run, service: &Service| run.stderr.contains(&service.url);
    for (variables, before, service) in [
        (&[][..], &[][..], &one),
        (&[], &["--context", "other"], &other),
        (&[("KILLICK_CONTEXT", "other")], &[], &other),
        (&[("KILLICK_URL", &other.url[..]), ("KILLICK_USER", "admin"), ("KILLICK_PASS", PASSWORD)], &[], &other),
        (&[("ANCHORE_CLI_URL", &one.url[..])], &[], &one),
        (&[], &["--u", "admin", "--p", PASSWORD], &one),
    ] {
        let run = system(variables, before);
        assert!(url(&run) && speaks_to(&run, service), "{variables:?} {before:?}: {}", run.transcript());
    }
    // A user without a password is not helped out with the token, and a server that is not the context's gets none.
    for (variables, before) in [
        (&[("KILLICK_PASS", "wrong"), ("KILLICK_USER", "admin")][..], &[][..]),
        (&[("KILLICK_URL", &other.url[..])], &[]),
        (&[], &["--url", &other.url[..]]),
        (&[], &["--u", "admin"]),
    ] {
        let run = system(variables, before);
        assert_eq!(run.code, 2, "{variables:?} {before:?}: {}", run.transcript());
        assert!(run.stdout.contains("Unauthorized"), "{}", run.transcript());
    }
    // The file of anchore-cli counts if it is named, or if there is no context.
    let credentials = format!(
        "default:\n  ANCHORE_CLI_USER: admin\n  ANCHORE_CLI_PASS: {PASSWORD}\n  ANCHORE_CLI_URL: {}\n",
        other.url
    );
    let file = person.home.path().join(".anchore/credentials.yaml");
    fs_err::create_dir_all(file.parent().expect("a folder")).expect("writable");
    fs_err::write(&file, credentials).expect("writable");
    assert!(speaks_to(&system(&[], &[]), &one));
    assert!(speaks_to(&system(&[], &["--config", &file.display().to_string()]), &other));
    assert_eq!(person.run(&["context", "remove", "one"]).code, 0);
    let run = system(&[], &[]);
    assert!(url(&run) && speaks_to(&run, &other), "{}", run.transcript());
}

#[test]
fn answers_are_printed_in_the_form_that_is_wanted() {
    let service = Service::start();
    let registry = ["registry", "add", "registry.example:5000", "robot", "secret", "--skip-validate"];
    assert_eq!(service.client(&registry).code, 0);
    let list = |before: &[&str]| service.client(&[before, &["registry", "list"]].concat());
    let table = list(&[]);
    assert_eq!(list(&["--output", "table"]).stdout, table.stdout);
    assert_eq!(list(&["--output", "json"]).stdout, list(&["--json"]).stdout);
    assert_eq!(
        list(&["--output", "csv"]).stdout,
        "Registry,Name,Type,User\r\nregistry.example:5000,registry.example:5000,docker_v2,robot\n"
    );
    let yaml = list(&["--output", "yaml"]).stdout;
    assert!(yaml.starts_with("- created_at: ") && yaml.contains("  registry_user: robot\n"), "{yaml}");
    let empty = service.client(&["--output", "csv", "repo", "list"]);
    assert_eq!((empty.code, empty.stdout.as_str()), (0, "Repository,Watched,TagCount\n"));
    let gates = service.client(&["--output", "csv", "policy", "describe"]).stdout;
    assert!(gates.starts_with("Gate,Description\r\nalways,") && !gates.contains("+---"), "{gates}");
    let no_list = service.client(&["--output", "csv", "account", "whoami"]);
    assert!(no_list.code == 2 && no_list.stdout.contains("prints no list"), "{}", no_list.transcript());
    for arguments in [&["--json", "--output", "csv", "image", "list"][..], &["--output", "xml", "image", "list"]] {
        assert_eq!(service.client(arguments).code, 2, "{arguments:?}");
    }
    let local = service.client(&["--output", "csv", "sbom", "examples/shop.tar"]);
    assert!(local.code == 2 && local.stderr.contains("before the command"), "{}", local.transcript());
}

/// An Anchore Engine: it has no API keys, and tokens of OAuth if that is set up. It wants the user `admin` with [`PASSWORD`].
struct Engine {
    url: String,
    _runtime: tokio::runtime::Runtime,
}

impl Engine {
    fn start(has_oauth: bool) -> Self {
        use axum::http::{HeaderMap, StatusCode, header};
        use axum::routing::{get, post};
        use base64::Engine as _;

        let basic = base64::engine::general_purpose::STANDARD.encode(format!("admin:{PASSWORD}"));
        let knows = move |headers: &HeaderMap| {
            let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
            shown == format!("Basic {basic}") || (has_oauth && shown == "Bearer an-hour")
        };
        let of_its_own = knows.clone();
        let to_whom_it_knows = |is_known: bool, body: &'static str| {
            if is_known { (StatusCode::OK, body) } else { (StatusCode::UNAUTHORIZED, "Unauthorized") }
        };
        let user = async move |headers: HeaderMap| {
            to_whom_it_knows(of_its_own(&headers), r#"{"username": "admin", "type": "native"}"#)
        };
        let images = async move |headers: HeaderMap| to_whom_it_knows(knows(&headers), "[]");
        let token = async move |form: String| match has_oauth {
            true if form == format!("grant_type=password&username=admin&password={PASSWORD}&client_id=anonymous") => {
                (StatusCode::OK, r#"{"token_type": "Bearer", "access_token": "an-hour", "expires_in": 3600}"#)
            }
            true => (StatusCode::INTERNAL_SERVER_ERROR, "{}"),
            false => (StatusCode::FORBIDDEN, r#"{"message": "OAuth is not enabled", "httpcode": 403}"#),
        };
        let router = axum::Router::new()
            .route("/v1", get(async || r#""v1""#))
            .route("/v1/user", get(user))
            .route("/v1/images", get(images))
            .route("/v1/oauth/token", post(token));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("loopback is there");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, _runtime: runtime }
    }
}

#[test]
fn an_anchore_engine_gives_what_it_has() {
    let person = Person::new();
    let file = person.home.path().join(".config/killick/contexts.json");
    let engine = Engine::start(true);
    let wrong = person.login(&engine.url, &[], "wrong");
    assert!(
        wrong.code == 2 && wrong.stderr.contains("hint: are the user name and the password right?"),
        "{}",
        wrong.stderr
    );
    let logged_in = person.login(&engine.url, &["--name", "engine"], PASSWORD);
    assert_eq!(logged_in.code, 0, "{}", logged_in.transcript());
    let text = fs_err::read_to_string(&file).expect("the contexts");
    assert!(text.contains("an-hour") && text.contains("bearer") && !text.contains(PASSWORD), "{text}");
    let listed = person.run(&["--debug", "image", "list"]);
    assert!(listed.code == 0 && !listed.transcript().contains("an-hour"), "{}", listed.transcript());
    let removed = person.run(&["context", "remove", "engine"]);
    assert!(removed.stdout.contains("the server cannot revoke it"), "{}", removed.transcript());

    // Without tokens there is nothing to keep, and a password is not kept.
    let engine = Engine::start(false);
    let wrong = person.login(&engine.url, &[], "wrong");
    assert!(wrong.stderr.contains("hint: are the user name and the password right?"), "{}", wrong.stderr);
    let refused = person.login(&engine.url, &[], PASSWORD);
    assert_eq!(refused.code, 2, "{}", refused.transcript());
    let want = format!(
        "error: the user `admin` and the password are right, but {0}/v1 gives no token to keep in place of the password\n\
         hint: it is an Anchore Engine without OAuth: say who you are with KILLICK_URL={0}/v1, KILLICK_USER and KILLICK_PASS, \
         or in `~/.anchore/credentials.yaml` as for anchore-cli\n",
        engine.url
    );
    assert_eq!(refused.stderr, want);
    assert_eq!(person.contexts(), Value::Array(Vec::new()));

    // Something else.
    let elsewhere = person.login(&format!("{}/api", engine.url), &[], PASSWORD);
    assert!(
        elsewhere.code == 2 && elsewhere.stderr.contains("is there an API of Killick"),
        "{}",
        elsewhere.transcript()
    );
}

/// What is watched is shown until somebody has seen enough, and that is no failure.
#[test]
fn what_is_watched_is_shown_again() {
    use std::io::{BufRead as _, BufReader};

    let (service, person) = (Service::start(), Person::new());
    assert_eq!(person.login(&server(&service), &[], PASSWORD).code, 0);
    for (arguments, line) in [
        (&["--output", "csv", "image", "list", "--watch=1"][..], "Full Tag"),
        (&["system", "status", "--watch=1"], "Engine Code Version"),
        (&["--output", "csv", "event", "list", "--watch=1"], "Timestamp"),
    ] {
        let mut process = person.command().args(arguments).stdout(Stdio::piped()).spawn().expect("the binary starts");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let seen = output.lines().map_while(Result::ok).filter(|text| text.starts_with(line)).take(2).count();
        assert_eq!(seen, 2, "{arguments:?}");
        let interrupted = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
        assert!(interrupted.expect("kill is there").success());
        assert_eq!(process.wait().expect("it ends").code(), Some(0), "{arguments:?}");
    }
    // A mistake is no news that is waited for.
    let wrong = person.run(&["image", "get", "docker.io/nginx:1", "--watch"]);
    assert_eq!(wrong.code, 1, "{}", wrong.transcript());
}
