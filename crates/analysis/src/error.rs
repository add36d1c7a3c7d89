//! What ends the analysis of an image. Everything less is a problem in its result.

use std::io;

use killick_model::digest::Digest;
use killick_model::hint::Hint;

use crate::deadline;

/// Why an image cannot be analysed.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// The image has too many layers.
    #[error("image `{image}` has {layers} layers, more than the limit `limit-layers` of {limit}")]
    Layers {
        /// What the user asked for.
        image: String,
        /// Layers it has.
        layers: usize,
        /// Layers it may have.
        limit: usize,
    },
    /// A layer cannot be opened, or its bytes are not those that were promised.
    #[error("layer `{layer}` cannot be read")]
    Layer {
        /// The layer's diffID.
        layer: Digest,
        /// What its reader says.
        #[source]
        source: io::Error,
    },
    /// A layer is no tar archive, or a broken one.
    #[error("layer `{layer}` is not a readable tar archive")]
    Tar {
        /// The layer's diffID.
        layer: Digest,
        /// Where and why.
        #[source]
        source: TarError,
    },
    /// A layer reaches a limit that protects this process.
    #[error("layer `{layer}` exceeds the limit `{name}` of {limit}")]
    Limit {
        /// The layer's diffID.
        layer: Digest,
        /// Stable name: `limit-layer-bytes`, `limit-layer-entries`, `limit-tree-bytes`, `limit-compression-ratio`,
        /// `limit-packages`.
        name: &'static str,
        /// Its value.
        limit: u64,
    },
    /// The image has more packages than anybody wants to be told.
    #[error("image `{image}` has more packages than the limit `limit-packages` of {limit}")]
    Packages {
        /// What the user asked for.
        image: String,
        /// Packages it may have.
        limit: usize,
    },
    /// The whole takes too long.
    #[error("the image takes longer to analyse than the limit `{}` of {limit}", deadline::NAME)]
    Time {
        /// The limit, in seconds.
        limit: u64,
    },
}

/// What is wrong with a tar archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}, at byte {offset}")]
pub struct TarError {
    /// Offset of the header in the uncompressed archive.
    pub offset: u64,
    /// What.
    pub reason: &'static str,
}

/// Why reading one layer stopped; becomes an [`AnalysisError`] where the layer is known.
#[derive(Debug)]
pub enum ReadError {
    /// The stream failed.
    Io(io::Error),
    /// The archive is broken.
    Tar(TarError),
    /// A limit, by name and value.
    Limit(&'static str, u64),
}

impl ReadError {
    /// The error with its subject.
    pub fn of(self, layer: &Digest) -> AnalysisError {
        let layer = layer.clone();
        match self {
            Self::Limit(deadline::NAME, limit) => AnalysisError::Time { limit },
            Self::Io(source) => AnalysisError::Layer { layer, source },
            Self::Tar(source) => AnalysisError::Tar { layer, source },
            Self::Limit(name, limit) => AnalysisError::Limit { layer, name, limit },
        }
    }
}

impl Hint for AnalysisError {
    fn hint(&self) -> Option<String> {
        let (advice, name) = match self {
            Self::Packages { .. } => {
                ("lock files of many projects may add up: leave some out, or raise the limit", "limit-packages")
            }
            Self::Layers { .. } => ("squash the image, or raise the limit if you trust it", "limit-layers"),
            Self::Limit { name, .. } => {
                ("the layer may be built to exhaust its reader: raise the limit only if you trust it", *name)
            }
            Self::Time { .. } => {
                ("the image may be built to keep its reader busy: raise the limit only if you trust it", deadline::NAME)
            }
            Self::Tar { .. } => {
                return Some("container engines refuse this layer too: build or push the image again".to_owned());
            }
            Self::Layer { .. } => return None,
        };
        Some(format!("{advice}, with `--limit {name}=NUMBER`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_raised_says_how() {
        let (image, layer) = (String::new(), Digest::of(b""));
        for (error, flag) in [
            (AnalysisError::Layers { image: image.clone(), layers: 2, limit: 1 }, "`--limit limit-layers=NUMBER`"),
            (AnalysisError::Packages { image, limit: 1 }, "`--limit limit-packages=NUMBER`"),
            (AnalysisError::Time { limit: 1 }, "`--limit limit-analysis-seconds=NUMBER`"),
            (ReadError::Limit("limit-layer-bytes", 1).of(&layer), "`--limit limit-layer-bytes=NUMBER`"),
        ] {
            assert!(error.hint().is_some_and(|hint| hint.ends_with(flag)), "{error}: {:?}", error.hint());
        }
    }
}
