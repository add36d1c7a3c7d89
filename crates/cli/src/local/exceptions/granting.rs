//! Writes into a file of exceptions what they are granted for.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use killick_policy::Exception;
use serde_json::{Value, json};

use crate::local::documents::{self, Language};
use crate::report_error::with_hint;

/// Puts `granted_for` into the file. Of YAML only lines are added, so that comments stay.
pub(super) fn write(path: &Path, granted: &[Exception]) -> anyhow::Result<()> {
    let before = documents::text(path)?;
    let language = Language::of(path).unwrap_or(Language::Json);
    let document = documents::parse(&before, language)?;
    let wanted = completed(&document, granted).context("the exceptions changed while they were read")?;
    if wanted == document {
        return Ok(());
    }
    let text = match language {
        Language::Json => serde_json::to_string_pretty(&wanted)? + "\n",
        Language::Yaml => match with_lines(&before, &document, &wanted) {
            Some(text) => text,
            None if has_comment(&before) => {
                return Err(with_hint(
                    format!("what was granted cannot be added to `{}` without losing its comments", path.display()),
                    "write each exception as an item of its own, beginning with `- id: …` on a line",
                ));
            }
            None => serde_saphyr::to_string(&wanted).context("the exceptions cannot be written as YAML")?,
        },
    };
    Ok(fs_err::write(path, text)?)
}

/// The list of exceptions of a document.
fn list(document: &Value) -> Option<&Vec<Value>> {
    document.get("exceptions").unwrap_or(document).as_array()
}

/// The document with what is new; `None` if it has other exceptions.
fn completed(document: &Value, granted: &[Exception]) -> Option<Value> {
    let mut wanted = document.clone();
    let entries = if wanted.is_array() { &mut wanted } else { wanted.get_mut("exceptions")? }.as_array_mut()?;
    if entries.len() != granted.len() {
        return None;
    }
    for (entry, exception) in entries.iter_mut().zip(granted) {
        let members = entry.as_object_mut()?;
        let has_some = members.get("granted_for").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        if !has_some && !exception.granted_for.is_empty() {
            members.insert("granted_for".to_owned(), json!(exception.granted_for));
        }
    }
    Some(wanted)
}

/// The YAML text with `granted_for` behind the last line of each item that has it only in `wanted`; `None` if it is not
/// written in lines, or what came out would not be `wanted`.
fn with_lines(text: &str, document: &Value, wanted: &Value) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let items = items(&lines, document.is_array())?;
    if items.len() != list(document)?.len() {
        return None;
    }
    let mut out = String::new();
    let mut written = 0;
    for (item, (old, new)) in items.iter().zip(list(document)?.iter().zip(list(wanted)?)) {
        lines.get(written..item.end)?.iter().for_each(|line| out.push_str(line));
        written = item.end;
        if old == new {
            continue;
        }
        if !out.ends_with('\n') {
            out.push('\n');
        }
        let indent = " ".repeat(item.members);
        let _ = writeln!(out, "{indent}granted_for:");
        for granted in new.get("granted_for")?.as_array()? {
            // JSON is YAML.
            let _ = writeln!(out, "{indent}  - {granted}");
        }
    }
    lines.get(written..)?.iter().for_each(|line| out.push_str(line));
    (documents::parse(&out, Language::Yaml).ok().as_ref() == Some(wanted)).then_some(out)
}

/// One item of the list.
struct Item {
    /// Column of its members.
    members: usize,
    /// The line behind its last one that says something.
    end: usize,
}

/// The items of a block list: the whole document, or its member `exceptions`.
fn items(lines: &[&str], is_list: bool) -> Option<Vec<Item>> {
    let is_member =
        |line: &&str| line.strip_prefix("exceptions").is_some_and(|rest| rest.trim_start().starts_with(':'));
    let start = if is_list { 0 } else { lines.iter().position(is_member)? + 1 };
    let mut items: Vec<Item> = Vec::new();
    let mut column = None;
    for (at, line) in lines.iter().enumerate().skip(start) {
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let dash = line.trim_start().strip_prefix('-').filter(|rest| rest.starts_with(char::is_whitespace));
        match (dash, items.last_mut()) {
            (Some(rest), _) if column.is_none_or(|column| column == indent) => {
                column = Some(indent);
                let text = rest.trim_start_matches(' ');
                let members = if text.trim().is_empty() { 0 } else { indent + 1 + rest.len() - text.len() };
                items.push(Item { members, end: at + 1 });
            }
            (_, Some(item)) if column.is_some_and(|column| indent > column) => {
                // The members begin below the dash.
                if item.members == 0 {
                    item.members = indent;
                }
                item.end = at + 1;
            }
            // Marks of the document stand before the list.
            (_, None) if is_list && (content.starts_with("---") || content.starts_with('%')) => {}
            (_, Some(_)) => break,
            (_, None) => return None,
        }
    }
    Some(items)
}

/// Whether somebody may miss something if it is written anew.
fn has_comment(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with('#') || line.contains(" #"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(text: &str) -> Option<String> {
        let document = documents::parse(text, Language::Yaml).unwrap();
        let mut exceptions: Vec<Exception> =
            list(&document).unwrap().iter().map(|entry| Exception::parse(entry, "").unwrap()).collect();
        let one = json!({"gate": "files", "trigger": "name_match", "path": "/etc/x: #1"});
        for exception in exceptions.iter_mut().filter(|exception| exception.granted_for.is_empty()) {
            exception.granted_for.push(serde_json::from_value(one.clone()).unwrap());
        }
        with_lines(text, &document, &completed(&document, &exceptions).unwrap())
    }

    #[test]
    fn lines_are_added_and_comments_stay() {
        let text = "# ours\nexceptions:   # all\n  - id: a # first\n    select: {path: /x}\n    reason: |\n      one\n      - two\n    owner: o\n\n  # the second\n  - id: b\n    select: {path: /x}\n    reason: r\n    owner: o\n    granted_for:\n    - {gate: g, trigger: t}\n  -\n     id: c\n     select: {path: /x}\n     reason: r\n     owner: o\n# end\nnotes: none";
        insta::assert_snapshot!(granted(text).unwrap(), @r#"
        # ours
        exceptions:   # all
          - id: a # first
            select: {path: /x}
            reason: |
              one
              - two
            owner: o
            granted_for:
              - {"gate":"files","trigger":"name_match","path":"/etc/x: #1"}

          # the second
          - id: b
            select: {path: /x}
            reason: r
            owner: o
            granted_for:
            - {gate: g, trigger: t}
          -
             id: c
             select: {path: /x}
             reason: r
             owner: o
             granted_for:
               - {"gate":"files","trigger":"name_match","path":"/etc/x: #1"}
        # end
        notes: none
        "#);
    }

    #[test]
    fn lists_may_be_the_whole_document() {
        let text = "---\n# ours\n- id: a\n  select: {path: /x}\n  reason: r\n  owner: o";
        let added = granted(text).unwrap();
        assert!(added.starts_with(text) && added.contains("\n  granted_for:\n    - {"), "{added}");
        // In one line there is no place for more lines.
        assert_eq!(granted("[{id: a, select: {path: /x}, reason: r, owner: o}]\n"), None);
        assert_eq!(granted("exceptions: [{id: a, select: {path: /x}, reason: r, owner: o}]\n"), None);
    }
}
