//! Questions about all images of an account.

use std::path::Path;

use killick_server::Config;
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry;

/// A service that knows of a flaw in `musl`, one in `left-pad` that has two names, and one nobody has.
async fn service() -> Service {
    let feeds = tempfile::tempdir().unwrap();
    let write = |path: &str, text: Value| {
        let path = feeds.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text.to_string()).unwrap();
    };
    let musl = |id: &str, fixed: &str, no_advisory: bool| {
        json!({"Vulnerability": {
            "Name": id, "NamespaceName": "alpine:3.20", "Severity": "High", "Link": format!("https://example.org/{id}"),
            "Metadata": {}, "FixedIn": [{"Name": "musl", "Version": fixed, "VersionFormat": "apk",
            "NamespaceName": "alpine:3.20", "VendorAdvisory": {"NoAdvisory": no_advisory, "AdvisorySummary": []}}]}})
    };
    let alpine = [
        musl("CVE-2099-1", "1.2.5-r1", false),
        musl("CVE-2099-2", "None", true),
        musl("CVE-2099-3", "1.2.4-r0", false),
    ];
    write("vulnerabilities/alpine.json", json!({"data": alpine}));
    let padded = json!({"Advisory": {
        "ghsaId": "GHSA-aaaa-bbbb-cccc", "namespace": "github:npm", "Severity": "Low", "url": "https://example.org/g",
        "CVE": ["CVE-2099-4"], "FixedIn": [{"name": "left-pad", "identifier": "1.3.1", "range": "< 1.3.1"}]}});
    write("github/npm.json", json!({"data": [padded]}));
    let build = |config: &mut Config| {
        let index = config.storage.data_dir.join("advisories.db");
        build(feeds.path(), &index);
    };
    Service::start(build).await
}

fn build(feeds: &Path, index: &Path) {
    killick_vulns::build(&[feeds.to_owned()], index, &killick_vulns::BuildOptions::default()).unwrap();
}

/// What was found, `tag: package version namespace severity, …`.
fn told(answer: &Value, packages: &str) -> Vec<String> {
    let images = answer["images"].as_array().unwrap().iter();
    let told = images.map(|found| {
        let package = |package: &Value| {
            let word = |key: &str| package[key].as_str().unwrap_or("-").to_owned();
            ["name", "version", "type", "namespace", "severity"].map(word).join(" ")
        };
        let packages: Vec<String> = found[packages].as_array().unwrap().iter().map(package).collect();
        let tags = found["image"]["tag_history"].as_array().unwrap().iter();
        let tags: Vec<&str> = tags.map(|tag| tag["tag"].as_str().unwrap()).collect();
        format!("{}: {}", tags.join(" "), packages.join(", "))
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    told
}

/// What is known of the flaws of the two images of a service.
async fn flaws_are_found(service: &Service) {
    let vulnerable = async |query: &str| {
        let path = format!("/query/images/by_vulnerability?{query}");
        told(&service.get(ADMIN, &path).await, "vulnerable_packages")
    };
    assert_eq!(
        vulnerable("vulnerability_id=CVE-2099-1").await,
        ["3.20: musl 1.2.5-r0 APKG alpine:3.20 High"],
        "the other release is not spoken of"
    );
    assert!(vulnerable("vulnerability_id=CVE-2099-2").await.is_empty(), "the vendor will not fix it");
    assert_eq!(vulnerable("vulnerability_id=CVE-2099-2&vendor_only=False").await.len(), 1);
    assert!(vulnerable("vulnerability_id=CVE-2099-3").await.is_empty(), "fixed before");
    let padded = "left-pad 1.3.0 npm github:npm Low";
    for name in ["GHSA-aaaa-bbbb-cccc", "CVE-2099-4"] {
        let found = vulnerable(&format!("vulnerability_id={name}")).await;
        assert_eq!(found, [format!("3.20: {padded}"), format!("3.21: {padded}")], "{name}");
    }
    for (filter, count) in [
        ("namespace=github:npm", 2),
        ("namespace=npm", 0),
        ("affected_package=left-pad&severity=Low", 2),
        ("affected_package=musl", 0),
        ("severity=High", 0),
    ] {
        let found = vulnerable(&format!("vulnerability_id=CVE-2099-4&{filter}")).await;
        assert_eq!(found.len(), count, "{filter}");
    }
    let (status, _) =
        service.call(ADMIN, "GET", "/query/images/by_vulnerability?vulnerability_id=x&severity=low", Value::Null).await;
    assert_eq!(status, 400, "the words are those of the contract");
}

#[tokio::test]
async fn images_are_found_by_what_is_in_them() {
    let service = service().await;
    let upstream = registry::serve(None).await;
    for tag in ["3.20", "3.21"] {
        service.analyzed(ADMIN, &format!("{}/tiny/alpine:{tag}", upstream.address)).await;
    }
    let packages =
        async |query: &str| told(&service.get(ADMIN, &format!("/query/images/by_package?{query}")).await, "packages");
    let musl = "musl 1.2.5-r0 APKG - -";
    assert_eq!(packages("name=musl").await, [format!("3.20: {musl}"), format!("3.21: {musl}")]);
    assert_eq!(packages("name=musl&version=1.2.5-r0&package_type=APKG").await.len(), 2);
    for none in ["name=musl&version=1.2.5", "name=musl&package_type=npm", "name=mus", "name=MUSL"] {
        assert!(packages(none).await.is_empty(), "{none}");
    }

    flaws_are_found(&service).await;
    // What an earlier build stored does not tell what of a package decides: its images are asked.
    service.tamper("delete from package_document").await;
    flaws_are_found(&service).await;

    let paged = service.get(ADMIN, "/query/images/by_package?name=musl&limit=1&page=2").await;
    assert_eq!((paged["total_count"].as_u64(), paged["returned_count"].as_u64()), (Some(2), Some(1)));
    assert_eq!((&paged["page"], &paged["next_page"]), (&json!("2"), &Value::Null));

    // Others have no such images.
    assert_eq!(service.call(ADMIN, "POST", "/accounts", json!({"name": "team"})).await.0, 200);
    let user = json!({"username": "alice", "password": "password1"});
    assert_eq!(service.call(ADMIN, "POST", "/accounts/team/users", user).await.0, 200);
    for path in ["by_package?name=musl", "by_vulnerability?vulnerability_id=CVE-2099-1"] {
        let answer = service.get("alice:password1", &format!("/query/images/{path}")).await;
        assert_eq!(answer["total_count"], 0, "{path}");
    }
}

/// Every page, one image on each: its tag, and its packages in a word each.
async fn pages(service: &Service, login: &str, path: &str, word: impl Fn(&Value) -> String) -> Vec<String> {
    let (mut told, mut cursor, mut last) = (Vec::new(), String::new(), String::new());
    loop {
        let page = service.get(login, &format!("{path}limit=1{cursor}")).await;
        for item in page["items"].as_array().unwrap() {
            let digest = item["image_digest"].as_str().unwrap().to_owned();
            assert!(last < digest, "{path}: by digest");
            last = digest;
            let tag = item["tags"][0]["tag"].as_str().unwrap().rsplit(':').next().unwrap();
            let packages: Vec<String> = item["packages"].as_array().unwrap().iter().map(&word).collect();
            told.push(format!("{tag}: {}", packages.join(", ")));
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    told.sort();
    told
}

#[tokio::test]
async fn version_2_tells_page_by_page_which_images_have_what() {
    let service = service().await;
    let upstream = registry::serve(None).await;
    for tag in ["3.20", "3.21"] {
        service.analyzed(ADMIN, &format!("{}/tiny/alpine:{tag}", upstream.address)).await;
    }
    let word = |package: &Value, keys: &[&str]| {
        let words: Vec<&str> = keys.iter().map(|key| package[key].as_str().unwrap_or("-")).collect();
        words.join(" ")
    };
    let carried = |package: &Value| word(package, &["name", "version", "kind"]);
    let musl = "musl 1.2.5-r0 apk";
    let both = [format!("3.20: {musl}"), format!("3.21: {musl}")];
    assert_eq!(pages(&service, ADMIN, "/v2/packages?name=musl&", carried).await, both);
    assert_eq!(pages(&service, ADMIN, "/v2/packages?name=musl&version=1.2.5-r0&kind=apk&", carried).await, both);
    for none in ["name=musl&version=1.2.5", "name=musl&kind=npm", "name=mus"] {
        let path = format!("/v2/packages?{none}&");
        assert_eq!(pages(&service, ADMIN, &path, carried).await, Vec::<String>::new(), "{none}");
    }
    let affected = |package: &Value| word(package, &["name", "version", "kind", "severity", "fixed_in"]);
    for tampered in [false, true] {
        if tampered {
            // Then the images are asked, as above.
            service.tamper("delete from package_document").await;
        }
        let of =
            async |name: &str| pages(&service, ADMIN, &format!("/v2/vulnerabilities/{name}/images?"), affected).await;
        assert_eq!(of("CVE-2099-1").await, ["3.20: musl 1.2.5-r0 apk high 1.2.5-r1"]);
        assert_eq!(of("CVE-2099-2").await, ["3.20: musl 1.2.5-r0 apk high -"], "what nobody will fix is told too");
        let padded = "left-pad 1.3.0 npm low 1.3.1";
        assert_eq!(of("CVE-2099-4").await, [format!("3.20: {padded}"), format!("3.21: {padded}")]);
        assert_eq!(of("CVE-1").await, Vec::<String>::new());
    }
    let other = "/v2/vulnerabilities/CVE-2099-4/images?package=musl&";
    assert_eq!(pages(&service, ADMIN, other, affected).await, Vec::<String>::new());
    service.account_with_user("team", "alice").await;
    for path in ["/v2/packages?name=musl&", "/v2/vulnerabilities/CVE-2099-1/images?"] {
        assert_eq!(pages(&service, "alice:password1", path, carried).await, Vec::<String>::new(), "{path}");
    }
}

#[tokio::test]
async fn vulnerabilities_are_told_without_images() {
    let service = service().await;
    let answer = service.get(ADMIN, "/query/vulnerabilities?id=CVE-2099-1,GHSA-aaaa-bbbb-cccc,CVE-2099-1,CVE-1").await;
    let wanted = json!({
        "page": "1", "returned_count": 2, "total_count": 2,
        "vulnerabilities": [
            {
                "affected_packages":
                    [{"name": "left-pad", "type": "semver", "version": "< 1.3.1", "will_not_fix": false}],
                "description": null, "id": "GHSA-aaaa-bbbb-cccc", "link": "https://example.org/g",
                "namespace": "github:npm", "nvd_data": [], "references": null, "severity": "Low", "vendor_data": []
            },
            {
                "affected_packages": [{"name": "musl", "type": "apk", "version": "1.2.5-r1", "will_not_fix": false}],
                "description": null, "id": "CVE-2099-1", "link": "https://example.org/CVE-2099-1",
                "namespace": "alpine:3.20", "nvd_data": [], "references": null, "severity": "High", "vendor_data": []
            }
        ]
    });
    assert_eq!(answer, wanted);
    for (query, count) in [
        ("id=CVE-2099-1&affected_package=musl", 1),
        ("id=CVE-2099-1&affected_package=musl&affected_package_version=1.2.5-r1", 1),
        ("id=CVE-2099-1&affected_package=musl&affected_package_version=1", 0),
        ("id=CVE-2099-1&affected_package=glibc", 0),
        ("id=CVE-2099-1&namespace=debian:12", 0),
        ("id=CVE-2099-1&namespace=debian:12,alpine:3.20", 1),
    ] {
        let answer = service.get(ADMIN, &format!("/query/vulnerabilities?{query}")).await;
        assert_eq!(answer["total_count"], count, "{query}");
    }
    for mistake in ["", "id=x&affected_package_version=1", "id=x&page=0", "id=x&limit=-1"] {
        let (status, _) = service.call(ADMIN, "GET", &format!("/query/vulnerabilities?{mistake}"), Value::Null).await;
        assert_eq!(status, 400, "{mistake}");
    }
}
