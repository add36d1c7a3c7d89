//! The advisory index in use: the one of `--db`, else the user's, else the one that came with the binary.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use etcetera::BaseStrategy as _;
use jiff::Timestamp;
use killick_policy::FeedGroup;
use killick_report::formats::{DataSource, Knowledge};
use killick_vulns::{Index, Status};

use crate::report_error::hinted;

/// Which advisory index.
#[derive(Debug, Args)]
pub(crate) struct KnowledgeArgs {
    /// Advisory index to use (default: the one installed with `killick db import`, else the built-in starter)
    #[arg(long, value_name = "FILE", env = "KILLICK_DB")]
    pub(super) db: Option<PathBuf>,
}

/// Opens the index.
pub(super) fn open(args: &KnowledgeArgs) -> anyhow::Result<Index> {
    if let Some(path) = &args.db {
        return Index::open(path).map_err(hinted);
    }
    let installed = installed_path()?;
    if installed.exists() {
        return Index::open(&installed).map_err(hinted);
    }
    Index::starter().map_err(hinted)
}

/// Where `db import` puts an index.
pub(super) fn installed_path() -> anyhow::Result<PathBuf> {
    let folders = etcetera::choose_base_strategy().context("cannot tell where this user's data belong")?;
    Ok(folders.data_dir().join("killick").join("advisories.index"))
}

/// The folder of `path`, made if it is missing.
pub(super) fn make_parent(path: &Path) -> anyhow::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Ok(fs_err::create_dir_all(parent)?),
        _ => Ok(()),
    }
}

/// The index as policies see it.
pub(super) fn feed_groups(status: &Status) -> Vec<FeedGroup> {
    let group =
        |namespace: &String, records| FeedGroup { namespace: namespace.clone(), records, last_sync: status.built };
    status.sources.iter().map(|source| group(&source.namespace, source.advisories)).collect()
}

/// The index as reports tell of it.
pub(super) fn describe(status: &Status, now: Timestamp) -> Knowledge {
    let sources = status.sources.iter().map(|source| DataSource {
        provider: source.provider.clone(),
        updated_at: source.data_instant,
        advisories: source.advisories,
    });
    Knowledge { built_at: status.built.unwrap_or(now), sources: sources.collect() }
}
