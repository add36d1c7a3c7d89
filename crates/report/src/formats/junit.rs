//! `JUnit`'s XML, as GitLab, Jenkins and others read it: <https://github.com/testmoapp/junitxml>.
//!
//! A test for each thing that was judged. With a policy these are its findings, and what it stops at has failed: then
//! the verdict of the pipeline is that of the policy. An image that no policy was applied to has a skipped test, since
//! readers show those. Without a policy they are the vulnerabilities, each a failure.

use std::io::{self, Write};

use killick_model::evaluation::{Action, Evaluation, Finding};
use killick_model::matching::{Match, Matches};
use killick_model::problem::Problem;

use super::{IndexReport, Report, Style, by_risk, fix_text, one_line};
use crate::verdict;
use crate::xml::Xml;

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    write(&[suite(report, report.source.to_owned())], out)
}

pub(super) fn render_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let suites = index.images.iter().map(|image| {
        let name = index.name_of(image);
        match &image.outcome {
            Ok(report) => suite(report, name),
            Err(error) => Suite {
                name,
                timestamp: timestamp(index.now),
                cases: vec![Case::new("analysis", "the image can be analysed", Outcome::Error(error.clone()))],
                warnings: Vec::new(),
                problems: Vec::new(),
            },
        }
    });
    write(&suites.collect::<Vec<_>>(), out)
}

/// The tests of one image.
struct Suite {
    name: String,
    timestamp: String,
    cases: Vec<Case>,
    /// Of the evaluation.
    warnings: Vec<String>,
    problems: Vec<String>,
}

struct Case {
    class: String,
    name: String,
    outcome: Outcome,
}

enum Outcome {
    /// With something to say about it, or nothing.
    Passed(String),
    Skipped(String),
    /// In one line, and in full.
    Failed(String, String),
    Error(String),
}

impl Case {
    fn new(class: &str, name: &str, outcome: Outcome) -> Self {
        Self { class: one_line(class), name: one_line(name), outcome }
    }
}

fn suite(report: &Report<'_>, name: String) -> Suite {
    let cases = match (report.evaluation, report.matches) {
        (Some(evaluation), _) => policy_cases(evaluation),
        (None, Some(matches)) => vulnerability_cases(report, matches),
        (None, None) => Vec::new(),
    };
    let problem = |problem: &Problem| format!("{}: {}: {}", problem.kind, problem.subject, problem.message);
    Suite {
        name,
        timestamp: timestamp(report.now),
        cases,
        warnings: report.evaluation.into_iter().flat_map(verdict::problems).map(verdict::problem).collect(),
        problems: report.problems().map(problem).collect(),
    }
}

fn policy_cases(evaluation: &Evaluation) -> Vec<Case> {
    let line = format!("policy {}: {}", evaluation.bundle_id, verdict::line(evaluation));
    let outcome = match evaluation.final_action {
        Action::Stop => Outcome::Failed(line.clone(), line),
        _ if verdict::is_without_policy(evaluation) => Outcome::Skipped(line),
        Action::Warn | Action::Go => Outcome::Passed(line),
    };
    let verdict = Case::new("policy", "the policy lets the image through", outcome);
    let findings = evaluation.findings.iter().map(|finding| finding_case(evaluation, finding));
    std::iter::once(verdict).chain(findings).collect()
}

fn finding_case(evaluation: &Evaluation, finding: &Finding) -> Case {
    let remedy = finding.remedy.as_deref().map(|remedy| format!("\nremedy: {remedy}")).unwrap_or_default();
    let full = format!("{}{remedy}", finding.message);
    let outcome = match (finding.action, verdict::excuse(evaluation, finding)) {
        (_, Some(excuse)) => Outcome::Passed(format!("{excuse}: {full}")),
        (Action::Stop, None) => Outcome::Failed(finding.message.clone(), full),
        (Action::Warn, None) => Outcome::Skipped(format!("warn: {full}")),
        (Action::Go, None) => Outcome::Passed(full),
    };
    Case::new(&format!("policy.{}.{}", finding.gate, finding.trigger), &finding.trigger_id, outcome)
}

fn vulnerability_cases(report: &Report<'_>, matches: &Matches) -> Vec<Case> {
    if matches.matches.is_empty() {
        return vec![Case::new("vulnerabilities", "no known vulnerabilities", Outcome::Passed(String::new()))];
    }
    by_risk(matches).into_iter().map(|found| vulnerability_case(report, found)).collect()
}

fn vulnerability_case(report: &Report<'_>, found: &Match) -> Case {
    let package = report.analysis.package(found.package);
    let fix = fix_text(&found.fix);
    let fix = if fix.is_empty() { "no fix is known".to_owned() } else { format!("fix: {fix}") };
    let line = format!("{} {}: {} ({}); {fix}", package.name, package.version, found.vulnerability, found.severity);
    let url = found.url.as_deref().map(|url| format!("\n{url}")).unwrap_or_default();
    let full = format!("{line}\n{} in {}{url}", package.described_kind(), package.virtual_path());
    let name = format!("{} {} {}", found.vulnerability, package.name, package.version);
    Case::new(&format!("vulnerabilities.{}", package.kind), &name, Outcome::Failed(line, full))
}

fn timestamp(now: jiff::Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Tests, failures, errors and skipped ones.
fn counts<'a>(cases: impl Iterator<Item = &'a Case>) -> [(&'static str, String); 4] {
    let mut counts = [0_u64; 4];
    let [tests, failures, errors, skipped] = &mut counts;
    for case in cases {
        *tests += 1;
        match case.outcome {
            Outcome::Passed(_) => {}
            Outcome::Failed(..) => *failures += 1,
            Outcome::Error(_) => *errors += 1,
            Outcome::Skipped(_) => *skipped += 1,
        }
    }
    let [tests, failures, errors, skipped] = counts.map(|count| count.to_string());
    [("tests", tests), ("failures", failures), ("errors", errors), ("skipped", skipped)]
}

fn write(suites: &[Suite], out: &mut dyn Write) -> io::Result<()> {
    let mut xml = Xml::new(out)?;
    let all = counts(suites.iter().flat_map(|suite| &suite.cases));
    let mut attributes = vec![("name", "killick")];
    attributes.extend(all.iter().map(|(key, count)| (*key, count.as_str())));
    xml.element("testsuites", &attributes, |xml| {
        suites.iter().try_for_each(|suite| {
            let name = one_line(&suite.name);
            let own = counts(suite.cases.iter());
            let mut attributes = vec![("name", name.as_str())];
            attributes.extend(own.iter().map(|(key, count)| (*key, count.as_str())));
            // Nothing is measured; readers want the number.
            attributes.extend([("time", "0"), ("timestamp", suite.timestamp.as_str())]);
            xml.element("testsuite", &attributes, |xml| {
                suite.cases.iter().try_for_each(|found| case(xml, found))?;
                let lines = |lines: &[String]| (!lines.is_empty()).then(|| lines.join("\n"));
                xml.some("system-out", lines(&suite.warnings).as_deref())?;
                xml.some("system-err", lines(&suite.problems).as_deref())
            })
        })
    })?;
    xml.finish()
}

fn case(xml: &mut Xml<'_>, case: &Case) -> io::Result<()> {
    let attributes = [("classname", case.class.as_str()), ("name", case.name.as_str()), ("time", "0")];
    let (name, line, text) = match &case.outcome {
        Outcome::Passed(text) if text.is_empty() => return xml.empty("testcase", &attributes),
        Outcome::Passed(text) => {
            return xml.element("testcase", &attributes, |xml| xml.text("system-out", &[], text));
        }
        Outcome::Skipped(text) => {
            let line = one_line(text);
            return xml.element("testcase", &attributes, |xml| xml.empty("skipped", &[("message", &line)]));
        }
        Outcome::Failed(line, text) => ("failure", line, text),
        Outcome::Error(text) => ("error", text, text),
    };
    let line = one_line(line);
    let kind = case.class.split('.').next().unwrap_or_default();
    xml.element("testcase", &attributes, |xml| xml.text(name, &[("type", kind), ("message", &line)], text))
}
