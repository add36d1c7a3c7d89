//! Merges layers as a container runtime shows them (OCI image specification, layer.md, "Applying Changesets").
//!
//! Whiteouts and opaque markers hide lower layers only, wherever in the archive they stand. A directory that becomes
//! something else loses its children. Names below a symbolic link of a lower layer go where the link leads, inside
//! the root, as containerd applies them. A hard link keeps the content it was made of, whatever becomes of its
//! target. Among duplicates in one layer the last wins.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::Bound;

use killick_model::file::{FileEntry, FileKind};
use killick_model::links::{self, Lost};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use crate::facts::{Entry, EntryKind, LayerFacts, name_bytes};
use crate::limits::Limits;

/// Broken links told per image.
const MAX_PROBLEMS: usize = 200;

/// What is at a path: an entry of a layer, or a directory that nobody wrote.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The entry that has the content.
    origin: Option<(u32, u32)>,
    /// The layer that put it here.
    layer: u32,
    kind: FileKind,
}

/// What the merged image is made of; entries are named by (layer, number).
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Entries that stand at their own path in their own layer.
    kept: Vec<Vec<bool>>,
    /// All other files: hard links, relocated names, implied directories.
    others: Vec<FileEntry>,
    /// Where the content of an entry lives besides, or instead of, its own path.
    pub(crate) elsewhere: HashMap<(u32, u32), Vec<(ImagePath, u32)>>,
    pub(crate) problems: Vec<Problem>,
}

/// A folder as a layer names it, and where its symbolic links lead.
type ResolvedParent = (Vec<u8>, Result<Vec<u8>, Lost>);

struct Tree<'a> {
    layers: &'a [LayerFacts],
    slots: BTreeMap<Cow<'a, [u8]>, Slot>,
    limits: &'a Limits,
    /// What all names count against the limit: those of the layers, and those that are made here.
    name_bytes: u64,
    /// The last parent that was resolved, and where it led.
    last_parent: Option<ResolvedParent>,
    problems: Vec<Problem>,
}

/// Decides what of all layers, lowest first, makes up the image. An error is the layer whose names are too many.
pub(crate) fn plan(layers: &[LayerFacts], limits: &Limits) -> Result<Plan, usize> {
    let name_bytes = layers.iter().map(LayerFacts::name_bytes).sum();
    let mut tree = Tree { layers, slots: BTreeMap::new(), limits, name_bytes, last_parent: None, problems: Vec::new() };
    for (index, layer) in (0..).zip(layers) {
        tree.apply(index, layer);
        if tree.is_full() {
            return Err(index as usize);
        }
    }
    Ok(tree.into_plan())
}

impl<'a> Tree<'a> {
    fn apply(&mut self, index: u32, layer: &'a LayerFacts) {
        self.last_parent = None;
        for path in &layer.opaques {
            if let Ok(directory) = self.resolve_directory(path.as_bytes()) {
                self.remove_below(&directory);
            }
        }
        for path in &layer.whiteouts {
            if let Ok(path) = self.place(path) {
                self.remove(&path);
            }
        }
        self.last_parent = None;
        let mut early_links = Vec::new();
        for (number, entry) in layer.entries() {
            if self.is_full() {
                return;
            }
            if entry.kind != EntryKind::HardLink {
                let slot = Slot { origin: Some((index, number)), layer: index, kind: entry.file_kind() };
                self.put(entry, slot);
            } else if !self.link(index, entry) {
                early_links.push(entry);
            }
        }
        // Links that stand before their target.
        for entry in early_links {
            if !self.link(index, entry) {
                self.problem("broken-hardlink", &entry.path, "the hard link leads nowhere, skipped");
            }
        }
    }

    fn put(&mut self, entry: &'a Entry, slot: Slot) {
        let path = match self.place(&entry.path) {
            Ok(path) => path,
            Err(lost) => {
                let (kind, message) = lost.problem();
                return self.problem(kind, &entry.path, message);
            }
        };
        if let Cow::Owned(moved) = &path {
            self.name_bytes += 2 * name_bytes(moved, b"");
        }
        self.make_parents(&path, slot.layer);
        let old = self.slots.get(&path).map(|old| old.kind);
        if old == Some(FileKind::Directory) && slot.kind != FileKind::Directory {
            self.remove_below(&path);
        }
        if slot.kind == FileKind::Symlink || old == Some(FileKind::Symlink) {
            self.last_parent = None;
        }
        self.slots.insert(path, slot);
    }

    /// Places a hard link; false if its target is not there yet.
    fn link(&mut self, layer: u32, entry: &'a Entry) -> bool {
        let target = ImagePath::new(entry.link()).and_then(|target| self.place(&target).ok().map(Cow::into_owned));
        let target = target.and_then(|target| self.slots.get(target.as_slice()).copied());
        let Some(target) = target.filter(|target| target.kind != FileKind::Directory) else { return false };
        self.put(entry, Slot { layer, ..target });
        true
    }

    /// Where a path of a layer ends up: its parent's symbolic links followed, its own name not.
    fn place<'p>(&mut self, path: &'p ImagePath) -> Result<Cow<'p, [u8]>, Lost> {
        let parent = path.parent().unwrap_or_default();
        let last = self.last_parent.take().filter(|(last, _)| last == parent);
        let last = last.unwrap_or_else(|| (parent.to_vec(), self.resolve_directory(parent).map(Cow::into_owned)));
        let (_, resolved) = self.last_parent.insert(last);
        let resolved = resolved.as_deref().map_err(|lost| *lost)?;
        if resolved == parent {
            return Ok(Cow::Borrowed(path.as_bytes()));
        }
        let mut moved = resolved.to_vec();
        if !moved.is_empty() {
            moved.push(b'/');
        }
        moved.extend_from_slice(path.file_name());
        if moved.len() > self.limits.path_bytes {
            return Err(Lost::Long);
        }
        if self.limits.bounds().is_too_deep(&moved) { Err(Lost::Deep) } else { Ok(Cow::Owned(moved)) }
    }

    fn resolve_directory<'p>(&self, path: &'p [u8]) -> Result<Cow<'p, [u8]>, Lost> {
        let link_at = |path: &[u8]| {
            let slot = self.slots.get(path).filter(|slot| slot.kind == FileKind::Symlink)?;
            self.entry(slot.origin?).map(Entry::link)
        };
        links::resolve(path, self.limits.bounds(), link_at)
    }

    fn is_full(&self) -> bool {
        self.name_bytes > self.limits.tree_bytes
    }

    fn make_parents(&mut self, path: &[u8], layer: u32) {
        // Upwards, until one is there: nearly always the first.
        let mut end = path.len();
        while let Some(slash) = path.get(..end).and_then(|path| path.iter().rposition(|&byte| byte == b'/')) {
            let parent = &path[..slash];
            match self.slots.get(parent) {
                Some(slot) if slot.kind == FileKind::Directory => return,
                _ if self.is_full() => return,
                _ => {
                    self.name_bytes += 2 * name_bytes(parent, b"");
                    let implied = Slot { origin: None, layer, kind: FileKind::Directory };
                    self.slots.insert(Cow::Owned(parent.to_vec()), implied);
                }
            }
            end = slash;
        }
    }

    fn remove(&mut self, path: &[u8]) {
        let Some(old) = self.slots.remove(path) else { return };
        match old.kind {
            FileKind::Directory => self.remove_below(path),
            FileKind::Symlink => self.last_parent = None,
            _ => {}
        }
    }

    fn remove_below(&mut self, directory: &[u8]) {
        self.last_parent = None;
        if directory.is_empty() {
            self.slots.clear();
            return;
        }
        // `/` is followed by `0`: everything between belongs to the directory.
        let from = [directory, b"/"].concat();
        let to = [directory, b"0"].concat();
        let below = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
        let gone: Vec<_> = self.slots.range::<[u8], _>(below).map(|(path, _)| path.clone()).collect();
        for path in gone {
            self.slots.remove(&path);
        }
    }

    fn entry(&self, (layer, number): (u32, u32)) -> Option<&'a Entry> {
        self.layers.get(layer as usize)?.entry(number)
    }

    fn problem(&mut self, kind: &str, path: &ImagePath, message: &str) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem::new(kind, path.to_string(), message));
        }
    }

    fn into_plan(mut self) -> Plan {
        let kept = self.layers.iter().map(|layer| vec![false; layer.len()]).collect();
        let mut plan = Plan { kept, problems: std::mem::take(&mut self.problems), ..Plan::default() };
        for (path, slot) in &self.slots {
            let Some(origin) = slot.origin else {
                plan.others.extend(ImagePath::new(path).map(|path| implied_directory(path, slot.layer)));
                continue;
            };
            let Some(entry) = self.entry(origin) else { continue };
            if slot.layer == origin.0 && entry.path.as_bytes() == path.as_ref() {
                if let Some(kept) =
                    plan.kept.get_mut(origin.0 as usize).and_then(|layer| layer.get_mut(origin.1 as usize))
                {
                    *kept = true;
                }
                continue;
            }
            let Some(path) = ImagePath::new(path) else { continue };
            plan.elsewhere.entry(origin).or_default().push((path.clone(), slot.layer));
            plan.others.push(FileEntry { path, ..entry.clone().into_file(slot.layer) });
        }
        plan
    }
}

impl Plan {
    /// Whether the entry stands at its own path.
    pub(crate) fn is_kept(&self, (layer, number): (u32, u32)) -> bool {
        self.kept.get(layer as usize).and_then(|layer| layer.get(number as usize)).is_some_and(|kept| *kept)
    }

    /// Turns entries into the files of the image, ordered by path; layers are given back block by block on the way.
    pub(crate) fn into_files(self, blocks: Vec<Vec<Vec<Entry>>>) -> Vec<FileEntry> {
        let count = self.kept.iter().flatten().filter(|kept| **kept).count() + self.others.len();
        let mut files = Vec::with_capacity(count);
        for (layer, (blocks, kept)) in (0..).zip(blocks.into_iter().zip(self.kept)) {
            let mut kept = kept.into_iter();
            for block in blocks {
                files.extend(
                    block.into_iter().zip(&mut kept).filter(|(_, kept)| *kept).map(|(entry, _)| entry.into_file(layer)),
                );
            }
        }
        files.extend(self.others);
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        files
    }
}

/// What runtimes make of a directory that a path needs and no layer mentions.
fn implied_directory(path: ImagePath, layer: u32) -> FileEntry {
    FileEntry {
        path,
        kind: FileKind::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        size: 0,
        link_target: None,
        sha256: None,
        md5: None,
        sha1: None,
        layer,
    }
}

#[cfg(test)]
mod tests;
