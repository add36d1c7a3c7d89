//! Files, a registry with a password, a server, and one that is too old.

use std::path::Path;
use std::process::{Child, Stdio};

use axum::Router;
use fs_err as fs;
use serde_json::{Value, json};

use crate::command::{Run, killick, repository};
use crate::image::Image;
use crate::registry::{self, Registry, free_port, wait_until};
use crate::service::{self, Service};

/// What commands are run in; it ends with the value.
pub(super) struct World {
    folder: tempfile::TempDir,
    /// What capitals in commands stand for; also what is shown as them.
    places: Vec<(&'static str, String)>,
    webhook: Child,
    _registry: Registry,
    _service: Service,
    _runtime: tokio::runtime::Runtime,
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        furnish(folder.path());
        let registry = Registry::start();
        registry.push("shop/web", "1", &Image::example());
        let service = Service::start();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("loopback is there");
        let old = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let base = axum::routing::get(async || "v1");
        let router = Router::new().route("/", base);
        runtime.spawn(async move { axum::serve(listener, router).await });
        // Whatever speaks TLS with a certificate that nobody knows.
        let tls = format!("localhost:{}", free_port());
        let files = repository().join("crates/fetch/testdata/tls");
        let webhook = killick(folder.path())
            .args(["--u", "x", "--p", "x", "admission", "--listen", &tls.replace("localhost", "127.0.0.1")])
            .args(["--tls-cert".as_ref(), files.join("server.cert").as_os_str()])
            .args(["--tls-key".as_ref(), files.join("server.key").as_os_str()])
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        wait_until("the webhook answers", || std::net::TcpStream::connect(&tls).is_ok());
        let listening = service.url.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
        let admin = format!("KILLICK_URL={} KILLICK_USER=admin KILLICK_PASS={}", service.url, service::PASSWORD);
        let signed_in =
            format!("KILLICK_REGISTRY_USER={} KILLICK_REGISTRY_PASS={}", registry::USER, registry::PASSWORD);
        let places = vec![
            ("SIGNED_IN", signed_in),
            ("ADMIN", admin),
            ("PRIVATE/", format!("{}/", registry.address)),
            ("SERVER", service.url.clone()),
            ("LISTENING", listening),
            ("OLD", old),
            ("TLS/", format!("{tls}/")),
            ("PRIVATE", registry.address.clone()),
            ("TLS", tls),
            ("FOLDER", folder.path().display().to_string()),
        ];
        let world = Self { folder, places, webhook, _registry: registry, _service: service, _runtime: runtime };
        world.prepare();
        world
    }

    /// A login, and an index that nobody signed.
    fn prepare(&self) {
        for command in [
            "KILLICK_PASS=admin-secret login SERVER --user admin",
            "db build --from tracker --out own.index",
            "db key generate --out key",
            "db export --db own.index --out published --sign key",
        ] {
            let run = self.run(command);
            assert_eq!(run.code, 0, "{command}: {}", run.transcript());
            if command.starts_with("db key") {
                fs::write(self.folder.path().join("key.pub"), run.stdout).expect("the folder is writable");
            }
        }
        let mut index = fs::read(self.folder.path().join("own.index")).expect("an index");
        // The version stands behind the name of the format.
        index[8] = 99;
        fs::write(self.folder.path().join("later.index"), index).expect("the folder is writable");
    }

    /// Runs a command as the table has it.
    pub(super) fn run(&self, command: &str) -> Run {
        let text = self.places.iter().fold(command.to_owned(), |text, (name, place)| text.replace(name, place));
        let words: Vec<&str> = text.split(' ').collect();
        let is_variable = |word: &&&str| {
            word.split_once('=')
                .is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        };
        let variables = words.iter().take_while(is_variable).count();
        let mut command = killick(self.folder.path());
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.envs(words[..variables].iter().filter_map(|word| word.split_once('=')));
        Run::of(command.args(&words[variables..]).output().expect("the binary starts"))
    }

    /// What was printed, without what is another the next time.
    pub(super) fn shown(&self, text: &str) -> String {
        let text = self.places.iter().fold(text.to_owned(), |text, (name, place)| text.replace(place.as_str(), name));
        let times = regex::Regex::new(r"20\d\d-\d\d-\d\dT[0-9:.]+Z").expect("a pattern");
        let text = times.replace_all(&text, "TIME");
        // Rows of findings say nothing of a mistake.
        let lines =
            text.lines().filter(|line| !["CVE-", "GHSA-", "DSA-", "NSWG-"].iter().any(|start| line.starts_with(start)));
        lines.map(|line| line.chars().take(400).collect::<String>().trim_end().to_owned() + "\n").collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.webhook.kill();
        let _ = self.webhook.wait();
    }
}

fn furnish(folder: &Path) {
    let examples = repository().join("examples");
    let image = fs::read(examples.join("shop.tar")).expect("the example is there");
    let bundle = fs::read_to_string(examples.join("bundles/production.json")).expect("the example is there");
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is writable");
        fs::write(path, bytes).expect("the folder is writable");
    };
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut document: Value = serde_json::from_str(&bundle).expect("the example is JSON");
        change(&mut document);
        document.to_string()
    };
    let rule = |key: &'static str, word: &'static str| {
        changed(&|document| document["policies"][0]["rules"][0][key] = json!(word))
    };
    put("app.tar", &image);
    put("cut.tar", &image[..image.len() / 2]);
    put("empty.tar", b"");
    put("notes.txt", b"milk, eggs\n");
    put("folder/notes.txt", b"milk, eggs\n");
    fs::create_dir(folder.join("nothing")).expect("the folder is writable");
    put("policy.json", bundle.as_bytes());
    put("policy.yaml", b"id: production\nversion: 1_0\npolicies: []\n");
    put("comma.json", b"{\"id\": \"production\",\n \"version\": \"1_0\",\n}\n");
    put("list.json", b"[1, 2]\n");
    put("gate.json", rule("gate", "vulnerabilites").as_bytes());
    put("trigger.json", rule("trigger", "pakage").as_bytes());
    put(
        "parameter.json",
        changed(&|document| document["policies"][0]["rules"][0]["params"][0]["name"] = json!("sevrity")).as_bytes(),
    );
    let item = json!({"id": "list", "version": "1_0", "name": "list",
        "items": [{"gate": "vulnerabilities", "trigger_id": "CVE-2023-1+*", "id": "one", "expires_on": "next week"}]});
    put("expiry.json", changed(&|document| document["whitelists"] = json!([item])).as_bytes());
    put("exceptions.yaml", b"exceptions:\n- id: one\n  select: {vulnerability: CVE-2023-1}\n  reason: r\n  owner: o\n  expires_at: next week\n");
    put("case.yaml", b"facts: {}\n");
    put("empty.txt", b"# none yet\n");
    put("lines.txt", b"app.tar\nShop/Web:1\n./ap.tar\n");
    put("killick.toml", b"[server]\nlisten = \"127.0.0.1:0\"\nlogin = true\n");
    put(
        "tracker/debian/tracker.json",
        br#"{"curl": {"CVE-2099-0001": {"releases": {"bookworm": {"status": "open"}}}}}"#,
    );
    Image::of_files(&[("etc/motd", b"hello")]).write_layout(&folder.join("layout"));
}
