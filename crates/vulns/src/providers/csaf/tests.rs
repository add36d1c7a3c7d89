use proptest::prelude::*;

use super::*;

#[test]
fn components_are_told_by_their_purls() {
    for (purl, name, version, architecture, module) in [
        (
            "pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=x86_64&epoch=1",
            "openssl",
            Some("1:3.0.7-27.el9"),
            Some("x86_64"),
            None,
        ),
        ("pkg:rpm/redhat/curl?arch=src", "curl", None, Some("src"), None),
        ("pkg:rpm/redhat/libcurl", "libcurl", None, None, None),
        (
            "pkg:rpm/redhat/ruby@2.5.9-111.module%2Bel8.9.0%2B19193%2B435404ae?arch=i686&rpmmod=ruby:2.5:8090020230627084142:b46abd14",
            "ruby",
            Some("2.5.9-111.module+el8.9.0+19193+435404ae"),
            Some("i686"),
            Some("ruby:2.5"),
        ),
    ] {
        let found = Component::from_purl(purl).unwrap();
        assert_eq!(found.name, name);
        assert_eq!(found.version.as_deref(), version, "{purl}");
        assert_eq!(found.architecture.as_deref(), architecture, "{purl}");
        assert_eq!(found.module.as_deref(), module, "{purl}");
    }
    assert_eq!(Component::from_purl("pkg:oci/ubi9@sha256:1"), None);
    assert_eq!(Component::from_purl("pkg:rpm/"), None);
}

#[test]
fn or_else_by_their_names() {
    for (text, name, version, architecture) in [
        ("bind-9.9.4P2-0.6.1.i586", "bind", Some("9.9.4P2-0.6.1"), Some("i586")),
        ("ctdb-4.19.2+git.322.7e9201cef5-1.1", "ctdb", Some("4.19.2+git.322.7e9201cef5-1.1"), None),
        ("libdcerpc-binding0-32bit", "libdcerpc-binding0-32bit", None, None),
        ("python-2-docs", "python-2-docs", None, None),
        ("curl.src", "curl", None, Some("src")),
    ] {
        let found = Component::from_name(text);
        assert_eq!(found.name, name, "{text}");
        assert_eq!(found.version.as_deref(), version, "{text}");
        assert_eq!(found.architecture.as_deref(), architecture, "{text}");
    }
    let found = Component::from_name("nodejs:16/npm");
    assert_eq!((found.name.as_str(), found.module.as_deref()), ("npm", Some("nodejs:16")));
}

#[test]
fn a_module_is_a_platform_on_a_platform() {
    let tree = serde_json::json!({
        "document": { "tracking": { "id": "x" } },
        "product_tree": {
            "branches": [
                { "category": "vendor", "name": "v", "branches": [
                    { "product": { "product_id": "AppStream", "name": "RHEL AppStream", "product_identification_helper": { "cpe": "cpe:/a:redhat:enterprise_linux:8::appstream" } } },
                    { "product": { "product_id": "nodejs:20:8090:a75", "product_identification_helper": { "purl": "pkg:rpmmod/redhat/nodejs@20:8090:a75" } } },
                    { "product": { "product_id": "npm-1:9-1.src", "name": "npm-1:9-1.src" } }
                ] }
            ],
            "relationships": [
                { "full_product_name": { "product_id": "AppStream:nodejs:20:8090:a75" }, "product_reference": "nodejs:20:8090:a75", "relates_to_product_reference": "AppStream" },
                { "full_product_name": { "product_id": "m:npm" }, "product_reference": "npm-1:9-1.src", "relates_to_product_reference": "AppStream:nodejs:20:8090:a75" },
                { "full_product_name": { "product_id": "loop" }, "product_reference": "a-1-1", "relates_to_product_reference": "loop" }
            ]
        }
    });
    let document: Document = serde_json::from_value(tree).unwrap();
    let products = document.products();
    let placed = products.place("m:npm").unwrap();
    assert_eq!(placed.platform_name, "RHEL AppStream");
    assert_eq!(placed.component.module.as_deref(), Some("nodejs:20"));
    assert_eq!(placed.component.version.as_deref(), Some("1:9-1"));
    assert_eq!(products.place("AppStream:ruby:2.5/ruby").unwrap().component.module.as_deref(), Some("ruby:2.5"));
    assert_eq!(products.place("loop").unwrap().platform_name, "loop", "a circle ends");
    assert!(products.place("elsewhere:ruby").is_none());
    assert!(products.place("AppStream").is_none());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        let _ = Component::from_purl(&format!("pkg:rpm/{text}"));
        let _ = Component::from_name(&text);
    }
}
