//! The service does as its OpenAPI document says, whatever it is asked: [Schemathesis](https://schemathesis.readthedocs.io)
//! makes the requests. `scripts/schemathesis` has it make more of them than there is time for in CI.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use super::command::{Run, repository};
use super::image::Image;
use super::migrate::get;
use super::registry::{self, Registry};
use super::service::{PASSWORD, Service};

/// Requests for each operation, beyond those at the edges of what the document allows.
const EXAMPLES: &str = "KILLICK_TEST_SCHEMATHESIS_EXAMPLES";

/// From where chance begins, to have the same requests again.
const SEED: &str = "KILLICK_TEST_SCHEMATHESIS_SEED";

/// What is looked at. Whether each mistake is refused is for the conformance tests: version 1 has its own idea of some.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,unsupported_method,ignored_auth";

/// Would change the password of who calls.
const LEFT_OUT: &str = "post_user_credentials";

fn program() -> PathBuf {
    let program = repository().join("target/test-tools/schemathesis/bin/schemathesis");
    let shown = program.display();
    assert!(program.exists(), "`{shown}` is missing: `cargo xtask setup` installs what tests need");
    program
}

#[test]
fn the_document_is_true() {
    // Whoever makes up names of registries shall not reach any.
    let nowhere = "http://127.0.0.1:1".to_owned();
    let service = Service::start_with(&[
        ("HTTP_PROXY", nowhere.clone()),
        ("HTTPS_PROXY", nowhere),
        ("NO_PROXY", "127.0.0.1".to_owned()),
        ("KILLICK__LOGINS__CLIENT_FAILURES", "1000000".to_owned()),
        ("KILLICK__LOGINS__USER_FAILURES", "1000000".to_owned()),
        ("KILLICK__OAUTH__SECRET", "a secret of thirty-two bytes or more".to_owned()),
    ]);
    let upstream = Registry::start();
    upstream.push("shop/web", "1", &Image::example());
    let reference = format!("{}/shop/web:1", upstream.address);
    for arguments in [
        &["registry", "add", &upstream.address, registry::USER, registry::PASSWORD, "--insecure"][..],
        &["image", "add", &reference, "--wait"],
    ] {
        let done = service.client(arguments);
        assert_eq!(done.code, 0, "{}", done.transcript());
    }
    // First what there is is read, then everything is tried with names that are made up.
    let settings = tempfile::tempdir().expect("a temporary folder");
    let known = settings.path().join("known.toml");
    fs_err::write(&known, names(&service)).expect("the folder is writable");
    let made_up = settings.path().join("made-up.toml");
    fs_err::write(&made_up, "").expect("the folder is writable");
    for (config, only) in [(&known, &["--include-method", "GET", "--mode", "positive"][..]), (&made_up, &[])] {
        let mut command = Command::new(program());
        command.arg("--config-file").arg(config).arg("run").arg(format!("{}/openapi.json", service.url));
        command.args(["--auth", &format!("admin:{PASSWORD}"), "--checks", CHECKS, "--phases", "coverage,fuzzing"]);
        command.args([
            "--exclude-operation-id",
            LEFT_OUT,
            "--max-examples",
            &set(EXAMPLES, "2"),
            "--seed",
            &set(SEED, "1"),
        ]);
        command
            .args(["--no-color", "--continue-on-failure", "--generation-database", "none", "--workers", "1"])
            .args(only);
        command.current_dir(settings.path());
        let done = Run::of(command.output().expect("Schemathesis starts"));
        assert_eq!(done.code, 0, "{}", done.transcript());
    }
}

fn set(variable: &str, otherwise: &str) -> String {
    let given = std::env::var_os(variable).and_then(|value| value.into_string().ok());
    given.unwrap_or_else(|| otherwise.to_owned())
}

/// Names of what is there, for the paths of the document.
fn names(service: &Service) -> String {
    let image = &get(service, "/images", None)[0];
    let event = &get(service, "/events", None)["results"][0];
    let subscription = &get(service, "/subscriptions", None)[0];
    let detail = &image["image_detail"][0];
    let mut text = "[parameters]\n".to_owned();
    for (parameter, value) in [
        ("path.imageDigest", &image["imageDigest"]),
        ("path.image_digest", &image["imageDigest"]),
        ("path.imageId", &detail["imageId"]),
        ("query.tag", &detail["fulltag"]),
        ("path.eventId", &event["generated_uuid"]),
        ("path.subscriptionId", &subscription["subscription_id"]),
        ("path.policyId", &get(service, "/policies", None)[0]["policyId"]),
        ("path.registry", &get(service, "/registries", None)[0]["registry"]),
        ("path.accountname", &"admin".into()),
        ("path.username", &"admin".into()),
        ("path.ctype", &"os".into()),
        ("path.vtype", &"all".into()),
        ("path.mtype", &"manifest".into()),
        ("path.artifactType", &"secret_search".into()),
    ] {
        writeln!(text, "\"{parameter}\" = {value}").expect("memory");
    }
    text
}
