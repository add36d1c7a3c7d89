//! Every cataloger on its cases: `testdata/catalogers/NAME/CASE/image/` is one layer, or `CASE/layers/0/`, `1/`, …
//! are several; `expected.snap` is what the cataloger finds in them, and every problem of the image.

use std::path::Path;

use killick_analysis::analyze::{Options, analyze};
use killick_analysis::catalogers::CATALOGERS;
use killick_analysis::limits::Limits;
use killick_model::package::Package;
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
fn parts_of_an_executable_tell_what_the_whole_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/catalogers");
    for (case, files) in [
        ("go/symbols", &["/usr/bin/server", "/usr/bin/go1.16"][..]),
        ("go/universal", &["/srv/both", "/srv/different"]),
        ("rust/auditable", &["/usr/bin/demo", "/usr/bin/demo.exe", "/usr/bin/demo-darwin"]),
        ("native-image/images", &["/app/demo", "/app/demo.exe", "/app/demo-darwin"]),
        ("elf-note/copied", &["/usr/local/bin/tree", "/opt/big-endian"]),
        ("dotnet/bundle", &["/app/linked"]),
        ("java/nested", &["/big.ear", "/run.jar", "/boot.jar"]),
        ("java/shaded", &["/hadoop-client-3.3.1.jar", "/app.jar", "/tool-7.jar"]),
    ] {
        let image = staging::case(&folder.join(case));
        let packages = |limits: Limits| -> Vec<Package> {
            let packages = analyze(&image, None, &Options::limited(limits)).unwrap().packages;
            let is_of_file = |package: &Package| files.contains(&package.location.to_string().as_str());
            packages.into_iter().filter(is_of_file).collect()
        };
        let whole = packages(Limits::default());
        for file in files {
            assert!(whole.iter().any(|package| package.location.to_string() == *file), "{case}: {file}");
        }
        assert_eq!(packages(Limits { file_bytes: 16, ..Limits::default() }), whole, "{case}");
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
