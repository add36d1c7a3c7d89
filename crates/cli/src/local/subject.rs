//! One image, or several of an index: what is known of each, and how a command about them ends.

use anyhow::Context as _;
use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_report::formats::{IndexReport, IndexedReport, Report};

use super::output::Document;
use crate::exit::Exit;

/// What a source turned out to be, with something of each image.
pub(super) enum Subject<T> {
    /// One image.
    Image(Box<T>),
    /// An index.
    Index {
        /// Its digest.
        digest: Digest,
        /// Those of its images that were wanted.
        images: Vec<Indexed<T>>,
    },
}

/// Something of one image of an index.
pub(super) struct Indexed<T> {
    /// What it is for.
    pub(super) platform: String,
    /// Digest of its manifest.
    pub(super) digest: Digest,
    /// What there is, or why there is nothing.
    pub(super) outcome: anyhow::Result<T>,
}

impl<T> Subject<T> {
    /// Makes something else of each image. What fails for one of several spares the others.
    pub(super) fn try_map<U>(self, mut make: impl FnMut(T) -> anyhow::Result<U>) -> anyhow::Result<Subject<U>> {
        Ok(match self {
            Self::Image(image) => Subject::Image(Box::new(make(*image)?)),
            Self::Index { digest, images } => {
                let images = images.into_iter().map(|Indexed { platform, digest, outcome }| {
                    let outcome = outcome.and_then(&mut make);
                    Indexed { platform, digest, outcome }
                });
                Subject::Index { digest, images: images.collect() }
            }
        })
    }

    /// Everything that could be had.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        let (one, several) = match self {
            Self::Image(image) => (Some(&**image), &[][..]),
            Self::Index { images, .. } => (None, images.as_slice()),
        };
        one.into_iter().chain(several.iter().filter_map(|image| image.outcome.as_ref().ok()))
    }

    /// What there is of each image.
    pub(super) fn into_all(self) -> impl Iterator<Item = anyhow::Result<T>> {
        let outcomes = match self {
            Self::Image(image) => vec![Ok(*image)],
            Self::Index { images, .. } => {
                let told =
                    |image: Indexed<T>| image.outcome.with_context(|| format!("{} cannot be analyzed", image.platform));
                images.into_iter().map(told).collect()
            }
        };
        outcomes.into_iter()
    }

    /// The document about all of it.
    pub(super) fn document<'a>(
        &'a self,
        source: &'a str,
        now: Timestamp,
        report: impl Fn(&'a T) -> Report<'a>,
    ) -> Document<'a> {
        match self {
            Self::Image(image) => Document::Image(report(image)),
            Self::Index { digest, images } => {
                let images = images.iter().map(|image| IndexedReport {
                    platform: image.platform.clone(),
                    digest: &image.digest,
                    outcome: image.outcome.as_ref().map(&report).map_err(|error| format!("{error:#}")),
                });
                let (images, tool_version) = (images.collect(), env!("CARGO_PKG_VERSION"));
                Document::Index(IndexReport { source, digest: Some(digest), images, tool_version, now })
            }
        }
    }

    /// How the command ends: as badly as the worst image does. What went wrong with one of several is told.
    pub(super) fn exit(self, is_refused: impl Fn(&T) -> bool) -> Exit {
        let (mut failed, mut refused) = (false, false);
        for outcome in self.into_all() {
            match outcome {
                Ok(image) => refused |= is_refused(&image),
                Err(error) => {
                    crate::report_error::report(&error);
                    failed = true;
                }
            }
        }
        match (failed, refused) {
            (true, _) => Exit::Failure,
            (false, true) => Exit::Refused,
            (false, false) => Exit::Success,
        }
    }
}
