//! What a Go program links, from its table of functions to what is told of its vulnerabilities.

use serde_json::json;

use crate::command::run;

#[test]
fn flaws_in_functions_that_are_not_linked_do_not_apply() {
    let home = tempfile::tempdir().expect("a folder");
    // Programs for Linux and Windows; the one of Go 1.12 does not tell.
    let image = "dir:crates/analysis/testdata/catalogers/go/symbols/image";

    let records = home.path().join("feeds/govulndb/ID");
    fs_err::create_dir_all(&records).expect("the folder is writable");
    for (id, module, path, symbol) in [
        ("GO-2099-0001", "example.org/mux", "example.org/mux", "Router.ServeHTTP"),
        ("GO-2099-0002", "example.org/mux", "example.org/mux", "Router.Handle"),
        ("GO-2099-0003", "example.org/mux", "example.org/mux/middleware", "Recover"),
        ("GO-2099-0004", "stdlib", "net/http", "Client.Do"),
        ("GO-2099-0005", "stdlib", "archive/zip", "OpenReader"),
        // It stands in for `example.org/old`, whose import paths it has.
        ("GO-2099-0006", "example.org/new", "example.org/new/b.v1", "Load"),
    ] {
        let record = json!({
            "id": id, "modified": "2099-01-01T00:00:00Z",
            "affected": [{
                "package": {"ecosystem": "Go", "name": module},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "99.0.0"}]}],
                "ecosystem_specific": {"imports": [{"path": path, "symbols": [symbol]}]},
            }],
        });
        fs_err::write(records.join(format!("{id}.json")), record.to_string()).expect("the folder is writable");
    }
    let (feeds, index) = (home.path().join("feeds"), home.path().join("index"));
    let (feeds, index) = (feeds.display().to_string(), index.display().to_string());
    let built = run(home.path(), &["db", "build", "--from", &feeds, "--out", &index]);
    assert_eq!(built.code, 0, "{}", built.stderr);

    let scan = run(home.path(), &["scan", "--db", &index, image]);
    insta::assert_snapshot!("go-symbols-scan", scan.stdout);
    for (id, name) in [
        ("GO-2099-0001", "linked"),
        ("GO-2099-0002", "not-linked"),
        ("GO-2099-0003", "package-not-linked"),
        ("GO-2099-0006", "other-path"),
    ] {
        let explained = run(home.path(), &["explain", "--db", &index, image, id]);
        insta::assert_snapshot!(format!("go-symbols-{name}"), explained.stdout);
    }
}
