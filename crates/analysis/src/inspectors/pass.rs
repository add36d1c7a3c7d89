//! Every content of a layer on its way past the inspectors.
//!
//! Small contents wait for their digest, so that none is inspected that was met before; of large ones nothing is held
//! back, and what was seen is dropped if it was known.

use std::sync::Arc;

use super::memo::Memo;
use super::rules::{Rules, Scan};
use crate::catalogers::executable;
use crate::clamd::{self, Clamd};
use crate::facts::{ContentFacts, SeenIn};

/// Bytes of a content that waits.
const HELD_BYTES: usize = 256 << 10;

/// What is done with each content of a layer.
pub(crate) struct ContentPass<'a> {
    memo: &'a Memo,
    scan: Option<Scan<'a>>,
    /// What is looked for in programs alone.
    programs: Scan<'a>,
    is_program: bool,
    clamd: Option<&'a Clamd>,
    /// The beginning of a content that came in pieces.
    held: Vec<u8>,
    /// What goes to the scanner of a content that is too large to wait.
    stream: Option<clamd::Stream>,
    /// The content does not wait.
    is_large: bool,
    /// Why the scanner did not see everything.
    fault: Option<String>,
}

impl<'a> ContentPass<'a> {
    pub(crate) fn new(rules: Option<&'a Rules>, programs: &'a Rules, clamd: Option<&'a Clamd>, memo: &'a Memo) -> Self {
        let (scan, programs) = (rules.map(Rules::scan), programs.scan());
        let (held, is_program, is_large) = (Vec::new(), false, false);
        Self { memo, scan, programs, is_program, clamd, held, stream: None, is_large, fault: None }
    }

    /// Another content, which begins like this. What is seen in it depends on its bytes alone; whether it is looked at as a
    /// program, on its file too.
    pub(crate) fn begin(&mut self, beginning: &[u8], may_be_program: impl FnOnce() -> bool) {
        self.is_program = executable::is_program(beginning) && may_be_program();
    }

    /// Whether anything is looked for in the content.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_program || self.scan.is_some() || self.clamd.is_some()
    }

    /// Why the scanner did not see everything, if it did not: then the facts must not be kept.
    pub(crate) fn take_fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// A content that is there as a whole.
    pub(crate) fn whole(&mut self, bytes: &[u8], sha256: impl FnOnce() -> [u8; 32]) -> Option<ContentFacts> {
        if !self.is_wanted() {
            return None;
        }
        let sha256 = sha256();
        let known = self.memo.get(&sha256);
        let facts = known.unwrap_or_else(|| self.look(bytes, sha256));
        (!facts.seen.is_empty() || facts.is_cut_short).then(|| ContentFacts::clone(&facts))
    }

    /// The next piece of a content of `size` bytes.
    pub(crate) fn piece(&mut self, bytes: &[u8], size: u64) {
        if !self.is_large && self.held.len() + bytes.len() > HELD_BYTES {
            self.is_large = true;
            self.stream = self.clamd.map(|clamd| clamd.stream(size));
            let held = std::mem::take(&mut self.held);
            self.pass_on(&held);
            self.held = held;
            self.held.clear();
        }
        if self.is_large {
            self.pass_on(bytes);
        } else {
            self.held.extend_from_slice(bytes);
        }
    }

    /// The end of a content that came in pieces.
    pub(crate) fn end(&mut self, sha256: [u8; 32]) -> Option<ContentFacts> {
        if !std::mem::take(&mut self.is_large) {
            let held = std::mem::take(&mut self.held);
            let facts = if held.is_empty() { None } else { self.whole(&held, || sha256) };
            self.held = held;
            self.held.clear();
            return facts;
        }
        let (mut seen, is_cut_short) = self.scans(Scan::end);
        if let Some(stream) = self.stream.take() {
            let outcome = stream.end();
            self.note(outcome, &mut seen);
        }
        let facts = self.remember(ContentFacts { sha256, seen, is_cut_short });
        (!facts.seen.is_empty() || facts.is_cut_short).then(|| ContentFacts::clone(&facts))
    }

    fn pass_on(&mut self, bytes: &[u8]) {
        if let Some(scan) = &mut self.scan {
            scan.piece(bytes);
        }
        if self.is_program {
            self.programs.piece(bytes);
        }
        if let Some(stream) = &mut self.stream {
            stream.piece(bytes);
        }
    }

    fn look(&mut self, bytes: &[u8], sha256: [u8; 32]) -> Arc<ContentFacts> {
        let (mut seen, is_cut_short) = self.scans(|scan| scan.whole(bytes));
        if let Some(clamd) = self.clamd.filter(|_| !bytes.is_empty()) {
            // A connection may break; the content is still here to be sent again.
            let outcome = clamd.scan(bytes).or_else(|_| clamd.scan(bytes));
            self.note(outcome, &mut seen);
        }
        self.remember(ContentFacts { sha256, seen, is_cut_short })
    }

    /// What the scans of the content saw, and whether some was left out.
    fn scans(&mut self, mut look: impl FnMut(&mut Scan<'a>) -> (Vec<SeenIn>, bool)) -> (Vec<SeenIn>, bool) {
        let (mut seen, mut is_cut_short) = self.scan.as_mut().map(&mut look).unwrap_or_default();
        if self.is_program {
            let (more, is_cut) = look(&mut self.programs);
            seen.extend(more);
            is_cut_short |= is_cut;
        }
        (seen, is_cut_short)
    }

    /// After a fault the scanner is left alone for the rest of the layer.
    fn note(&mut self, outcome: Result<clamd::Verdict, clamd::ClamdError>, seen: &mut Vec<SeenIn>) {
        match outcome {
            Ok(verdict) => seen.extend(super::malware::seen(verdict)),
            Err(error) => {
                self.clamd = None;
                self.fault = Some(error.to_string());
            }
        }
    }

    fn remember(&self, facts: ContentFacts) -> Arc<ContentFacts> {
        let facts = Arc::new(facts);
        if self.fault.is_none() {
            self.memo.put(&facts);
        }
        facts
    }
}
