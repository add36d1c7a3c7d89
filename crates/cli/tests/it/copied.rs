//! A library copied out of another image, from the first scan to its explanation.

use crate::command::run;
use crate::image::Image;

#[test]
fn a_copied_library_is_judged_as_that_of_its_distribution() {
    let home = tempfile::tempdir().expect("a folder");
    let library = "\u{7f}ELF of openssl ".repeat(1000);
    let status = "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\n\
                  Version: 3.0.9-1\n\n";
    let debian = home.path().join("debian");
    Image::of_files(&[
        ("etc/os-release", b"ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n"),
        ("var/lib/dpkg/status", status.as_bytes()),
        ("var/lib/dpkg/info/libssl3:amd64.list", b"/.\n/usr/lib/x86_64-linux-gnu/libssl.so.3\n"),
        ("usr/lib/x86_64-linux-gnu/libssl.so.3", library.as_bytes()),
    ])
    .write_layout(&debian);
    let app = home.path().join("app");
    Image::of_files(&[("app/lib/libssl.so.3", library.as_bytes()), ("app/notes", b"copied")]).write_layout(&app);
    let (debian, app) = (format!("oci:{}", debian.display()), format!("oci:{}", app.display()));

    let alone = run(home.path(), &["sbom", &app]);
    assert_eq!((alone.code, alone.stdout.as_str()), (0, "0 packages\n"));
    assert_eq!(run(home.path(), &["sbom", &debian]).code, 0);
    let known = run(home.path(), &["sbom", &app]);
    insta::assert_snapshot!("copied-sbom", known.stdout);
    assert_eq!(run(home.path(), &["sbom", "--no-cache", &app]).stdout, alone.stdout);

    let scan = run(home.path(), &["scan", &app]);
    let found: Vec<&str> = scan.stdout.lines().filter(|line| line.starts_with("CVE-2023-4807 ")).collect();
    assert_eq!(found, Vec::<&str>::new(), "Windows only: Debian says that it is not affected");
    assert!(scan.stdout.contains("deb (copied, debian:12)"), "{}", scan.stdout);
    let explained = run(home.path(), &["explain", &app, "CVE-2023-5363"]);
    insta::assert_snapshot!("copied-explained", explained.stdout);
    // The verdict counts it as well.
    let refused = run(home.path(), &["scan", "--fail-on", "high", &app]);
    assert_eq!(refused.code, 1, "{}", refused.stdout);
}
