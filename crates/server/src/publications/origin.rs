//! Where an advisory index came from, noted beside it and told by `db status` and the service.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_vulns::Index;
use killick_vulns::publication::{Accepted, KeyId};
use serde::{Deserialize, Serialize};

use super::{TransferError, beside, envelope_of, replace};

/// Largest note that is read.
const MAX_NOTE_BYTES: u64 = 1 << 20;

/// Where an index came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// It is part of the program.
    BuiltIn,
    /// It was built here.
    Built {
        /// Of how many sources.
        sources: usize,
    },
    /// It was an index file that was taken as it is.
    File {
        /// Which.
        file: PathBuf,
        /// When.
        imported: Timestamp,
    },
    /// It was published by somebody.
    Publication(Published),
}

/// A publication that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Where it was taken from, without a password; unknown if nobody noted it.
    pub place: Option<String>,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// Ids of the keys that were trusted and signed it; none if nobody had to.
    pub signers: Vec<KeyId>,
    /// When it was published.
    pub published: Timestamp,
    /// When it expires, if it does.
    pub expires: Option<Timestamp>,
    /// When the index came from there.
    pub fetched: Option<Timestamp>,
    /// When it was last found to be what is published there.
    pub checked: Option<Timestamp>,
}

/// What lies beside an index: the note counts for the index with that digest only.
#[derive(Serialize, Deserialize)]
struct Note {
    index: Digest,
    origin: Origin,
}

impl Origin {
    /// Where `index` came from, which lies at `path`; none for the one that is part of the program.
    pub fn of(index: &Index, path: Option<&Path>) -> Self {
        let Some(path) = path else { return Self::BuiltIn };
        noted(path, index)
            .or_else(|| unnoted(path, index))
            .unwrap_or(Self::Built { sources: index.manifest().segments.len() })
    }

    /// Notes that the index file `file` was put to `path` as it is.
    pub fn note_file(path: &Path, index: &Index, file: &Path, now: Timestamp) -> Result<(), TransferError> {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        write(path, index.digest()?, Self::File { file, imported: now })
    }

    /// Notes that the index at `path` is the one of a publication that was found at `place`.
    pub(super) fn note_publication(
        path: &Path,
        place: String,
        accepted: &Accepted,
        is_new: bool,
        now: Timestamp,
    ) -> Result<(), TransferError> {
        let publication = &accepted.publication;
        let before = read(path).filter(|note| !is_new && note.index == publication.manifest.digest);
        let fetched = match before.map(|note| note.origin) {
            Some(Self::Publication(before)) => before.fetched,
            _ => is_new.then_some(now),
        };
        let published = Published {
            place: Some(place),
            name: publication.name.clone(),
            version: publication.version,
            signers: accepted.signers.clone(),
            published: publication.published,
            expires: publication.expires,
            fetched,
            checked: Some(now),
        };
        write(path, publication.manifest.digest.clone(), Self::Publication(published))
    }

    /// Whether it is of a publication that nobody should believe any more.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        matches!(self, Self::Publication(Published { expires: Some(expires), .. }) if *expires <= now)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => out.write_str("came with this program"),
            Self::Built { sources } => write!(out, "built here from {sources} sources"),
            Self::File { file, imported } => write!(out, "the file {}, imported at {imported}", file.display()),
            Self::Publication(Published { place, name, version, .. }) => {
                let place = place.as_deref().unwrap_or("an unknown place");
                write!(out, "publication `{name}` version {version} of {place}")
            }
        }
    }
}

fn noted(path: &Path, index: &Index) -> Option<Origin> {
    let digest = index.digest().ok()?;
    Some(read(path).filter(|note| note.index == digest)?.origin)
}

/// What the signed document tells, where only that lies beside the index. Who signed it was known when it was taken.
fn unnoted(path: &Path, index: &Index) -> Option<Origin> {
    let (_, publication) = envelope_of(path, index)?;
    Some(Origin::Publication(Published {
        place: None,
        name: publication.name,
        version: publication.version,
        signers: Vec::new(),
        published: publication.published,
        expires: publication.expires,
        fetched: None,
        checked: None,
    }))
}

fn read(path: &Path) -> Option<Note> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = fs_err::File::open(beside(path, "origin.json")).ok()?;
    file.take(MAX_NOTE_BYTES).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn write(path: &Path, index: Digest, origin: Origin) -> Result<(), TransferError> {
    let text = serde_json::to_vec_pretty(&Note { index, origin }).unwrap_or_default();
    replace(&beside(path, "origin.json"), &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// An index of its own at `path`.
    fn index(path: &Path, cve: &str) -> Index {
        let root = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(root.path().join("kev")).unwrap();
        let text = format!(r#"{{"dateReleased":"2099-01-01","vulnerabilities":[{{"cveID":"{cve}"}}]}}"#);
        fs_err::write(root.path().join("kev/known_exploited_vulnerabilities.json"), text).unwrap();
        killick_vulns::build(&[root.path().to_owned()], path, &killick_vulns::BuildOptions::default()).unwrap();
        Index::open(path).unwrap()
    }

    #[test]
    fn a_note_counts_for_its_index_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("advisories.index");
        let one = index(&path, "CVE-2099-0001");
        assert_eq!(Origin::of(&one, Some(&path)), Origin::Built { sources: 1 });
        assert_eq!(Origin::of(&one, None), Origin::BuiltIn);
        let now = at("2026-01-02T03:04:05Z");
        Origin::note_file(&path, &one, Path::new("/a/file"), now).unwrap();
        let origin = Origin::of(&one, Some(&path));
        assert_eq!(origin, Origin::File { file: "/a/file".into(), imported: now });
        assert_eq!(origin.to_string(), "the file /a/file, imported at 2026-01-02T03:04:05Z");
        // It was built anew in the same place.
        let other = index(&path, "CVE-2099-0002");
        assert_eq!(Origin::of(&other, Some(&path)), Origin::Built { sources: 1 });
        for rubbish in ["", "{}", "[]", r#"{"index":"sha256:0","origin":{"kind":"other"}}"#] {
            fs_err::write(folder.path().join("advisories.origin.json"), rubbish).unwrap();
            assert_eq!(Origin::of(&other, Some(&path)).to_string(), "built here from 1 sources", "{rubbish}");
        }
    }
}
