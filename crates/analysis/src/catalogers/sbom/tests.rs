//! Documents that lie or are something else: whatever the bytes, reading ends and does not panic.

use killick_model::path::ImagePath;
use proptest::prelude::*;

use super::*;
use crate::limits::Limits;

fn read(path: &str, bytes: &[u8]) -> Found {
    let path = ImagePath::new(path.as_bytes()).unwrap();
    let mut found = Found::default();
    Sbom.read(&mut WantedFile::whole(&path, bytes, &Limits::default()), &mut found);
    found
}

#[test]
fn components_in_components_are_bounded() {
    let depth = 1000;
    let text = format!(
        "{{\"bomFormat\": \"CycloneDX\", \"components\": {}{}}}",
        "[{\"type\": \"library\", \"purl\": \"pkg:npm/a@1\", \"components\": ".repeat(depth),
        "[]".to_owned() + &"}]".repeat(depth)
    );
    let found = read("a.cdx.json", text.as_bytes());
    assert!(found.packages.is_empty());
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
}

#[test]
fn what_has_a_name_by_chance_is_no_problem() {
    for (path, text, problems) in [
        ("srv/bom.json", "{\"packages\": {\"a\": 1}}", 0),
        ("srv/bom.json", "{\"cut", 0),
        ("srv/x.spdx", "License-List: MIT\n", 0),
        ("srv/sbom.json", "{}", 1),
        ("srv/a.cdx.json", "{\"cut", 1),
        ("srv/a.cdx.json", "", 0),
    ] {
        assert_eq!(read(path, text.as_bytes()).problems.len(), problems, "{path} {text}");
    }
}

proptest! {
    #[test]
    fn any_document_ends(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("{\"bomFormat\":\"CycloneDX\",\"components\":["), Just("{\"spdxVersion\":\"SPDX-2.3\",\"packages\":["),
                Just("{\"artifacts\":["), Just("\"descriptor\":{\"name\":\"syft\"}"), Just("{\"purl\":\"pkg:npm/a@1\"}"),
                Just("{"), Just("}"), Just("["), Just("]"), Just(","), Just("\"a\":"), Just("1"), Just("null"), Just("\"x\""),
            ],
            0..20,
        ),
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        read("sbom.json", parts.concat().as_bytes());
        read("a.spdx", &[b"SPDXVersion:\n".as_slice(), &bytes].concat());
    }

    #[test]
    fn any_tags_end(lines in proptest::collection::vec("(PackageName|SPDXID|ExternalRef|Relationship|FileName|#)?:? ?[a-z <>/@:]{0,12}(<text>|</text>)?", 0..12)) {
        let text = lines.join("\n");
        tag_value::claims(&text);
    }
}
