//! Records of one segment, being collected: in memory, and sorted on disk what is too much for that.
//!
//! All records of a build share one [`Budget`]. Who is pushed to while that is exceeded, and holds no less than others do
//! on average, moves what it holds to disk as a sorted run; so no more than about twice the budget is ever held. Runs
//! of equal size are merged, so that there are few of them in the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use killick_model::advisory::{Advisory, Enrichment, Statement};
use killick_model::lifecycle::Lifecycle;
use serde::Serialize;

use super::{Table, encode};

/// Memory for the records of a build.
const BUDGET_BYTES: usize = 256 << 20;

/// So many runs of one level are merged to one of the next.
const FAN_IN: usize = 16;

/// Runs are read once or twice: speed is all.
const RUN_LEVEL: i32 = 1;

/// What all records of a build may take of memory, and where the rest goes.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    /// Bytes that are held now.
    held: AtomicUsize,
    /// How many share it.
    sharers: AtomicUsize,
    folder: PathBuf,
}

impl Budget {
    /// The usual one, with files in `folder`.
    pub(crate) fn new(folder: &Path) -> Arc<Self> {
        Self::of(BUDGET_BYTES, folder)
    }

    pub(crate) fn of(limit: usize, folder: &Path) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicUsize::new(0), sharers: AtomicUsize::new(0), folder: folder.to_owned() })
    }

    /// Whether one that holds `mine` should move it to disk.
    fn is_exceeded(&self, mine: usize) -> bool {
        let held = self.held.load(Ordering::Relaxed);
        held > self.limit && mine >= held / self.sharers.load(Ordering::Relaxed).max(1)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            limit: BUDGET_BYTES,
            held: AtomicUsize::new(0),
            sharers: AtomicUsize::new(0),
            folder: std::env::temp_dir(),
        }
    }
}

/// Where a record stands in memory: its key, and after it the record.
#[derive(Debug, Clone, Copy)]
struct Slot {
    table: Table,
    key: u32,
    record: u32,
    end: u32,
}

/// Records of one segment, being collected.
#[derive(Debug)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    runs: Vec<Run>,
    /// Where new runs go.
    file: Option<Arc<File>>,
    failure: Option<io::Error>,
    /// What is counted as held.
    counted: usize,
    budget: Arc<Budget>,
}

/// Sorted records on disk.
#[derive(Debug, Clone)]
struct Run {
    file: Arc<File>,
    start: u64,
    end: u64,
    level: u32,
}

impl Default for Records {
    fn default() -> Self {
        Self::new(&Arc::default())
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.counted, Ordering::Relaxed);
        self.budget.sharers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Records {
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        budget.sharers.fetch_add(1, Ordering::Relaxed);
        Self {
            bytes: Vec::new(),
            slots: Vec::new(),
            runs: Vec::new(),
            file: None,
            failure: None,
            counted: 0,
            budget: Arc::clone(budget),
        }
    }

    pub(crate) fn statement(&mut self, name: &str, statement: &Statement) {
        self.push(Table::Packages, name, statement);
        self.push(Table::Names, &statement.advisory, &name);
    }

    pub(crate) fn cpe(&mut self, product: &str, statement: &Statement) {
        self.push(Table::Cpes, product, statement);
        self.push(Table::Names, &statement.advisory, &product);
    }

    pub(crate) fn enrichment(&mut self, cve: &str, enrichment: &Enrichment) {
        self.push(Table::Enrichment, cve, enrichment);
    }

    pub(crate) fn lifecycle(&mut self, lifecycle: &Lifecycle) {
        self.push(Table::Lifecycles, &lifecycle.product, lifecycle);
    }

    /// An advisory, and its other names.
    pub(crate) fn advisory(&mut self, advisory: &Advisory) {
        self.push(Table::Advisories, &advisory.id, advisory);
        for alias in advisory.aliases.iter().chain(&advisory.upstream) {
            self.push(Table::Aliases, alias, &advisory.id);
        }
    }

    fn push<T: Serialize>(&mut self, table: Table, key: &str, record: &T) {
        self.append(table, key.as_bytes(), &encode(record));
        let size = self.size();
        // The allocator is asked for more by doubling: what is counted is what is used.
        self.budget.held.fetch_add(size.saturating_sub(self.counted), Ordering::Relaxed);
        self.counted = size;
        if self.budget.is_exceeded(size) {
            self.spill();
        }
    }

    /// Places are 32 bits wide, so some are moved to disk before more does not fit.
    fn append(&mut self, table: Table, key: &[u8], record: &[u8]) {
        let place = |at: usize| u32::try_from(at).ok();
        let mut begin = self.bytes.len();
        if place(begin.saturating_add(key.len()).saturating_add(record.len())).is_none() {
            self.spill();
            begin = self.bytes.len();
        }
        let (start, middle) = (begin, begin.saturating_add(key.len()));
        let end = middle.saturating_add(record.len());
        let (Some(key_at), Some(record_at), Some(end)) = (place(start), place(middle), place(end)) else {
            self.failure.get_or_insert_with(|| io::Error::other("a record of more than 4 GiB"));
            return;
        };
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(record);
        self.slots.push(Slot { table, key: key_at, record: record_at, end });
    }

    /// Bytes in memory.
    fn size(&self) -> usize {
        self.bytes.len().saturating_add(self.slots.len().saturating_mul(size_of::<Slot>()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.runs.is_empty()
    }

    /// Nothing is pushed any more for a while: makes room for others, if that is scarce.
    pub(crate) fn settle(&mut self) {
        if self.budget.held.load(Ordering::Relaxed) > self.budget.limit / 2 {
            self.spill();
        } else {
            self.bytes.shrink_to_fit();
            self.slots.shrink_to_fit();
        }
    }

    /// Takes over what `other` has.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        self.failure = self.failure.take().or_else(|| other.failure.take());
        self.runs.append(&mut other.runs);
        for slot in &other.slots {
            let (key, record) = view(&other.bytes, slot);
            self.append(slot.table, key, record);
        }
        let size = self.size();
        self.budget.held.fetch_add(size.saturating_sub(self.counted), Ordering::Relaxed);
        self.counted = size;
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.slots.sort_unstable_by(|a, b| (a.table, view(bytes, a)).cmp(&(b.table, view(bytes, b))));
    }

    /// Moves to disk what is in memory. What cannot be written is told of when the records are asked for.
    fn spill(&mut self) {
        if !self.slots.is_empty()
            && self.failure.is_none()
            && let Err(error) = self.try_spill()
        {
            self.failure = Some(error);
        }
        self.bytes = Vec::new();
        self.slots = Vec::new();
        self.budget.held.fetch_sub(self.counted, Ordering::Relaxed);
        self.counted = 0;
    }

    fn try_spill(&mut self) -> io::Result<()> {
        self.sort();
        if self.file.is_none() {
            self.file = Some(Arc::new(tempfile::tempfile_in(&self.budget.folder)?));
        }
        let Some(file) = self.file.clone() else { return Ok(()) };
        let mut writer = RunWriter::begin(&file, 0)?;
        for slot in &self.slots {
            let (key, record) = view(&self.bytes, slot);
            writer.entry(slot.table, key, record)?;
        }
        self.runs.push(writer.finish()?);
        // As many of one level as there may be become one of the next.
        while let Some(first) = self.runs.len().checked_sub(FAN_IN)
            && let Some(equal) = self.runs.get(first..)
            && let Some(level) = equal.first().map(|run| run.level)
            && equal.iter().all(|run| run.level == level)
        {
            let mut merged = Merged::new(equal.iter().map(Source::of_run).collect())?;
            let mut writer = RunWriter::begin(&file, level.saturating_add(1))?;
            while let Some(head) = merged.next()? {
                writer.entry(head.table, &head.key, &head.record)?;
            }
            let run = writer.finish()?;
            self.runs.truncate(first);
            self.runs.push(run);
        }
        Ok(())
    }

    /// Calls `visit` with table, key and record of each, ascending, each once.
    pub(crate) fn visit<E: From<io::Error>>(
        mut self,
        mut visit: impl FnMut(Table, &str, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(failure) = self.failure.take() {
            return Err(failure.into());
        }
        self.sort();
        let mut sources: Vec<Source<'_>> = self.runs.iter().map(Source::of_run).collect();
        sources.push(Source::Memory { bytes: &self.bytes, slots: self.slots.iter() });
        let mut merged = Merged::new(sources)?;
        while let Some(head) = merged.next()? {
            let key = std::str::from_utf8(&head.key).map_err(io::Error::other)?;
            visit(head.table, key, &head.record)?;
        }
        Ok(())
    }
}

/// Key and record of a slot.
fn view<'a>(bytes: &'a [u8], slot: &Slot) -> (&'a [u8], &'a [u8]) {
    let part = |from: u32, to: u32| bytes.get(from as usize..to as usize).unwrap_or_default();
    (part(slot.key, slot.record), part(slot.record, slot.end))
}

/// Writes one run to the end of a file: table, length of the key, key, length of the record, record.
struct RunWriter<'a> {
    encoder: zstd::stream::write::Encoder<'static, BufWriter<&'a File>>,
    file: &'a Arc<File>,
    start: u64,
    level: u32,
}

impl<'a> RunWriter<'a> {
    fn begin(file: &'a Arc<File>, level: u32) -> io::Result<Self> {
        let start = (&**file).seek(SeekFrom::End(0))?;
        let encoder = zstd::stream::write::Encoder::new(BufWriter::with_capacity(1 << 17, &**file), RUN_LEVEL)?;
        Ok(Self { encoder, file, start, level })
    }

    fn entry(&mut self, table: Table, key: &[u8], record: &[u8]) -> io::Result<()> {
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).map(u32::to_le_bytes).map_err(io::Error::other);
        self.encoder.write_all(&[table as u8])?;
        self.encoder.write_all(&len(key)?)?;
        self.encoder.write_all(key)?;
        self.encoder.write_all(&len(record)?)?;
        self.encoder.write_all(record)
    }

    fn finish(self) -> io::Result<Run> {
        self.encoder.finish()?.flush()?;
        let end = (&**self.file).stream_position()?;
        Ok(Run { file: Arc::clone(self.file), start: self.start, end, level: self.level })
    }
}

/// A part of a file, read from its own place.
struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(buffer.get_mut(..left).unwrap_or_default(), self.at)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }
}

type RunReader = BufReader<zstd::stream::read::Decoder<'static, BufReader<Part>>>;

/// Where sorted records come from.
enum Source<'a> {
    Memory { bytes: &'a [u8], slots: std::slice::Iter<'a, Slot> },
    Unopened(Run),
    Run(Box<RunReader>),
}

/// The next record of a source, by table, key and record.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    table: Table,
    key: Vec<u8>,
    record: Vec<u8>,
    source: usize,
}

impl Source<'_> {
    fn of_run(run: &Run) -> Self {
        Self::Unopened(run.clone())
    }

    fn next(&mut self, source: usize) -> io::Result<Option<Head>> {
        if let Self::Unopened(run) = self {
            let part = Part { file: Arc::clone(&run.file), at: run.start, end: run.end };
            let decoder = zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(1 << 16, part))?;
            *self = Self::Run(Box::new(BufReader::with_capacity(1 << 16, decoder)));
        }
        match self {
            Self::Memory { bytes, slots } => Ok(slots.next().map(|slot| {
                let (key, record) = view(bytes, slot);
                Head { table: slot.table, key: key.to_vec(), record: record.to_vec(), source }
            })),
            Self::Run(reader) => read_entry(reader, source),
            Self::Unopened(_) => Ok(None),
        }
    }
}

fn read_entry(reader: &mut RunReader, source: usize) -> io::Result<Option<Head>> {
    if reader.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let mut number = [0];
    reader.read_exact(&mut number)?;
    let table = Table::ALL.into_iter().find(|table| [*table as u8] == number);
    let table = table.ok_or_else(|| io::Error::other("a run of records is damaged"))?;
    let mut text = || -> io::Result<Vec<u8>> {
        let mut len = [0; 4];
        reader.read_exact(&mut len)?;
        let mut bytes = vec![0; u32::from_le_bytes(len) as usize];
        reader.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    Ok(Some(Head { table, key: text()?, record: text()?, source }))
}

/// Several sources as one.
struct Merged<'a> {
    sources: Vec<Source<'a>>,
    heads: BinaryHeap<Reverse<Head>>,
}

impl<'a> Merged<'a> {
    fn new(mut sources: Vec<Source<'a>>) -> io::Result<Self> {
        let mut heads = BinaryHeap::new();
        for (at, source) in sources.iter_mut().enumerate() {
            heads.extend(source.next(at)?.map(Reverse));
        }
        Ok(Self { sources, heads })
    }

    /// The next record that is another than the last one.
    fn next(&mut self) -> io::Result<Option<Head>> {
        let Some(Reverse(head)) = self.heads.pop() else { return Ok(None) };
        self.refill(head.source)?;
        while let Some(Reverse(same)) = self.heads.peek()
            && (same.table, &same.key, &same.record) == (head.table, &head.key, &head.record)
        {
            let source = same.source;
            self.heads.pop();
            self.refill(source)?;
        }
        Ok(Some(head))
    }

    fn refill(&mut self, at: usize) -> io::Result<()> {
        if let Some(source) = self.sources.get_mut(at) {
            self.heads.extend(source.next(at)?.map(Reverse));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(records: Records) -> Vec<(Table, String, Vec<u8>)> {
        let mut found = Vec::new();
        let visit = |table, key: &str, record: &[u8]| -> io::Result<()> {
            found.push((table, key.to_owned(), record.to_vec()));
            Ok(())
        };
        records.visit(visit).unwrap();
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However little memory there is, and whoever shares it, the same comes out, in order and once.
        #[test]
        fn what_is_on_disk_is_what_was_in_memory(
            pushed in proptest::collection::vec((0..6_usize, "[a-c]{0,3}", 0..30_u32, any::<bool>()), 0..400),
            limit in 0..3000_usize,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let budget = Budget::of(limit, folder.path());
            let (mut one, mut other) = (Records::new(&budget), Records::new(&budget));
            let mut want = std::collections::BTreeSet::new();
            for (table, key, number, is_other) in pushed {
                let table = Table::ALL[table];
                let records = if is_other { &mut other } else { &mut one };
                records.push(table, &key, &number);
                want.insert((table, key, encode(&number)));
            }
            other.settle();
            one.absorb(other);
            prop_assert_eq!(all(one), want.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(budget.held.load(Ordering::Relaxed), 0);
            prop_assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn many_runs_become_few() {
        let folder = tempfile::tempdir().unwrap();
        let budget = Budget::of(0, folder.path());
        let mut records = Records::new(&budget);
        (0..300_u32).rev().for_each(|number| records.push(Table::Packages, &format!("{number:03}"), &number));
        let mut levels: Vec<u32> = records.runs.iter().map(|run| run.level).collect();
        levels.dedup();
        assert_eq!(levels, [2, 1, 0]);
        assert!(records.runs.len() < 40, "{}", records.runs.len());
        let found = all(records);
        assert!(found.len() == 300 && found.is_sorted());
    }

    #[test]
    fn no_more_than_twice_the_budget_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let budget = Budget::of(10_000, folder.path());
        let mut all: Vec<Records> = (0..20).map(|_| Records::new(&budget)).collect();
        for number in 0..20_000_usize {
            // Some are pushed to often, some rarely.
            let at = number * number % 20;
            all[at].push(Table::Packages, "key", &number);
            assert!(budget.held.load(Ordering::Relaxed) < 20_200);
        }
        assert!(all.iter().any(|records| !records.runs.is_empty()));
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let budget = Budget::of(0, Path::new("/nonexistent"));
        let mut records = Records::new(&budget);
        records.push(Table::Packages, "key", &1_u8);
        records.push(Table::Packages, "key", &2_u8);
        let outcome: io::Result<()> = records.visit(|_, _, _| Ok(()));
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
