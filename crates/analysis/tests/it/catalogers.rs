//! Every cataloger on its cases: `testdata/catalogers/NAME/CASE/image/` is one layer, or `CASE/layers/0/`, `1/`, …
//! are several; `expected.snap` is what the cataloger finds in them, and every problem of the image.

use std::path::Path;

use killick_analysis::analyze::{Options, analyze};
use killick_analysis::catalogers::CATALOGERS;
use serde_json::json;

use crate::staging::{self, folders};

#[test]
fn testdata() {
    for cataloger in CATALOGERS {
        let cases = folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/catalogers").join(cataloger.name()));
        assert!(!cases.is_empty(), "`{}` has no cases", cataloger.name());
        for case in cases {
            let analysis = analyze(&staging::case(&case), None, &Options::default()).unwrap();
            let packages = analysis.packages.iter().filter(|package| package.cataloger == cataloger.name());
            let found = json!({ "packages": packages.collect::<Vec<_>>(), "problems": analysis.problems });
            insta::with_settings!(
                { snapshot_path => &case, prepend_module_to_snapshot => false, omit_expression => true },
                { insta::assert_json_snapshot!("expected", found) }
            );
        }
    }
}

#[test]
fn names_are_unique_and_every_folder_is_registered() {
    let mut names: Vec<_> = CATALOGERS.iter().map(|cataloger| cataloger.name().to_owned()).collect();
    names.sort();
    let mut folders: Vec<_> = folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/catalogers"))
        .iter()
        .filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()))
        .collect();
    folders.sort();
    assert_eq!(names, folders);
}
