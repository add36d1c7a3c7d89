//! Paragraphs of fields, as dpkg and its relatives write them (deb-control(5), RFC 822 before them).

use std::collections::HashMap;

/// Bytes of one field that are kept; longer ones are cut, as nothing that long is shown.
const FIELD_BYTES: usize = 64 << 10;

/// One paragraph: the fields that were asked for.
#[derive(Default)]
pub(super) struct Paragraph(HashMap<&'static str, String>);

impl Paragraph {
    /// A field, which has a value. Continuation lines are joined by newlines.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// Every paragraph, with the fields of these lower-case names.
pub(super) fn paragraphs(bytes: &[u8], fields: &'static [&'static str]) -> impl Iterator<Item = Paragraph> {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    std::iter::from_fn(move || {
        let mut paragraph = Paragraph::default();
        let mut current: Option<&'static str> = None;
        let mut is_any = false;
        loop {
            let Some(line) = lines.next() else { return is_any.then_some(paragraph) };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.iter().all(u8::is_ascii_whitespace) {
                if is_any {
                    return Some(paragraph);
                }
                continue;
            }
            is_any = true;
            let shown = line.get(..FIELD_BYTES).unwrap_or(line);
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                let value = current.and_then(|name| paragraph.0.get_mut(name));
                if let Some(value) = value.filter(|value| value.len() < 16 * FIELD_BYTES) {
                    value.push('\n');
                    value.push_str(String::from_utf8_lossy(shown).trim());
                }
                continue;
            }
            let colon = shown.iter().position(|&byte| byte == b':').unwrap_or(shown.len());
            let (name, value) = shown.split_at(colon);
            current = fields.iter().copied().find(|field| name.eq_ignore_ascii_case(field.as_bytes()));
            if let Some(name) = current {
                let value = String::from_utf8_lossy(value.get(1..).unwrap_or_default());
                paragraph.0.insert(name, value.trim().to_owned());
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let text = b"\n\nPACKAGE: a\r\nOther: x\n not of a\nConffiles:\n /etc/a 1\n\t/etc/b 2\n \t\nPackage: b\n";
        let found: Vec<_> = paragraphs(text, &["package", "conffiles"])
            .map(|paragraph| {
                (paragraph.get("package").map(str::to_owned), paragraph.get("conffiles").map(str::to_owned))
            })
            .collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(found, [(some("a"), some("/etc/a 1\n/etc/b 2")), (some("b"), None)]);
        assert_eq!(paragraphs(b"", &["package"]).count(), 0);
        assert_eq!(paragraphs(b": x\n no\n\n", &["package"]).filter_map(|one| one.get("x").map(drop)).count(), 0);
    }
}
