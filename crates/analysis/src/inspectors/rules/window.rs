//! A content as the rules see it: a window that moves over it.

use std::ops::Range;

use super::{CONTENT_SHARE, FREE_WORK, LINE_REACH, MAX_CONTENT_HITS, MAX_HITS, Reach, Rules};
use crate::facts::SeenIn;
use crate::inspectors::Hit;

/// What is added to a window before it is looked at.
const STEP: usize = 256 << 10;

/// Looks at one content after another.
pub(crate) struct Scan<'a> {
    rules: &'a Rules,
    /// The part of the content that is held, where it came in more than one piece.
    window: Vec<u8>,
    place: Place,
    found: Found,
}

/// Where in the content the window is.
#[derive(Debug, Default)]
struct Place {
    /// Offset of its first byte.
    start: u64,
    /// Offset up to which keywords were looked for.
    done: u64,
    /// Lines before its first byte.
    lines: u64,
    /// Where the next line begins for rules without keywords.
    next_line: u64,
}

/// What was found in the content so far.
#[derive(Debug, Default)]
struct Found {
    /// By rule.
    rules: Vec<OfRule>,
    /// Rules that were looked at.
    touched: Vec<u16>,
    /// Hits of all rules.
    hits: usize,
    /// Bytes that regular expressions saw.
    work: u64,
    /// They saw too much, and not everything.
    is_cut_short: bool,
}

#[derive(Debug, Default, Clone)]
struct OfRule {
    is_touched: bool,
    /// What is to be looked at, in offsets of the content.
    region: Range<u64>,
    /// End of the last match.
    matched: u64,
    hits: Vec<Hit>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(rules: &'a Rules) -> Self {
        let found = Found { rules: vec![OfRule::default(); rules.owned.len()], ..Found::default() };
        Self { rules, window: Vec::new(), place: Place::default(), found }
    }

    /// The next piece of the content.
    pub(crate) fn piece(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(STEP) {
            self.window.extend_from_slice(part);
            if self.window.len() >= STEP + 2 * LINE_REACH {
                let window = std::mem::take(&mut self.window);
                self.look(&window, false);
                self.window = window;
                self.advance();
            }
        }
    }

    /// Ends the content; what was seen, by inspector, and whether some was left out.
    pub(crate) fn end(&mut self) -> (Vec<SeenIn>, bool) {
        let window = std::mem::take(&mut self.window);
        self.look(&window, true);
        self.window = window;
        self.take()
    }

    /// A content that is there as a whole.
    pub(crate) fn whole(&mut self, bytes: &[u8]) -> (Vec<SeenIn>, bool) {
        self.look(bytes, true);
        self.take()
    }

    fn take(&mut self) -> (Vec<SeenIn>, bool) {
        self.window.clear();
        self.place = Place::default();
        let mut touched = std::mem::take(&mut self.found.touched);
        touched.sort_unstable();
        let mut seen: Vec<SeenIn> = Vec::new();
        for number in touched {
            let Some(of_rule) = self.found.rules.get_mut(usize::from(number)).map(std::mem::take) else { continue };
            let Some(owned) = self.rules.rule(number).filter(|_| !of_rule.hits.is_empty()) else { continue };
            match seen.last_mut().filter(|seen| seen.inspector == owned.inspector) {
                Some(seen) => seen.hits.extend(of_rule.hits),
                None => seen.push(SeenIn { inspector: owned.inspector.to_owned(), hits: of_rule.hits }),
            }
        }
        for seen in &mut seen {
            seen.hits.sort_by_key(|hit| (hit.line, hit.rule));
        }
        self.found.hits = 0;
        self.found.work = 0;
        (seen, std::mem::take(&mut self.found.is_cut_short))
    }

    /// Keeps what rules may reach back to.
    fn advance(&mut self) {
        let gone = self.window.len().saturating_sub(2 * LINE_REACH);
        let newlines = memchr::memchr_iter(b'\n', self.window.get(..gone).unwrap_or_default()).count();
        self.place.lines += newlines as u64;
        self.place.start += gone as u64;
        self.window.drain(..gone);
    }

    /// Looks at what of the window was not looked at and has all its surroundings.
    fn look(&mut self, window: &[u8], is_last: bool) {
        let ready = if is_last { window.len() } else { window.len().saturating_sub(LINE_REACH) };
        let fresh = usize::try_from(self.place.done - self.place.start).unwrap_or(ready);
        self.keywords(window, fresh..ready);
        if !self.rules.everywhere.is_empty() {
            self.lines(window, ready);
        }
        self.place.done = self.place.start + ready as u64;
    }

    fn keywords(&mut self, window: &[u8], ready: Range<usize>) {
        let rules = self.rules;
        // A keyword that begins before the fresh part was seen there.
        rules.words.find(window, ready, |word, number| {
            let Some(owned) = rules.rule(number) else { return };
            let region = match owned.rule.reach {
                Reach::Line => line_around(window, word.start),
                Reach::Bytes(before, after) => {
                    word.start.saturating_sub(before.min(LINE_REACH))
                        ..word.end.saturating_add(after.min(LINE_REACH)).min(window.len())
                }
            };
            self.widen(number, region, window);
        });
        for at in 0..self.found.touched.len() {
            let Some(number) = self.found.touched.get(at).copied() else { break };
            self.flush(number, window);
        }
    }

    /// Adds a region to what a rule has to look at.
    fn widen(&mut self, number: u16, region: Range<usize>, window: &[u8]) {
        let region = self.place.start + region.start as u64..self.place.start + region.end as u64;
        // Regions become one where they meet; lines stay apart.
        let joins = self.rules.rule(number).is_some_and(|owned| owned.rule.reach != Reach::Line);
        let Some(of_rule) = self.found.rules.get_mut(usize::from(number)) else { return };
        if of_rule.region.is_empty() {
            if !std::mem::replace(&mut of_rule.is_touched, true) {
                self.found.touched.push(number);
            }
            of_rule.region = region;
        } else if region.start <= of_rule.region.end && joins {
            of_rule.region.start = of_rule.region.start.min(region.start);
            of_rule.region.end = of_rule.region.end.max(region.end);
        } else if region != of_rule.region {
            self.flush(number, window);
            if let Some(of_rule) = self.found.rules.get_mut(usize::from(number)) {
                of_rule.region = region;
            }
        }
    }

    /// Lets a rule look at its region.
    fn flush(&mut self, number: u16, window: &[u8]) {
        let rules = self.rules;
        let place = &self.place;
        let (Some(owned), Some(of_rule)) = (rules.rule(number), self.found.rules.get_mut(usize::from(number))) else {
            return;
        };
        let region = std::mem::take(&mut of_rule.region);
        let offset = |at: u64| usize::try_from(at.saturating_sub(place.start)).unwrap_or(usize::MAX);
        let Some(bytes) = window.get(offset(region.start)..offset(region.end)).filter(|bytes| !bytes.is_empty()) else {
            return;
        };
        let size = place.start + window.len() as u64;
        self.found.work += bytes.len() as u64;
        if self.found.work > FREE_WORK + CONTENT_SHARE * size {
            self.found.is_cut_short = true;
            return;
        }
        let Some(regex) = owned.rule.regex.regex() else { return };
        // What the last match took is not matched again, but can be looked back at.
        let mut from = usize::try_from(of_rule.matched.saturating_sub(region.start)).unwrap_or(bytes.len());
        while let Some(captures) = (from <= bytes.len()).then(|| regex.captures_at(bytes, from)).flatten() {
            let Some(whole) = captures.get(0) else { break };
            // What a match takes from the line before it is only what it is told apart by.
            let breaks = whole.as_bytes().iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            let start = region.start + (whole.start() + breaks) as u64;
            // What follows the first group may begin the next match.
            let end = captures.get(1).map_or(whole.end(), |group| group.end()).max(whole.start() + 1);
            let note = match &owned.rule.judge {
                Some(judge) => judge(&captures),
                None => Some(Vec::new()),
            };
            if let Some(note) = note {
                if of_rule.hits.len() >= MAX_HITS || self.found.hits >= MAX_CONTENT_HITS {
                    break;
                }
                self.found.hits += 1;
                let before = window.get(..offset(start)).unwrap_or_default();
                let line = place.lines + memchr::memchr_iter(b'\n', before).count() as u64 + 1;
                of_rule.hits.push(Hit { rule: owned.number, line, note });
            }
            of_rule.matched = of_rule.matched.max(region.start + end as u64);
            if owned.rule.reach == Reach::Line {
                of_rule.matched = of_rule.matched.max(region.end);
                break;
            }
            from = end;
        }
    }

    /// Shows each line to the rules without keywords.
    fn lines(&mut self, window: &[u8], ready: usize) {
        loop {
            let at = usize::try_from(self.place.next_line.saturating_sub(self.place.start)).unwrap_or(usize::MAX);
            if at >= ready {
                return;
            }
            let rest = window.get(at..).unwrap_or_default();
            let longest = rest.get(..LINE_REACH).unwrap_or(rest);
            let length = memchr::memchr(b'\n', longest);
            let end = at + length.unwrap_or(longest.len());
            for number in &self.rules.everywhere {
                self.widen(*number, at..end, window);
                self.flush(*number, window);
            }
            self.place.next_line = self.place.start + (end + usize::from(length.is_some())).max(at + 1) as u64;
        }
    }
}

/// The line a keyword begins in, without its end, as far as rules may look.
fn line_around(window: &[u8], at: usize) -> Range<usize> {
    let before = window.get(at.saturating_sub(LINE_REACH)..at).unwrap_or_default();
    let start = memchr::memrchr(b'\n', before).map_or(before.len(), |newline| before.len() - newline - 1);
    let after = window.get(at..(at + LINE_REACH).min(window.len())).unwrap_or_default();
    at - start..at + memchr::memchr(b'\n', after).unwrap_or(after.len())
}
