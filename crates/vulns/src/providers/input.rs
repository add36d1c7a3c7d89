//! One input file of a provider.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use killick_model::advisory::Instant;
use serde::de::DeserializeOwned;
use zip::ZipArchive;

use super::sink::Sink;

/// Largest feed that is read, decompressed.
const MAX_FEED_BYTES: u64 = 16 << 30;

/// Memory that decompression of xz may take. The strongest usual compression asks for 65 MiB.
const XZ_MEMORY: u64 = 512 << 20;

/// Largest single record in an archive.
const MAX_RECORD_BYTES: u64 = 64 << 20;

/// Archives in an archive that are read.
const MAX_INNER_ARCHIVES: usize = 2;

/// Largest archive in an archive: it is unpacked to disk.
const MAX_INNER_BYTES: u64 = 2 << 30;

/// Longest line of a feed that is text: a kernel update lists hundreds of ids.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Largest number of records in an archive.
const MAX_RECORDS: usize = 5_000_000;

/// A file below a root folder.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The folder that lies like the upstreams.
    pub root: &'a Path,
    /// The file, relative to it.
    pub path: &'a Path,
}

/// Why a file could not be read to its end. Its unit is left out then.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system or the compression says no.
    #[error("cannot read feed `{path}`")]
    Unreadable {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The document as a whole makes no sense, or breaks off.
    #[error("feed `{path}` is malformed: {detail}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        detail: String,
    },
}

impl Input<'_> {
    /// The relative path as text.
    pub fn label(&self) -> String {
        self.path.display().to_string()
    }

    /// That the system or the compression says no.
    pub fn unreadable(&self, source: io::Error) -> ReadError {
        ReadError::Unreadable { path: self.label(), source }
    }

    /// That the document makes no sense.
    pub fn malformed(&self, detail: impl std::fmt::Display) -> ReadError {
        ReadError::Malformed { path: self.label(), detail: detail.to_string() }
    }

    /// The content, decompressed by file extension.
    pub fn reader(&self) -> Result<Box<dyn BufRead>, ReadError> {
        let file = fs_err::File::open(self.root.join(self.path)).map_err(|error| self.unreadable(error))?;
        let content: Box<dyn Read> = match self.path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
            Some("bz2") => Box::new(bzip2::read::MultiBzDecoder::new(BufReader::new(file))),
            Some("xz") => {
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)
                    .map_err(|error| self.unreadable(io::Error::other(error)))?;
                Box::new(liblzma::read::XzDecoder::new_stream(BufReader::new(file), stream))
            }
            Some("zst") => Box::new(zstd::stream::read::Decoder::new(file).map_err(|error| self.unreadable(error))?),
            _ => Box::new(file),
        };
        Ok(Box::new(BufReader::with_capacity(1 << 18, content.take(MAX_FEED_BYTES))))
    }

    /// Calls `each` with every line, without its end. Bytes that are no UTF-8 become replacement characters.
    pub fn lines(&self, mut each: impl FnMut(&str)) -> Result<(), ReadError> {
        let mut reader = self.reader()?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bounded = (&mut reader).take(MAX_LINE_BYTES);
            if bounded.read_until(b'\n', &mut line).map_err(|error| self.unreadable(error))? == 0 {
                return Ok(());
            }
            if line.last() != Some(&b'\n') && bounded.limit() == 0 {
                return Err(self.malformed(format!("a line is longer than {MAX_LINE_BYTES} bytes")));
            }
            each(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        }
    }

    /// Parses the whole content. Only for documents that are small by nature.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        serde_json::from_reader(self.reader()?).map_err(|error| self.malformed(error))
    }

    /// Calls `record` with each JSON document of a zip archive, in name order. Unreadable ones are skipped.
    pub fn zip_records<T: DeserializeOwned>(
        &self,
        sink: &mut Sink,
        record: impl FnMut(T, &mut Sink),
    ) -> Result<(), ReadError> {
        self.zip_records_where(sink, |_| true, record)
    }

    /// [`Self::zip_records`] of those that are `wanted` by name.
    pub fn zip_records_where<T: DeserializeOwned>(
        &self,
        sink: &mut Sink,
        wanted: impl Fn(&str) -> bool,
        mut record: impl FnMut(T, &mut Sink),
    ) -> Result<(), ReadError> {
        self.zip_members(sink, wanted, |_, parsed, sink| record(parsed, sink))
    }

    /// [`Self::zip_records`] with the names of the documents.
    pub fn zip_named_records<T: DeserializeOwned>(
        &self,
        sink: &mut Sink,
        record: impl FnMut(&str, T, &mut Sink),
    ) -> Result<(), ReadError> {
        self.zip_members(sink, |_| true, record)
    }

    fn zip_members<T: DeserializeOwned>(
        &self,
        sink: &mut Sink,
        wanted: impl Fn(&str) -> bool,
        mut record: impl FnMut(&str, T, &mut Sink),
    ) -> Result<(), ReadError> {
        let file = fs_err::File::open(self.root.join(self.path)).map_err(|error| self.unreadable(error))?;
        let inner = self.zip_entries(BufReader::new(file), sink, &wanted, &mut record)?;
        // Some publishers pack their archive once more.
        for archive in inner {
            self.zip_entries(BufReader::new(archive), sink, &wanted, &mut record)?;
        }
        Ok(())
    }

    /// Reads the documents of an archive. The archives in it.
    fn zip_entries<T: DeserializeOwned>(
        &self,
        reader: impl Read + io::Seek,
        sink: &mut Sink,
        wanted: &impl Fn(&str) -> bool,
        record: &mut impl FnMut(&str, T, &mut Sink),
    ) -> Result<Vec<std::fs::File>, ReadError> {
        let mut archive = ZipArchive::new(reader).map_err(|error| self.malformed(error))?;
        if archive.len() > MAX_RECORDS {
            return Err(self.malformed(format!("{} records are too many", archive.len())));
        }
        let mut names: Vec<(String, usize)> = (0..archive.len())
            .filter_map(|at| Some((archive.name_for_index(at)?.ok()?.into_owned(), at)))
            .filter(|(name, _)| {
                (super::has_extension(name, "json") && wanted(name)) || super::has_extension(name, "zip")
            })
            .collect();
        names.sort();
        let mut inner = Vec::new();
        let mut bytes = Vec::new();
        for (name, at) in names {
            let broken = |error: &dyn std::fmt::Display| self.malformed(format!("`{name}`: {error}"));
            let entry = archive.by_index(at).map_err(|error| broken(&error))?;
            if super::has_extension(&name, "zip") {
                if inner.len() < MAX_INNER_ARCHIVES {
                    let mut file = tempfile::tempfile().map_err(|error| self.unreadable(error))?;
                    io::copy(&mut entry.take(MAX_INNER_BYTES), &mut file).map_err(|error| broken(&error))?;
                    inner.push(file);
                }
                continue;
            }
            bytes.clear();
            entry.take(MAX_RECORD_BYTES).read_to_end(&mut bytes).map_err(|error| broken(&error))?;
            match serde_json::from_slice(&bytes) {
                Ok(parsed) => record(&name, parsed, sink),
                Err(error) => sink.skip(&name, error),
            }
        }
        Ok(inner)
    }

    /// [`Self::zip_records_where`] for a folder with the documents in it, at any depth, in path order.
    pub fn tree_records<T: DeserializeOwned>(
        &self,
        sink: &mut Sink,
        wanted: impl Fn(&str) -> bool,
        mut record: impl FnMut(T, &mut Sink),
    ) -> Result<(), ReadError> {
        self.tree_files(
            sink,
            |name| super::has_extension(name, "json") && wanted(name),
            |name, bytes, sink| match serde_json::from_slice(bytes) {
                Ok(parsed) => record(parsed, sink),
                Err(error) => sink.skip(name, error),
            },
        )
    }

    /// Calls `each` with name and bytes of every file in the folder, at any depth, that is `wanted` by name, in path
    /// order. One that is too large is skipped.
    pub fn tree_files(
        &self,
        sink: &mut Sink,
        wanted: impl Fn(&str) -> bool,
        mut each: impl FnMut(&str, &[u8], &mut Sink),
    ) -> Result<(), ReadError> {
        let folder = self.root.join(self.path);
        let mut bytes = Vec::new();
        for path in tree(&folder).map_err(|error| self.unreadable(error))? {
            let name = path.strip_prefix(&folder).unwrap_or(&path).to_string_lossy().into_owned();
            if !wanted(&name) {
                continue;
            }
            bytes.clear();
            let file = fs_err::File::open(&path).map_err(|error| self.unreadable(error))?;
            file.take(MAX_RECORD_BYTES + 1).read_to_end(&mut bytes).map_err(|error| self.unreadable(error))?;
            if bytes.len() as u64 > MAX_RECORD_BYTES {
                sink.skip(&name, format!("more than {MAX_RECORD_BYTES} bytes"));
                continue;
            }
            each(&name, &bytes, sink);
        }
        Ok(())
    }

    /// Calls `each` with name and bytes of every member of a tar archive, compressed or not, that is `wanted`.
    ///
    /// A member that is too large is skipped; an archive that breaks off is an error.
    pub fn tar_members(
        &self,
        sink: &mut Sink,
        wanted: impl Fn(&str) -> bool,
        mut each: impl FnMut(&str, &[u8], &mut Sink),
    ) -> Result<(), ReadError> {
        let mut archive = tar::Archive::new(self.reader()?);
        let mut bytes = Vec::new();
        let mut members = 0;
        for entry in archive.entries().map_err(|error| self.unreadable(error))? {
            let entry = entry.map_err(|error| self.unreadable(error))?;
            members += 1;
            if members > MAX_RECORDS {
                return Err(self.malformed(format!("more than {MAX_RECORDS} members")));
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
            if !entry.header().entry_type().is_file() || !wanted(&name) {
                continue;
            }
            if entry.size() > MAX_RECORD_BYTES {
                sink.skip(&name, format!("{} bytes, more than {MAX_RECORD_BYTES}", entry.size()));
                continue;
            }
            bytes.clear();
            entry.take(MAX_RECORD_BYTES).read_to_end(&mut bytes).map_err(|error| self.unreadable(error))?;
            each(&name, &bytes, sink);
        }
        Ok(())
    }

    /// The whole content, where it is one record.
    pub fn record(&self) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        let mut reader = self.reader()?.take(MAX_RECORD_BYTES + 1);
        reader.read_to_end(&mut bytes).map_err(|error| self.unreadable(error))?;
        if bytes.len() as u64 > MAX_RECORD_BYTES {
            return Err(self.malformed(format!("more than {MAX_RECORD_BYTES} bytes in one record")));
        }
        Ok(bytes)
    }

    /// The instant a fetcher noted beside the file, in `FILE.date`: for feeds that carry no date of their own.
    pub fn noted_instant(&self) -> Option<Instant> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".date");
        Instant::parse(&fs_err::read_to_string(self.root.join(name)).ok()?)
    }
}

/// Folders in folders, in a tree of records.
const MAX_TREE_DEPTH: usize = 16;

/// All files under a folder, sorted. What begins with a dot, such as a version control's own, is none of it, and
/// links are not followed.
pub(crate) fn tree(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().first() == Some(&b'.') {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() && depth < MAX_TREE_DEPTH {
                open.push((entry.path(), depth + 1));
            } else if kind.is_file() {
                found.push(entry.path());
            }
            if found.len().saturating_add(open.len()) > MAX_RECORDS {
                return Err(io::Error::other(format!("more than {MAX_RECORDS} files in one folder")));
            }
        }
    }
    found.sort();
    Ok(found)
}
