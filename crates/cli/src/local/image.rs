//! From the word on the command line to an analysis.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Parser};
use etcetera::BaseStrategy as _;
use killick_analysis::analyze::{Options, analyze_with_lessons, readers};
use killick_analysis::cache::{FolderCache, LayerCache, SharedLayers};
use killick_analysis::error::AnalysisError;
use killick_analysis::imported::read_sbom;
use killick_analysis::inspectors::Inspections;
use killick_analysis::known::KnownFiles;
use killick_analysis::known::folder::FolderFiles;
use killick_analysis::limits::Limits;
use killick_fetch::healing::layer_may_heal;
use killick_fetch::sbom::Document;
use killick_fetch::{IndexedImage, Platforms, Source, StageError, StageOptions, Staged};
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::file::FileKind;
use killick_model::image::{PlatformError, StagedImage};
use killick_model::problem::Problem;
use killick_model::reference::Reference;

use super::limits::LimitArgs;
use super::registry::RegistryArgs;
use super::subject::{Indexed, Subject};
use crate::progress::Display;
use crate::report_error::{cause, hinted, with_hint};

/// Which image, and how to reach it.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// An image reference, an archive, an OCI layout, a directory or an SBOM; also registry:REF, docker:REF, podman:REF,
    /// docker-archive:FILE, oci-archive:FILE, oci:DIR or oci:DIR:TAG, dir:PATH, sbom:FILE, - for an SBOM on standard input
    #[arg(value_name = "IMAGE")]
    pub(super) source: String,
    #[command(flatten)]
    pub(super) reading: ReadingArgs,
}

/// How to reach and read images.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ReadingArgs {
    /// Which image of a multi-platform index; several as one object with OS/ARCH,OS/ARCH or all
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Wanted>,
    #[command(flatten)]
    attachments: AttachmentArgs,
    /// Fetch layers that the registry does not have from the URLs that their manifest names
    #[arg(long)]
    foreign_layers: bool,
    /// Read layers of a registry by their tables of contents where they have one (eStargz, zstd:chunked), and fetch only
    /// what is looked at; that a layer holds what its table says is not verified then
    #[arg(long)]
    lazy: bool,
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
    /// Nothing is told while an image is read: somebody else tells how far several are.
    #[arg(skip)]
    pub(super) quiet: bool,
    /// What is seen is a matter of the image alone.
    #[arg(skip)]
    pub(super) alone: Option<Alone>,
}

/// Facts that are the same whoever looks at them, and whenever: nothing that is known of other images, nor what became of
/// the image's name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alone {
    /// Only these attachments are looked at; all, if that is not decided yet.
    pub(super) attachments: Option<BTreeSet<Digest>>,
}

impl ReadingArgs {
    /// Whether packages that attached SBOMs claim count.
    pub(super) fn attached_sboms(&self) -> bool {
        self.attachments.attached_sboms
    }

    /// As they were recorded.
    pub(super) fn recorded(mut self, attached_sboms: bool, attachments: BTreeSet<Digest>) -> Self {
        self.attachments = AttachmentArgs { no_attachments: attachments.is_empty(), attached_sboms };
        self.alone = Some(Alone { attachments: Some(attachments) });
        self
    }

    /// How registries are reached.
    pub(super) fn registry(&self) -> &RegistryArgs {
        &self.registry
    }

    /// Which images of an index are wanted, and what to make of what is attached to them; the same text for the same.
    pub(super) fn wanted(&self) -> String {
        format!("{:?} {:?}", self.platform, self.attachments)
    }

    /// Bounds on what is read.
    pub(super) fn analysis_limits(&self) -> Limits {
        self.limits.limits().analysis
    }
}

/// Who reads, looking for what, under which limits. May block.
pub(super) fn readers_of(limits: Limits, inspections: &Arc<Inspections>) -> String {
    readers(&Options { inspections: Arc::clone(inspections), ..Options::limited(limits) })
}

/// What to make of what is attached to the image.
#[derive(Debug, Args)]
struct AttachmentArgs {
    /// Do not look for SBOMs, attestations and signatures that are attached to the image
    #[arg(long, conflicts_with = "attached_sboms")]
    no_attachments: bool,
    /// Count packages that attached SBOMs claim as packages of the image
    #[arg(long)]
    attached_sboms: bool,
}

/// Which images of an index: `all`, or platforms.
#[derive(Debug, Clone)]
struct Wanted(Platforms);

impl FromStr for Wanted {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" {
            return Ok(Self(Platforms::All));
        }
        text.split(',').map(|name| name.trim().parse()).collect::<Result<_, _>>().map(Platforms::These).map(Self)
    }
}

/// Stages and analyses the image, or those images of the index that are wanted.
pub(super) async fn analyse(args: &ImageArgs, inspections: Arc<Inspections>) -> anyhow::Result<Subject<Analysis>> {
    analyse_source(&args.source, &args.reading, inspections).await
}

/// The same, of a source that is not the command's own.
pub(super) async fn analyse_source(
    source: &str,
    args: &ReadingArgs,
    inspections: Arc<Inspections>,
) -> anyhow::Result<Subject<Analysis>> {
    Ok(analyse_named(source, args, inspections).await?.0)
}

/// The same with the name that mappings of policies see: the image's own, completed, or where it has none the source as
/// typed.
pub(super) async fn analyse_named(
    source: &str,
    args: &ReadingArgs,
    inspections: Arc<Inspections>,
) -> anyhow::Result<(Subject<Analysis>, String)> {
    let typed = source.to_owned();
    let source = Source::parse(source).map_err(hinted)?;
    if let Source::Sbom(document) = source {
        if args.platform.is_some() {
            return Err(with_hint("an SBOM is of one platform", "leave out `--platform`"));
        }
        let limits = args.limits.limits();
        let read = tokio::task::spawn_blocking(move || sbom(&document, &limits));
        let analysis = read.await.context("reading was interrupted")??;
        return Ok((Subject::Image(Box::new(analysis)), typed));
    }
    let display = Arc::new(if args.quiet { Display::quiet() } else { Display::new() });
    let staged = stage(&source, args, &display).await?;
    let name = match &source {
        Source::Registry(reference) => reference.to_string(),
        _ => own_name(&staged).map_or(typed, |name| name.to_string()),
    };
    let reading = Reading {
        cache: Cache::of(args),
        inspections,
        limits: args.limits.limits().analysis,
        attached_sboms: args.attachments.attached_sboms,
        is_alone: args.alone.is_some(),
    };
    let subject = tokio::task::spawn_blocking(move || reading.subject(staged)).await;
    let subject = subject.context("the analysis was interrupted")?;
    display.finish();
    if let (Source::Directory(folder), Ok(Subject::Image(analysis))) = (&source, &subject) {
        check_folder(folder, analysis)?;
    }
    Ok((subject?, name))
}

/// What the source calls the image; those of an index have one name.
fn own_name(staged: &Staged) -> Option<Reference> {
    match staged {
        Staged::Image(image) => image.reference(),
        Staged::Index(index) => index.images.iter().find_map(|child| child.image.as_ref().ok()?.reference()),
    }
}

/// A folder in which nothing is found may be the wrong one; one without a file is never meant.
fn check_folder(folder: &Path, analysis: &Analysis) -> anyhow::Result<()> {
    if !analysis.packages.is_empty() || analysis.distribution.is_some() {
        return Ok(());
    }
    let files = analysis.files.iter().filter(|file| file.kind == FileKind::File).count();
    let folder = folder.display();
    if files == 0 {
        return Err(with_hint(
            format!("there is no file in `{folder}`"),
            "name the root of a file system, or the folder of a project; is it mounted, or checked out?",
        ));
    }
    let files = if files == 1 { "its one file".to_owned() } else { format!("its {files} files") };
    tracing::warn!(
        "`{folder}` holds no package: in {files} there is no name of a distribution and none of its databases, no installed \
         package of a language, and no lock file; name the root of a file system, or the folder of a project. docs/packages.md \
         lists what is looked for"
    );
    Ok(())
}

/// The one image of a source, unread.
pub(super) async fn stage_one(source: &str, args: &ReadingArgs) -> anyhow::Result<StagedImage> {
    let source = Source::parse(source).map_err(hinted)?;
    match stage(&source, args, &Arc::new(Display::quiet())).await? {
        Staged::Image(image) => Ok(*image),
        Staged::Index(_) => Err(not_one()),
    }
}

async fn stage(source: &Source, args: &ReadingArgs, display: &Arc<Display>) -> anyhow::Result<Staged> {
    let limits = args.limits.limits();
    let environment = crate::environment::read();
    let (platform, several) = match &args.platform {
        None => (None, None),
        Some(Wanted(Platforms::These(platforms))) if platforms.len() == 1 => (platforms.first().cloned(), None),
        Some(Wanted(platforms)) => (None, Some(platforms)),
    };
    let options = StageOptions {
        platform,
        registry: args.registry.options(&environment)?,
        environment,
        attachments: !args.attachments.no_attachments,
        foreign_layers: args.foreign_layers,
        lazy: args.lazy,
        progress: Some(display.clone()),
        limits: limits.fetch,
        ..StageOptions::default()
    };
    let mut staged = match several {
        None => Staged::Image(Box::new(killick_fetch::stage(source, &options).await.map_err(hinted)?)),
        Some(platforms) => killick_fetch::stage_several(source, platforms, &options).await.map_err(hinted)?,
    };
    if let (Some(alone), Staged::Image(image)) = (&args.alone, &mut staged) {
        // What is there is recorded by its digest; that something could not be read at some time is no fact.
        image.surroundings.problems.clear();
        if let Some(only) = &alone.attachments {
            image.surroundings.attachments.retain(|attached| only.contains(&attached.attachment.digest));
        }
    }
    Ok(staged)
}

/// Reads an SBOM. Nothing is kept of it, and nothing is learned from it: it may say anything.
fn sbom(document: &Document, limits: &super::limits::Limits) -> anyhow::Result<Analysis> {
    let bytes = killick_fetch::sbom::read(document, limits.fetch.sbom_bytes).map_err(hinted)?;
    read_sbom(&bytes, limits.analysis.packages)
        .map_err(hinted)
        .with_context(|| format!("`sbom:{document}` cannot be read"))
}

/// How images are read.
struct Reading {
    cache: Option<Cache>,
    inspections: Arc<Inspections>,
    limits: Limits,
    attached_sboms: bool,
    is_alone: bool,
}

impl Reading {
    fn subject(&self, staged: Staged) -> anyhow::Result<Subject<Analysis>> {
        let cache = self.cache.as_ref().map(|cache| &cache.layers as &dyn LayerCache);
        let index = match staged {
            Staged::Image(image) => return Ok(Subject::Image(Box::new(self.image(&image, cache)?))),
            Staged::Index(index) => index,
        };
        let shared = SharedLayers::new(index.images.iter().filter_map(|child| child.image.as_ref().ok()), cache);
        let images = index.images.into_iter().map(|IndexedImage { digest, platform, image }| {
            let platform = match (&platform, &image) {
                (Some(platform), _) => platform.to_string(),
                (None, Ok(image)) => image.platform().to_string(),
                (None, Err(_)) => "unknown platform".to_owned(),
            };
            let outcome = image.map_err(hinted).and_then(|image| self.image(&image, Some(&shared)));
            Indexed { platform, digest, outcome }
        });
        Ok(Subject::Index { images: images.collect(), digest: index.digest })
    }

    fn image(&self, staged: &StagedImage, cache: Option<&dyn LayerCache>) -> anyhow::Result<Analysis> {
        let known = self.cache.as_ref().filter(|_| !self.is_alone);
        let known_files = known.map(|cache| Arc::clone(&cache.files) as Arc<dyn KnownFiles>);
        let options = Options {
            inspections: Arc::clone(&self.inspections),
            known_files,
            attached_sboms: self.attached_sboms,
            elapsed: Some(crate::clock::stopwatch()),
            ..Options::limited(self.limits.clone())
        };
        let (mut analysis, lessons) = analyze_with_lessons(staged, cache, &options).map_err(hinted)?;
        if let Some(cache) = &self.cache {
            cache.files.learn(lessons);
        }
        if !self.is_alone {
            analysis.problems.extend(moved(staged));
        }
        Ok(analysis)
    }
}

/// The one image that a command is about.
pub(super) async fn analyse_one(args: &ImageArgs, inspections: Arc<Inspections>) -> anyhow::Result<Analysis> {
    analyse_one_source(&args.source, &args.reading, inspections).await
}

/// The one image of a source that is not the command's own.
pub(super) async fn analyse_one_source(
    source: &str,
    args: &ReadingArgs,
    inspections: Arc<Inspections>,
) -> anyhow::Result<Analysis> {
    Ok(analyse_one_named(source, args, inspections).await?.0)
}

/// The same with the name that mappings of policies see.
pub(super) async fn analyse_one_named(
    source: &str,
    args: &ReadingArgs,
    inspections: Arc<Inspections>,
) -> anyhow::Result<(Analysis, String)> {
    match analyse_named(source, args, inspections).await? {
        (Subject::Image(analysis), name) => Ok((*analysis, name)),
        (Subject::Index { .. }, _) => Err(not_one()),
    }
}

/// The one image of a source, read with nothing but what is usual.
pub(crate) async fn analyse_for_server(source: &str, inspections: Arc<Inspections>) -> anyhow::Result<Analysis> {
    #[derive(Parser)]
    struct Usual {
        #[command(flatten)]
        reading: ReadingArgs,
    }
    let usual = Usual::try_parse_from(["killick"]).context("reading has options that must be given")?;
    analyse_one_source(source, &usual.reading, inspections).await
}

/// Several images were asked for where one is meant.
pub(super) fn not_one() -> anyhow::Error {
    with_hint("this command is about one image", "name one platform: `--platform OS/ARCHITECTURE`")
}

/// Whether it is the image that cannot be judged, and will not be the next time: the fault is neither that of whoever should
/// have handed it out just now, nor ours.
pub(super) fn is_at_fault(error: &anyhow::Error) -> bool {
    if let Some(error) = cause::<StageError>(error) {
        return !error.may_heal();
    }
    match cause::<AnalysisError>(error) {
        Some(AnalysisError::Layer { source, .. }) => !layer_may_heal(source),
        Some(_) => true,
        None => false,
    }
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
    fn of(args: &ReadingArgs) -> Option<Self> {
        if args.no_cache {
            return None;
        }
        let usual = || Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("killick").join("layers"));
        let folder = args.cache.clone().or_else(usual)?;
        Some(Self { files: Arc::new(FolderFiles::new(&folder)), layers: FolderCache::new(folder) })
    }
}
