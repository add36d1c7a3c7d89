//! Columns, colour, and texts out of images that must not reach the terminal as they are.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use killick_model::printable::printable;

use crate::formats::Style;

/// Columns of the header and the rows, without lines, as wide as needed or as the terminal is. A column that is
/// named in `whole` is never broken.
pub(crate) fn table(header: &[&str], whole: &[&str], rows: Vec<Vec<String>>, style: Style) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = style.width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
    }
    table.set_header(header);
    table.add_rows(rows);
    for (column, name) in table.column_iter_mut().zip(header) {
        if whole.contains(name) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let mut text = String::new();
    for line in table.to_string().lines() {
        // Cells are padded on both sides.
        text.push_str(line.strip_prefix(' ').unwrap_or(line).trim_end());
        text.push('\n');
    }
    text
}

/// The text as one line without what could rewrite the terminal.
pub(crate) fn plain(text: &str) -> String {
    printable(text).replace(['\n', '\t'], "\u{fffd}")
}

/// Colours that are decoration only.
#[derive(Debug, Clone, Copy)]
pub(super) enum Colour {
    Red,
    Yellow,
    Green,
    Dim,
    Bold,
}

pub(super) fn paint(text: &str, colour: Colour, style: Style) -> String {
    if !style.colour {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Red => 31,
        Colour::Yellow => 33,
        Colour::Green => 32,
        Colour::Dim => 2,
        Colour::Bold => 1,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}
