//! What is known about a vulnerability whatever the package: ratings, exploitation.

use std::collections::HashMap;

use killick_model::advisory::Rating;
use rayon::prelude::*;

use crate::index::{Index, IndexError};

/// What all sources together know about one vulnerability.
#[derive(Debug, Clone, Default)]
pub(crate) struct Knowledge {
    pub(crate) ratings: Vec<Rating>,
    pub(crate) is_exploited: bool,
    pub(crate) epss: Option<f64>,
    pub(crate) is_rejected: bool,
}

/// What is known about each of `ids`.
pub(crate) fn gather(index: &Index, ids: Vec<String>) -> Result<HashMap<String, Knowledge>, IndexError> {
    ids.into_par_iter()
        .map(|id| {
            let known = of(index, &id)?;
            Ok((id, known))
        })
        .collect()
}

pub(crate) fn of(index: &Index, id: &str) -> Result<Knowledge, IndexError> {
    let mut known = Knowledge::default();
    for segment in 0..index.manifest().segments.len() {
        for enrichment in index.enrichment(segment, id)? {
            known.ratings.extend(enrichment.ratings);
            known.is_exploited |= enrichment.exploited.is_some();
            known.is_rejected |= enrichment.status.is_void();
            known.epss = known.epss.or(enrichment.epss_millionths.map(|millionths| f64::from(millionths) / 1e6));
        }
        // Advisories about other packages rate the same vulnerability; one that packages several does not.
        for advisory in index.aliases(segment, id)? {
            for advisory in index.advisories(segment, &advisory)? {
                if !advisory.status.is_void() && advisory.upstream.len() <= 1 {
                    known.ratings.extend(advisory.ratings);
                }
            }
        }
    }
    Ok(known)
}
