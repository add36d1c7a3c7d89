//! `killick explain`: why a vulnerability does, or does not, apply.

use std::fmt::Write as _;

use clap::Args;
use killick_analysis::inspectors::Inspections;
use killick_model::analysis::Analysis;
use killick_model::matching::Linkage;
use killick_model::package::PackageEvidence;
use killick_model::printable::printable;
use killick_vulns::{Explanation, Outcome, PackageExplanation, Subject};

use super::image::{self, ImageArgs};
use super::knowledge::{self, KnowledgeArgs};
use super::output::{self, TextOrJson};
use crate::exit::Exit;
use crate::report_error::hinted;

/// Places of a copied package that are told besides the first.
const MAX_COPIES: usize = 10;

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    image: ImageArgs,
    /// The vulnerability, by any of its names: CVE-…, GHSA-…, PYSEC-…
    vulnerability: String,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    /// How to print it
    #[arg(short, long = "output", value_enum, default_value = "text", value_name = "FORMAT")]
    output: TextOrJson,
}

pub(super) async fn run(args: Explain) -> anyhow::Result<Exit> {
    let index = knowledge::open(&args.knowledge)?;
    let analysis = image::analyse_one(&args.image, Inspections::none()).await?;
    let explanation = killick_vulns::explain(&index, Subject::from(&analysis), &args.vulnerability).map_err(hinted)?;
    if args.output == TextOrJson::Json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&explanation)?))?;
    } else {
        output::print(&printable(&render(&explanation, &analysis)))?;
    }
    Ok(Exit::Success)
}

fn render(explanation: &Explanation, analysis: &Analysis) -> String {
    let mut text = explanation.vulnerability.clone();
    if !explanation.aliases.is_empty() {
        let _ = write!(text, " ({})", explanation.aliases.join(", "));
    }
    text.push('\n');
    if explanation.advisories.is_empty() {
        text.push_str("\nThe advisory index does not know it: that is no proof that the image is safe from it.\n");
    }
    for advisory in &explanation.advisories {
        let _ = write!(text, "  advisory {} of {} ({})", advisory.id, advisory.provider, advisory.namespace);
        if let Some(modified) = &advisory.modified {
            let _ = write!(text, ", last changed {modified}");
        }
        text.push('\n');
    }
    if !explanation.advisories.is_empty() && explanation.packages.is_empty() {
        text.push_str("\nNo package of this image is named by any of these advisories: it does not apply.\n");
    }
    for package in &explanation.packages {
        render_package(&mut text, package, analysis);
    }
    for problem in &explanation.problems {
        let _ = writeln!(text, "\nnot judged: {}: {}", problem.subject, problem.message);
    }
    text
}

fn render_package(text: &mut String, explained: &PackageExplanation, analysis: &Analysis) {
    let package = analysis.package(explained.package);
    let _ = writeln!(text, "\n{} {}, {}", package.name, package.version, package.described_kind());
    let verdict = match (&explained.matched, &explained.suppressed) {
        (Some(found), _) => format!("applies, severity {}", found.severity),
        (None, Some(suppressed)) => format!("does not apply: {}", reason(suppressed.reason)),
        (None, None) => "does not apply".to_owned(),
    };
    let _ = writeln!(text, "  {verdict}");
    let _ = writeln!(text, "  found in {}, layer {}", package.virtual_path(), package.layer + 1);
    if package.evidence == PackageEvidence::Copied {
        let others: Vec<String> =
            package.files.iter().skip(1).take(MAX_COPIES).map(|file| file.path.to_string()).collect();
        let more = package.files.len().saturating_sub(1 + MAX_COPIES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if !others.is_empty() {
            let _ = writeln!(text, "  and in {}{more}", others.join(", "));
        }
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
            "  {} ({}) says of {name}: affected {}; compared {} by {} order: {}",
            evidence.advisory,
            evidence.provider,
            evidence.affected,
            evidence.compared_version,
            evidence.scheme,
            outcome(statement.outcome),
        );
        if evidence.linkage == Some(Linkage::Unknown) && statement.outcome == Outcome::Affected {
            text.push_str("    only some functions are flawed; whether the program links them is not known\n");
        }
        if !statement.fixed_versions.is_empty() {
            let _ = writeln!(text, "    fixed in {}", statement.fixed_versions.join(", "));
        }
    }
}

const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Affected => "affected",
        Outcome::Fixed => "has the fix",
        Outcome::NotAffected => "not affected",
        Outcome::OutsideRange => "outside the range",
        Outcome::Withdrawn => "inside the range, but the advisory was withdrawn",
        Outcome::UnderInvestigation => "not decided yet",
        Outcome::NoAffectedCode => "named, but without the affected code",
        Outcome::NotLinked => "inside the range, but the flawed functions are not linked",
        Outcome::NotAVulnerability => "not about a vulnerability",
        Outcome::Unjudged => "cannot be compared",
    }
}

fn reason(reason: killick_model::matching::SuppressionReason) -> &'static str {
    use killick_model::matching::SuppressionReason as Reason;
    match reason {
        Reason::Fixed => "the installed version has the fix",
        Reason::NotAffected => "the vendor says the package is not affected",
        Reason::OutsideRange => "the version is in no affected range",
        Reason::Withdrawn => "the advisory was withdrawn",
        Reason::OwnedByDistribution => "the distribution built this package and does not list it",
        Reason::NoAffectedCode => "the package holds headers or documentation, not the flawed code",
        Reason::NotLinked => "not linked: the program has none of the flawed functions",
    }
}
