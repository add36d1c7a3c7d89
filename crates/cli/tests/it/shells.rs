//! What is made of the commands for shells and for `man`.

use std::collections::BTreeSet;

use crate::command::run;

#[test]
fn shells_complete_every_command() {
    let home = tempfile::tempdir().expect("a temporary folder");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let told = run(home.path(), &["completions", shell]);
        assert_eq!(told.code, 0, "{}", told.transcript());
        for word in ["scan", "analysis-archive", "fail-on-new"] {
            assert!(told.stdout.contains(word), "{shell} lacks {word}");
        }
    }
    let told = run(home.path(), &["completions", "cobol"]);
    assert_eq!(told.code, 2, "{}", told.transcript());
}

#[test]
fn every_command_has_a_page() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let folder = home.path().join("man1");
    let told = run(home.path(), &["manual", &folder.display().to_string()]);
    assert_eq!(told.code, 0, "{}", told.transcript());
    let entries = fs_err::read_dir(&folder).expect("the folder is there");
    let names: BTreeSet<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    for name in ["killick.1", "killick-scan.1", "killick-image-add.1", "killick-policy-test.1"] {
        assert!(names.contains(name), "{name} is missing in {names:?}");
        let page = fs_err::read_to_string(folder.join(name)).expect("a page");
        assert!(page.contains(".SH NAME"), "{name}");
    }
    assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
}
