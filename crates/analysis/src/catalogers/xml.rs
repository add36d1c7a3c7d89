//! XML, as far as manifests use it: a tree of elements, of which names, attributes and texts matter.
//!
//! Specification: Extensible Markup Language (XML) 1.0. Namespaces are left out, because the documents read here have
//! one each and writers disagree about its address. Document type definitions are skipped, so no entity is expanded
//! but the predefined ones.

use std::borrow::Cow;

use killick_model::problem::Problem;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{Found, WantedFile};

/// Bytes of a document. The tree takes a multiple of its size.
const DOCUMENT_BYTES: usize = 4 << 20;

/// Elements of a document; the largest real manifests have some ten thousand.
const ELEMENTS: usize = 50_000;

/// Elements in elements.
const DEPTH: usize = 64;

/// Attributes kept of one element.
const ATTRIBUTES: usize = 64;

/// An element with what is in it. Its names are found in any letter case, as build tools compare them.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The text that is directly in it, without blanks around; `None` if there is none.
    pub(super) fn text(&self) -> Option<&str> {
        Some(self.text.trim()).filter(|text| !text.is_empty())
    }

    /// The value of an attribute, without blanks around.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The elements of this name that are directly in it.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name.eq_ignore_ascii_case(name))
    }

    /// The first element of this name that is directly in it.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name.eq_ignore_ascii_case(name))
    }

    /// The text of the first element of this name that is directly in it.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name)?.text()
    }
}

/// Reads a document to its root element.
pub(super) fn read(file: &WantedFile<'_>, found: &mut Found) -> Option<Element> {
    if file.bytes.len() > DOCUMENT_BYTES {
        let message = format!("more than {DOCUMENT_BYTES} bytes, not read");
        found.problems.push(Problem::new("limit-document-bytes", file.path.to_string(), message));
        return None;
    }
    match parse(&decode(file.bytes)) {
        Ok(root) => Some(root),
        Err(reason) => {
            let message = format!("not the XML it should be: {reason}");
            found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
            None
        }
    }
}

/// Parses a text to its root element.
pub(super) fn parse(text: &str) -> Result<Element, String> {
    parse_within(text, ELEMENTS)
}

/// Parses a document that is larger than manifests are.
pub(super) fn parse_large(bytes: &[u8], elements: usize) -> Result<Element, String> {
    parse_within(&decode(bytes), elements)
}

fn parse_within(text: &str, most: usize) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = true;
    let mut open: Vec<Element> = Vec::new();
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(|error| format!("{error} at byte {}", reader.error_position()))?;
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(start) | Event::Empty(start) => {
                elements += 1;
                if elements > most || open.len() >= DEPTH {
                    return Err(format!("more than {most} elements, or {DEPTH} in one another"));
                }
                open.push(element(&start));
                if is_empty && let Some(root) = close(&mut open) {
                    return Ok(root);
                }
            }
            Event::End(_) => {
                if let Some(root) = close(&mut open) {
                    return Ok(root);
                }
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(data) => add(&mut open, &data.xml10_content()),
            Event::GeneralRef(reference) => match (reference.resolve_char_ref(), resolve_predefined_entity(&reference))
            {
                (Ok(Some(letter)), _) => add(&mut open, letter.encode_utf8(&mut [0; 4])),
                (_, Some(text)) => add(&mut open, text),
                // An entity of the document's own: left as it is written.
                _ => [["&", &reference, ";"].concat()].iter().for_each(|text| add(&mut open, text)),
            },
            Event::Eof => return Err("it ends before its root element does".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn element(start: &BytesStart<'_>) -> Element {
    let mut attributes = start.attributes();
    let attributes = attributes.with_checks(false).flatten().take(ATTRIBUTES).map(|attribute| {
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

fn add(open: &mut [Element], text: &str) {
    if let Some(last) = open.last_mut() {
        last.text.push_str(text);
    }
}

/// Ends the innermost open element. The root, if it is that one.
fn close(open: &mut Vec<Element>) -> Option<Element> {
    let done = open.pop()?;
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => return Some(done),
    }
    None
}

/// UTF-16 with a byte order mark, as Windows tools write it; else UTF-8, with what is not replaced.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let wide = |from: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).skip(1).map(|pair| from([pair[0], pair[1]]));
        Cow::Owned(char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        bytes => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_attributes_and_texts_are_read() {
        let root = parse(
            "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x 'y'>]><m:a xmlns:m='urn:x'><!-- no -->\n\
             <b Version=' 1 &amp; 2 '/><c> one<![CDATA[<two>]]>&#x33;&lt;&x; & </c><B>second</B></m:a>",
        )
        .unwrap();
        assert_eq!(root.name, "a");
        assert_eq!(root.child("b").and_then(|b| b.attribute("version")), Some("1 & 2"));
        assert_eq!(root.text_of("c"), Some("one<two>3<&x; &"));
        assert_eq!(root.all("b").count(), 2);
        assert_eq!(root.text(), None);
    }

    #[test]
    fn other_encodings_are_read() {
        let wide: Vec<u8> = "\u{feff}<a>ü</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(parse(&decode(&wide)).unwrap().text(), Some("ü"));
        let wide: Vec<u8> = "\u{feff}<a>ü</a>".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(parse(&decode(&wide)).unwrap().text(), Some("ü"));
        assert_eq!(parse(&decode(b"\xef\xbb\xbf<a>\xff</a>")).unwrap().text(), Some("\u{fffd}"));
    }

    #[test]
    fn what_is_not_a_document_is_told() {
        for text in ["", "text", "<a>", "<a></b>", "<a><b></a>", "<a b='>", &"<a>".repeat(DEPTH + 1)] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&format!("<a>{}</a>", "<b/>".repeat(ELEMENTS))).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[<>/a&;='\"! \\[\\]#x0-9?-]{0,60}", bytes in any::<Vec<u8>>()) {
            let _ = parse(&text);
            let _ = parse(&decode(&bytes));
        }
    }
}
