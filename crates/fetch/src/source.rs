//! What the user typed: where an image comes from.

use std::fmt;
use std::path::{Path, PathBuf};

use killick_model::hint::Hint;
use killick_model::reference::{Reference, ReferenceError};

use crate::engine::Engine;
use crate::sbom::{self, Document};

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A registry.
    Registry(Reference),
    /// The output of `docker save`, plain or compressed; `image` picks one of several.
    DockerArchive {
        /// The file.
        path: PathBuf,
        /// A reference among its `RepoTags`.
        image: Option<String>,
    },
    /// An OCI layout in a tar, plain or compressed.
    OciArchive {
        /// The file.
        path: PathBuf,
        /// Its `org.opencontainers.image.ref.name`.
        tag: Option<String>,
    },
    /// An archive of either kind; its content says which.
    Archive {
        /// The file.
        path: PathBuf,
        /// The image within, if the archive has several.
        image: Option<String>,
    },
    /// An OCI layout in a directory.
    OciLayout {
        /// The directory.
        path: PathBuf,
        /// Its `org.opencontainers.image.ref.name`.
        tag: Option<String>,
    },
    /// A root file system in a directory.
    Directory(PathBuf),
    /// An SBOM in place of an image.
    Sbom(Document),
    /// A container engine.
    Engine {
        /// Which.
        engine: Engine,
        /// Name or id of an image it has.
        image: String,
    },
}

/// Ends of names of archives, SBOMs and stored reports. Repositories may be called so too, but hardly one is: who names a
/// file that is not there should not be told about a registry.
const FILE_ENDINGS: [&str; 8] = [".tar", ".tgz", ".gz", ".zst", ".xz", ".json", ".xml", ".spdx"];

/// Why a text names no source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The word before the colon is no scheme.
    #[error("`{scheme}:` is not a kind of source")]
    UnknownScheme {
        /// The word.
        scheme: String,
    },
    /// A scheme without anything behind it.
    #[error("`{scheme}:` must be followed by {wanted}")]
    Empty {
        /// The scheme.
        scheme: &'static str,
        /// What is missing.
        wanted: &'static str,
    },
    /// Neither an existing path nor a reference.
    #[error("`{text}` is neither an existing path nor an image reference")]
    Neither {
        /// The text.
        text: String,
        /// Why it is no reference.
        #[source]
        source: ReferenceError,
    },
    /// It looks like a file, and there is none.
    #[error("there is no file `{text}`")]
    NoFile {
        /// The text.
        text: String,
    },
    /// The text after `registry:` is no reference.
    #[error("cannot read the reference of `{text}`")]
    Reference {
        /// The text.
        text: String,
        /// What is wrong.
        #[source]
        source: ReferenceError,
    },
}

impl Hint for SourceError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoFile { text } if text.parse::<Reference>().is_ok() => {
                Some(format!("check the path; if an image of this name is meant, write `registry:{text}`"))
            }
            Self::NoFile { text } => Some(check_path(text)),
            Self::Neither { text, .. } if is_path(text) => Some(check_path(text)),
            Self::Neither { .. } | Self::UnknownScheme { .. } => Some(
                "use `registry:REF`, `docker:REF`, `podman:REF`, `docker-archive:FILE`, `oci-archive:FILE`, \
                 `oci:DIR[:TAG]`, `dir:PATH`, `sbom:FILE`, a plain image reference, or an existing path"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

impl Source {
    /// Reads a source as written on the command line.
    ///
    /// Looks at the file system to recognise existing paths, and at the first bytes of a file, which tell an SBOM from an
    /// archive; that a path holds no image is said by [`stage`](crate::stage::stage). `-` is an SBOM on standard input. An existing path wins over a reference of the same name; write
    /// `registry:` to mean the reference.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        if text == "-" {
            return Ok(Self::Sbom(Document::Stdin));
        }
        if let Some((scheme, rest)) = text.split_once(':')
            && let Some(source) = with_scheme(scheme, rest, text)
        {
            return source;
        }
        if Path::new(text).exists() {
            return Ok(recognise(PathBuf::from(text), None));
        }
        let (path, image) = split_path(text);
        if image.is_some() && path.exists() {
            return Ok(recognise(path, image));
        }
        if let Some(scheme) = unknown_scheme(text)
            && is_path(&text[scheme.len() + 1..])
        {
            return Err(SourceError::UnknownScheme { scheme });
        }
        if FILE_ENDINGS.iter().any(|ending| text.ends_with(ending)) && unknown_scheme(text).is_none() {
            return Err(SourceError::NoFile { text: shorten(text) });
        }
        text.parse().map(Self::Registry).map_err(|source| match unknown_scheme(text) {
            Some(scheme) => SourceError::UnknownScheme { scheme },
            None => SourceError::Neither { text: shorten(text), source },
        })
    }
}

/// `None` if `scheme` is not one of ours.
fn with_scheme(scheme: &str, rest: &str, text: &str) -> Option<Result<Source, SourceError>> {
    let need = |scheme, wanted| if rest.is_empty() { Err(SourceError::Empty { scheme, wanted }) } else { Ok(()) };
    Some(match scheme {
        "registry" => need("registry", "an image reference").and_then(|()| {
            rest.parse().map(Source::Registry).map_err(|source| SourceError::Reference { text: shorten(text), source })
        }),
        "docker-archive" => need("docker-archive", "a file").map(|()| {
            let (path, image) = split_path(rest);
            Source::DockerArchive { path, image }
        }),
        "oci-archive" => need("oci-archive", "a file").map(|()| {
            let (path, tag) = split_path(rest);
            Source::OciArchive { path, tag }
        }),
        "oci" => need("oci", "a directory").map(|()| {
            let (path, tag) = split_path(rest);
            Source::OciLayout { path, tag }
        }),
        "dir" => need("dir", "a directory").map(|()| Source::Directory(PathBuf::from(rest))),
        "docker" => need("docker", "an image").map(|()| engine(Engine::Docker, rest)),
        "podman" => need("podman", "an image").map(|()| engine(Engine::Podman, rest)),
        "sbom" => need("sbom", "a file, or `-` for standard input")
            .map(|()| Source::Sbom(if rest == "-" { Document::Stdin } else { Document::File(PathBuf::from(rest)) })),
        _ => return None,
    })
}

fn engine(engine: Engine, image: &str) -> Source {
    Source::Engine { engine, image: image.to_owned() }
}

/// Splits `PATH[:NAME]` at the first colon that leaves an existing path; a path may itself have colons.
fn split_path(text: &str) -> (PathBuf, Option<String>) {
    if !Path::new(text).exists() {
        for (at, _) in text.match_indices(':') {
            let (path, name) = (&text[..at], &text[at + 1..]);
            if !path.is_empty() && !name.is_empty() && Path::new(path).exists() {
                return (PathBuf::from(path), Some(name.to_owned()));
            }
        }
    }
    (PathBuf::from(text), None)
}

fn recognise(path: PathBuf, image: Option<String>) -> Source {
    if image.is_none() && sbom::is_document(&path) {
        return Source::Sbom(Document::File(path));
    }
    if !path.is_dir() {
        return Source::Archive { path, image };
    }
    if path.join("oci-layout").exists() || (path.join("index.json").exists() && path.join("blobs").is_dir()) {
        return Source::OciLayout { path, tag: image };
    }
    Source::Directory(path)
}

/// The word before a colon in a text that is no reference, if it looks like a scheme.
fn unknown_scheme(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(':')?;
    let is_word = !scheme.is_empty()
        && scheme.len() <= 32
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    (is_word && !rest.is_empty()).then(|| scheme.to_owned())
}

/// Whether a text can only be a path or the rest of a URL.
fn is_path(text: &str) -> bool {
    text.starts_with(['/', '.', '~'])
}

fn check_path(text: &str) -> String {
    if text.starts_with(['/', '~']) {
        return "check the path".to_owned();
    }
    "check the path: it counts from the folder that the command is run in".to_owned()
}

fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, path, name) = match self {
            Self::Registry(reference) => return write!(out, "{reference}"),
            Self::Engine { engine, image } => return write!(out, "{engine}:{image}"),
            Self::DockerArchive { path, image } => ("docker-archive:", path, image.as_ref()),
            Self::OciArchive { path, tag } => ("oci-archive:", path, tag.as_ref()),
            Self::Archive { path, image } => ("", path, image.as_ref()),
            Self::OciLayout { path, tag } => ("oci:", path, tag.as_ref()),
            Self::Directory(path) => ("dir:", path, None),
            Self::Sbom(document) => return write!(out, "sbom:{document}"),
        };
        write!(out, "{scheme}{}", path.display())?;
        match name {
            Some(name) => write!(out, ":{name}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn schemes_and_references() {
        for (text, want) in [
            ("registry:alpine", "docker.io/library/alpine:latest"),
            ("alpine:3.20", "docker.io/library/alpine:3.20"),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
            ("docker-archive:/none/x.tar", "docker-archive:/none/x.tar"),
            ("oci-archive:/none/x.tar", "oci-archive:/none/x.tar"),
            ("oci:/none/layout:v1", "oci:/none/layout:v1"),
            ("dir:/none", "dir:/none"),
            ("sbom:/none/x.json", "sbom:/none/x.json"),
            ("sbom:-", "sbom:-"),
            ("-", "sbom:-"),
            ("docker:alpine", "docker:alpine"),
            ("podman:localhost/me/app:1", "podman:localhost/me/app:1"),
        ] {
            assert_eq!(Source::parse(text).unwrap().to_string(), want, "{text}");
        }
    }

    #[test]
    fn faults_are_named() {
        for (text, want) in [
            ("docker:", "`docker:` must be followed by an image"),
            ("sbom:", "`sbom:` must be followed by a file, or `-` for standard input"),
            ("tarball:/x.tar", "`tarball:` is not a kind of source"),
            ("dir:", "`dir:` must be followed by a directory"),
            ("registry:UPPER", "cannot read the reference of `registry:UPPER`"),
            ("./none.tar", "there is no file `./none.tar`"),
            ("folder/none.tar.gz", "there is no file `folder/none.tar.gz`"),
            ("none.json", "there is no file `none.json`"),
            ("folder/none.cdx.json", "there is no file `folder/none.cdx.json`"),
            ("none.xml", "there is no file `none.xml`"),
            ("none.spdx", "there is no file `none.spdx`"),
            ("none.tar.zst", "there is no file `none.tar.zst`"),
            ("./none", "`./none` is neither an existing path nor an image reference"),
        ] {
            assert_eq!(Source::parse(text).unwrap_err().to_string(), want, "{text}");
        }
    }

    #[test]
    fn a_hint_names_an_image_only_where_there_can_be_one() {
        let relative = "check the path: it counts from the folder that the command is run in";
        for (text, want) in [
            ("none.tar", "check the path; if an image of this name is meant, write `registry:none.tar`"),
            ("shop/none.json", "check the path; if an image of this name is meant, write `registry:shop/none.json`"),
            ("/none.tar", "check the path"),
            ("/none", "check the path"),
            ("./none.json", relative),
            ("../none.spdx", relative),
            ("../none", relative),
            ("My Image.tar", relative),
        ] {
            let hint = Source::parse(text).unwrap_err().hint().unwrap();
            assert_eq!(hint, want, "{text}");
            if let Some((_, image)) = hint.split_once("write `") {
                assert!(Source::parse(image.trim_end_matches('`')).is_ok(), "{hint}");
            }
        }
        assert!(Source::parse("UPPER").unwrap_err().hint().unwrap().starts_with("use `registry:REF`"));
    }

    #[test]
    fn a_tag_that_looks_like_a_file_stays_a_tag() {
        let source = Source::parse("app:1.json").unwrap();
        assert_eq!(source.to_string(), "docker.io/library/app:1.json");
    }

    #[test]
    fn an_existing_path_is_recognised_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let layout = folder.path().join("layout");
        fs_err::create_dir_all(&layout).unwrap();
        let path = layout.to_str().unwrap();
        assert_eq!(Source::parse(path).unwrap(), Source::Directory(layout.clone()));
        fs_err::write(layout.join("oci-layout"), "{}").unwrap();
        assert_eq!(Source::parse(path).unwrap(), Source::OciLayout { path: layout.clone(), tag: None });
        assert_eq!(
            Source::parse(&format!("{path}:v1")).unwrap(),
            Source::OciLayout { path: layout.clone(), tag: Some("v1".to_owned()) }
        );
        for (name, text, is_sbom) in [
            ("bom.json", " {\"bomFormat\"", true),
            ("bom.xml", "\u{feff}<?xml", true),
            ("bom.spdx", "# made by x\nSPDXVersion: SPDX-2.3", true),
            ("notes.txt", "nothing", false),
            ("empty", "", false),
            ("{.tar", "{\0\0", false),
        ] {
            let file = folder.path().join(name);
            fs_err::write(&file, text).unwrap();
            let found = Source::parse(file.to_str().unwrap()).unwrap();
            assert_eq!(found == Source::Sbom(Document::File(file)), is_sbom, "{name}: {found}");
        }
        let file = folder.path().join("a:b.tar");
        fs_err::write(&file, "").unwrap();
        let text = format!("docker-archive:{}:me/app:1", file.display());
        assert_eq!(
            Source::parse(&text).unwrap(),
            Source::DockerArchive { path: file, image: Some("me/app:1".to_owned()) }
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let _ = Source::parse(&text);
            let _ = Source::parse(&format!("oci:{text}"));
        }
    }
}
