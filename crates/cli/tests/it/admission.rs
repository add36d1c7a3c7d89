//! The webhook for Kubernetes, over HTTPS as a cluster asks it, with a server behind it or a bundle.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::command::{Run, killick, repository};
use crate::image::Image;
use crate::registry::{self, Registry, free_port, wait_until};
use crate::service::{PASSWORD, Service};
use crate::shelf::EveryImage;

/// A running webhook; it ends with the value.
struct Webhook {
    folder: tempfile::TempDir,
    port: u16,
    process: Child,
}

impl Webhook {
    /// One that asks the server at `url`, with these flags.
    fn start(url: &str, flags: &[&str]) -> Self {
        let who = [("KILLICK_URL", url), ("KILLICK_USER", "admin"), ("KILLICK_PASS", PASSWORD)];
        Self::with(|_| {}, &who, flags)
    }

    /// One that judges by `bundle` in its folder, where `prepare` puts what else it needs.
    fn by(bundle: &Value, flags: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let prepare = |folder: &Path| {
            fs_err::write(folder.join("bundle.json"), bundle.to_string()).expect("the folder is writable");
            prepare(folder);
        };
        Self::with(prepare, &[("DOCKER_CONFIG", "docker")], &[&["--bundle", "bundle.json"], flags].concat())
    }

    fn with(prepare: impl FnOnce(&Path), variables: &[(&str, &str)], flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let tls = repository().join("crates/fetch/testdata/tls");
        for (from, to) in [("server.cert", "tls.crt"), ("server.key", "tls.key"), ("ca.crt", "ca.crt")] {
            fs_err::copy(tls.join(from), folder.path().join(to)).expect("a copy");
        }
        prepare(folder.path());
        let process = killick(folder.path())
            .args([
                "admission",
                "--listen",
                &format!("127.0.0.1:{port}"),
                "--tls-cert",
                "tls.crt",
                "--tls-key",
                "tls.key",
            ])
            .args(flags)
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        wait_until("the webhook answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { folder, port, process }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Status and body of an answer.
    fn ask(&self, path: &str, body: Option<&[u8]>) -> (u16, String) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--write-out", "\n%{http_code}", "--cacert"]).arg(self.file("ca.crt"));
        if let Some(body) = body {
            fs_err::write(self.file("body"), body).expect("the folder is writable");
            // Without the question whether so much may come.
            curl.args(["--header", "expect:", "--data-binary"]).arg(format!("@{}", self.file("body").display()));
        }
        curl.arg(format!("https://localhost:{}{path}", self.port));
        let run = Run::of(curl.output().expect("curl is installed"));
        assert_eq!(run.code, 0, "{}", run.transcript());
        let (body, status) = run.stdout.rsplit_once('\n').expect("a status");
        (status.parse().expect("a number"), body.to_owned())
    }

    /// The `response` to the review of `request`.
    fn review(&self, request: &Value) -> Value {
        let mut request = request.clone();
        request["uid"] = json!("705ab4f5");
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        let (status, body) = self.ask("/validate?timeout=10s", Some(review.to_string().as_bytes()));
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((&answer["kind"], &answer["apiVersion"]), (&review["kind"], &review["apiVersion"]));
        assert_eq!(answer["response"]["uid"], "705ab4f5");
        answer["response"].clone()
    }

    /// The answer about a new pod with these images: whether it is let in, and everything that is said.
    fn pod(&self, images: &[&str]) -> (bool, String) {
        said(&self.review(&json!({"namespace": "shop", "operation": "CREATE", "object": pod(images)})))
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pod(images: &[&str]) -> Value {
    let containers: Vec<Value> = images.iter().map(|image| json!({"name": "c", "image": image})).collect();
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers}})
}

fn said(response: &Value) -> (bool, String) {
    let warnings = response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let message = response["status"]["message"].as_str();
    (response["allowed"] == true, warnings.chain(message).collect::<Vec<_>>().join("\n"))
}

/// Stops `team/app`, warns of `team/warned`, lets everything else pass.
fn bundle() -> Value {
    let policy = |id: &str, action: &str| {
        json!({"id": id, "name": id, "version": "1_0", "rules": [{"id": id, "gate": "always", "trigger": "always", "action": action,
            "params": []}]})
    };
    let mapping = |repository: &str, policy: &str| {
        json!({"id": policy, "name": policy, "registry": "*", "repository": repository,
            "image": {"type": "tag", "value": "*"}, "policy_ids": [policy], "whitelist_ids": []})
    };
    json!({"id": "gate", "name": "gate", "version": "1_0", "whitelists": [], "whitelisted_images": [], "blacklisted_images": [],
        "policies": [policy("stop", "STOP"), policy("warn", "WARN"), policy("go", "GO")],
        "mappings": [mapping("team/app", "stop"), mapping("team/warned", "warn"), mapping("*", "go")]})
}

#[test]
fn images_are_let_in_by_the_policy() {
    let (service, registry) = (Service::start(), EveryImage::start());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("gate.json").display().to_string();
    fs_err::write(&file, bundle().to_string()).expect("the folder is writable");
    for words in [&["policy", "add", &file][..], &["policy", "activate", "gate"]] {
        let run = service.client(words);
        assert_eq!(run.code, 0, "{}", run.transcript());
    }
    let image = |name: &str| format!("{}/{name}", registry.address);
    let (good, bad, warned) = (image("team/other:1"), image("team/app:1"), image("team/warned:1"));
    let gate = Webhook::start(&service.url, &["--exempt-namespace", "ops"]);

    // What nobody knows is added, and awaited.
    assert_eq!(gate.pod(&[&good]), (true, String::new()));
    let (allowed, told) = gate.pod(&[&good, &bad]);
    let want = format!(
        "killick: {bad}: the policy gate says stop: always.always: Unconditional trigger match; \
         `killick evaluate check {bad} --detail` has all"
    );
    assert_eq!((allowed, told), (false, want));
    let (allowed, told) = gate.pod(&[&warned]);
    assert!(allowed && told.contains("the policy gate warns: always.always"), "{told}");
    let listed = service.client(&["image", "list"]).stdout;
    for image in [&good, &bad, &warned] {
        assert!(listed.contains(image.as_str()), "{listed}");
    }

    // By digest, the same; with a digest alone there is no tag.
    let digest = listed.lines().find(|line| line.starts_with(&bad)).and_then(|line| line.split_whitespace().nth(1));
    let digest = digest.expect("a digest");
    for pinned in [format!("{bad}@{digest}"), format!("{}@{digest}", image("team/app"))] {
        let (allowed, told) = gate.pod(&[&pinned]);
        assert!(!allowed && told.contains("says stop"), "{told}");
    }
    assert_eq!(gate.pod(&[&format!("{}@{digest}", image("team/other"))]), (true, String::new()));

    // An image that its registry has not, and what is no image.
    let (allowed, told) = gate.pod(&[&image(&format!("team/gone@sha256:{}", "0".repeat(64)))]);
    assert!(!allowed && told.contains("team/gone") && told.contains("is the name right"), "{told}");
    let (allowed, told) = gate.pod(&["UPPER/case"]);
    assert!(!allowed && told.contains("is not an image reference"), "{told}");

    // Only what a change brings is judged; a namespace may be left alone; a dry run adds nothing.
    let request = |more: Value| {
        let mut request = json!({"namespace": "shop", "operation": "CREATE", "object": pod(&[&bad])});
        request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        said(&gate.review(&request)).0
    };
    assert!(!request(json!({})));
    assert!(request(json!({"operation": "UPDATE", "oldObject": pod(&[&bad])})));
    assert!(request(json!({"operation": "DELETE", "oldObject": pod(&[&bad]), "object": null})));
    assert!(request(json!({"namespace": "ops"})));
    let unknown = image("team/unknown:1");
    assert!(!request(json!({"dryRun": true, "object": pod(&[&unknown])})));
    assert!(!service.client(&["image", "list"]).stdout.contains(&unknown));

    // The other modes.
    let analysis = Webhook::start(&service.url, &["--mode", "analysis", "--no-add"]);
    assert_eq!(analysis.pod(&[&bad]), (true, String::new()));
    let (allowed, told) = analysis.pod(&[&unknown]);
    assert!(!allowed && told.contains("add it with `killick image add`"), "{told}");
    let passthrough = Webhook::start(&service.url, &["--mode", "passthrough"]);
    let (allowed, told) = passthrough.pod(&[&bad, "UPPER/case"]);
    assert!(allowed && told.contains("says stop") && told.contains("is not an image reference"), "{told}");
    let other = Webhook::start(&service.url, &["--policy", "nope"]);
    let (allowed, told) = other.pod(&[&bad]);
    assert!(!allowed && told.contains("there is no policy `nope`"), "{told}");
}

#[test]
fn what_is_not_analyzed_has_to_wait() {
    let (mut service, registry) = (Service::start(), EveryImage::start());
    // Nobody analyses.
    service.restart(&["api".to_owned()]);
    let image = format!("{}/team/app:1", registry.address);
    let gate = Webhook::start(&service.url, &["--wait", "1"]);
    let (allowed, told) = gate.pod(&[&image]);
    assert!(!allowed && told.contains("it is not analysed yet (not_analyzed); try again in a moment"), "{told}");
    assert!(service.client(&["image", "list"]).stdout.contains(&image), "it is on its way");
}

#[test]
fn a_server_that_does_not_answer_is_told() {
    let nowhere = format!("http://127.0.0.1:{}/v1", free_port());
    let closed = Webhook::start(&nowhere, &[]);
    let (allowed, told) = closed.pod(&["example.com/app:1"]);
    assert!(!allowed && told.contains(&format!("the server {nowhere} cannot be asked")), "{told}");
    let open = Webhook::start(&nowhere, &["--fail-open"]);
    let (allowed, told) = open.pod(&["example.com/app:1"]);
    assert!(allowed && told.contains("cannot be asked"), "{told}");

    // What is no review is the caller's mistake.
    for (body, status, why) in [
        (&b"{"[..], 400, "this is no AdmissionReview"),
        (b"{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}", 400, "missing field `request`"),
        (&vec![b' '; 5 << 20], 413, "larger than 4194304 bytes"),
    ] {
        let (got, told) = closed.ask("/validate", Some(body));
        assert!(got == status && told.contains(why), "{got} {told}");
    }
    assert_eq!(closed.ask("/health", None), (200, "ok\n".to_owned()));
    assert_eq!(closed.ask("/", None).0, 404);
    assert_eq!(closed.ask("/validate", None).0, 405);
}

#[test]
fn images_are_let_in_by_a_bundle() {
    let registry = EveryImage::start();
    let image = |name: &str| format!("{}/{name}", registry.address);
    let (good, bad, warned) = (image("team/other:1"), image("team/app:1"), image("team/warned:1"));
    let gate = Webhook::by(&bundle(), &["--plain-http", "--exempt-namespace", "ops"], |_| {});

    assert_eq!(gate.pod(&[&good]), (true, String::new()));
    let (allowed, told) = gate.pod(&[&good, &bad]);
    let want = format!(
        "killick: {bad}: the policy gate says stop: always.always: Unconditional trigger match; \
         `killick check {bad} --policy` with this bundle has all"
    );
    assert_eq!((allowed, told), (false, want));
    let (allowed, told) = gate.pod(&[&warned]);
    assert!(allowed && told.contains("the policy gate warns: always.always"), "{told}");

    // By digest, of the index or of one of its images; with a digest alone there is no tag.
    let read = registry.layers_sent();
    for digest in registry.digests() {
        for pinned in [format!("{bad}@{digest}"), format!("{}@{digest}", image("team/app"))] {
            let (allowed, told) = gate.pod(&[&pinned]);
            assert!(!allowed && told.contains("says stop"), "{told}");
        }
        assert_eq!(gate.pod(&[&format!("{}@{digest}", image("team/other"))]), (true, String::new()));
    }
    // What is known of a layer is kept.
    assert!(read > 0);
    assert_eq!(registry.layers_sent(), read);

    // An image that its registry has not, what is no image, and what would be a file of the webhook.
    let (allowed, told) = gate.pod(&[&image(&format!("team/gone@sha256:{}", "0".repeat(64)))]);
    assert!(!allowed && told.contains("team/gone") && told.contains("has no manifest"), "{told}");
    for other in ["UPPER/case", "/etc", "-", "sbom:-"] {
        let (allowed, told) = gate.pod(&[other]);
        assert!(!allowed && told.contains("is not an image reference"), "{told}");
    }

    let request = |more: Value| {
        let mut request = json!({"namespace": "shop", "operation": "CREATE", "object": pod(&[&bad])});
        request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        said(&gate.review(&request)).0
    };
    assert!(!request(json!({"dryRun": true})));
    assert!(request(json!({"operation": "UPDATE", "oldObject": pod(&[&bad])})));
    assert!(request(json!({"namespace": "ops"})));

    let analysis = Webhook::by(&bundle(), &["--plain-http", "--mode", "analysis"], |_| {});
    assert_eq!(analysis.pod(&[&bad]), (true, String::new()));
    assert!(!analysis.pod(&[&image(&format!("team/gone@sha256:{}", "0".repeat(64)))]).0);
    let passthrough = Webhook::by(&bundle(), &["--plain-http", "--mode", "passthrough", "--platform", "all"], |_| {});
    wait_until("the image is read in the end", || {
        let (allowed, told) = passthrough.pod(&[&bad, "UPPER/case"]);
        assert!(allowed && told.contains("is not an image reference"), "{told}");
        told.contains("says stop")
    });
}

/// A review does not wait for ever, and the image is read all the same.
#[test]
fn an_image_is_read_to_its_end() {
    let registry = EveryImage::start();
    let gate = Webhook::by(&bundle(), &["--plain-http", "--wait", "0", "--scans", "1"], |_| {});
    let image = format!("{}/team/other:1", registry.address);
    let mut first = None;
    wait_until("the image is let in", || {
        let (allowed, told) = gate.pod(&[&image]);
        first.get_or_insert(told);
        allowed
    });
    assert!(first.is_some_and(|told| told.contains("it is not read yet; try again in a moment")));
}

/// Of a registry that asks for a login, by the file that docker keeps, which may change.
#[test]
fn private_images_are_read_by_the_login_for_their_registry() {
    let registry = Registry::start();
    registry.push("team/other", "1", &Image::example());
    let login = |password: &str| {
        let login = STANDARD.encode(format!("{}:{password}", registry::USER));
        json!({"auths": {registry.address.as_str(): {"auth": login}}}).to_string()
    };
    let gate = Webhook::by(&bundle(), &["--plain-http", "--cache-seconds", "0"], |folder| {
        fs_err::create_dir(folder.join("docker")).expect("the folder is writable");
        fs_err::write(folder.join("docker/config.json"), login("wrong")).expect("the folder is writable");
    });
    let image = format!("{}/team/other:1", registry.address);
    let (allowed, told) = gate.pod(&[&image]);
    assert!(!allowed && told.contains("it cannot be read: ") && told.contains("refused the credentials"), "{told}");
    fs_err::write(gate.file("docker/config.json"), login(registry::PASSWORD)).expect("the folder is writable");
    assert_eq!(gate.pod(&[&image]), (true, String::new()));

    // The bundle is read again; while it is no good, what was good counts.
    let mut stops = bundle();
    stops["id"] = json!("new");
    stops["mappings"] = json!([{"id": "all", "name": "all", "registry": "*", "repository": "*",
        "image": {"type": "tag", "value": "*"}, "policy_ids": ["stop"], "whitelist_ids": []}]);
    for text in [stops.to_string(), "{".to_owned()] {
        fs_err::write(gate.file("bundle.json"), text).expect("the folder is writable");
        let (allowed, told) = gate.pod(&[&image]);
        assert!(!allowed && told.contains("the policy new says stop"), "{told}");
    }
}

#[test]
fn a_registry_that_does_not_answer_is_told() {
    let nowhere = format!("127.0.0.1:{}/team/other:1", free_port());
    let closed = Webhook::by(&bundle(), &[], |_| {});
    let (allowed, told) = closed.pod(&[&nowhere]);
    assert!(!allowed && told.contains("it could not be judged: "), "{told}");
    let open = Webhook::by(&bundle(), &["--fail-open"], |_| {});
    let (allowed, told) = open.pod(&[&nowhere]);
    assert!(allowed && told.contains("it could not be judged: "), "{told}");
    // What is wrong with the image is no fault of the registry.
    assert!(!open.pod(&["UPPER/case"]).0);
}

#[test]
fn certificates_are_taken_over() {
    let webhook = Webhook::start("http://127.0.0.1:9/v1", &[]);
    assert_eq!(webhook.ask("/health", None).0, 200);
    let certificate = |folder: &Path| {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args([
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
                "-keyout",
                "new.key",
                "-out",
                "new.crt",
            ])
            .current_dir(folder)
            .output()
            .expect("openssl is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    certificate(webhook.folder.path());
    // A certificate without its key is no good, and changes nothing.
    fs_err::copy(webhook.file("new.crt"), webhook.file("ca.crt")).expect("a copy");
    fs_err::copy(webhook.file("new.crt"), webhook.file("tls.crt")).expect("a copy");
    let is_new = || {
        let status = Command::new("curl")
            .args(["--silent", "--cacert", "ca.crt", &format!("https://localhost:{}/health", webhook.port)])
            .current_dir(webhook.folder.path())
            .stdout(Stdio::null())
            .status();
        status.expect("curl is installed").success()
    };
    assert!(!is_new());
    fs_err::copy(webhook.file("new.key"), webhook.file("tls.key")).expect("a copy");
    wait_until("the new certificate is shown", is_new);
}

/// The manifests name flags that there are, and every kind that has pods; they differ in who judges, and in nothing else.
#[test]
fn the_manifests_fit() {
    let documents = |name: &str| -> Vec<Value> {
        let path = repository().join("integrations/kubernetes").join(name);
        let text = fs_err::read_to_string(path).expect("the manifest");
        text.split("\n---\n").map(|document| serde_saphyr::from_str(document).expect("YAML")).collect()
    };
    let of_kind = |documents: &[Value], kind: &str| {
        documents.iter().find(|document| document["kind"] == kind).expect("it is there").clone()
    };
    let (by_server, by_bundle) = (documents("admission.yaml"), documents("admission-bundle.yaml"));
    let home = tempfile::tempdir().expect("a temporary folder");
    let help = crate::command::run(home.path(), &["admission", "--help"]).stdout;
    for documents in [&by_server, &by_bundle] {
        let container = &of_kind(documents, "Deployment")["spec"]["template"]["spec"]["containers"][0];
        for variable in container["env"].as_array().expect("variables") {
            let name = variable["name"].as_str().expect("a name");
            assert!(name == "DOCKER_CONFIG" || help.contains(&format!("[env: {name}=]")), "{name} in\n{help}");
        }
    }
    for kind in
        ["Namespace", "PodDisruptionBudget", "Service", "Issuer", "Certificate", "ValidatingWebhookConfiguration"]
    {
        assert_eq!(of_kind(&by_server, kind), of_kind(&by_bundle, kind));
    }
    let bundle = of_kind(&by_bundle, "ConfigMap")["data"]["bundle.json"].as_str().expect("a bundle").to_owned();
    let file = home.path().join("bundle.json");
    fs_err::write(&file, bundle).expect("the folder is writable");
    let lint = crate::command::run(home.path(), &["policy", "lint", "--fail-on", "note", &file.display().to_string()]);
    assert_eq!(lint.code, 0, "{}", lint.transcript());

    let webhook = of_kind(&by_server, "ValidatingWebhookConfiguration")["webhooks"][0].clone();
    let rules = webhook["rules"].as_array().expect("rules");
    let resources: Vec<&str> =
        rules.iter().flat_map(|rule| rule["resources"].as_array().expect("names")).filter_map(Value::as_str).collect();
    for resource in
        ["pods", "pods/ephemeralcontainers", "deployments", "statefulsets", "daemonsets", "jobs", "cronjobs"]
    {
        assert!(resources.contains(&resource), "{resource}");
    }
    assert_eq!(webhook["clientConfig"]["service"]["path"], "/validate");
    assert!(webhook["timeoutSeconds"].as_u64() > Some(8));
}
