//! Parts of long lists: what matches, and so many at a time.

use clap::Args;
use globset::{GlobBuilder, GlobMatcher};
use serde_json::Value;

/// Which of the things that have tags are shown.
#[derive(Debug, Args)]
pub(crate) struct Part {
    /// Only tags like this, such as `*/shop/*:1.*`; `*` stands for anything
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    tag: Option<GlobMatcher>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Which so many, beginning with 1
    #[arg(long, value_name = "NUMBER", requires = "limit", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    page: u32,
}

impl Part {
    /// Whether it is the whole.
    pub(super) fn is_whole(&self) -> bool {
        self.tag.is_none() && self.limit.is_none()
    }

    /// Whether a tag is asked for.
    pub(super) fn has(&self, tag: &str) -> bool {
        self.tag.as_ref().is_none_or(|pattern| pattern.is_match(tag))
    }

    /// The page of a list.
    pub(super) fn page_of(&self, all: Vec<Value>) -> Vec<Value> {
        let Some(limit) = self.limit.and_then(|limit| usize::try_from(limit).ok()) else { return all };
        let before = usize::try_from(self.page.saturating_sub(1)).unwrap_or(usize::MAX).saturating_mul(limit);
        all.into_iter().skip(before).take(limit).collect()
    }
}

fn pattern(text: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(text).literal_separator(false).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| format!("`{text}` is no pattern: {}", error.kind()))
}
