//! Whatever an image holds stays text in documents for people, and templates end.

use std::path::Path;

use killick_model::analysis::Analysis;
use killick_model::evaluation::Evaluation;
use killick_model::matching::Matches;
use killick_report::formats::{self, Report, Style};
use killick_report::template::{Limits, Template};
use serde_json::Value;

/// A name that wants to be more than a name everywhere.
const NAME: &str = "</text>\nPackageName: x\n<script>alert(1)</script><img src=x onerror=alert(1)> | `@team` [a](http://b) \
                    \"'&]]>\u{202e}\u{1b}[2J";

struct Input {
    analysis: Analysis,
    matches: Matches,
    evaluation: Evaluation,
}

impl Input {
    /// The richest input of the other tests, with names, versions, places and words of a stranger.
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/inputs/every-kind.json");
        let text = fs_err::read_to_string(path).expect("an input");
        let mut input: Value = serde_json::from_str(&text).expect("JSON");
        let mut read = |part: &str| input[part].take();
        let mut analysis: Analysis = serde_json::from_value(read("analysis")).expect("an analysis");
        let mut matches: Matches = serde_json::from_value(read("matches")).expect("matches");
        let mut evaluation: Evaluation = serde_json::from_value(read("evaluation")).expect("an evaluation");
        for package in &mut analysis.packages {
            NAME.clone_into(&mut package.name);
            NAME.clone_into(&mut package.version);
            package.licenses = vec![NAME.to_owned()];
            package.origin = Some(NAME.to_owned());
            package.nested = vec![NAME.to_owned()];
        }
        for found in &mut matches.matches {
            found.vulnerability = format!("CVE-{NAME}");
            found.url = Some(format!("javascript:{NAME}"));
            found.fix.versions = vec![NAME.to_owned()];
        }
        for finding in &mut evaluation.findings {
            NAME.clone_into(&mut finding.message);
            finding.remedy = Some(NAME.to_owned());
            NAME.clone_into(&mut finding.trigger_id);
        }
        for problem in analysis.problems.iter_mut().chain(&mut matches.problems) {
            NAME.clone_into(&mut problem.subject);
            NAME.clone_into(&mut problem.message);
        }
        Self { analysis, matches, evaluation }
    }

    fn report(&self) -> Report<'_> {
        Report {
            source: NAME,
            analysis: &self.analysis,
            matches: Some(&self.matches),
            evaluation: Some(&self.evaluation),
            unsupported: &[],
            knowledge: None,
            author: None,
            tool_version: "0.0.0",
            now: "2024-05-06T07:08:09Z".parse().expect("an instant"),
        }
    }
}

fn written(name: &str, report: &Report<'_>) -> String {
    let mut bytes = Vec::new();
    let format = formats::find(name).expect("registered");
    (format.render)(report, Style::default(), &mut bytes).expect("a vector takes everything");
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn nothing_hides_in_a_page() {
    let input = Input::new();
    let page = written("html", &input.report());
    for part in ["<script", "<img", "javascript:x", "href=\"javascript", "\u{202e}", "\u{1b}", "http://b</"] {
        assert!(!page.contains(part), "{part}");
    }
    assert!(page.contains("&lt;script&gt;"));
    assert!(!page.contains("src=\"") && !page.contains("url("), "nothing is loaded");
}

#[test]
fn a_comment_mentions_and_loads_nothing() {
    let input = Input::new();
    for (name, report) in [
        ("everything", input.report()),
        ("findings", Report { matches: None, ..input.report() }),
        ("packages", Report { matches: None, evaluation: None, ..input.report() }),
    ] {
        let text = written("markdown", &report);
        // What stands between two ticks is code; the rest must have nothing left to interpret.
        let outside: String = text.lines().flat_map(|line| line.split('`').step_by(2)).collect();
        for part in ["<script", "<img", "@team", "](http://b)", "\u{202e}", "\u{1b}"] {
            assert!(!outside.contains(part), "{part} of {name}: {outside}");
        }
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        for table in text.split("\n\n").filter(|block| block.starts_with('|')) {
            let widths: Vec<usize> = table.lines().map(cells).collect();
            assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{name}: {table}");
        }
    }
}

#[test]
fn a_comment_is_not_too_long() {
    let mut input = Input::new();
    let one = input.matches.matches.clone();
    input.matches.matches = std::iter::repeat_n(one, 2_000).flatten().collect();
    let text = written("markdown", &input.report());
    assert!(text.chars().count() <= 65_000, "{}", text.chars().count());
    assert!(text.contains("more lines, in the report"), "what is left out is told");
}

#[test]
fn lines_of_tag_value_stay_lines() {
    let input = Input::new();
    let text = written("spdx", &input.report());
    let (mut inside, mut packages) = (false, 0);
    for line in text.lines() {
        inside |= line.contains("<text>");
        packages += usize::from(!inside && line.starts_with("PackageName: "));
        inside &= !line.contains("</text>");
    }
    assert!(!text.contains("\nPackageName: x\n") || !inside);
    let json: Value = serde_json::from_str(&written("spdx-json", &input.report())).expect("JSON");
    assert_eq!(json["packages"].as_array().map(Vec::len), Some(packages));
}

#[test]
fn templates_see_the_json_document_and_end() {
    let input = Input::new();
    let limits = Limits { steps: 100_000, bytes: 100_000 };
    let render = |name: &str, source: &str| {
        let mut bytes = Vec::new();
        let template = Template::parse(name, source.to_owned(), limits).map_err(|error| error.to_string())?;
        template.render(&input.report(), &mut bytes).map_err(|error| error.to_string())?;
        Ok::<String, String>(String::from_utf8(bytes).expect("UTF-8"))
    };
    let listed = "{% for match in matches.matches %}{{ purls[match.package] }}\n{% endfor %}";
    let lines = render("list.txt", listed).expect("a document");
    assert_eq!(lines.lines().count(), input.matches.matches.len());
    assert!(lines.starts_with("pkg:deb/debian/"), "{lines}");
    assert!(render("a.txt", "{{ source }}").expect("a document").contains("<script>"));
    assert!(!render("a.html", "{{ source }}").expect("a document").contains("<script>"));
    for (source, want) in [
        ("{% for x in y %}", "the template `a.txt` does not work: line 1: syntax error"),
        ("{{ source() }}", "the template `a.txt` does not work: line 1: "),
        ("{{ nothing.at.all }}", "the template `a.txt` does not work: line 1: undefined value in `nothing.at`"),
        (
            "{% for match in matched.matches if match.fix %}{% endfor %}",
            "the template `a.txt` does not work: line 1: undefined value in `matched.matches`",
        ),
        ("{% include '/etc/passwd' %}", "the template `a.txt` does not work: line 1: "),
    ] {
        let error = render("a.txt", source).expect_err(source);
        assert!(error.starts_with(want), "{error}");
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/templates");
    for example in std::fs::read_dir(examples).expect("a folder") {
        let path = example.expect("an entry").path();
        let source = fs_err::read_to_string(&path).expect("a template");
        let text = render(&path.to_string_lossy(), &source).expect("a document");
        assert!(text.lines().count() >= 1, "{}: {text}", path.display());
    }
    let endless = "{% for a in range(900) %}{% for b in range(900) %}{% endfor %}{% endfor %}";
    assert!(render("a.txt", endless).expect_err("no end").contains("fuel"));
    let huge = "{% for a in range(20) %}{{ 'xxxxxxxx' * 1000 }}{% endfor %}";
    assert!(render("a.txt", huge).expect_err("too much").contains("writes more than"));
}

#[test]
fn a_template_sees_the_version_that_mends_all() {
    let mut input = Input::new();
    let found = input.matches.matches[0].clone();
    assert_eq!(input.analysis.package(found.package).kind.scheme().name(), "dpkg");
    let fixed = |version: &str| {
        let mut found = found.clone();
        found.fix.versions = vec![version.to_owned()];
        found.evidence.clear();
        found
    };
    input.matches.matches = vec![fixed("1.0-9"), fixed("1.0-10")];
    let of = |report: &Report<'_>| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/templates/upgrades.txt");
        let source = fs_err::read_to_string(path).expect("a template");
        let template = Template::parse("upgrades.txt", source, Limits::default()).expect("a template");
        let mut bytes = Vec::new();
        template.render(report, &mut bytes).expect("a document");
        String::from_utf8(bytes).expect("UTF-8")
    };
    let told = of(&input.report());
    assert!(told.ends_with(" -> 1.0-10 (mends 2)\n"), "{told}");
    assert_eq!(told.matches(" -> ").count(), 1, "{told}");
    let nothing = Matches::default();
    assert_eq!(of(&Report { matches: Some(&nothing), ..input.report() }), "nothing to upgrade\n");
    let told = of(&Report { matches: None, ..input.report() });
    assert!(told.starts_with("no vulnerabilities were looked for"), "{told}");
    assert!(!told.contains("nothing to upgrade"), "{told}");
}
