//! The distribution that answers for the image's packages.

use killick_model::distribution::Distribution;

use crate::index::{Coverage, Index};
use crate::namespaces;

/// The segments that speak of the distribution's packages, most competent provider first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vendor {
    pub(crate) segments: Vec<usize>,
    /// Whether the silence of one of them means something.
    pub(crate) is_complete: bool,
}

impl Vendor {
    pub(crate) fn new(index: &Index, distribution: Option<&Distribution>) -> Self {
        let candidates = distribution.map(namespaces::of_distribution).unwrap_or_default();
        for namespace in &candidates {
            let mut found: Vec<_> = index.segments_of(namespace).collect();
            if !found.is_empty() {
                found.sort_by_key(|(at, segment)| (competence(&segment.provider), *at));
                return Self {
                    is_complete: found.iter().any(|(_, segment)| segment.coverage == Coverage::Full),
                    segments: found.into_iter().map(|(at, _)| at).collect(),
                };
            }
        }
        Self::default()
    }
}

/// The distribution's own feed knows best, then its records in OSV, then what the legacy service made of it.
pub(crate) fn competence(provider: &str) -> u8 {
    match provider {
        "osv" => 1,
        "anchore" => 2,
        _ => 0,
    }
}
