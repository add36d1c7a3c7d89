//! `killick query` about one image: an image with two layers, and a stored report of it.

use serde_json::Value;

use crate::command::{Run, run};
use crate::image::Image;

struct Subject {
    home: tempfile::TempDir,
    source: String,
}

impl Subject {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let status = "Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7.88.1-10+deb12u1\n\n";
        let image = Image::of_files(&[
            ("etc/os-release", b"ID=debian\nVERSION_ID=12\n".as_slice()),
            ("var/lib/dpkg/status", status.as_bytes()),
            ("var/lib/dpkg/info/curl.list", b"/.\n/usr\n/usr/bin\n/usr/bin/curl\n"),
            ("usr/bin/curl", b"not really"),
            ("app/node_modules/lodash/package.json", br#"{"name": "lodash", "version": "4.17.21", "license": "MIT"}"#),
        ]);
        let folder = home.path().join("image");
        image.write_layout(&folder);
        let source = format!("oci:{}", folder.display());
        Self { home, source }
    }

    fn ask(&self, question: &[&str]) -> Run {
        self.ask_of(&self.source, question)
    }

    /// `question` is the word, and what follows the image.
    fn ask_of(&self, source: &str, question: &[&str]) -> Run {
        let (word, rest) = question.split_first().expect("a question has a word");
        let mut arguments = vec!["query", word, source];
        arguments.extend(rest);
        run(self.home.path(), &arguments)
    }
}

#[test]
fn questions_are_answered() {
    let subject = Subject::new();
    for (question, want) in [
        (
            &["packages", "--type", "deb"][..],
            "curl  7.88.1-10+deb12u1  deb   amd64         0      /var/lib/dpkg/status",
        ),
        (&["licenses"], "MIT            1      lodash"),
        (&["files", "--unpackaged", "--path", "/app/**"], "/app/node_modules/lodash/package.json"),
        (&["summary"], "distribution       debian 12"),
        (&["layers"], "LAYER  SIZE"),
        (&["dockerfile"], "FROM scratch"),
    ] {
        let told = subject.ask(question);
        assert_eq!(told.code, 0, "{question:?}\n{}", told.transcript());
        assert!(told.stdout.lines().any(|line| line.contains(want)), "{question:?}\n{}", told.stdout);
    }
    let unpackaged = subject.ask(&["files", "--unpackaged"]).stdout;
    assert!(!unpackaged.contains("/usr/bin/curl"), "{unpackaged}");
    let table = subject.ask(&["packages", "-o", "csv"]).stdout;
    assert!(table.starts_with("name,version,type,"), "{table}");
}

#[test]
fn what_is_not_there_ends_with_1() {
    let subject = Subject::new();
    for (question, want) in [
        (&["has-package", "curl"][..], 0),
        (&["has-package", "lod*"], 0),
        (&["has-package", "curl", "7.88.1-10+deb12u1"], 0),
        (&["has-package", "curl", "7.88.1"], 1),
        (&["has-package", "wget"], 1),
        (&["has-file", "/usr/bin/curl"], 0),
        (&["has-file", "**/package.json"], 0),
        (&["has-file", "/usr/*"], 0),
        (&["has-file", "/etc/shadow"], 1),
        (&["has-file", "etc/shadow"], 2),
        (&["has-file", "/etc/[a"], 2),
        (&["packages", "--type", "debian"], 2),
        (&["dockerfile", "-o", "csv"], 2),
    ] {
        let told = subject.ask(question);
        assert_eq!(told.code, want, "{question:?}\n{}", told.transcript());
    }
}

#[test]
fn a_stored_report_answers_as_its_image_does() {
    let subject = Subject::new();
    let report = subject.home.path().join("stored.json");
    let report = report.to_str().expect("a name");
    let told = run(subject.home.path(), &["scan", &subject.source, "-o", &format!("json={report}")]);
    assert_eq!(told.code, 0, "{}", told.transcript());
    for question in [&["packages", "-o", "json"][..], &["files", "-o", "json"], &["summary", "-o", "json"]] {
        let (image, stored) = (subject.ask(question), subject.ask_of(report, question));
        let parsed: Value = serde_json::from_str(&image.stdout).expect("JSON");
        assert!(!parsed.is_null());
        assert_eq!(image.stdout, stored.stdout, "{question:?}");
    }
}

#[test]
fn what_is_only_declared_is_hinted_at() {
    let subject = Subject::new();
    let folder = subject.home.path().join("project");
    fs_err::create_dir_all(&folder).expect("a folder");
    let lock = r#"{"name": "a", "lockfileVersion": 3, "packages": {
        "node_modules/left-pad": {"version": "1.3.0", "resolved": "https://registry.npmjs.org/left-pad/-/left-pad-1.3.0.tgz"}}}"#;
    fs_err::write(folder.join("package-lock.json"), lock).expect("a file");
    let source = format!("dir:{}", folder.display());
    for (question, code, is_hinted) in [
        (&["has-package", "left-pad"][..], 1, true),
        (&["has-package", "left-pad", "--declared"], 0, false),
        (&["has-package", "wget"], 1, false),
        (&["packages", "--name", "left-*"], 0, true),
    ] {
        let told = subject.ask_of(&source, question);
        assert_eq!(told.code, code, "{question:?}\n{}", told.transcript());
        assert_eq!(told.stderr.contains("`--declared` shows"), is_hinted, "{question:?}\n{}", told.transcript());
    }
}

#[test]
fn an_sbom_is_not_asked_what_it_cannot_tell() {
    let subject = Subject::new();
    let document = subject.home.path().join("image.cdx.json");
    let written =
        run(subject.home.path(), &["sbom", &subject.source, "-o", &format!("cyclonedx-json={}", document.display())]);
    assert_eq!(written.code, 0, "{}", written.transcript());
    let source = format!("sbom:{}", document.display());
    for (question, want) in [
        (&["packages", "-o", "csv"][..], 0),
        (&["has-package", "curl"], 0),
        (&["has-package", "wget"], 1),
        (&["summary"], 0),
        (&["licenses"], 0),
        (&["files"], 2),
        (&["has-file", "/usr/bin/curl"], 2),
        (&["history"], 2),
        (&["dockerfile"], 2),
    ] {
        let told = subject.ask_of(&source, question);
        assert_eq!(told.code, want, "{question:?}\n{}", told.transcript());
    }
}

#[test]
fn a_question_about_an_image_needs_no_server() {
    let subject = Subject::new();
    let told = run(subject.home.path(), &["--url", "http://127.0.0.1:1/v1", "query", "summary", &subject.source]);
    assert_eq!(told.code, 2, "{}", told.transcript());
    assert!(told.stderr.contains("are for commands that speak to a server"), "{}", told.stderr);
}
