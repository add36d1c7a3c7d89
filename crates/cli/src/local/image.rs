//! From the word on the command line to an analysis.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use etcetera::BaseStrategy as _;
use killick_analysis::analyze::{Options, analyze};
use killick_analysis::cache::{FolderCache, LayerCache};
use killick_analysis::inspectors::Inspections;
use killick_analysis::known::folder::FolderFiles;
use killick_analysis::known::{self, KnownFiles};
use killick_analysis::limits::Limits;
use killick_fetch::{Source, StageOptions};
use killick_model::analysis::Analysis;
use killick_model::image::{Platform, StagedImage};
use killick_model::problem::Problem;

use super::limits::LimitArgs;
use super::registry::RegistryArgs;
use crate::progress::Display;
use crate::report_error::hinted;

/// Which image, and how to reach it.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// An image reference, an archive, an OCI layout or a directory; also registry:REF, docker:REF, podman:REF,
    /// docker-archive:FILE, oci-archive:FILE, oci:DIR or oci:DIR:TAG, dir:PATH
    #[arg(value_name = "IMAGE")]
    pub(super) source: String,
    /// Which image of a multi-platform index
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// Fetch layers that the registry does not have from the URLs that their manifest names
    #[arg(long)]
    foreign_layers: bool,
    #[command(flatten)]
    limits: LimitArgs,
    /// Folder of layer facts and known files (default: killick/layers in the user's cache folder)
    #[arg(long, value_name = "DIR", env = "KILLICK_CACHE")]
    cache: Option<PathBuf>,
    /// Neither read nor write layer facts and known files
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Stages and analyses the image.
pub(super) async fn analyse(args: &ImageArgs, inspections: Arc<Inspections>) -> anyhow::Result<Analysis> {
    let source = Source::parse(&args.source).map_err(hinted)?;
    let limits = args.limits.limits();
    let display = Arc::new(Display::new());
    let environment = crate::environment::read();
    let options = StageOptions {
        platform: args.platform.clone(),
        registry: args.registry.options(&environment)?,
        environment,
        foreign_layers: args.foreign_layers,
        progress: Some(display.clone()),
        limits: limits.fetch,
        ..StageOptions::default()
    };
    let staged = killick_fetch::stage(&source, &options).await.map_err(hinted)?;
    let cache = Cache::of(args);
    let analysis = tokio::task::spawn_blocking(move || read(&staged, cache, inspections, limits.analysis))
        .await
        .context("the analysis was interrupted")?;
    display.finish();
    analysis
}

fn read(
    staged: &StagedImage,
    cache: Option<Cache>,
    inspections: Arc<Inspections>,
    limits: Limits,
) -> anyhow::Result<Analysis> {
    let known_files = cache.as_ref().map(|cache| Arc::clone(&cache.files) as Arc<dyn KnownFiles>);
    let elapsed = Some(crate::clock::stopwatch());
    let options = Options { inspections, known_files, elapsed, ..Options::limited(limits) };
    let layers = cache.as_ref().map(|cache| &cache.layers as &dyn LayerCache);
    let mut analysis = analyze(staged, layers, &options).map_err(hinted)?;
    if let Some(cache) = cache {
        cache.files.learn(known::lessons(&analysis));
    }
    analysis.problems.extend(moved(staged));
    Ok(analysis)
}

/// That the name was given to another image meanwhile. That nobody could be asked is no problem of this image.
fn moved(staged: &StagedImage) -> Option<Problem> {
    let digest = staged.surroundings.name.as_ref()?.moved_to().ok()??;
    let read = staged.index.as_ref().map_or(&staged.manifest_digest, |(digest, _)| digest);
    let message = format!("this is about `{read}`, and the name was given to `{digest}` while it was read");
    Some(Problem::new("tag-moved", staged.name.clone(), message))
}

/// What is kept between runs.
struct Cache {
    layers: FolderCache,
    files: Arc<FolderFiles>,
}

impl Cache {
    fn of(args: &ImageArgs) -> Option<Self> {
        if args.no_cache {
            return None;
        }
        let usual = || Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("killick").join("layers"));
        let folder = args.cache.clone().or_else(usual)?;
        Some(Self { files: Arc::new(FolderFiles::new(&folder)), layers: FolderCache::new(folder) })
    }
}
