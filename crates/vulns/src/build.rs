//! Building an index out of folders that lie like the upstreams.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use killick_model::advisory::Instant;
use killick_model::hint::Hint;
use killick_model::problem::Problem;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::index::records::{Budget, Records};
use crate::index::write::{folder_of, write_file};
use crate::index::{Index, IndexError, Segment};
use crate::providers::{Input, PROVIDERS, Provider, Sink, tree};

/// How to build.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuildOptions<'a> {
    /// The instant of the build, from which new records count as known. Without one, the newest date in the data,
    /// so that the same inputs give the same bytes.
    pub instant: Option<Timestamp>,
    /// Who will get the index.
    pub audience: Audience,
    /// Relative paths, or beginnings of them, that are left out, such as `osv/Wolfi`.
    pub exclude: &'a [String],
    /// Names of providers that are left out.
    pub without: &'a [String],
    /// The index to be replaced: what it knew already stays known since then, and its sources are taken over as they are
    /// where a file of their provider cannot be read.
    pub previous: Option<&'a Index>,
    /// Names of providers of which not every file is here. Given them, sources of the index to be replaced are taken
    /// over as they are where nothing new is here, too: those of providers that have no file at all, and of these.
    pub keep: Option<&'a [String]>,
}

/// Who will get an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Audience {
    /// Whoever builds it: everything that may be used.
    #[default]
    Own,
    /// Everybody: only what may be passed on.
    Public,
}

/// What came of a build.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildReport {
    /// The instant of the build.
    pub built: Instant,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// What is in it.
    pub segments: Vec<Segment>,
    /// What was read.
    pub inputs: Vec<InputReport>,
}

impl BuildReport {
    /// Why files could not be read: with each, all that belongs to it was left out.
    pub fn unreadable(&self) -> impl Iterator<Item = &Problem> {
        self.inputs.iter().flat_map(InputReport::unreadable)
    }
}

/// What came of reading one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputReport {
    /// Name of the provider.
    pub provider: String,
    /// The file, relative to its root.
    pub path: String,
    /// Records that were skipped.
    pub skipped: u64,
    /// Statements that say nothing versions could be compared with, such as ranges of commits.
    pub left_out: u64,
    /// The first few of them; or why the file, and all its unit, was left out.
    pub problems: Vec<Problem>,
}

impl InputReport {
    /// Why it could not be read, and all that belongs to it was left out.
    pub fn unreadable(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.kind == UNREADABLE)
    }
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No provider found anything.
    #[error("no feeds under {roots}")]
    NothingFound {
        /// The folders, quoted.
        roots: String,
    },
    /// Everything that was found was unreadable.
    #[error("none of the feeds under {roots} could be read: {first}")]
    NothingRead {
        /// The folders, quoted.
        roots: String,
        /// The first reason.
        first: String,
    },
    /// The index could not be written, or the previous one not be read.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Hint for BuildError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NothingFound { .. } | Self::NothingRead { .. } => Some(
                "give folders that lie like the upstreams, such as `DIR/osv/PyPI/all.zip` or `DIR/debian/tracker.json`"
                    .to_owned(),
            ),
            Self::Index(error) => error.hint(),
        }
    }
}

/// Kind of the problem that a file, and all its unit, was left out.
const UNREADABLE: &str = "unreadable-feed";

/// Files that one provider reads together.
struct Unit {
    provider: &'static Provider,
    root: PathBuf,
    paths: Vec<PathBuf>,
}

/// Reads all feeds under `roots` and writes the index `out`, which appears when it is complete.
///
/// A feed that breaks off is left out, with what it would replace staying out too; the report says so.
pub fn build(roots: &[PathBuf], out: &Path, options: &BuildOptions<'_>) -> Result<BuildReport, BuildError> {
    let units = find(roots, options);
    let shown = || roots.iter().map(|root| format!("`{}`", root.display())).collect::<Vec<_>>().join(", ");
    if units.is_empty() {
        return Err(BuildError::NothingFound { roots: shown() });
    }
    let budget = Budget::new(folder_of(out));
    let read: Vec<UnitResult> = units.par_iter().map(|unit| read_unit(unit, options.audience, &budget)).collect();
    let inputs: Vec<InputReport> = read.iter().flat_map(|unit| unit.inputs.clone()).collect();
    let mut found: BTreeMap<(String, String), (Segment, Records)> = BTreeMap::new();
    for (segment, records) in read.into_iter().flat_map(|unit| unit.segments) {
        let key = (segment.provider.clone(), segment.namespace.clone());
        match found.entry(key) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert((segment, records));
            }
            std::collections::btree_map::Entry::Occupied(mut slot) => {
                let (mine, collected) = slot.get_mut();
                mine.data_instant = mine.data_instant.max(segment.data_instant);
                mine.skipped += segment.skipped;
                mine.inputs.extend(segment.inputs);
                collected.absorb(records);
            }
        }
    }
    if found.is_empty() {
        let first = inputs.iter().flat_map(|input| &input.problems).next();
        let first = first.map_or("they are empty".to_owned(), |problem| problem.message.clone());
        return Err(BuildError::NothingRead { roots: shown(), first });
    }
    let newest = found.values().filter_map(|(segment, _)| segment.data_instant).max().unwrap_or_default();
    let built = options.instant.map_or(newest, Instant::from);
    let finish = |(mut segment, records): (Segment, Records)| {
        let mut file = BufWriter::new(spool(out)?);
        records.finish_into(&mut file, &mut segment, built, options.previous)?;
        Ok((segment, file.into_inner().map_err(|error| write_error(out, error.into_error()))?))
    };
    let finished: Result<Vec<(Segment, File)>, IndexError> =
        found.into_values().collect::<Vec<_>>().into_par_iter().map(finish).collect();
    let mut finished = finished?;
    finished.extend(kept(&finished, &inputs, out, options)?);
    finished.sort_by(|(a, _), (b, _)| (&a.provider, &a.namespace).cmp(&(&b.provider, &b.namespace)));
    let manifest = write_file(out, built, finished)?;
    let size_bytes =
        fs_err::metadata(out).map_err(|source| IndexError::Write { index: out.display().to_string(), source })?.len();
    Ok(BuildReport { built, size_bytes, segments: manifest.segments, inputs })
}

/// A file without a name for a segment that is finished before its place in the index is known.
fn spool(out: &Path) -> Result<File, IndexError> {
    tempfile::tempfile_in(folder_of(out)).map_err(|error| write_error(out, error))
}

fn write_error(out: &Path, source: io::Error) -> IndexError {
    IndexError::Write { index: out.display().to_string(), source }
}

fn find(roots: &[PathBuf], options: &BuildOptions<'_>) -> Vec<Unit> {
    let wanted = |path: &Path| !options.exclude.iter().any(|prefix| path.starts_with(prefix));
    let mut units = Vec::new();
    for root in roots {
        for provider in PROVIDERS.iter().filter(|provider| !is_named(options.without, provider.name)) {
            for mut paths in (provider.find)(root) {
                paths.retain(|path| wanted(path));
                if !paths.is_empty() {
                    units.push(Unit { provider, root: root.clone(), paths });
                }
            }
        }
    }
    units
}

fn is_named(names: &[String], name: &str) -> bool {
    names.iter().any(|named| named == name)
}

/// Segments of the index to be replaced that nothing here replaces.
fn kept(
    new: &[(Segment, File)],
    inputs: &[InputReport],
    out: &Path,
    options: &BuildOptions<'_>,
) -> Result<Vec<(Segment, File)>, IndexError> {
    let Some(previous) = options.previous else { return Ok(Vec::new()) };
    let is_broken = |name: &str| {
        let of_it = inputs.iter().filter(|input| input.provider == name);
        of_it.flat_map(|input| &input.problems).any(|problem| problem.kind == UNREADABLE)
    };
    let is_wanted = |segment: &Segment| {
        let mine = || new.iter().map(|(segment, _)| segment).filter(|other| other.provider == segment.provider);
        let is_replaced = mine().any(|other| other.namespace == segment.namespace);
        let is_not_here = |incomplete: &[String]| is_named(incomplete, &segment.provider) || mine().next().is_none();
        !is_replaced
            && (is_broken(&segment.provider) || options.keep.is_some_and(is_not_here))
            && !is_named(options.without, &segment.provider)
            && (options.audience == Audience::Own || segment.license.may_ship())
    };
    let segments = previous.manifest().segments.iter().enumerate().filter(|(_, segment)| is_wanted(segment));
    let copy = |(at, segment): (usize, &Segment)| {
        let mut file = spool(out)?;
        file.write_all(&previous.segment_bytes(at)?).map_err(|error| write_error(out, error))?;
        Ok((segment.clone(), file))
    };
    segments.map(copy).collect()
}

struct UnitResult {
    segments: Vec<(Segment, Records)>,
    inputs: Vec<InputReport>,
}

fn read_unit(unit: &Unit, audience: Audience, budget: &Arc<Budget>) -> UnitResult {
    let mut sink = Sink::within(budget);
    let mut inputs = Vec::new();
    let mut digests = Vec::new();
    for path in &unit.paths {
        let input = Input { root: &unit.root, path };
        let before = (sink.skipped(), sink.left_out());
        let mut report = InputReport {
            provider: unit.provider.name.to_owned(),
            path: input.label(),
            skipped: 0,
            left_out: 0,
            problems: Vec::new(),
        };
        let outcome = (unit.provider.read)(&input, &mut sink).and_then(|()| {
            let digest = digest(&unit.root.join(path)).map_err(|error| input.unreadable(error))?;
            digests.push((input.label(), digest));
            if let Some(instant) = input.noted_instant() {
                sink.date(instant);
            }
            Ok(())
        });
        report.skipped = sink.skipped() - before.0;
        report.left_out = sink.left_out() - before.1;
        report.problems = sink.take_problems();
        if let Err(error) = outcome {
            tracing::warn!(feed.name = unit.provider.name, "left out: {error}");
            let message = with_causes(&error);
            report.problems.push(Problem::new(UNREADABLE, input.label(), message));
            inputs.push(report);
            return UnitResult { segments: Vec::new(), inputs };
        }
        inputs.push(report);
    }
    let skipped = sink.skipped();
    let digests = join(digests);
    let segments = sink
        .finish()
        .into_iter()
        .filter(|filing| !filing.is_empty())
        .filter(|filing| audience == Audience::Own || filing.namespace().license.may_ship())
        .map(|filing| filing.into_segment(unit.provider.name, skipped, digests.clone()))
        .collect();
    UnitResult { segments, inputs }
}

/// Inputs that each segment of a unit names one by one. A manifest is read whole, so it must stay small.
const MAX_NAMED_INPUTS: usize = 32;

/// One entry for the inputs of a unit of many files: their folder, and a digest over names and digests of all.
fn join(digests: Vec<(String, [u8; 32])>) -> Vec<(String, [u8; 32])> {
    if digests.len() <= MAX_NAMED_INPUTS {
        return digests;
    }
    let mut hash = Sha256::new();
    for (name, digest) in &digests {
        hash.update(name);
        hash.update([0]);
        hash.update(digest);
    }
    let first = digests.first().map(|(name, _)| Path::new(name));
    let folder = first.and_then(|path| path.parent()).unwrap_or(Path::new("")).display().to_string();
    vec![(format!("{folder} and {} files", digests.len()), hash.finalize().into())]
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}

/// SHA-256 of a file; of a folder, over names and digests of the files in it.
fn digest(path: &Path) -> io::Result<[u8; 32]> {
    if path.is_dir() {
        let mut hash = Sha256::new();
        for file in tree(path)? {
            hash.update(file.strip_prefix(path).unwrap_or(&file).as_os_str().as_encoded_bytes());
            hash.update([0]);
            hash.update(digest(&file)?);
        }
        return Ok(hash.finalize().into());
    }
    let mut file = fs_err::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests;
