//! What inspectors saw in the contents of all layers, and which files have them.

use std::collections::HashMap;

use killick_model::file::FileEntry;
use killick_model::inspection::Inspection;
use killick_model::package::Package;
use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use super::{ClamdRun, Inspections, Seen, SeenFile};
use crate::analyze::FoundFiles;
use crate::facts::{ContentFacts, LayerFacts};
use crate::squash::Plan;

/// What was seen in contents.
pub(crate) struct SeenContents {
    by_digest: HashMap<[u8; 32], ContentFacts>,
    /// Files of layers that have such a content and are not in the merged image: path, layer, digest.
    hidden: Vec<(ImagePath, u32, [u8; 32])>,
}

impl SeenContents {
    /// Takes what was seen from the layers.
    pub(crate) fn collect(layers: &mut [LayerFacts], plan: &Plan) -> Self {
        let mut by_digest = HashMap::new();
        for layer in layers.iter_mut() {
            by_digest.extend(std::mem::take(&mut layer.contents).into_iter().map(|content| (content.sha256, content)));
        }
        let mut hidden = Vec::new();
        if !by_digest.is_empty() {
            for (index, layer) in (0..).zip(layers.iter()) {
                let files =
                    layer.entries().filter(|(_, entry)| entry.has_content() && by_digest.contains_key(&entry.sha256));
                let gone = files.filter(|(number, _)| {
                    let origin = (index, *number);
                    !plan.is_kept(origin) && !plan.elsewhere.contains_key(&origin)
                });
                hidden.extend(gone.map(|(_, entry)| (entry.path.clone(), index, entry.sha256)));
            }
        }
        Self { by_digest, hidden }
    }

    /// Lets all inspectors put together what they saw.
    pub(crate) fn join(
        &self,
        inspections: &Inspections,
        found: &FoundFiles,
        files: &[FileEntry],
        packages: &[Package],
        clamd: Option<&ClamdRun>,
        problems: &mut Vec<Problem>,
    ) -> Inspection {
        let mut inspection = Inspection::default();
        for inspector in &inspections.enabled {
            let hits = self.of(inspector.name(), files);
            let whole = FoundFiles::of(&found.visible, inspector.name());
            let seen = Seen { settings: &inspections.settings, hits: &hits, whole: &whole, clamd, files, packages };
            inspector.join(&seen, &mut inspection, problems);
        }
        for file in files {
            let content = file.sha256.as_ref().and_then(|sha256| self.by_digest.get(sha256));
            if content.is_some_and(|content| content.is_cut_short) {
                let message = "too much in it looks like a finding: not inspected to its end";
                problems.push(Problem::new("limit-inspection", file.path.to_string(), message));
            }
        }
        inspection
    }

    /// The files in which an inspector or a cataloger saw something.
    pub(crate) fn of<'a>(&'a self, inspector: &str, files: &'a [FileEntry]) -> Vec<SeenFile<'a>> {
        let mut all = self.by_digest.values().flat_map(|content| &content.seen);
        if all.all(|seen| seen.inspector != inspector) {
            return Vec::new();
        }
        let hits = |sha256: &[u8; 32]| {
            let seen = self.by_digest.get(sha256)?.seen.iter().find(|seen| seen.inspector == inspector)?;
            Some(seen.hits.as_slice())
        };
        let visible = files.iter().filter_map(|file| {
            let hits = hits(file.sha256.as_ref()?)?;
            Some(SeenFile { path: &file.path, layer: file.layer, is_visible: true, hits })
        });
        let hidden = self.hidden.iter().filter_map(|(path, layer, sha256)| {
            Some(SeenFile { path, layer: *layer, is_visible: false, hits: hits(sha256)? })
        });
        let mut seen: Vec<_> = visible.chain(hidden).collect();
        seen.sort_by_key(|file| (file.path, file.layer));
        seen
    }
}
