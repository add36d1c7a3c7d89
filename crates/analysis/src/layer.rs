//! One pass over one layer: every entry is recorded, every file hashed, every wanted file read, nothing written. A
//! second one where hard links (`links`) or executables that are too large to be held (`parts`) make it necessary.
//!
//! Limits that protect this process (`limit-layer-bytes`, `limit-layer-entries`, `limit-compression-ratio`,
//! `limit-tree-bytes`, `limit-packages`, `limit-analysis-seconds`) end the analysis. Limits on one file or name
//! (`limit-file-bytes`, `limit-path-bytes`, `limit-path-depth`, `limit-hole-bytes`) are problems, and the rest of the layer
//! is read.

mod again;
mod digests;
mod links;
mod listed;
mod metered;
mod parts;

use std::io::BufRead;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use killick_model::image::LayerSource;
use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use crate::budget::Budget;
use crate::catalogers::{Found, PackageList, WantedFile, executable};
use crate::clamd::Clamd;
use crate::content::{Content, Parts, total};
use crate::deadline::Deadline;
use crate::error::ReadError;
use crate::facts::{Entry, EntryKind, FoundIn, LayerFacts, More, name_bytes};
use crate::inspectors::Digesting;
use crate::inspectors::memo::Memo;
use crate::inspectors::pass::ContentPass;
use crate::inspectors::rules::Rules;
use crate::layer::digests::Digests;
use crate::layer::links::{Again, WantedLink};
pub(crate) use crate::layer::listed::read_listed;
use crate::layer::metered::{Metered, by_ratio, unwrap_limit};
use crate::layer::parts::{Wish, Wishes};
use crate::limits::Limits;
use crate::matcher::{Matcher, Reader};
use crate::tar_stream::{EntryType, TarEntry, TarStream};

/// Problems kept per layer; a million bad names need not be told one by one.
const MAX_PROBLEMS: usize = 200;

/// A held buffer above this is given back after its file.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

/// How layers are read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    /// Who sees which file.
    pub(crate) matcher: &'a Matcher,
    /// What is looked for in every content.
    pub(crate) rules: Option<&'a Rules>,
    /// What is looked for in programs.
    pub(crate) programs: &'a Rules,
    /// Of which files MD5 and SHA-1 too.
    pub(crate) digesting: Digesting,
    /// Who sees every content.
    pub(crate) clamd: Option<&'a Clamd>,
    /// Contents that were inspected already.
    pub(crate) memo: &'a Memo,
    pub(crate) limits: &'a Limits,
    pub(crate) budget: &'a Budget,
    pub(crate) deadline: Deadline<'a>,
}

/// Reads one layer to its end. `stored_bytes` is the size of the compressed layer.
pub(crate) fn read_layer(
    source: &dyn LayerSource,
    stored_bytes: u64,
    reading: Reading<'_>,
) -> Result<LayerFacts, ReadError> {
    let Reading { matcher, budget, deadline, .. } = reading;
    // Nobody can hold more than there is in all.
    let limits = Limits { held_bytes: reading.limits.held_bytes.min(budget.total()), ..reading.limits.clone() };
    let limits = &limits;
    let open = || source.open().map(|input| Metered::new(input, stored_bytes, limits, deadline)).map_err(ReadError::Io);
    let mut pass = Pass::new(TarStream::new(open()?), stored_bytes, limits, reading);
    pass.run().map_err(unwrap_limit)?;
    let Pass { mut facts, links, wishes, mut may_find, .. } = pass;
    let again = again(&mut facts, &links, matcher, limits.file_bytes.min(budget.total()));
    if !again.is_empty() {
        drop(links);
        links::read_again(open()?, &again, &mut facts, &mut may_find, (matcher, limits), budget)
            .map_err(unwrap_limit)?;
    }
    parts::grant(wishes, open, &mut facts, &mut may_find, (matcher, limits), budget).map_err(unwrap_limit)?;
    Ok(facts)
}

/// Which files of the layer have to be read again for the links to them. Those of more than `may_hold` bytes are problems.
fn again(facts: &mut LayerFacts, links: &[WantedLink], matcher: &Matcher, may_hold: u64) -> Again {
    let (again, too_large) = links::to_read(facts, links, matcher, may_hold);
    for path in too_large {
        if facts.problems.len() < MAX_PROBLEMS {
            let message = format!("more than the limit of {may_hold} bytes: not searched for packages");
            facts.problems.push(Problem::new("limit-file-bytes", path.to_string(), message));
        }
    }
    again
}

/// What the content of the current entry comes from.
trait ContentStream {
    /// The next bytes; empty at the end of the content.
    fn chunk(&mut self) -> Result<&[u8], ReadError>;

    /// Marks bytes of the last chunk as used.
    fn consume(&mut self, count: usize);

    /// The digest of the content, if its bytes will not come because nobody wants them.
    fn known(&self) -> Option<[u8; 32]>;
}

impl<R: BufRead> ContentStream for TarStream<R> {
    fn chunk(&mut self) -> Result<&[u8], ReadError> {
        Self::chunk(self)
    }

    fn consume(&mut self, count: usize) {
        Self::consume(self, count);
    }

    fn known(&self) -> Option<[u8; 32]> {
        None
    }
}

struct Pass<'a, S> {
    stream: S,
    matcher: &'a Matcher,
    limits: &'a Limits,
    budget: &'a Budget,
    digesting: Digesting,
    contents: ContentPass<'a>,
    facts: LayerFacts,
    dropped_problems: usize,
    wanted: Vec<usize>,
    held: Vec<u8>,
    /// Bytes of holes that may yet be hashed.
    free_holes: u64,
    links: Vec<WantedLink>,
    /// Parts of large files that are to be read yet.
    wishes: Wishes,
    name_bytes: u64,
    /// Packages that may yet be found in the layer.
    may_find: usize,
}

impl<R: BufRead> Pass<'_, TarStream<R>> {
    fn run(&mut self) -> Result<(), ReadError> {
        while let Some(entry) = self.stream.next_entry(self.limits.layer_entries)? {
            self.entry(&entry)?;
        }
        self.stream.drain()?;
        self.finish();
        Ok(())
    }
}

impl<'a, S: ContentStream> Pass<'a, S> {
    fn new(stream: S, stored_bytes: u64, limits: &'a Limits, reading: Reading<'a>) -> Self {
        Self {
            stream,
            matcher: reading.matcher,
            limits,
            budget: reading.budget,
            digesting: reading.digesting,
            contents: ContentPass::new(reading.rules, reading.programs, reading.clamd, reading.memo),
            facts: LayerFacts::default(),
            dropped_problems: 0,
            wanted: Vec::new(),
            held: Vec::new(),
            free_holes: by_ratio(stored_bytes, limits).max(limits.hole_bytes).min(limits.layer_bytes),
            links: Vec::new(),
            wishes: Wishes::new(),
            name_bytes: 0,
            may_find: limits.packages,
        }
    }

    fn finish(&mut self) {
        self.facts.contents.sort_by_key(|content| content.sha256);
        self.facts.contents.dedup_by_key(|content| content.sha256);
        self.facts.scan_fault = self.contents.take_fault();
        if self.dropped_problems > 0 {
            let message = format!("{} more problems of this layer are not shown", self.dropped_problems);
            self.facts.problems.push(Problem::new("more-problems", "layer", message));
        }
    }

    fn entry(&mut self, entry: &TarEntry) -> Result<(), ReadError> {
        if entry.path.len() > self.limits.path_bytes || entry.link.len() > self.limits.path_bytes {
            let message = format!("longer than {} bytes, skipped", self.limits.path_bytes);
            self.problem("limit-path-bytes", &entry.path, message);
            return Ok(());
        }
        let Some(path) = ImagePath::new(&entry.path) else {
            self.problem("path-escape", &entry.path, "the path leaves the image, skipped");
            return Ok(());
        };
        if self.limits.bounds().is_too_deep(path.as_bytes()) {
            let message = format!("more than {} directories deep, skipped", self.limits.path_depth);
            self.problem("limit-path-depth", &entry.path, message);
            return Ok(());
        }
        self.name_bytes += name_bytes(&entry.path, &entry.link);
        if self.name_bytes > self.limits.tree_bytes {
            return Err(ReadError::Limit("limit-tree-bytes", self.limits.tree_bytes));
        }
        if path.as_bytes().is_empty() {
            // The root itself: its owner and mode interest nobody.
            return Ok(());
        }
        if path.file_name().starts_with(b".wh.") {
            self.whiteout(&path);
            return Ok(());
        }
        let kind = match entry.entry_type {
            EntryType::File => {
                if let Some(free) = self.free_holes.checked_sub(entry.holes) {
                    self.free_holes = free;
                    return self.file(path, entry);
                }
                let message = "its holes are larger than the layer may be: listed, not read";
                self.problem("limit-hole-bytes", path.to_string().as_bytes(), message);
                EntryKind::Unread
            }
            EntryType::Directory => EntryKind::Directory,
            EntryType::Symlink => EntryKind::Symlink,
            EntryType::HardLink => EntryKind::HardLink,
            EntryType::CharacterDevice => EntryKind::CharacterDevice,
            EntryType::BlockDevice => EntryKind::BlockDevice,
            EntryType::Fifo => EntryKind::Fifo,
            EntryType::Other(flag) => {
                self.problem(
                    "unknown-entry-type",
                    path.to_string().as_bytes(),
                    format!("entry type {flag} is unknown, skipped"),
                );
                return Ok(());
            }
        };
        let is_link = matches!(kind, EntryKind::Symlink | EntryKind::HardLink);
        let more = is_link.then(|| Box::new(More { link: entry.link.as_slice().into(), ..More::default() }));
        let size = if kind == EntryKind::Unread { entry.size } else { 0 };
        if kind == EntryKind::HardLink {
            self.matcher.by_path(&path, &mut self.wanted);
        }
        let number = self.facts.push(new_entry(path, kind, entry, size, [0; 32], more));
        if kind == EntryKind::HardLink {
            let readers = self.wanted.iter().filter_map(|reader| u16::try_from(*reader).ok());
            self.links.extend(readers.map(|reader| (number, reader)));
        }
        Ok(())
    }

    /// OCI image specification, layer.md, "Whiteouts".
    fn whiteout(&mut self, marker: &ImagePath) {
        let parent = marker.parent().unwrap_or_default();
        match marker.file_name().strip_prefix(b".wh.").unwrap_or_default() {
            b".wh..opq" => self.facts.opaques.extend(ImagePath::new(parent)),
            // Other names of this form are bookkeeping of aufs.
            name if name.starts_with(b".wh.") => {}
            b"" | b"." | b".." => {
                self.problem("bad-whiteout", marker.to_string().as_bytes(), "the whiteout names no file, ignored");
            }
            name => {
                let hidden = [parent, b"/".as_slice(), name].concat();
                self.facts.whiteouts.extend(ImagePath::new(&hidden));
            }
        }
    }

    fn file(&mut self, path: ImagePath, entry: &TarEntry) -> Result<(), ReadError> {
        if let Some(sha256) = self.stream.known() {
            self.facts.push(new_entry(path, EntryKind::File, entry, entry.size, sha256, None));
            return Ok(());
        }
        self.matcher.by_path(&path, &mut self.wanted);
        let beginning = self.stream.chunk()?;
        self.matcher.by_magic(&path, entry.mode, beginning, &mut self.wanted);
        self.contents.begin(beginning, || self.matcher.may_be_program(&path, entry.mode));
        // Of others, a layer that is read in parts does not tell.
        let is_code = executable::is_code(beginning) && self.matcher.may_be_program(&path, entry.mode);
        let kind = if is_code { EntryKind::Code } else { EntryKind::File };
        self.leave_out_large(&path, entry.size);
        let may_hold = self.limits.file_bytes.min(self.budget.total());
        if !self.wanted.is_empty() && entry.size > may_hold {
            let first = parts::first(entry.size, self.stream.chunk()?);
            return self.large_file(path, kind, entry, may_hold, first);
        }
        let budget = self.budget;
        let bytes = self.matcher.held_bytes(self.wanted.iter().copied(), entry.size, self.limits);
        let share = if self.wanted.is_empty() { None } else { budget.hold(bytes) };
        let digests = Digests::new(self.digesting, path.as_bytes());
        let (sha256, more) = self.content(entry.size, share.is_some(), None, digests)?;
        if share.is_some() {
            let number = self.facts.push(new_entry(path.clone(), kind, entry, entry.size, sha256, more));
            self.search(number, &path)?;
            if self.held.capacity() > KEPT_BUFFER_BYTES {
                self.held = Vec::new();
            }
        } else {
            self.facts.push(new_entry(path, kind, entry, entry.size, sha256, more));
        }
        Ok(())
    }

    /// A file that is too large to be held: those who can do with parts of it see some.
    fn large_file(
        &mut self,
        path: ImagePath,
        kind: EntryKind,
        entry: &TarEntry,
        may_hold: u64,
        first: Vec<Range<u64>>,
    ) -> Result<(), ReadError> {
        let (matcher, limits, budget) = (self.matcher, self.limits, self.budget);
        let wanted = std::mem::take(&mut self.wanted);
        let (readers, others): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|reader| matcher.reader(*reader).reads_parts());
        for reader in others {
            let reader = matcher.reader(reader).name();
            let message =
                format!("{} bytes, more than the limit of {may_hold}: not searched by `{reader}`", entry.size);
            self.problem("limit-file-bytes", path.to_string().as_bytes(), message);
        }
        let bytes = matcher.held_bytes(readers.iter().copied(), total(&first), limits);
        let share = if readers.is_empty() { None } else { budget.hold(bytes) };
        let mut parts = share.is_some().then(|| Parts::new(entry.size, &first));
        let digests = Digests::new(self.digesting, path.as_bytes());
        let kept = parts.as_mut().map(|parts| (first.as_slice(), parts));
        let (sha256, more) = self.content(entry.size, false, kept, digests)?;
        let number = self.facts.push(new_entry(path, kind, entry, entry.size, sha256, more));
        if let Some(parts) = parts {
            let wish = Wish::new(readers, first);
            let (facts, may_find, wishes) = (&mut self.facts, &mut self.may_find, &mut self.wishes);
            parts::search(number, wish, parts, facts, may_find, (matcher, limits), wishes)?;
        }
        Ok(())
    }

    /// Takes back the wishes of readers that do not want a file of this size.
    fn leave_out_large(&mut self, path: &ImagePath, size: u64) {
        let matcher = self.matcher;
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.retain(|index| {
            let reader = matcher.reader(*index);
            let fits = size <= reader.max_bytes();
            if !fits {
                let message = format!("{size} bytes, too large for `{}`: left out", reader.name());
                self.problem("limit-file-bytes", path.to_string().as_bytes(), message);
            }
            fits
        });
        self.wanted = wanted;
    }

    /// Hashes and inspects the content of `size` bytes, and holds it, or parts of it, if asked.
    fn content(
        &mut self,
        size: u64,
        hold: bool,
        mut parts: Option<(&[Range<u64>], &mut Parts)>,
        mut digests: Digests,
    ) -> Result<([u8; 32], Option<Box<More>>), ReadError> {
        self.held.clear();
        if hold {
            self.held.reserve_exact(usize::try_from(size).unwrap_or(usize::MAX));
        }
        let mut offset = 0;
        loop {
            let chunk = self.stream.chunk()?;
            if chunk.is_empty() {
                break;
            }
            digests.update(chunk);
            if let Some((ranges, parts)) = &mut parts {
                parts.take(ranges, offset, chunk);
            }
            offset += chunk.len() as u64;
            if hold {
                self.held.extend_from_slice(chunk);
            }
            let contents = &mut self.contents;
            if chunk.len() as u64 == size {
                self.facts.contents.extend(contents.whole(chunk, || digests.sha256_so_far()));
            } else if contents.is_wanted() {
                contents.piece(chunk, size);
            }
            let count = chunk.len();
            self.stream.consume(count);
        }
        let (sha256, more) = digests.finish();
        self.facts.contents.extend(self.contents.end(sha256));
        Ok((sha256, more))
    }

    /// Shows the held file to every reader that wants it.
    fn search(&mut self, entry: u32, path: &ImagePath) -> Result<(), ReadError> {
        for index in &self.wanted {
            let reader = self.matcher.reader(*index);
            if let Some(found) = show(reader, path, Content::whole(&self.held), &mut self.may_find, self.limits)? {
                self.facts.found.push(FoundIn { entry, name: None, reader: reader.name().to_owned(), found });
            }
        }
        Ok(())
    }

    fn problem(&mut self, kind: &str, path: &[u8], message: impl Into<String>) {
        if self.facts.problems.len() >= MAX_PROBLEMS {
            self.dropped_problems += 1;
            return;
        }
        let shown = path.get(..200).unwrap_or(path);
        self.facts.problems.push(Problem::new(kind, String::from_utf8_lossy(shown), message));
    }
}

/// What a reader finds in a file, if anything: no more packages than `may_find`, which becomes less.
fn show(
    reader: &Reader,
    path: &ImagePath,
    content: Content<'_>,
    may_find: &mut usize,
    limits: &Limits,
) -> Result<Option<Found>, ReadError> {
    let mut file = WantedFile::of(path, content, limits);
    let mut found = Found { packages: PackageList::up_to(*may_find), ..Found::default() };
    // Readers do not panic; if one does all the same, the image is not lost.
    if catch_unwind(AssertUnwindSafe(|| reader.read(&mut file, &mut found))).is_err() {
        let message = format!("`{}` failed on this file", reader.name());
        found = Found::default();
        found.problems.push(Problem::new("cataloger-panic", path.to_string(), message));
    }
    if found.packages.is_cut_short() {
        // An error, because leaving out the rest would be a way to hide packages.
        return Err(ReadError::Limit("limit-packages", limits.packages as u64));
    }
    *may_find = may_find.saturating_sub(found.packages.len());
    Ok((found != Found::default()).then_some(found))
}

fn new_entry(
    path: ImagePath,
    kind: EntryKind,
    entry: &TarEntry,
    size: u64,
    sha256: [u8; 32],
    more: Option<Box<More>>,
) -> Entry {
    Entry { path, size, sha256, more, uid: entry.uid, gid: entry.gid, mode: entry.mode, kind }
}

#[cfg(test)]
mod tests;
