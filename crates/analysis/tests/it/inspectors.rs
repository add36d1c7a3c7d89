//! Every inspector on its cases: `testdata/inspectors/NAME/CASE/settings.json` is what is asked for, `image/` one layer,
//! or `layers/0/`, `1/`, … are several; `expected.snap` is what was seen, and every problem of the image.

use std::path::Path;
use std::sync::Arc;

use fs_err as fs;
use killick_analysis::analyze::{Options, analyze};
use killick_analysis::catalogers::CATALOGERS;
use killick_analysis::inspectors::{INSPECTORS, Inspections};
use serde_json::json;

use crate::staging::{self, folders};

#[test]
fn testdata() {
    for inspector in INSPECTORS {
        let cases = folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/inspectors").join(inspector.name()));
        assert!(!cases.is_empty(), "`{}` has no cases", inspector.name());
        for case in cases {
            let settings = fs::read(case.join("settings.json")).unwrap();
            let inspections = Inspections::new(serde_json::from_slice(&settings).unwrap()).unwrap();
            let options = Options { inspections: Arc::new(inspections), ..Options::default() };
            let analysis = analyze(&staging::case(&case), None, &options).unwrap();
            let seen = json!({ "inspection": analysis.inspection, "problems": analysis.problems });
            insta::with_settings!(
                { snapshot_path => &case, prepend_module_to_snapshot => false, omit_expression => true },
                { insta::assert_json_snapshot!("expected", seen) }
            );
        }
    }
}

#[test]
fn names_are_unique_and_every_folder_is_registered() {
    let mut names: Vec<_> = INSPECTORS.iter().map(|inspector| inspector.name().to_owned()).collect();
    names.sort();
    let mut folders: Vec<_> = folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/inspectors"))
        .iter()
        .filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()))
        .collect();
    folders.sort();
    assert_eq!(names, folders);
    assert!(CATALOGERS.iter().all(|cataloger| !names.contains(&cataloger.name().to_owned())));
}
