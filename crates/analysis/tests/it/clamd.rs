//! Whole images against a real clamd, with a signature of the test's own: that of the EICAR test file.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use fs_err as fs;
use killick_analysis::analyze::{Options, analyze};
use killick_analysis::cache::FolderCache;
use killick_analysis::clamd::ClamdSettings;
use killick_analysis::inspectors::Inspections;
use killick_analysis::inspectors::settings::{MalwareSettings, SecretSettings, Settings};
use killick_model::inspection::MalwareScan;

use crate::staging;

/// A clamd that is killed when dropped.
struct Daemon {
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("killick-clamd").tempdir_in("/tmp").unwrap();
        let at = folder.path().display();
        fs::create_dir(folder.path().join("signatures")).unwrap();
        // MD5, size and name.
        let signature = "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test\n";
        fs::write(folder.path().join("signatures/test.hdb"), signature).unwrap();
        let config = format!(
            "DatabaseDirectory {at}/signatures\nLocalSocket {at}/socket\nLogFile {at}/log\nForeground yes\n\
             StreamMaxLength 1M\nMaxThreads 4\n"
        );
        fs::write(folder.path().join("clamd.conf"), config).unwrap();
        let child = Command::new("clamd")
            .env("PATH", "/usr/local/sbin:/usr/sbin:/usr/bin:/bin")
            .arg(format!("--config-file={at}/clamd.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`clamd` must be installed: `cargo xtask setup` does it");
        let mut daemon = Self { child, folder };
        while !Path::exists(&daemon.folder.path().join("socket")) {
            let log = || fs::read_to_string(daemon.folder.path().join("log")).unwrap_or_default();
            assert!(daemon.child.try_wait().unwrap().is_none(), "clamd ended: {}", log());
            std::thread::yield_now();
        }
        daemon
    }

    fn settings(&self) -> ClamdSettings {
        let address = format!("unix:{}", self.folder.path().join("socket").display());
        ClamdSettings { max_file_bytes: 2 << 20, ..ClamdSettings::new(address.parse().unwrap()) }
    }
}

/// The test file of EICAR, put together here so that this file is none.
fn eicar() -> String {
    ["X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-STANDARD-ANTIVIRUS", "-TEST-FILE!$H+H*"].concat()
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn options(clamd: ClamdSettings) -> Options {
    let settings = Settings {
        malware: MalwareSettings { clamd: Some(clamd), ..MalwareSettings::default() },
        // Both see the same contents.
        secrets: SecretSettings { enabled: true, ..SecretSettings::default() },
        ..Settings::default()
    };
    Options { inspections: Arc::new(Inspections::new(settings).unwrap()), ..Options::default() }
}

fn found(scan: &MalwareScan) -> Vec<(String, u32, bool)> {
    scan.findings.iter().map(|found| (found.path.to_string(), found.layer, found.is_hidden)).collect()
}

#[test]
fn malware_is_found_in_every_layer() {
    let daemon = Daemon::start();
    let eicar = eicar();
    let netrc = b"machine git.invalid login ci password Tr0ub4dor-9x\n";
    // Larger than what waits for its digest; larger than what clamd takes; larger than what it is asked.
    let (large, refused, unasked) = (vec![b'a'; 900 << 10], vec![b'b'; 1_500 << 10], vec![b'c'; 3 << 20]);
    let lower = tar(&[
        ("app/evil", eicar.as_bytes()),
        ("app/same", eicar.as_bytes()),
        ("app/gone", eicar.as_bytes()),
        ("app/empty", b""),
        ("root/.netrc", netrc),
        ("large", &large),
        ("refused", &refused),
        ("unasked", &unasked),
    ]);
    let upper = tar(&[("app/.wh.gone", b""), ("opt/again", eicar.as_bytes())]);
    let image = staging::image(vec![lower, upper]);
    let cache_folder = tempfile::tempdir().unwrap();
    let cache = FolderCache::new(cache_folder.path());
    let analysis = analyze(&image, Some(&cache), &options(daemon.settings())).unwrap();
    let scans = analysis.inspection.malware.as_ref().unwrap();
    let want = [
        ("/app/evil".to_owned(), 0, false),
        ("/app/gone".to_owned(), 0, true),
        ("/app/same".to_owned(), 0, false),
        ("/opt/again".to_owned(), 1, false),
    ];
    assert_eq!(found(&scans[0]), want);
    assert!(scans[0].findings.iter().all(|found| found.signature == "Eicar-Test.UNOFFICIAL"));
    assert_eq!((scans.len(), scans[0].scanner.as_str(), scans[0].is_complete), (1, "clamav", false));
    assert!(
        scans[0]
            .engine_version
            .as_ref()
            .is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
    );
    assert_eq!(analysis.inspection.secrets.as_ref().unwrap().findings.len(), 1);
    let problems: Vec<_> =
        analysis.problems.iter().map(|problem| format!("{} {}", problem.subject, problem.message)).collect();
    assert_eq!(
        problems,
        [
            "/refused not scanned: INSTREAM size limit exceeded",
            "/unasked not scanned: 3145728 bytes, more than the limit of 2097152"
        ]
    );
    // What was seen is kept by the version of the signatures, without asking again.
    let again = analyze(&image, Some(&cache), &options(daemon.settings())).unwrap();
    assert_eq!(again, analysis);

    // Without clamd nothing was scanned, which is not the same as nothing found.
    let settings = daemon.settings();
    drop(daemon);
    let without = analyze(&image, Some(&cache), &options(settings)).unwrap();
    assert_eq!(without.inspection.malware, Some(Vec::new()));
    assert_eq!((without.problems.len(), without.problems[0].kind.as_str()), (1, "malware-scan"));
    assert_eq!(without.inspection.secrets, analysis.inspection.secrets);
}
