//! What a report of very many files costs. Linux tells how much memory a process had.

use std::io::{self, Read as _, Write};
use std::path::Path;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use killick_model::digest::Digester;

use super::command::killick;
use super::image::Image;

/// Files of the large image.
const FILES: u32 = 300_000;

/// Memory that their analysis and its report may take together. The analysis alone takes more than half of it; the
/// report is 76 MB long.
const LIMIT: u64 = 140_000_000;

/// Compresses a tar and computes its digest while it is written.
struct Layer {
    gzip: GzEncoder<Vec<u8>>,
    digester: Digester,
}

impl Write for Layer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.digester.write_all(bytes)?;
        self.gzip.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An image of so many empty files.
fn image_of(count: u32) -> Image {
    let layer = Layer { gzip: GzEncoder::new(Vec::new(), Compression::fast()), digester: Digester::default() };
    let mut builder = tar::Builder::new(layer);
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    for number in 0..count {
        builder.append_data(&mut header, format!("srv/{number:07}"), io::empty()).expect("a tar in memory");
    }
    let layer = builder.into_inner().expect("a tar in memory");
    Image::of_layer(&layer.digester.digest(), layer.gzip.finish().expect("a gzip in memory"))
}

/// The most memory that the process `id` had so far, in bytes.
fn peak(id: u32) -> Option<u64> {
    let status = fs_err::read_to_string(Path::new("/proc").join(id.to_string()).join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// As long as there is more to read than a pipe holds, the process is still there to be asked.
#[test]
fn a_large_report_is_not_held_in_memory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    image_of(FILES).write_layout(&folder.path().join("image"));
    let image = format!("oci:{}", folder.path().join("image").display());
    let mut process = killick(folder.path())
        .args(["sbom", &image, "--no-cache", "-o", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdout = process.stdout.take().expect("stdout is a pipe");
    let mut buffer = vec![0; 256 * 1024];
    let (mut length, mut most) = (0, 0);
    loop {
        match stdout.read(&mut buffer).expect("the pipe can be read") {
            0 => break,
            read => length += read as u64,
        }
        most = most.max(peak(process.id()).unwrap_or_default());
    }
    assert!(process.wait().expect("the process ends").success());
    assert!(most > 0 && length > u64::from(FILES) * 200, "{most} bytes of memory for a document of {length}");
    assert!(most < LIMIT, "{most} bytes of memory for a document of {length}");
}
