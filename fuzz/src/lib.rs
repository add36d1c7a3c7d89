//! What the targets share: the way from some bytes to the public function that parses them.

use std::io::{self, BufRead, Cursor, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use killick_analysis::analyze::{Options, analyze};
use killick_analysis::catalogers::{CATALOGERS, Found, Image, Joined, WantedFile};
use killick_analysis::inspectors::Inspections;
use killick_analysis::inspectors::settings::{MalwareSettings, Pattern, RetrieveFiles, SecretSettings, Settings};
use killick_analysis::limits::Limits;
use killick_fetch::source::Source;
use killick_fetch::stage::{StageError, StageOptions, stage};
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::image::{ImageConfig, LayerSource, StagedImage, StagedLayer, Surroundings};
use killick_model::path::ImagePath;

/// Bounds so small that a run is quick, and that limits are met at all.
pub fn limits() -> Limits {
    Limits {
        layer_bytes: 4 << 20,
        layer_entries: 2000,
        hole_bytes: 1 << 20,
        file_bytes: 1 << 20,
        held_bytes: 1 << 20,
        archive_depth: 3,
        archive_bytes: 4 << 20,
        archive_entries: 2000,
        ..Limits::default()
    }
}

/// A layer whose uncompressed bytes are these.
pub struct Layer(pub Vec<u8>);

impl LayerSource for Layer {
    fn open(&self) -> io::Result<Box<dyn BufRead + Send>> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }
}

/// Reads a file with one cataloger, and joins it with itself in a lower layer. The first line has the cataloger's name,
/// a blank and the path.
pub fn cataloger(data: &[u8]) {
    let Some((line, bytes)) = named(data) else { return };
    let Some(blank) = line.iter().position(|&byte| byte == b' ') else { return };
    let Some(path) = ImagePath::new(&line[blank + 1..]) else { return };
    let Some(cataloger) = CATALOGERS.iter().find(|cataloger| cataloger.name().as_bytes() == &line[..blank]) else {
        return;
    };
    let limits = limits();
    let mut found = Found::default();
    cataloger.read(&mut WantedFile::whole(&path, bytes, &limits), &mut found);
    let (visible, hidden) = ([(&path, 1, &found)], [(&path, 0, &found)]);
    cataloger.join(&Image { found: &visible, hidden: &hidden, hits: &[], files: &[] }, &mut Joined::default());
}

/// What stands before the first newline, and what after it.
pub fn named(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|&byte| byte == b'\n')?;
    Some((&data[..end], &data[end + 1..]))
}

/// Everything that can be looked for in a content without a scanner beside us.
pub fn all_inspections() -> Settings {
    let pattern = |name: &str, regex: &str| Pattern { name: name.to_owned(), regex: regex.to_owned() };
    Settings {
        package_files: true,
        retrieve_files: RetrieveFiles { paths: vec!["etc/passwd".to_owned()], max_file_bytes: 1000 },
        secrets: SecretSettings {
            enabled: true,
            patterns: vec![pattern("own", "(?i)pass.{0,9}=")],
            ignore: Vec::new(),
        },
        licenses: true,
        malware: MalwareSettings::default(),
        content_search: vec![pattern("any", ".*key.*"), pattern("bytes", r"(?-u)\xff+")],
    }
}

/// Analyses an image with one layer.
pub fn analysis(layer: Vec<u8>) -> Option<Analysis> {
    inspected(layer, &Inspections::none())
}

/// The same, with inspections.
pub fn inspected(layer: Vec<u8>, inspections: &Arc<Inspections>) -> Option<Analysis> {
    let digest = Digest::of(&layer);
    let layer = StagedLayer {
        diff_id: digest.clone(),
        digest: digest.clone(),
        media_type: String::new(),
        size: layer.len() as u64,
        source: Arc::new(Layer(layer)),
    };
    let image = StagedImage {
        name: "fuzz".to_owned(),
        manifest_digest: digest.clone(),
        manifest: Vec::new(),
        index: None,
        config_digest: digest,
        config_bytes: Vec::new(),
        config: ImageConfig::default(),
        layers: vec![layer],
        tags: Vec::new(),
        surroundings: Surroundings::default(),
    };
    let options = Options { inspections: Arc::clone(inspections), ..Options::limited(limits()) };
    analyze(&image, None, &options).ok()
}

/// A tar of one file, if its name can be that of a file.
pub fn file_in_tar(name: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, name, bytes).ok()?;
    tar.into_inner().ok()
}

/// A tar of files, by name and content.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *bytes).expect("memory takes everything");
    }
    tar.into_inner().expect("memory takes everything")
}

/// Stages a source and reads its layers to their ends.
pub fn read_image(source: &Source) {
    let Ok(image) = stage_image(source) else { return };
    for layer in image.layers {
        let Ok(reader) = layer.source.open() else { continue };
        // What it says does not matter, only that it says something.
        let _ = io::copy(&mut reader.take(4 << 20), &mut io::sink());
    }
}

fn stage_image(source: &Source) -> Result<StagedImage, StageError> {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime without threads")
    });
    let mut options = StageOptions { attachments: true, ..StageOptions::default() };
    options.limits.archive_bytes = 4 << 20;
    options.limits.archive_members = 500;
    RUNTIME.block_on(stage(source, &options))
}

/// Stages an archive that has these bytes.
pub fn read_archive(bytes: &[u8]) {
    read_image(&Source::Archive { path: file("archive", bytes), image: None });
}

/// Stages an OCI layout with this index, and these blobs besides.
pub fn read_layout(index: &[u8], blobs: &[&[u8]]) {
    let names: Vec<String> = blobs.iter().map(|blob| format!("blobs/sha256/{}", Digest::of(blob).hex())).collect();
    let mut files = vec![("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.as_slice()), ("index.json", index)];
    files.extend(names.iter().map(String::as_str).zip(blobs.iter().copied()));
    let path = file("layout", &tar(&files));
    read_image(&Source::OciArchive { path, tag: None });
}

/// An index or manifest entry that points to these bytes.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> serde_json::Value {
    serde_json::json!({ "mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len() })
}

/// Writes a file for functions that take a path. Each process has one of each name.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("the folder can be made");
    std::fs::write(&path, bytes).expect("the file can be written");
    path
}

/// Where [`file`] puts files.
pub fn folder() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> =
        LazyLock::new(|| std::env::temp_dir().join(format!("killick-fuzz-{}", std::process::id())));
    &FOLDER
}
