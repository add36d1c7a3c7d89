//! One HTML file: no script, nothing that is loaded from elsewhere, readable on a phone.
//!
//! The page is a template (`html/report.html`) that escapes whatever it is given; what it is given is in [`page`]. A
//! content security policy in the page forbids the rest, should a name of an image ever get through.

use std::io::{self, Write};

use minijinja::{Environment, UndefinedBehavior};

use super::{IndexReport, Report, Style};

mod page;

const TEMPLATE: &str = include_str!("html/report.html");

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    write(&page::Page::of_image(report), out)
}

pub(super) fn render_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    write(&page::Page::of_index(index), out)
}

fn write(page: &page::Page, out: &mut dyn Write) -> io::Result<()> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    let template = environment.template_from_named_str("report.html", TEMPLATE).map_err(io::Error::other)?;
    template.render_captured_to(page, out).map_err(io::Error::other)?;
    Ok(())
}
