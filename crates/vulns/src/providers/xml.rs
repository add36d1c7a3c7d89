//! Reading XML feeds that are too large to hold: one record at a time, each a small tree.
//!
//! Specification: Extensible Markup Language (XML) 1.0. Namespaces are left out, because a feed has one vocabulary.
//! Document type definitions are skipped, so no entity is expanded but the predefined ones.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{Input, ReadError};

/// Elements of a record. Kernel updates list some ten thousand packages and tests.
const ELEMENTS: usize = 400_000;

/// Elements in elements, in a record.
const DEPTH: usize = 64;

/// Elements in elements, in a document: the reader remembers their names.
const MAX_DEPTH: usize = 10_000;

/// Bytes of names, values and texts in a record.
const RECORD_BYTES: usize = 64 << 20;

/// Bytes of one tag or text.
const TOKEN_BYTES: u64 = 16 << 20;

/// An element with what is in it.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The text that is directly in it, without blanks around; empty if there is none.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// The value of an attribute, without blanks around; `None` if it is empty too.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let value = self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim());
        value.filter(|value| !value.is_empty())
    }

    /// The elements of this name that are directly in it.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element of this name that is directly in it.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The first element at the end of this path.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The text of the first element of this name that is directly in it.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        Some(self.child(name)?.text()).filter(|text| !text.is_empty())
    }
}

/// Calls `each` with every element that is `wanted` by name, wherever it is, or with why it is too large.
///
/// A document that is no XML or breaks off is an error, whatever came before.
pub(super) fn records(
    input: &Input<'_>,
    wanted: impl Fn(&str) -> bool,
    each: impl FnMut(Result<Element, String>),
) -> Result<(), ReadError> {
    records_of(input.reader()?, wanted, each).map_err(|detail| input.malformed(detail))
}

/// [`records`] of a document that is here; the error says what is wrong with it.
pub(super) fn records_of(
    document: impl BufRead,
    wanted: impl Fn(&str) -> bool,
    mut each: impl FnMut(Result<Element, String>),
) -> Result<(), String> {
    let budget = Rc::new(Cell::new(TOKEN_BYTES));
    let mut reader = Reader::from_reader(Metered { inner: document, budget: Rc::clone(&budget) });
    reader.config_mut().allow_dangling_amp = true;
    let (mut buffer, mut depth, mut record) = (Vec::new(), 0_usize, Record::default());
    let mut has_root = false;
    loop {
        buffer.clear();
        budget.set(TOKEN_BYTES);
        let position = reader.buffer_position();
        let event = reader.read_event_into(&mut buffer).map_err(|error| format!("{error} after byte {position}"))?;
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(start) | Event::Empty(start) => {
                has_root = true;
                if !record.is_open() && wanted(start.local_name().as_ref()) {
                    record = Record::default();
                }
                if record.is_open() || wanted(start.local_name().as_ref()) {
                    record.open(&start);
                    if is_empty {
                        record.close(&mut each);
                    }
                }
                depth += usize::from(!is_empty);
                if depth > MAX_DEPTH {
                    return Err(format!("more than {MAX_DEPTH} elements in one another"));
                }
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                record.close(&mut each);
            }
            Event::Text(text) => record.add(&text.xml10_content()),
            Event::CData(data) => record.add(&data.xml10_content()),
            Event::GeneralRef(reference) => match (reference.resolve_char_ref(), resolve_predefined_entity(&reference))
            {
                (Ok(Some(letter)), _) => record.add(letter.encode_utf8(&mut [0; 4])),
                (_, Some(text)) => record.add(text),
                // An entity of the document's own means nothing here.
                _ => {}
            },
            Event::Eof if depth == 0 && has_root => return Ok(()),
            Event::Eof => return Err("it ends before its root element does".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// The record that is being read: a stack of open elements.
#[derive(Default)]
struct Record {
    open: Vec<Element>,
    /// Elements that are open but not kept, because the record is too large already.
    passed: usize,
    elements: usize,
    bytes: usize,
}

impl Record {
    fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    fn is_too_large(&self) -> bool {
        self.elements > ELEMENTS || self.bytes > RECORD_BYTES
    }

    fn open(&mut self, start: &BytesStart<'_>) {
        self.elements += 1;
        if self.open.len() >= DEPTH {
            self.elements = ELEMENTS + 1;
        }
        if self.passed > 0 || (self.is_too_large() && self.is_open()) {
            self.passed += 1;
            return;
        }
        let element = element(start);
        self.bytes +=
            element.name.len() + element.attributes.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        self.open.push(element);
    }

    fn add(&mut self, text: &str) {
        if self.passed > 0 || self.is_too_large() {
            return;
        }
        if let Some(last) = self.open.last_mut() {
            self.bytes += text.len();
            last.text.push_str(text);
        }
    }

    fn close(&mut self, each: &mut impl FnMut(Result<Element, String>)) {
        if self.passed > 0 {
            self.passed -= 1;
            return;
        }
        let Some(done) = self.open.pop() else { return };
        let is_too_large = self.is_too_large();
        match self.open.last_mut() {
            Some(parent) => parent.children.push(done),
            None if is_too_large => each(Err(format!("`{}` is larger than any record should be", done.name))),
            None => each(Ok(done)),
        }
    }
}

fn element(start: &BytesStart<'_>) -> Element {
    let mut attributes = start.attributes();
    let attributes = attributes.with_checks(false).flatten().map(|attribute| {
        let name = attribute.key.local_name().as_ref().to_owned();
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap_or(Cow::Borrowed(""));
        (name, value.into_owned())
    });
    Element {
        name: start.local_name().as_ref().to_owned(),
        attributes: attributes.collect(),
        text: String::new(),
        children: Vec::new(),
    }
}

/// A reader that ends in an error when one token takes more than its budget, before memory does.
struct Metered<R> {
    inner: R,
    budget: Rc<Cell<u64>>,
}

impl<R: BufRead> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer.iter_mut().zip(available).for_each(|(to, from)| *to = *from);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.budget.get() == 0 {
            return Err(io::Error::other(format!("a tag or text has more than {TOKEN_BYTES} bytes")));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.budget.set(self.budget.get().saturating_sub(count as u64));
        self.inner.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Result<Vec<String>, ReadError> {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("feed.xml"), text).unwrap();
        let mut found = Vec::new();
        let input = Input { root: folder.path(), path: Path::new("feed.xml") };
        records(
            &input,
            |name| name == "r",
            |record| {
                found.push(match record {
                    Ok(record) => {
                        format!("{}={} {}", record.name, record.attribute("id").unwrap_or("-"), record.text())
                    }
                    Err(reason) => reason,
                });
            },
        )
        .map(|()| found)
    }

    #[test]
    fn records_are_found_wherever_they_are() {
        let text = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY big 'boom'>]><a><r id='1'>x &amp; &#65;&big;</r>\
                    <b><n:r xmlns:n='u' id=''/></b><r><r>inner</r></r></a>";
        assert_eq!(read(text).unwrap(), ["r=1 x & A", "r=- ", "r=- "]);
    }

    #[test]
    fn half_a_document_is_none() {
        for text in ["", "<a><r id='1'/>", "<a><r></a>", "text", "<a", "<!-- -->"] {
            assert!(matches!(read(text), Err(ReadError::Malformed { .. })), "{text}");
        }
    }

    #[test]
    fn what_is_too_large_is_passed_over() {
        let deep = format!("<a><r>{}{}</r><r id='2'/></a>", "<x>".repeat(100), "</x>".repeat(100));
        assert_eq!(read(&deep).unwrap(), ["`r` is larger than any record should be", "r=2 "]);
        let long = format!("<a><r>{}</r></a>", "x".repeat(17 << 20));
        assert!(read(&long).unwrap_err().to_string().contains("has more than"));
    }
}
