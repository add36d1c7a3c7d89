//! Parts of what a server has: filters and pages of lists.

use super::image::Image;
use super::registry::{PASSWORD, Registry, USER};
use super::service::Service;

#[test]
fn lists_are_shown_in_parts() {
    let (registry, service) = (Registry::start(), Service::start());
    let address = registry.address.as_str();
    let added = service.client(&["registry", "add", address, USER, PASSWORD, "--insecure"]);
    assert_eq!(added.code, 0, "{}", added.transcript());
    let image = Image::of_files(&[("etc/motd", b"hello")]);
    for (repository, tag) in [("shop/web", "2"), ("shop/web", "1"), ("shop/db", "1"), ("base/tiny", "1")] {
        registry.push(repository, tag, &image);
        let added = service.client(&["image", "add", &format!("{address}/{repository}:{tag}"), "--wait"]);
        assert_eq!(added.code, 0, "{}", added.transcript());
    }
    let tags = |arguments: &[&str]| -> Vec<String> {
        let run = service.client(arguments);
        assert_eq!(run.code, 0, "{}", run.transcript());
        let cells = run.stdout.lines().skip(1).filter_map(|line| line.split([' ', ',']).next());
        cells.filter_map(|tag| Some(tag.strip_prefix(address)?.trim_start_matches('/').to_owned())).collect()
    };
    // One image under four tags: each tag is a row.
    assert_eq!(tags(&["image", "list"]), ["base/tiny:1", "shop/db:1", "shop/web:1", "shop/web:2"]);
    assert_eq!(tags(&["image", "list", "--tag", "*/shop/*:1"]), ["shop/db:1", "shop/web:1"]);
    assert_eq!(tags(&["image", "list", "--limit", "3"]), ["base/tiny:1", "shop/db:1", "shop/web:1"]);
    assert_eq!(tags(&["image", "list", "--limit", "3", "--page", "2"]), ["shop/web:2"]);
    assert_eq!(tags(&["image", "list", "--limit", "3", "--page", "4294967295"]), [""; 0]);
    assert_eq!(tags(&["image", "list", "--status", "analysis_failed"]), [""; 0]);
    assert_eq!(tags(&["--output", "csv", "image", "list", "--tag", "*web*", "--status", "analyzed"]).len(), 2);
    let json = service.client(&["--json", "image", "list", "--tag", "*web*", "--limit", "1"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    assert_eq!(json[0]["image_detail"].as_array().map(Vec::len), Some(1));
    assert_eq!(json[0]["image_detail"][0]["fulltag"], format!("{address}/shop/web:1"));

    assert_eq!(tags(&["subscription", "list"]).len(), 16);
    let watched = ["subscription", "list", "--type", "tag_update", "--active", "--tag", "*/shop/*"];
    assert_eq!(tags(&watched), ["shop/db:1", "shop/web:1", "shop/web:2"]);
    assert_eq!(tags(&[&watched[..], &["--limit", "2", "--page", "2"]].concat()).len(), 1);
    assert_eq!(service.client(&["image", "list", "--tag", "["]).code, 2);
    assert_eq!(service.client(&["image", "list", "--page", "2"]).code, 2, "pages of what length?");
}

#[test]
fn nobody_there_to_ask_deletes_nothing() {
    let service = Service::start();
    for arguments in [&["event", "delete", "--all"][..], &["account", "del", "team1"]] {
        let run = service.client(arguments);
        assert_eq!(run.code, 2, "{}", run.transcript());
        assert!(run.stdout.contains("nobody answered, so nothing was deleted"), "{}", run.transcript());
        assert!(run.stderr.contains("--dontask"), "{}", run.transcript());
    }
}
