//! Ratings: scores out of CVSS vectors, and which rating counts.

use killick_model::advisory::{Rating, RatingValue};
use killick_model::severity::{Cvss, Severity};

/// Whose rating counts, first one first, after the vendor's word for a distribution package. Raters not listed come
/// last.
///
/// Vendors rate their own packages; the reviewers of an ecosystem know the package; the CNA knows the flaw; CISA and the NVD rate from the outside.
pub const SEVERITY_ORDER: &[&str] = &[
    "rhel", "suse", "ubuntu", "ol", "ghsa", "go", "rustsec", "pysec", "rubysec", "bit", "cna", "adp", "nvd", "nswg",
    "jlsec",
];

/// A score in tenths, as CVSS publishes them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100 before")]
pub(crate) fn tenths(score: f64) -> u8 {
    (score * 10.0).round().clamp(0.0, 100.0) as u8
}

/// Position of a rater in [`SEVERITY_ORDER`].
pub(crate) fn rank(source: &str) -> usize {
    SEVERITY_ORDER.iter().position(|known| *known == source).unwrap_or(SEVERITY_ORDER.len())
}

/// The first rating that gives a severity, in [`SEVERITY_ORDER`]; of one rater its word, then its newest CVSS.
pub(crate) fn choose(ratings: &[Rating]) -> Option<(Severity, &str)> {
    let newest = |rating: &Rating| match &rating.value {
        RatingValue::Word(_) => 0,
        value => 10 - version(value).map_or(0, |version| version.bytes().next().unwrap_or(b'0') - b'0'),
    };
    ratings
        .iter()
        .filter_map(|rating| Some((rank(&rating.source), newest(rating), severity(rating)?, rating.source.as_str())))
        .min_by_key(|(rank, newest, ..)| (*rank, *newest))
        .map(|(_, _, severity, source)| (severity, source))
}

/// The severity a rating means; `None` where it means nothing.
pub(crate) fn severity(rating: &Rating) -> Option<Severity> {
    match &rating.value {
        RatingValue::Word(Severity::Unknown) => None,
        RatingValue::Word(severity) => Some(*severity),
        RatingValue::Vector(_) | RatingValue::Scored { .. } => {
            let cvss = cvss(rating)?;
            Some(if cvss.version == "2.0" { from_cvss2(cvss.base) } else { Severity::from_cvss3(cvss.base) })
        }
    }
}

/// Version 2 knows no critical.
fn from_cvss2(score: f64) -> Severity {
    match score {
        score if score >= 7.0 => Severity::High,
        score if score >= 4.0 => Severity::Medium,
        score if score > 0.0 => Severity::Low,
        _ => Severity::Negligible,
    }
}

fn version(value: &RatingValue) -> Option<&str> {
    match value {
        RatingValue::Word(_) => None,
        RatingValue::Scored { version, .. } => Some(version),
        RatingValue::Vector(vector) => {
            Some(vector.strip_prefix("CVSS:").and_then(|rest| rest.get(..3)).unwrap_or("2.0"))
        }
    }
}

/// The CVSS rating with its scores; `None` for words and for vectors that are none.
pub(crate) fn cvss(rating: &Rating) -> Option<Cvss> {
    let version = version(&rating.value)?.to_owned();
    let source = rating.source.clone();
    match &rating.value {
        RatingValue::Word(_) => None,
        RatingValue::Scored { vector, base, exploitability, impact, .. } => {
            let score = |tenths: u8| f64::from(tenths) / 10.0;
            Some(Cvss {
                source,
                version,
                vector: vector.clone(),
                base: score(*base),
                exploitability: exploitability.map(score),
                impact: impact.map(score),
            })
        }
        RatingValue::Vector(vector) => {
            let (base, exploitability, impact) = scores(&version, vector)?;
            Some(Cvss { source, version, vector: vector.clone(), base, exploitability, impact })
        }
    }
}

/// Base, exploitability and impact score of a vector.
fn scores(version: &str, vector: &str) -> Option<(f64, Option<f64>, Option<f64>)> {
    let round = |score: f64| (score * 10.0).round() / 10.0;
    match version {
        "2.0" => {
            let vector: cvss::v2::Vector = vector.trim_matches(['(', ')']).parse().ok()?;
            // Base metrics only, whatever else the vector carries.
            let score = vector.score().value();
            Some((score, Some(round(vector.exploitability().value())), Some(round(vector.impact().value()))))
        }
        "3.0" | "3.1" => {
            let parsed: cvss::v3::Vector = vector.parse().ok()?;
            let changed = vector.split('/').any(|metric| metric == "S:C");
            let base = parsed.impact().value();
            let impact = if changed { 7.52 * (base - 0.029) - 3.25 * (base - 0.02).powi(15) } else { 6.42 * base };
            let exploitability = round(parsed.exploitability().value());
            Some((parsed.base_score().value(), Some(exploitability), Some(round(impact.max(0.0)))))
        }
        "4.0" => {
            let vector: cvss::v4::Vector = vector.parse().ok()?;
            Some((vector.score().value(), None, None))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(source: &str, vector: &str) -> Rating {
        Rating { source: source.to_owned(), value: RatingValue::Vector(vector.to_owned()) }
    }

    /// Vectors and published scores: base, exploitability, impact.
    const PUBLISHED: &str = include_str!("../testdata/cvss.txt");

    #[test]
    fn scores_are_those_published() {
        for (number, line) in PUBLISHED.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let found = cvss(&vector("x", words[0])).unwrap_or_else(|| panic!("cvss.txt:{}: no vector", number + 1));
            let shown = |score: Option<f64>| score.map_or("-".to_owned(), |score| format!("{score:.1}"));
            let found = [Some(found.base), found.exploitability, found.impact].map(shown);
            assert_eq!(found[..], words[1..4], "cvss.txt:{}", number + 1);
        }
    }

    #[test]
    fn the_reviewer_counts_before_the_nvd() {
        let ratings = [
            vector("nvd", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"),
            vector("ghsa", "CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N"),
            Rating { source: "ghsa".to_owned(), value: RatingValue::Word(Severity::Medium) },
        ];
        assert_eq!(choose(&ratings), Some((Severity::Medium, "ghsa")));
        assert_eq!(choose(&ratings[..2]), Some((Severity::Low, "ghsa")));
        assert_eq!(choose(&ratings[..1]), Some((Severity::Critical, "nvd")));
        assert_eq!(choose(&[vector("nvd", "nonsense")]), None);
    }
}
