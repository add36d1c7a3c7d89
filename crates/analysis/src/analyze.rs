//! From a staged image to its analysis: layers in parallel, merged, searched for what they say together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use killick_model::analysis::{Analysis, LayerSummary};
use killick_model::digest::Digest;
use killick_model::distribution::Distribution;
use killick_model::file::FileEntry;
use killick_model::image::{ImageConfig, StagedImage, StagedLayer};
use killick_model::package::Package;
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use rayon::prelude::*;

use crate::budget::Budget;
use crate::cache::{LayerCache, LayerKey};
use crate::catalogers::{CATALOGERS, Found, Image, Joined};
use crate::deadline::{Deadline, Elapsed};
use crate::distribution::{self, DistributionFiles};
use crate::error::{AnalysisError, ReadError};
use crate::facts::LayerFacts;
use crate::inspectors::memo::Memo;
use crate::inspectors::{Inspections, SeenContents};
use crate::known::{Code, KnownFiles, KnownPackage};
use crate::layer::{Reading, read_layer, read_listed};
use crate::limits::Limits;
use crate::matcher::Matcher;
use crate::squash::{self, Plan};
use crate::{attachments, claims, evidence, known, owners};

/// How an analysis is done.
pub struct Options {
    /// Bounds on the image.
    pub limits: Limits,
    /// Bytes of files held at once. Analyses that run at the same time may share one.
    pub budget: Arc<Budget>,
    /// What to look for in contents, besides packages.
    pub inspections: Arc<Inspections>,
    /// Where to look up files that no package of the image owns.
    pub known_files: Option<Arc<dyn KnownFiles>>,
    /// Whether packages that attached SBOMs claim count as packages of the image.
    pub attached_sboms: bool,
    /// How long this analysis has been running; without it, it may take any time.
    pub elapsed: Option<Elapsed>,
    /// Told of each step, from any thread.
    pub progress: Option<Arc<dyn Progress>>,
}

impl Default for Options {
    fn default() -> Self {
        let limits = Limits::default();
        let budget = Arc::new(Budget::new(limits.held_bytes));
        Self {
            limits,
            budget,
            inspections: Inspections::none(),
            known_files: None,
            attached_sboms: false,
            elapsed: None,
            progress: None,
        }
    }
}

impl Options {
    /// Bounds, and a budget of their own for the bytes held.
    pub fn limited(limits: Limits) -> Self {
        Self { budget: Arc::new(Budget::new(limits.held_bytes)), limits, ..Self::default() }
    }

    /// What facts are known by: who reads them, and under which limits.
    fn revision(&self, readers: String) -> String {
        match self.limits.key() {
            None => readers,
            Some(limits) => format!("{readers}-{limits}"),
        }
    }

    fn deadline(&self) -> Deadline<'_> {
        Deadline::new(self.elapsed.as_ref(), self.limits.analysis_seconds)
    }

    /// To be called between steps that no layer is read in.
    fn check_time(&self) -> Result<(), AnalysisError> {
        let limit = self.limits.analysis_seconds;
        self.deadline().check().map_err(|_| AnalysisError::Time { limit })
    }
}

/// Told how far an analysis is.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn step(&self, step: Step<'_>);
}

/// A step of an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A layer need not be read: its facts are known.
    LayerKnown(&'a Digest),
    /// A layer was read to its end.
    LayerRead(&'a Digest),
    /// All layers are there; packages are being put together.
    Joining,
}

/// What facts of analyses with these options are known by: who reads, looking for what, under which limits. Asks clamd for its
/// version if it is to be asked.
pub fn readers(options: &Options) -> String {
    let (clamd, _) = options.inspections.ask_clamd();
    options.revision(options.inspections.revision_key(clamd.as_ref()))
}

/// Analyses an image. Known layers are neither opened nor fetched.
///
/// Blocks and uses the current rayon pool; must not be called from async code.
pub fn analyze(
    image: &StagedImage,
    cache: Option<&dyn LayerCache>,
    options: &Options,
) -> Result<Analysis, AnalysisError> {
    analyzed(image, cache, options).map(|(analysis, _)| analysis)
}

/// The same, with what the image teaches, which [`Options::known_files`] of later analyses may know.
pub fn analyze_with_lessons(
    image: &StagedImage,
    cache: Option<&dyn LayerCache>,
    options: &Options,
) -> Result<(Analysis, Vec<KnownPackage>), AnalysisError> {
    let (analysis, code) = analyzed(image, cache, options)?;
    let lessons = known::lessons(&analysis, &code);
    Ok((analysis, lessons))
}

fn analyzed(
    image: &StagedImage,
    cache: Option<&dyn LayerCache>,
    options: &Options,
) -> Result<(Analysis, Code), AnalysisError> {
    let limit = options.limits.layers;
    if image.layers.len() > limit {
        return Err(AnalysisError::Layers { image: image.name.clone(), layers: image.layers.len(), limit });
    }
    let mut order: Vec<(usize, &StagedLayer)> = image.layers.iter().enumerate().collect();
    order.sort_by_key(|(_, layer)| layer.source.position());
    let (name_bytes, packages) = (AtomicU64::new(0), AtomicUsize::new(0));
    let memo = Memo::default();
    let inspections = &options.inspections;
    let (clamd, mut clamd_run) = inspections.ask_clamd();
    let revision = options.revision(inspections.revision_key(clamd.as_ref()));
    let reading = Reading {
        matcher: &inspections.matcher,
        rules: inspections.rules.as_ref(),
        programs: &inspections.programs,
        digesting: inspections.digesting,
        clamd: clamd.as_ref(),
        memo: &memo,
        limits: &options.limits,
        budget: &options.budget,
        deadline: options.deadline(),
    };
    let mut outcomes: Vec<(usize, Result<ReadLayer, AnalysisError>)> = order
        .into_iter()
        .par_bridge()
        .map(|(index, layer)| {
            let outcome = facts(layer, cache, options, &revision, reading).and_then(|(facts, read_by)| {
                // Here, so that the layers of one image are not all held before they turn out to be too much.
                let bytes = facts.name_bytes();
                let before = name_bytes.fetch_add(bytes, Ordering::Relaxed);
                if before.saturating_add(bytes) > options.limits.tree_bytes {
                    return Err(too_many_names(layer, options));
                }
                let count = facts.found.iter().map(|found| found.found.packages.len()).sum();
                let before = packages.fetch_add(count, Ordering::Relaxed);
                let most = options.limits.packages.saturating_mul(REWRITES);
                let too_many = before.saturating_add(count) > most;
                if too_many { Err(too_many_packages(image, options)) } else { Ok((facts, read_by)) }
            });
            (index, outcome)
        })
        .collect();
    // The lowest broken layer is told, whichever thread comes to its error first.
    outcomes.sort_by_key(|(index, _)| *index);
    let mut layers = outcomes.into_iter().map(|(_, outcome)| outcome).collect::<Result<Vec<_>, _>>()?;
    report(options, Step::Joining);

    let mut problems = Vec::new();
    for ((layer, read_by), staged) in layers.iter_mut().zip(&image.layers) {
        if *read_by == ReadBy::Listing {
            let message = "read by its table of contents: that its files are those listed there was not verified";
            layer.problems.push(Problem::new(BY_LISTING, "layer", message));
        }
        for mut problem in std::mem::take(&mut layer.problems) {
            problem.message = format!("{} (layer {})", problem.message, staged.diff_id);
            problems.push(problem);
        }
    }
    let mut layers: Vec<LayerFacts> = layers.into_iter().map(|(facts, _)| facts).collect();
    options.check_time()?;
    let plan = squash::plan(&layers, &options.limits);
    let mut plan = plan.map_err(|index| too_many_names(&image.layers[index], options))?;
    problems.append(&mut plan.problems);
    if let Some(run) = &mut clamd_run {
        run.faults = layers.iter_mut().filter_map(|layer| layer.scan_fault.take()).collect();
        run.faults.dedup();
    }
    let found = FoundFiles::collect(&mut layers, &plan, &inspections.matcher, &mut problems);
    let seen = SeenContents::collect(&mut layers, &plan);
    let code = Code::of(&layers);
    let files = plan.into_files(layers.into_iter().map(|layer| layer.blocks).collect());

    let (mut packages, distribution) = join(&found, &seen, &files, options, &mut problems)?;
    let mut attached = attachments::read(image, &options.limits);
    problems.append(&mut attached.problems);
    if options.attached_sboms {
        packages.append(&mut attached.packages);
    }
    claims::settle(&mut packages, distribution.as_ref());
    if let Some(known) = &options.known_files {
        options.check_time()?;
        known::add_copied(&mut packages, &files, distribution.as_ref(), known.as_ref(), &code, &mut problems);
    }
    evidence::keep_best(&mut packages, distribution.as_ref());
    if packages.len() > options.limits.packages {
        return Err(too_many_packages(image, options));
    }
    problems.extend(distribution::check_packages(distribution.as_ref(), &packages));
    owners::leave_out_known_programs(&mut packages, &files);
    sort(&mut packages);
    owners::assign(&mut packages, &files, &found);
    let inspection = seen.join(inspections, &found, &files, &packages, clamd_run.as_ref(), &mut problems);
    problems.extend(image.surroundings.problems.iter().cloned());
    problems.sort();
    problems.dedup();
    let analysis = Analysis {
        manifest_digest: image.manifest_digest.clone(),
        index_digest: image.index.as_ref().map(|(digest, _)| digest.clone()),
        config_digest: image.config_digest.clone(),
        config: image.config.clone(),
        layers: summaries(&image.layers, &image.config),
        distribution,
        packages,
        files,
        inspection,
        attachments: attached.attachments,
        sbom: None,
        problems,
    };
    Ok((analysis, code))
}

/// What a layer was read by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadBy {
    /// Its bytes, all verified.
    Bytes,
    /// Its table of contents.
    Listing,
}

/// The facts of a layer, and where they are from.
type ReadLayer = (LayerFacts, ReadBy);

/// The problem of layers that were read by their tables of contents.
const BY_LISTING: &str = "read-by-table-of-contents";

/// The facts of one layer, from the cache or from its bytes.
fn facts(
    layer: &StagedLayer,
    cache: Option<&dyn LayerCache>,
    options: &Options,
    revision: &str,
    reading: Reading<'_>,
) -> Result<ReadLayer, AnalysisError> {
    let key = LayerKey::new(layer, revision);
    if let Some(facts) = cache.and_then(|cache| cache.get(key)) {
        report(options, Step::LayerKnown(&layer.diff_id));
        return Ok((facts, ReadBy::Bytes));
    }
    let source = layer.source.as_ref();
    if let Some(table) = source.listing_digest() {
        // What the table says is known by its own digest, and never taken for what the bytes say.
        let revision = format!("{revision}-toc-{}", table.hex());
        let key = LayerKey::new(layer, &revision);
        if let Some(facts) = cache.and_then(|cache| cache.get(key)) {
            report(options, Step::LayerKnown(&layer.diff_id));
            return Ok((facts, ReadBy::Listing));
        }
        let facts = read_listed(source, layer.size, reading).map_err(|error| error.of(&layer.diff_id))?;
        if let Some(facts) = facts {
            report(options, Step::LayerRead(&layer.diff_id));
            if let Some(cache) = cache {
                cache.put(key, &facts);
            }
            return Ok((facts, ReadBy::Listing));
        }
    }
    let facts = read_layer(source, layer.size, reading).map_err(|error| error.of(&layer.diff_id))?;
    report(options, Step::LayerRead(&layer.diff_id));
    if let Some(cache) = cache.filter(|_| facts.scan_fault.is_none()) {
        // It was read to its end, so its source has verified both digests.
        cache.put(key, &facts);
    }
    Ok((facts, ReadBy::Bytes))
}

fn too_many_names(layer: &StagedLayer, options: &Options) -> AnalysisError {
    ReadError::Limit("limit-tree-bytes", options.limits.tree_bytes).of(&layer.diff_id)
}

fn too_many_packages(image: &StagedImage, options: &Options) -> AnalysisError {
    AnalysisError::Packages { image: image.name.clone(), limit: options.limits.packages }
}

fn report(options: &Options, step: Step<'_>) {
    if let Some(progress) = &options.progress {
        progress.step(step);
    }
}

/// How often the packages of an image may be read: layers rewrite package databases whole.
const REWRITES: usize = 4;

/// Packages and pieces copied for other names of their files, against a package database with a million names.
const COPIES: usize = 200_000;

/// Everything readers found in all layers, and where it is in the image.
pub(crate) struct FoundFiles {
    /// Reader, path, layer, found; what survives, ordered by path.
    pub(crate) visible: Vec<(String, ImagePath, u32, Arc<Found>)>,
    /// The same for what was replaced or deleted, lowest layer first.
    pub(crate) hidden: Vec<(String, ImagePath, u32, Arc<Found>)>,
}

impl FoundFiles {
    fn collect(layers: &mut [LayerFacts], plan: &Plan, matcher: &Matcher, problems: &mut Vec<Problem>) -> Self {
        let (mut visible, mut hidden) = (Vec::new(), Vec::new());
        let (mut copied, mut left_out) = (0, 0_u64);
        for (index, layer) in (0..).zip(layers) {
            for item in std::mem::take(&mut layer.found) {
                let seen_as = layer.entry(item.name.unwrap_or(item.entry));
                let Some(path) = seen_as.map(|entry| entry.path.clone()) else { continue };
                let origin = (index, item.entry);
                let others = plan.elsewhere.get(&origin).map_or(&[][..], Vec::as_slice);
                for (other, layer) in others {
                    // Another name of the file counts if its reader would want it by that name.
                    if !matcher.wants(&item.reader, other) {
                        continue;
                    }
                    if copied > COPIES {
                        left_out += 1;
                        continue;
                    }
                    copied += 1 + item.found.packages.len() + item.found.pieces.len();
                    let moved = relocated(&item.found, &path, other);
                    visible.push((item.reader.clone(), other.clone(), *layer, Arc::new(moved)));
                }
                if item.name.is_none() {
                    let place = if plan.is_kept(origin) { &mut visible } else { &mut hidden };
                    place.push((item.reader, path, index, Arc::new(item.found)));
                }
            }
        }
        if left_out > 0 {
            let message = format!("{left_out} names of files that have other names too were not searched for packages");
            problems.push(Problem::new("limit-hard-links", "image", message));
        }
        visible.sort_by(|a, b| a.1.cmp(&b.1));
        Self { visible, hidden }
    }

    pub(crate) fn of<'a>(
        list: &'a [(String, ImagePath, u32, Arc<Found>)],
        reader: &str,
    ) -> Vec<(&'a ImagePath, u32, &'a Found)> {
        let of_reader = list.iter().filter(|item| item.0 == reader);
        of_reader.map(|(_, path, layer, found)| (path, *layer, found.as_ref())).collect()
    }
}

/// The same findings for a file that the image shows under another name.
fn relocated(found: &Found, from: &ImagePath, to: &ImagePath) -> Found {
    let mut found = found.clone();
    for package in found.packages.iter_mut().filter(|package| package.location == *from) {
        package.location = to.clone();
    }
    found
}

fn join(
    found: &FoundFiles,
    seen: &SeenContents,
    files: &[FileEntry],
    options: &Options,
    problems: &mut Vec<Problem>,
) -> Result<(Vec<Package>, Option<Distribution>), AnalysisError> {
    let mut packages = Vec::new();
    for cataloger in CATALOGERS {
        options.check_time()?;
        let visible = FoundFiles::of(&found.visible, cataloger.name());
        let hidden = FoundFiles::of(&found.hidden, cataloger.name());
        let hits = seen.of(cataloger.name(), files);
        let image = Image { found: &visible, hidden: &hidden, hits: &hits, files };
        let mut joined = Joined::default();
        // As in reading: joins do not panic.
        if catch_unwind(AssertUnwindSafe(|| cataloger.join(&image, &mut joined))).is_err() {
            let message = "the cataloger failed to put its packages together";
            problems.push(Problem::new("cataloger-panic", cataloger.name(), message));
            continue;
        }
        packages.append(&mut joined.packages);
        problems.append(&mut joined.problems);
    }
    let reader = crate::catalogers::Cataloger::name(&DistributionFiles);
    let visible = FoundFiles::of(&found.visible, reader);
    let distribution = distribution::detect(&Image { found: &visible, hidden: &[], hits: &[], files });
    Ok((packages, distribution))
}

/// The order of `Analysis::packages`.
fn sort(packages: &mut [Package]) {
    packages.sort_by(order);
}

/// The order of packages in an analysis.
pub(crate) fn order(a: &Package, b: &Package) -> std::cmp::Ordering {
    (a.kind, &a.name, &a.version, &a.architecture, &a.location, &a.nested).cmp(&(
        b.kind,
        &b.name,
        &b.version,
        &b.architecture,
        &b.location,
        &b.nested,
    ))
}

/// Layers with their build steps, where there is one non-empty step for each.
fn summaries(layers: &[StagedLayer], config: &ImageConfig) -> Vec<LayerSummary> {
    let steps: Vec<_> = config.history.iter().filter(|step| !step.empty_layer).collect();
    let lines_up = steps.len() == layers.len();
    let summary = |(index, layer): (usize, &StagedLayer)| LayerSummary {
        diff_id: layer.diff_id.clone(),
        digest: layer.digest.clone(),
        media_type: layer.media_type.clone(),
        size: layer.size,
        created_by: steps.get(index).filter(|_| lines_up).and_then(|step| step.created_by.clone()),
    };
    layers.iter().enumerate().map(summary).collect()
}
