//! What came with what: `testdata/owners/CASE` is an image, `expected.snap` the packages of languages in it, each with
//! the distribution package that answers for it.

use std::path::Path;
use std::sync::Arc;

use killick_analysis::analyze::{Options, analyze};
use killick_analysis::inspectors::Inspections;
use killick_analysis::inspectors::settings::Settings;

use crate::staging::{self, folders};

#[test]
fn testdata() {
    let cases = folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/owners"));
    assert!(!cases.is_empty(), "there are no cases");
    for case in cases {
        let found = owners(&case, &Options::default());
        insta::with_settings!(
            { snapshot_path => &case, prepend_module_to_snapshot => false, omit_expression => true },
            { insta::assert_snapshot!("expected", found) }
        );
        // Digests that are only there when package files are verified tell nothing else.
        let settings = Settings { package_files: true, ..Settings::default() };
        let inspections = Arc::new(Inspections::new(settings).unwrap());
        assert_eq!(owners(&case, &Options { inspections, ..Options::default() }), found, "{}", case.display());
    }
}

fn owners(case: &Path, options: &Options) -> String {
    let analysis = analyze(&staging::case(case), None, options).unwrap();
    assert_eq!(analysis.problems, [], "{}", case.display());
    let languages = analysis.packages.iter().filter(|package| !package.kind.is_os());
    let lines = languages.map(|package| {
        let owner = package.owner.map_or("nobody", |owner| &analysis.package(owner).name);
        format!("{} {} {} at {}: {owner}", package.kind, package.name, package.version, package.location)
    });
    lines.collect::<Vec<_>>().join("\n")
}
