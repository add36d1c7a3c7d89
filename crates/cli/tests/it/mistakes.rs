//! What people do wrong most often, and what they are told. A reader judges the snapshot: does it say what happened, to
//! what, and what to do?

mod world;

use self::world::World;

/// What was done wrong, the command, how it ends. Capitals are places of the [`World`]; variables stand before the command.
const MISTAKES: &[(&str, &str, i32)] = &[
    // Which image?
    ("the name of an image has capitals", "scan Shop/Web:1", 2),
    ("a kind of source that there is not", "scan tarball:./app.tar", 2),
    ("a file that is not there", "scan ./ap.tar", 2),
    ("a file that is no archive", "scan notes.txt", 2),
    ("an archive that was cut off", "scan cut.tar", 2),
    ("an empty file", "scan empty.tar", 2),
    ("a folder that is no image", "scan folder", 0),
    ("a folder without files", "scan nothing", 2),
    ("an OCI layout without the tag", "scan oci:layout:2.0", 2),
    ("an SBOM that is none", "scan sbom:notes.txt", 2),
    ("a JSON document that is no SBOM", "scan sbom:policy.json", 2),
    ("a platform that the image has not", "scan --platform linux/s390x app.tar", 2),
    ("a platform that is none", "scan --platform windows app.tar", 2),
    (
        "an architecture of a registry's image that it has not",
        "SIGNED_IN scan --plain-http --platform linux/s390x PRIVATE/shop/web:1",
        2,
    ),
    // Registries and engines.
    ("a tag that is not there", "SIGNED_IN scan --plain-http PRIVATE/shop/web:2", 2),
    ("a repository that is not there", "SIGNED_IN scan --plain-http PRIVATE/shop/wbe:1", 2),
    ("a private registry, and no credentials", "scan --plain-http PRIVATE/shop/web:1", 2),
    (
        "a wrong password",
        "KILLICK_REGISTRY_USER=puller KILLICK_REGISTRY_PASS=wrong scan --plain-http PRIVATE/shop/web:1",
        2,
    ),
    ("a password without a user", "KILLICK_REGISTRY_PASS=pull-secret scan --plain-http PRIVATE/shop/web:1", 2),
    ("a registry that speaks plain HTTP", "scan PRIVATE/shop/web:1", 2),
    ("a registry with a certificate of its own", "scan TLS/shop/web:1", 2),
    ("certificates that are none", "scan --ca-file notes.txt TLS/shop/web:1", 2),
    ("certificates that are not there", "scan --ca-file ca.pem TLS/shop/web:1", 2),
    ("a registry where nobody listens", "scan --plain-http 127.0.0.1:9/shop/web:1", 2),
    ("a host that there is not", "scan registry.invalid/shop/web:1", 2),
    ("a proxy where nobody listens", "scan --proxy http://127.0.0.1:9 registry.invalid/shop/web:1", 2),
    ("no Docker", "scan docker:shop/web:1", 2),
    ("no Podman", "scan podman:shop/web:1", 2),
    // What to write, and where.
    ("a format that there is not", "scan app.tar -o xls", 2),
    ("a format with a typing error", "scan app.tar -o sarfi=out.sarif", 2),
    ("a format of vulnerabilities, and a verdict alone", "check app.tar --policy policy.json -o gitlab=report.json", 2),
    ("a format of vulnerabilities, and packages alone", "sbom app.tar -o junit=report.xml", 2),
    ("a format of answers with a typing error", "ADMIN --output jsn image list", 2),
    ("a folder that is not there", "scan app.tar -o sarif=reports/out.sarif", 2),
    ("a full disk", "scan app.tar -o json=/dev/full", 2),
    ("a template that is not there", "scan app.tar -o template=report.txt", 2),
    ("a cache that cannot be written", "sbom app.tar --cache /proc/cache -o json=/dev/null", 0),
    ("a severity that is none", "scan app.tar --fail-on hihg", 2),
    ("an order of severities with somebody who rates nothing", "scan app.tar --severity-order bogus", 2),
    ("two documents on stdout", "scan app.tar -o sarif -o json", 2),
    ("a kind of packages in Anchore's words", "query packages app.tar --type dpkg", 2),
    ("a limit that is none", "scan app.tar --limit layer-byte=1", 2),
    ("a command with a typing error", "scna app.tar", 2),
    ("a flag of the client behind its command", "image list --json", 2),
    ("a flag of the client behind another command", "scan app.tar --json", 2),
    // Policies.
    ("a bundle in YAML", "check app.tar --policy policy.yaml", 2),
    ("a bundle with a comma too many", "check app.tar --policy comma.json", 2),
    ("a file that is no bundle", "check app.tar --policy list.json", 2),
    ("a bundle that is not there", "check app.tar --policy polcy.json", 2),
    ("no bundle", "check app.tar", 2),
    ("a gate with a typing error", "check app.tar --policy gate.json", 2),
    ("a trigger with a typing error", "check app.tar --policy trigger.json", 2),
    ("a parameter with a typing error", "check app.tar --policy parameter.json", 2),
    ("a date of an allowlist that is none", "policy validate expiry.json", 1),
    ("a date of an exception that is none", "check app.tar --policy policy.json --exceptions exceptions.yaml", 2),
    ("a VEX document that is none", "scan app.tar --vex policy.json", 2),
    ("a case that expects nothing", "policy test policy.json case.yaml", 2),
    // The index.
    ("an index that is not there", "scan app.tar --db advisories.db", 2),
    ("an index that is none", "scan app.tar --db notes.txt", 2),
    ("an index of a later version", "scan app.tar --db later.index", 2),
    ("an index without a key", "db import published", 2),
    ("feeds that are not there", "db build --from feeds --out new.index", 2),
    ("a feed that there is not", "db update --provider debain", 2),
    // Questions.
    ("an identifier that is none", "explain app.tar CVE-23-1", 2),
    ("a vulnerability that is known to nobody", "explain app.tar CVE-1999-0001", 0),
    ("a base that is none", "base app.tar --base oci:layout", 0),
    ("an instant that is none", "SOURCE_DATE_EPOCH=yesterday sbom app.tar", 2),
    // Lists.
    ("an empty list", "scan -f empty.txt", 2),
    ("a list with lines that are no images", "scan -f lines.txt", 2),
    ("no image at a time", "scan -f lines.txt --jobs 0", 2),
    ("a list that is not there", "scan -f image.txt", 2),
    // Attestations.
    ("a key that is none", "attest app.tar --type sbom --key notes.txt", 2),
    ("an attestation that is none", "verify app.tar --key key.pub --attestation notes.txt", 2),
    // Servers.
    ("a server that is not there", "KILLICK_URL=http://127.0.0.1:9/v1 KILLICK_USER=admin KILLICK_PASS=x image list", 2),
    ("nobody is named", "HOME=/nowhere KILLICK_URL=SERVER image list", 2),
    ("a wrong password of a server", "KILLICK_URL=SERVER KILLICK_USER=admin KILLICK_PASS=wrong image list", 2),
    ("a user without a password", "KILLICK_URL=SERVER KILLICK_USER=admin image list", 2),
    ("an address without `http://`", "KILLICK_URL=localhost:8228 KILLICK_USER=admin KILLICK_PASS=x image list", 2),
    ("a certificate of the server's own", "KILLICK_URL=https://TLS/v1 KILLICK_USER=admin KILLICK_PASS=x image list", 2),
    (
        "a web server that is none of ours",
        "KILLICK_URL=OLD KILLICK_USER=admin KILLICK_PASS=x policy dry-run policy.json",
        1,
    ),
    ("a context that there is not", "--context prod image list", 2),
    ("a login without a password", "login SERVER --user admin --name other", 2),
    ("an image that the server has not", "ADMIN evaluate check docker.io/nginx:1", 2),
    ("vulnerabilities of an image that the server has not", "ADMIN image vuln docker.io/nginx:1 all", 1),
    ("a bundle that the server has not", "ADMIN policy activate nope", 1),
    ("a bundle that a server refuses", "ADMIN policy add gate.json", 1),
    ("a flag of the client for a local command", "--json scan app.tar", 2),
    ("a port that is in use", "serve --listen LISTENING --data data", 2),
    ("settings with a typing error", "serve --config killick.toml --data data", 2),
    ("a webhook without a certificate", "ADMIN admission --tls-cert tls.crt --tls-key tls.key", 2),
    (
        "a webhook with something else in place of a certificate",
        "ADMIN admission --tls-cert notes.txt --tls-key notes.txt",
        2,
    ),
    (
        "a webhook with a bundle, and something that only a server has",
        "admission --tls-cert tls.crt --tls-key tls.key --bundle policy.json --policy nope",
        2,
    ),
    (
        "a webhook with a password for every registry",
        "SIGNED_IN admission --tls-cert tls.crt --tls-key tls.key --bundle policy.json",
        2,
    ),
];

#[test]
fn mistakes_are_told() {
    let world = World::new();
    let (mut told, mut faults) = (String::new(), String::new());
    for (what, command, code) in MISTAKES {
        let run = world.run(command);
        let text = format!("{}{}", run.stdout, run.stderr);
        let is_internal = ["panicked", "RUST_BACKTRACE", "Some(", "Err(", " { "].iter().any(|word| text.contains(word));
        if run.code != *code || is_internal {
            faults.push_str(&format!("{what}: exit code {}, not {code}: {text}\n", run.code));
        }
        let shown = world.shown(&text);
        told.push_str(&format!("# {what}\n$ {command}\n{}\n", shown.trim_end()));
        told.push_str(&if run.code == 0 { "\n".to_owned() } else { format!("(exit code {})\n\n", run.code) });
    }
    insta::assert_snapshot!("mistakes", told);
    assert!(faults.is_empty(), "{faults}");
    assert!(MISTAKES.len() >= 30);
}
