//! A Composer project, from its lock file to its advisories.

use std::collections::BTreeSet;

use crate::command::run;
use crate::image::Image;

#[test]
fn what_a_lock_file_asks_for_is_judged() {
    let home = tempfile::tempdir().expect("a folder");
    let lock = br#"{
        "packages": [
            {"name": "symfony/http-kernel", "version": "v4.4.49", "license": ["MIT"]},
            {"name": "symfony/polyfill-php80", "version": "v1.27.0"}
        ],
        "packages-dev": [{"name": "phpunit/phpunit", "version": "5.6.2"}]
    }"#;
    let layout = home.path().join("image");
    Image::of_files(&[("srv/app/composer.lock", lock)]).write_layout(&layout);
    let scan = run(home.path(), &["scan", &format!("oci:{}", layout.display())]);
    assert_eq!(scan.code, 0, "{}", scan.stderr);
    let rows: Vec<Vec<&str>> = scan.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let about = |package: &str| {
        let about = rows.iter().filter(|row| row.contains(&package) && row.len() > 3);
        about.map(|row| row[0].to_owned()).collect::<BTreeSet<_>>()
    };
    let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(about("symfony/http-kernel"), ids(&["CVE-2022-24894"]), "{}", scan.stdout);
    assert_eq!(about("phpunit/phpunit"), ids(&["CVE-2017-9841", "CVE-2026-24765"]), "{}", scan.stdout);
    assert_eq!(about("symfony/polyfill-php80"), ids(&[]));
}
