//! The two table styles of anchore-cli: plain columns, and boxed with a rule under every row; and the same rows as CSV.

use std::fmt::Write as _;

/// What is shown to people, and the rows in it if it is a list.
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) rows: Option<Columns>,
}

impl From<String> for Shown {
    fn from(text: String) -> Self {
        Self { text, rows: None }
    }
}

impl Shown {
    /// The same with something below it.
    pub(super) fn ending(self, end: &str) -> Self {
        Self { text: self.text + end, ..self }
    }

    /// The same with something above it.
    pub(super) fn after(self, note: &str) -> Self {
        Self { text: format!("{note}{}", self.text), ..self }
    }
}

/// Rows of text under a header, left-aligned, eight blanks after each column.
pub(super) struct Columns {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Columns {
    pub(super) fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Sorts by one column, the other columns deciding ties from left to right.
    pub(super) fn sort_by(mut self, column: usize) -> Self {
        self.rows.sort_by(|a, b| a[column].cmp(&b[column]).then_with(|| a.cmp(b)));
        self
    }

    /// Reverses the order of the rows.
    pub(super) fn reverse(mut self) -> Self {
        self.rows.reverse();
        self
    }

    /// Takes the rows of another table of the same columns.
    pub(super) fn extend(&mut self, other: Option<Self>) {
        self.rows.extend(other.into_iter().flat_map(|other| other.rows));
    }

    /// The table, to be shown.
    pub(super) fn shown(self) -> Shown {
        Shown { text: self.render(), rows: Some(self) }
    }

    /// The table in boxes, to be shown.
    pub(super) fn boxed(self) -> Shown {
        Shown { text: self.render_boxed(), rows: Some(self) }
    }

    /// Header and rows as CSV (RFC 4180), without the last line break. Texts that a table breaks into lines are on one.
    pub(super) fn csv(&self) -> String {
        let header: Vec<String> = self.header.iter().map(|&title| title.to_owned()).collect();
        let line = |cells: &Vec<String>| cells.iter().map(|cell| csv_cell(cell)).collect::<Vec<_>>().join(",");
        std::iter::once(&header).chain(&self.rows).map(line).collect::<Vec<_>>().join("\r\n")
    }

    /// The table; empty text if there are no rows, header included.
    pub(super) fn render(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let widths = self.widths();
        let header: Vec<String> = self.header.iter().map(|&title| title.to_owned()).collect();
        let lines: Vec<String> =
            std::iter::once(&header).chain(&self.rows).map(|cells| plain_lines(cells, &widths)).collect();
        lines.join("\n")
    }

    /// The table in boxes, with a rule under every row; shown even without rows.
    fn render_boxed(&self) -> String {
        let widths = self.widths();
        let rule: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect::<String>() + "+";
        let mut text = format!("{rule}\n");
        let header: Vec<String> = self.header.iter().map(|&title| title.to_owned()).collect();
        for cells in std::iter::once(&header).chain(&self.rows) {
            for line in 0..height(cells) {
                for (cell, width) in cells.iter().zip(&widths) {
                    let _ = write!(text, "| {:width$} ", cell.lines().nth(line).unwrap_or_default());
                }
                text.push_str("|\n");
            }
            text.push_str(&rule);
            text.push('\n');
        }
        text.pop();
        text
    }

    fn widths(&self) -> Vec<usize> {
        (0..self.header.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].as_str());
                cells.chain([self.header[column]]).flat_map(str::lines).map(width).max().unwrap_or(0)
            })
            .collect()
    }
}

fn csv_cell(cell: &str) -> String {
    let cell = cell.lines().collect::<Vec<_>>().join(" ");
    // What a spreadsheet would calculate is text there (OWASP, "CSV Injection").
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t']) && cell.parse::<f64>().is_err();
    let cell = if is_formula { format!("'{cell}") } else { cell };
    if cell.contains([',', '"', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

fn width(line: &str) -> usize {
    line.chars().count()
}

fn height(cells: &[String]) -> usize {
    cells.iter().map(|cell| cell.lines().count()).max().unwrap_or(0).max(1)
}

fn plain_lines(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for line in 0..height(cells) {
        if line > 0 {
            text.push('\n');
        }
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(text, "{:width$}        ", cell.lines().nth(line).unwrap_or_default());
        }
    }
    text
}

/// Breaks `text` at blanks into lines of at most `limit` characters; a longer word stands alone.
pub(super) fn fill(text: &str, limit: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// `Key: value` lines and an empty line.
pub(super) fn fields(pairs: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (key, value) in pairs {
        let _ = writeln!(text, "{key}: {value}");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_boxed() {
        let mut table = Columns::new(&["A", "Long"]);
        table.row(vec!["two".into(), "x\ny".into()]);
        table.row(vec!["one".into(), "z".into()]);
        let table = table.sort_by(0);
        insta::assert_snapshot!(format!("{}\n{}", table.render(), table.render_boxed()), @r"
        A          Long        
        one        z           
        two        x           
                   y           
        +-----+------+
        | A   | Long |
        +-----+------+
        | one | z    |
        +-----+------+
        | two | x    |
        |     | y    |
        +-----+------+
        ");
        assert_eq!(Columns::new(&["A"]).render(), "");
    }

    #[test]
    fn rows_are_csv_for_programs() {
        let mut table = Columns::new(&["A", "Long, or not"]);
        table.row(vec!["two \"2\"".into(), "x\ny".into()]);
        table.row(vec!["=1+1".into(), "-2".into()]);
        assert_eq!(table.csv(), "A,\"Long, or not\"\r\n\"two \"\"2\"\"\",x y\r\n'=1+1,-2");
        assert_eq!(Columns::new(&["A", "B"]).csv(), "A,B", "programs want the header all the same");
    }

    #[test]
    fn fill_breaks_at_blanks() {
        assert_eq!(fill("aa bb  cc dddddd", 5), "aa bb\ncc\ndddddd");
    }
}
