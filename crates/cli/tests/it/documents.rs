//! Documents for programs are the same wherever they go.

use super::command::run;
use super::image::Image;

#[test]
fn stdout_and_a_file_get_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The terminal must not be told to delete; a program must be told the name.
    Image::of_files(&[("srv/a\u{7f}b", b"")]).write_layout(&folder.path().join("image"));
    let image = format!("oci:{}", folder.path().join("image").display());
    for format in ["json", "cyclonedx-json", "html", "table"] {
        let file = folder.path().join(format);
        let both = run(
            folder.path(),
            &["sbom", &image, "--no-cache", "-o", format, "-o", &format!("{format}={}", file.display())],
        );
        assert_eq!(both.code, 0, "{}", both.stderr);
        assert_eq!(both.stdout, fs_err::read_to_string(&file).expect("the file is there"), "{format}");
        assert_eq!(both.stdout.contains("a\u{7f}b"), format == "json", "{format}");
    }
}
