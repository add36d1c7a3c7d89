//! The advisory index in use: the one of `--db`, else the user's, else the one that came with the binary.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use etcetera::BaseStrategy as _;
use killick_model::analysis::Analysis;
use killick_policy::{FeedGroup, JudgingSource};
use killick_report::formats::{DataSource, Knowledge};
use killick_vulns::{Index, SourceStatus, Status};

use crate::report_error::hinted;

/// Which advisory index.
#[derive(Debug, Args)]
pub(crate) struct KnowledgeArgs {
    /// Advisory index to use (default: that of `killick db update` or `db import`, else the built-in starter)
    #[arg(long, value_name = "FILE", env = "KILLICK_DB")]
    pub(super) db: Option<PathBuf>,
}

/// Opens the index.
pub(super) fn open(args: &KnowledgeArgs) -> anyhow::Result<Index> {
    path(args)?.map_or_else(Index::starter, |path| Index::open(&path)).map_err(hinted)
}

/// Where the index is that [`open`] opens; nowhere, if it is the one that came with the binary.
pub(super) fn path(args: &KnowledgeArgs) -> anyhow::Result<Option<PathBuf>> {
    if let Some(path) = &args.db {
        return Ok(Some(path.clone()));
    }
    Ok(Some(installed_path()?).filter(|path| path.exists()))
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

/// The sources that speak of packages of the image, as policies see them.
pub(super) fn judging_sources(index: &Index, analysis: &Analysis) -> Vec<JudgingSource> {
    let built = index.manifest().built.timestamp();
    let source = |source: SourceStatus| JudgingSource {
        provider: source.provider,
        namespace: source.namespace,
        newest_data: source.data_instant.or(built),
    };
    killick_vulns::sources(index, analysis.into()).into_iter().map(source).collect()
}

/// The index as reports tell of it.
pub(super) fn describe(status: &Status) -> Knowledge {
    let sources = status.sources.iter().map(|source| DataSource {
        provider: source.provider.clone(),
        updated_at: source.data_instant,
        advisories: source.advisories,
    });
    Knowledge { newest_data: status.newest_data, sources: sources.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index that is built today of files of last month knows nothing of this month.
    #[test]
    fn reports_tell_the_age_of_the_data_not_of_the_index() {
        let work = tempfile::tempdir().unwrap();
        let folder = work.path().join("feeds/osv/npm/records");
        fs_err::create_dir_all(&folder).unwrap();
        let record = r#"{"id":"GHSA-aaaa-bbbb-cccc","modified":"2024-04-19T12:00:00Z","affected":[{"package":
            {"ecosystem":"npm","name":"p"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}"#;
        fs_err::write(folder.join("GHSA-aaaa-bbbb-cccc.json"), record).unwrap();
        let out = work.path().join("index");
        let built: jiff::Timestamp = "2024-05-20T00:00:00Z".parse().unwrap();
        let options = killick_vulns::BuildOptions { instant: Some(built), ..killick_vulns::BuildOptions::default() };
        killick_vulns::build(&[work.path().join("feeds")], &out, &options).unwrap();
        let status = killick_vulns::status(&Index::open(&out).unwrap(), built);
        assert_eq!(status.built, Some(built));
        let newest = describe(&status).newest_data.map(|newest| newest.to_string());
        assert_eq!(newest.as_deref(), Some("2024-04-19T12:00:00Z"));
    }
}
