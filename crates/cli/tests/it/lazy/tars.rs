//! Tars, and files that somebody looks at.

use killick_model::digest::Digest;

/// Bytes that hardly compress, others for each seed.
pub(crate) fn noise(count: usize, seed: u8) -> Vec<u8> {
    let blocks =
        (0..count.div_ceil(32)).map(|number| *Digest::of(&[&number.to_be_bytes()[..], &[seed]].concat()).as_bytes());
    let mut bytes: Vec<u8> = blocks.flatten().collect();
    bytes.truncate(count);
    bytes
}

/// Writes tars entry by entry.
pub(crate) struct Tar(pub(crate) tar::Builder<Vec<u8>>);

impl Tar {
    /// Begins with something that nobody wants, so that the rest is little.
    pub(crate) fn new() -> Self {
        let mut tar = Self(tar::Builder::new(Vec::new()));
        tar.file("srv/noise", 0o644, &noise(NOISE, 0));
        tar
    }

    fn header(mode: u32) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(0);
        header
    }

    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> &mut Self {
        let mut header = Self::header(mode);
        header.set_size(content.len() as u64);
        self.0.append_data(&mut header, path, content).unwrap();
        self
    }

    pub(crate) fn link(&mut self, kind: tar::EntryType, path: &str, target: &str) -> &mut Self {
        let mut header = Self::header(0o777);
        header.set_entry_type(kind);
        self.0.append_link(&mut header, path, target).unwrap();
        self
    }

    pub(crate) fn special(&mut self, kind: tar::EntryType, path: &str, mode: u32) -> &mut Self {
        let mut header = Self::header(mode);
        header.set_entry_type(kind);
        if !kind.is_dir() {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        self.0.append_data(&mut header, path, &b""[..]).unwrap();
        self
    }

    pub(crate) fn pax(&mut self, records: &[(&str, &[u8])]) -> &mut Self {
        self.0.append_pax_extensions(records.iter().copied()).unwrap();
        self
    }

    pub(crate) fn finish(&mut self) -> Vec<u8> {
        std::mem::replace(&mut self.0, tar::Builder::new(Vec::new())).into_inner().unwrap()
    }
}

/// Bytes that hardly compress, and that nobody wants, at the beginning of each layer.
pub(crate) const NOISE: usize = 300_000;

pub(crate) const STATUS: &[u8] = b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n";

/// A manifest of an npm package, of this many bytes.
pub(crate) fn package_json(size: usize) -> Vec<u8> {
    let mut text = br#"{"name": "a", "version": "1.0.0", "files": ""#.to_vec();
    text.extend(hex(&noise(size, 1)));
    text.extend(b"\"}");
    text
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// An ELF program with words that a row of the table of programs looks for.
pub(crate) fn program(size: usize) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0".to_vec();
    bytes.extend(noise(size, 2));
    bytes.extend(b"\0BusyBox v1.36.1 (2024-01-01)\0");
    bytes
}
