//! The lines of a file of calls.

use std::collections::BTreeMap;

/// A line.
pub(super) enum Line {
    Comment(String),
    /// The queue runs empty.
    Work,
    /// Whoever watches looks.
    Look,
    /// Keeps what the pointer finds in the answer before.
    Keep(String, String),
    Call(Call),
}

/// A call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// As it is written.
    pub(super) text: String,
    pub(super) who: String,
    /// The account to act in.
    pub(super) account: Option<String>,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) content_type: Option<String>,
    pub(super) body: String,
}

/// All lines of a file but the empty ones.
pub(super) fn lines(text: &str) -> Vec<Line> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(line).collect()
}

fn line(line: &str) -> Line {
    if line.starts_with('#') {
        return Line::Comment(line.to_owned());
    }
    if line == "work" {
        return Line::Work;
    }
    if line == "look" {
        return Line::Look;
    }
    if let Some(kept) = line.strip_prefix('>') {
        let (name, pointer) = kept.trim().split_once(' ').unwrap_or_else(|| panic!("`{line}`: name and pointer"));
        return Line::Keep(name.to_owned(), pointer.trim().to_owned());
    }
    let (first, rest) = line.split_once(' ').unwrap_or_else(|| panic!("`{line}` is no call"));
    let is_method = first.bytes().all(|byte| byte.is_ascii_uppercase());
    let (who, rest) = if is_method { ("admin", line) } else { (first, rest) };
    let (who, account) = match who.split_once('@') {
        Some((who, account)) => (who, Some(account.to_owned())),
        None => (who, None),
    };
    let (method, rest) = rest.split_once(' ').unwrap_or_else(|| panic!("`{line}` is no call"));
    let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
    let (content_type, body) = match body.strip_prefix('(').and_then(|body| body.split_once(')')) {
        // Of texts that are no JSON, lines end with `\r\n`.
        Some((kind, body)) => (kind, body.strip_prefix(' ').unwrap_or(body).replace("\\r\\n", "\r\n")),
        None => ("application/json", body.to_owned()),
    };
    Line::Call(Call {
        text: line.to_owned(),
        who: who.to_owned(),
        account,
        method: method.to_owned(),
        path: path.to_owned(),
        content_type: (!content_type.is_empty()).then(|| content_type.to_owned()),
        body,
    })
}

impl Call {
    /// The call with values instead of names.
    pub(super) fn with(&self, names: &BTreeMap<String, String>) -> Self {
        let mut names: Vec<(&String, &String)> = names.iter().collect();
        // `$digest` is not `$dig` and `est`.
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let fill = |text: &str| {
            names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
        };
        let path = fill(&self.path);
        assert!(!path.contains('$'), "`{path}`: a name that nobody gave");
        Self { path, body: fill(&self.body), ..self.clone() }
    }
}
