//! `killick explain`: why a vulnerability does, or does not, apply.

use std::fmt::Write as _;

use clap::Args;
use killick_analysis::inspectors::Inspections;
use killick_model::advisory::AdvisoryStatus;
use killick_model::analysis::Analysis;
use killick_model::matching::{Confidence, Linkage, Match};
use killick_model::package::PackageEvidence;
use killick_model::printable::printable;
use killick_vulns::{Explanation, Outcome, PackageExplanation, Question, Subject, Verdict};

use super::decisions::{DecisionArgs, Decisions};
use super::image::{self, ImageArgs};
use super::knowledge::{self, KnowledgeArgs};
use super::output::{self, TextOrJson};
use crate::exit::Exit;
use crate::report_error::{hinted, with_hint};

/// Places of a copied package that are told besides the first.
const MAX_COPIES: usize = 10;

/// Vulnerabilities of an advisory that are named.
const MAX_FIXES: usize = 20;

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    image: ImageArgs,
    /// The vulnerability, by any of its names (CVE-…, GHSA-…, PYSEC-…), or a distribution's advisory (DSA-…, RHSA-…, USN-…)
    vulnerability: String,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    #[command(flatten)]
    decisions: DecisionArgs,
    /// How to print it
    #[arg(short, long = "output", value_enum, default_value = "text", value_name = "FORMAT")]
    output: TextOrJson,
}

pub(super) async fn run(args: Explain) -> anyhow::Result<Exit> {
    let (source, name) = (&args.image.source, &args.vulnerability);
    if ["CVE-", "GHSA-"].iter().any(|prefix| source.to_ascii_uppercase().starts_with(prefix)) {
        let hint = format!("the image comes first: `killick explain {name} {source}`");
        return Err(with_hint(format!("`{source}` is the name of a vulnerability, not of an image"), &hint));
    }
    check_name(name)?;
    let index = knowledge::open(&args.knowledge)?;
    let now = crate::clock::now();
    let decisions = Decisions::of(&args.decisions, &args.image.source, now)?;
    let analysis = image::analyse_one(&args.image, Inspections::none()).await?;
    let vex = decisions.documents(&analysis);
    let question = Question {
        subject: Subject::from(&analysis),
        vulnerability: &args.vulnerability,
        options: &decisions.options,
        vex: Some((&vex, &decisions.image(&analysis))),
        problems: &analysis.problems,
        now: now.into(),
    };
    let explanation = killick_vulns::explain(&index, &question).map_err(hinted)?;
    match args.output {
        TextOrJson::Json => output::print(&format!("{}\n", serde_json::to_string_pretty(&explanation)?))?,
        TextOrJson::Text => output::print(&printable(&render(&explanation, &analysis)))?,
    }
    Ok(Exit::Success)
}

/// A CVE has one form (cve.org, "CVE Record Format": `^CVE-[0-9]{4}-[0-9]{4,19}$`); of other names nothing is certain.
fn check_name(name: &str) -> anyhow::Result<()> {
    let Some(rest) = name.to_ascii_uppercase().strip_prefix("CVE-").map(str::to_owned) else { return Ok(()) };
    let is_number = |text: &str, range: std::ops::RangeInclusive<usize>| {
        range.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    match rest.split_once('-') {
        Some((year, number)) if is_number(year, 4..=4) && is_number(number, 4..=19) => Ok(()),
        _ => Err(with_hint(
            format!("`{name}` is not the name of a CVE"),
            "write it as `CVE-2023-38545`: the year, and a number of at least four digits",
        )),
    }
}

fn render(explanation: &Explanation, analysis: &Analysis) -> String {
    let mut text = explanation.vulnerability.clone();
    if !explanation.aliases.is_empty() {
        let _ = write!(text, " ({})", explanation.aliases.join(", "));
    }
    if !explanation.fixes.is_empty() {
        let shown = explanation.fixes.iter().take(MAX_FIXES).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = explanation.fixes.len().saturating_sub(MAX_FIXES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = write!(text, ", which fixes {shown}{more},");
    }
    let verdict = match explanation.verdict {
        Verdict::Applies => "applies to this image",
        Verdict::DoesNotApply => "does not apply to this image",
        Verdict::NotKnown => "was not found in this image, but the answer is incomplete",
    };
    let _ = writeln!(text, " {verdict}");
    for remark in &explanation.remarks {
        let _ = writeln!(text, "  {}", remark.text);
    }
    for package in &explanation.packages {
        let one_of = Some(package.vulnerability.as_str()).filter(|_| !explanation.fixes.is_empty());
        render_package(&mut text, package, analysis, one_of);
    }
    if !explanation.advisories.is_empty() {
        text.push_str("\nwhat the index has of it\n");
    }
    for advisory in &explanation.advisories {
        let _ = write!(text, "  advisory {} of {} ({})", advisory.id, advisory.provider, advisory.namespace);
        if let Some(modified) = &advisory.modified {
            let _ = write!(text, ", last changed {modified}");
        }
        text.push_str(match advisory.status {
            AdvisoryStatus::Active => "\n",
            AdvisoryStatus::Disputed => ", disputed\n",
            AdvisoryStatus::Rejected => ", rejected\n",
            AdvisoryStatus::Withdrawn => ", withdrawn\n",
        });
    }
    for document in &explanation.vex {
        let trust = if document.trusted { "trusted" } else { "not trusted" };
        let _ = writeln!(text, "\nVEX document {} of `{}`: {trust}", document.id, document.issuer);
    }
    for problem in &explanation.problems {
        let _ = writeln!(text, "\nnot judged: {}: {}", problem.subject, problem.message);
    }
    text
}

fn render_package(text: &mut String, explained: &PackageExplanation, analysis: &Analysis, one_of: Option<&str>) {
    let package = analysis.package(explained.package);
    let _ = write!(text, "\n{} {}, {}", package.name, package.version, package.described_kind());
    text.push_str(&one_of.map_or_else(|| "\n".to_owned(), |vulnerability| format!(", {vulnerability}\n")));
    let _ = writeln!(text, "  {}", explained.text);
    // An SBOM may tell of neither.
    if let Some(place) = analysis.place_of(package) {
        let layer = analysis.layer_of(package).map(|layer| format!(", layer {layer}")).unwrap_or_default();
        let _ = writeln!(text, "  found in {place}{layer}");
    }
    if package.evidence == PackageEvidence::Copied {
        let others: Vec<String> =
            package.files.iter().skip(1).take(MAX_COPIES).map(|file| file.path.to_string()).collect();
        let more = package.files.len().saturating_sub(1 + MAX_COPIES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if !others.is_empty() {
            let _ = writeln!(text, "  and in {}{more}", others.join(", "));
        }
    }
    if let Some(found) = &explained.matched {
        render_match(text, found);
    }
    if let Some(sources) = &explained.sources {
        let _ = writeln!(text, "  {sources}");
    }
    for statement in &explained.statements {
        let evidence = &statement.evidence;
        let name = if evidence.via_source {
            format!("source package {}", evidence.matched_name)
        } else {
            evidence.matched_name.clone()
        };
        let _ = writeln!(
            text,
            "  {} ({}) says of {name}: affected {}; compared {} by {} order{}: {}",
            evidence.advisory,
            evidence.provider,
            evidence.affected,
            evidence.compared_version,
            evidence.scheme,
            confidence(evidence.confidence),
            outcome(statement.outcome),
        );
        if evidence.linkage == Some(Linkage::Unknown) && statement.outcome == Outcome::Affected {
            text.push_str("    only some functions are flawed; whether the program links them is not known\n");
        }
        if let Some(condition) = &statement.condition {
            let _ = writeln!(text, "    it is about {condition}");
        }
        if !statement.fixed_versions.is_empty() {
            let _ = writeln!(text, "    fixed in {}", statement.fixed_versions.join(", "));
        }
    }
}

/// Ratings, risk, and what documents say.
fn render_match(text: &mut String, found: &Match) {
    for rating in &found.ratings {
        let _ = write!(text, "  severity {} by {}", rating.severity, rating.source);
        if let (Some(version), Some(base)) = (&rating.cvss_version, rating.base) {
            let _ = write!(text, " (CVSS {version}: {base:.1})");
        }
        text.push('\n');
    }
    let mut risk = format!("  risk {:.1} of 100", found.risk);
    if found.malicious {
        risk.push_str(", malicious");
    }
    if found.known_exploited {
        risk.push_str(", known to be exploited");
    }
    if let Some(epss) = found.epss {
        let _ = write!(risk, ", exploited within 30 days with a probability of {:.1}% (EPSS)", epss * 100.0);
    }
    let _ = writeln!(text, "{risk}");
    for claim in &found.claims {
        let trust = if claim.trusted { "" } else { "; not trusted, so that it changes nothing" };
        let (issuer, document) = (&claim.issuer, &claim.document);
        let _ = writeln!(text, "  `{issuer}` says in {document} of {}: {}{trust}", claim.product, claim.describe());
    }
}

const fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Exact | Confidence::Source => "",
        Confidence::Name => ", by its name alone",
        Confidence::Cpe => ", by CPE: a guess by names",
    }
}

const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Affected => "affected",
        Outcome::Fixed => "has the fix",
        Outcome::NotAffected => "not affected",
        Outcome::OutsideRange => "outside the range",
        Outcome::OtherArchitecture | Outcome::OtherModule | Outcome::OtherBuild => "about other builds",
        Outcome::Withdrawn => "inside the range, but the advisory was withdrawn",
        Outcome::UnderInvestigation => "not decided yet",
        Outcome::NoAffectedCode => "named, but without the affected code",
        Outcome::NotLinked => "inside the range, but the flawed functions are not linked",
        Outcome::NotAVulnerability => "not about a vulnerability",
        Outcome::Unjudged => "cannot be compared",
    }
}
