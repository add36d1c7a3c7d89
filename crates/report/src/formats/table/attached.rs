//! What is attached to the image, in one line: who says what, and that nobody checked it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use killick_model::analysis::Analysis;
use killick_model::attachment::{Document, DocumentKind, Subject};

use super::layout::plain;
use super::{counted, counted_as};

/// Kinds of documents that the line names.
const NAMED: usize = 8;

pub(super) fn write(text: &mut String, analysis: &Analysis) {
    let mut kinds: BTreeMap<(DocumentKind, String), usize> = BTreeMap::new();
    // What is about something else is told among the problems.
    let documents = analysis.attachments.iter().flat_map(|attachment| &attachment.documents);
    for document in documents.filter(|document| document.subject != Subject::Other) {
        *kinds.entry((document.kind, description(document))).or_default() += 1;
    }
    if kinds.is_empty() {
        return;
    }
    let mut parts: Vec<String> = kinds
        .iter()
        .take(NAMED)
        .map(|((kind, what), count)| {
            let number = match kind {
                DocumentKind::Signature => counted(*count, "signature"),
                DocumentKind::Attestation => counted(*count, "attestation"),
                DocumentKind::Sbom => counted_as(*count, "SBOM", "SBOMs"),
                DocumentKind::Vex => counted(*count, "VEX document"),
                DocumentKind::Other => counted(*count, "other document"),
            };
            if what.is_empty() { number } else { format!("{number} ({what})") }
        })
        .collect();
    let more: usize = kinds.values().skip(NAMED).sum();
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    let _ = writeln!(text, "attached, not verified: {}", parts.join(", "));
}

fn description(document: &Document) -> String {
    let mut parts = Vec::new();
    parts.extend(document.predicate_type.as_deref().filter(|_| document.kind == DocumentKind::Attestation).map(plain));
    parts.extend(document.sbom.map(|format| format.title().to_owned()));
    if !document.packages.is_empty() {
        parts.push(counted(document.packages.len(), "package"));
    }
    if document.kind == DocumentKind::Other {
        parts.push(plain(&document.media_type));
    }
    parts.join(", ")
}
