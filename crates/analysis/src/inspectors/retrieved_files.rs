//! Files that the user wants to keep whole, by path: `/etc/passwd` for the policy gate of that name.
//!
//! Regular files only, as in the original; hard links are regular files too.

use killick_model::inspection::{Inspection, RetrievedFile};
use killick_model::problem::Problem;

use super::{Asks, Inspector, Seen, WholeFiles};
use crate::inspectors::settings::{Settings, SettingsError};

/// The inspector.
pub(super) struct RetrievedFiles;

impl Inspector for RetrievedFiles {
    fn name(&self) -> &'static str {
        "retrieved-files"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn asks(&self, settings: &Settings) -> Result<Option<Asks>, SettingsError> {
        let wanted = &settings.retrieve_files;
        if wanted.paths.is_empty() {
            return Ok(None);
        }
        let globs = wanted.globs()?;
        let key = format!("{} {globs:?}", wanted.max_file_bytes);
        let read = |bytes: &[u8], _: &_| Some(bytes.to_vec());
        let files = Some(WholeFiles { globs, max_bytes: wanted.max_file_bytes, read });
        Ok(Some(Asks { key, files, ..Asks::default() }))
    }

    fn join(&self, seen: &Seen<'_>, inspection: &mut Inspection, _problems: &mut Vec<Problem>) {
        let files = seen.whole.iter().filter_map(|(path, layer, found)| {
            let content = found.pieces.first()?.clone();
            Some(RetrievedFile { path: (*path).clone(), layer: *layer, content })
        });
        inspection.retrieved_files = Some(files.collect());
    }
}
