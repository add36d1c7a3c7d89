//! What clamd answers: to `VERSION` up to the first newline, and then to a content.
#![no_main]

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, LazyLock, Mutex};

use killick_analysis::clamd::{Address, ClamdSettings};
use killick_analysis::inspectors::Inspections;
use killick_analysis::inspectors::settings::{MalwareSettings, Settings};

static ANSWERS: Mutex<(Vec<u8>, Vec<u8>)> = Mutex::new((Vec::new(), Vec::new()));

static INSPECTIONS: LazyLock<Arc<Inspections>> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("killick-fuzz-clamd-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a socket in the temporary folder");
    std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
    let clamd = Some(ClamdSettings { timeout_seconds: 1, ..ClamdSettings::new(Address::Unix(path)) });
    let malware = MalwareSettings { clamd, hash_lists: Vec::new() };
    Arc::new(Inspections::new(Settings { malware, ..Settings::default() }).expect("the settings are right"))
});

fn answer(mut stream: UnixStream) {
    let mut command = Vec::new();
    if BufReader::new(&stream).read_until(0, &mut command).is_err() {
        return;
    }
    let (version, verdict) = ANSWERS.lock().expect("nobody panics with it").clone();
    let _ = stream.write_all(match command.as_slice() {
        b"zPING\0" => b"PONG\0",
        b"zVERSION\0" => &version,
        _ => &verdict,
    });
    // What was sent is read, or the client would see a broken connection in place of the answer.
    let _ = stream.shutdown(Shutdown::Write);
    let _ = io::copy(&mut stream, &mut io::sink());
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((version, verdict)) = killick_fuzz::named(data) else { return };
    *ANSWERS.lock().expect("nobody panics with it") = (version.to_vec(), verdict.to_vec());
    if let Some(layer) = killick_fuzz::file_in_tar("a", b"content") {
        killick_fuzz::inspected(layer, &INSPECTIONS);
    }
});
