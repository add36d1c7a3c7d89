//! Markdown for comments of pull and merge requests: the verdict, what to do first, the worst, and what is left out.
//!
//! Services refuse comments of more than 65,536 characters, so nothing longer is written. Names of packages are
//! whatever an image holds: they are written as code, which mentions nobody and links nowhere.

use std::io::{self, Write};

use killick_model::evaluation::{Action, Evaluation};
use killick_model::matching::{Match, Matches};
use killick_model::severity::Severity;

use super::{IndexReport, Report, Style, by_risk, fix_text, one_line, severity_counts};
use crate::{support, verdict};

/// Characters that are written at most.
const MAX_CHARACTERS: usize = 65_000;

/// What is kept for the last line and for what is open at the end.
const RESERVE: usize = 400;

/// Characters of one text of a stranger.
const MAX_TEXT: usize = 300;

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::default();
    page.line(&format!("## Image {}", code(report.source)));
    page.line("");
    image(&mut page, report);
    page.finish(report.tool_version, out)
}

pub(super) fn render_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::default();
    page.line(&format!("## Image {}", code(index.source)));
    for child in &index.images {
        page.line("");
        page.line(&format!("### {}", code(&child.platform)));
        page.line("");
        match &child.outcome {
            Ok(report) => image(&mut page, report),
            Err(error) => page.line(&format!("**not analysed**: {}", code(error))),
        }
    }
    page.finish(index.tool_version, out)
}

/// A text that ends in time.
#[derive(Default)]
struct Page {
    text: String,
    characters: usize,
    /// Lines that did not fit.
    left_out: usize,
}

impl Page {
    /// Adds a line if there is room for it; after one that did not fit, none does.
    fn line(&mut self, line: &str) {
        let length = line.chars().count() + 1;
        if self.left_out > 0 || self.characters + length > MAX_CHARACTERS - RESERVE {
            self.left_out += 1;
            return;
        }
        self.text.push_str(line);
        self.text.push('\n');
        self.characters += length;
    }

    fn finish(mut self, tool_version: &str, out: &mut dyn Write) -> io::Result<()> {
        if self.left_out > 0 {
            self.text.push_str(&format!("\n… and {} more lines, in the report as `json` or `html`.\n", self.left_out));
        }
        self.text.push_str(&format!("\n<sub>Killick {}</sub>\n", one_line(tool_version)));
        out.write_all(self.text.as_bytes())
    }
}

fn image(page: &mut Page, report: &Report<'_>) {
    if let Some(evaluation) = report.evaluation {
        judged(page, evaluation);
    }
    if let Some(matches) = report.matches {
        summary(page, matches);
    }
    for ended in report.unsupported {
        page.line(&format!("- :warning: {}", plain(&support::line(report, ended))));
    }
    if !report.unsupported.is_empty() {
        page.line("");
    }
    if let Some(evaluation) = report.evaluation {
        findings(page, evaluation);
    }
    match report.matches {
        Some(matches) => vulnerabilities(page, report, matches),
        None if report.evaluation.is_none() => packages(page, report),
        None => {}
    }
    let problems: Vec<_> = report.problems().collect();
    if !problems.is_empty() {
        page.line(&format!("**{} could not be read or judged**", problems.len()));
        page.line("");
        for problem in problems {
            page.line(&format!("- {}: {}", code(&problem.subject), plain(&problem.message)));
        }
        page.line("");
    }
}

fn judged(page: &mut Page, evaluation: &Evaluation) {
    let (mark, word) = match evaluation.final_action {
        Action::Stop => (":no_entry:", "does not pass"),
        Action::Warn => (":warning:", "passes with warnings"),
        Action::Go => (":white_check_mark:", "passes"),
    };
    page.line(&format!("{mark} **{word}** the policy {} ({})", code(&evaluation.bundle_id), verdict::line(evaluation)));
    page.line("");
    let steps: Vec<_> = evaluation.steps.iter().filter(|step| step.clears.len() > 1).take(5).collect();
    if !steps.is_empty() {
        page.line("What to do first:");
        page.line("");
        for (at, step) in steps.iter().enumerate() {
            page.line(&format!("{}. {} (clears {}, {})", at + 1, plain(&step.what), step.clears.len(), step.action));
        }
        page.line("");
    }
    let mut problems = verdict::problems(evaluation).peekable();
    if problems.peek().is_some() {
        problems.for_each(|problem| page.line(&format!("- {}", plain(&verdict::problem(problem)))));
        page.line("");
    }
}

/// A table of one row.
fn summary(page: &mut Page, matches: &Matches) {
    if matches.matches.is_empty() {
        page.line("No known vulnerabilities.");
        page.line("");
        return;
    }
    let counts = severity_counts(matches);
    let fixable = matches.matches.iter().filter(|found| !found.fix.versions.is_empty()).count();
    let exploited = matches.matches.iter().filter(|found| found.known_exploited).count();
    let titles: Vec<&str> = counts.iter().map(|(severity, _)| severity.title()).collect();
    let numbers: Vec<String> = counts.iter().map(|(_, count)| count.to_string()).collect();
    page.line(&format!("| {} | fixable | exploited |", titles.join(" | ")));
    page.line(&format!("|{}", "---:|".repeat(titles.len() + 2)));
    page.line(&format!("| {} | {fixable} | {exploited} |", numbers.join(" | ")));
    page.line("");
}

fn findings(page: &mut Page, evaluation: &Evaluation) {
    let mut counting: Vec<_> = evaluation.findings.iter().filter(|finding| finding.action != Action::Go).collect();
    counting.sort_by_key(|finding| finding.action);
    let excused = evaluation.findings.len() - counting.len();
    if !counting.is_empty() {
        page.line("| action | gate | finding | remedy |");
        page.line("|---|---|---|---|");
        for finding in counting {
            let gate = format!("{} {}", finding.gate, finding.trigger);
            let remedy = finding.remedy.as_deref().map(plain).unwrap_or_default();
            page.line(&format!("| {} | {} | {} | {remedy} |", finding.action, code(&gate), plain(&finding.message)));
        }
        page.line("");
    }
    if excused > 0 {
        page.line(&format!("{excused} more {} excused, or only told.", if excused == 1 { "is" } else { "are" }));
        page.line("");
    }
}

fn vulnerabilities(page: &mut Page, report: &Report<'_>, matches: &Matches) {
    if matches.matches.is_empty() {
        return;
    }
    page.line("| vulnerability | severity | package | installed | fixed in | risk |");
    page.line("|---|---|---|---|---|---:|");
    for found in by_risk(matches) {
        page.line(&row(report, found));
    }
    page.line("");
}

fn row(report: &Report<'_>, found: &Match) -> String {
    let package = report.analysis.package(found.package);
    let id = found.anchore_id(package);
    let url = found.url.as_deref().filter(|url| is_plain_address(url));
    let id = url.map_or_else(|| code(id), |url| format!("[{}]({url})", code(id)));
    let severity = match found.severity {
        severity @ (Severity::Critical | Severity::High) => format!("**{}**", severity.title()),
        severity => severity.title().to_owned(),
    };
    let exploited = if found.known_exploited { ", exploited" } else { "" };
    format!(
        "| {id} | {severity} | {} | {} | {} | {:.0}{exploited} |",
        code(&package.name),
        code(&package.version),
        plain(&fix_text(&found.fix)),
        found.risk,
    )
}

fn packages(page: &mut Page, report: &Report<'_>) {
    page.line(&format!("{} packages", report.analysis.packages.len()));
    page.line("");
    if report.analysis.packages.is_empty() {
        return;
    }
    page.line("| package | version | type |");
    page.line("|---|---|---|");
    for package in &report.analysis.packages {
        page.line(&format!("| {} | {} | {} |", code(&package.name), code(&package.version), package.described_kind()));
    }
    page.line("");
}

/// Text of strangers in one line of limited length.
pub(crate) fn limited(text: &str) -> String {
    let text = one_line(text);
    if text.chars().count() <= MAX_TEXT { text } else { text.chars().take(MAX_TEXT).chain(['…']).collect() }
}

/// As code, in which nothing means anything but what ends it, and what ends a cell.
pub(crate) fn code(text: &str) -> String {
    let text = limited(text).replace('`', "'").replace('|', "\\|");
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// As text that is nothing but text.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = limited(text).chars().collect::<Vec<_>>().into_iter().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '&' => plain.push_str("&amp;"),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            // An entity does not begin a mention, a reference or a word of emphasis.
            '@' => plain.push_str("&#64;"),
            '#' => plain.push_str("&#35;"),
            // Nor an address or a picture.
            ':' if letters.peek().is_some_and(|next| !next.is_whitespace()) => plain.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '|' | '~' | '$' => {
                plain.push('\\');
                plain.push(letter);
            }
            letter => plain.push(letter),
        }
    }
    plain
}

/// An address that cannot end the link it stands in.
fn is_plain_address(url: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#=&%+@".contains(&byte);
    url.starts_with("https://") && url.len() < 500 && url.bytes().all(is_allowed)
}
