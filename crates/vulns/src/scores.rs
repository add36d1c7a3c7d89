//! Ratings: scores out of CVSS vectors, and which rating counts.

use killick_model::advisory::{Rating, RatingValue};
use killick_model::matching::SourceRating;
use killick_model::severity::{Cvss, Severity};
use killick_model::spelling::nearest;

/// Whose rating counts, first one first, after the vendor's word for a distribution package. Raters not listed come
/// last.
///
/// Vendors rate their own packages; the reviewers of an ecosystem know the package; the CNA knows the flaw; CISA and the NVD rate from the outside.
pub const SEVERITY_ORDER: &[&str] = &[
    "rhel", "suse", "ubuntu", "ol", "ghsa", "go", "rustsec", "pysec", "rubysec", "bit", "cna", "adp", "nvd", "nswg",
    "jlsec", "photon",
];

/// How the distribution whose package it is is called in a [`SeverityOrder`], whatever its name.
pub(crate) const VENDOR: &str = "vendor";

/// Whose rating counts. Raters that are not listed come after those that are, in the order of [`SEVERITY_ORDER`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeverityOrder(Vec<String>);

impl SeverityOrder {
    /// These first, in this order; `vendor` is the distribution's word about its own package, which is first where it is
    /// not among them.
    pub fn new(first: impl IntoIterator<Item = String>) -> Self {
        Self(first.into_iter().collect())
    }

    /// The words of it that no rater is called, with what may be meant. Raters that only other tools' data have are addresses
    /// (`security@apache.org`).
    pub fn mistakes(&self) -> impl Iterator<Item = (&str, Option<&'static str>)> {
        let is_known = |word: &str| word == VENDOR || SEVERITY_ORDER.contains(&word) || word.contains(['@', '.']);
        let meant = |word| (word, nearest(word, SEVERITY_ORDER.iter().copied().chain([VENDOR])));
        self.0.iter().map(String::as_str).filter(move |word| !is_known(word)).map(meant)
    }

    /// Position of a rater, the lowest counting first.
    pub(crate) fn rank(&self, source: &str) -> (usize, usize) {
        let usual = SEVERITY_ORDER.iter().position(|known| *known == source);
        let wanted = self.0.iter().position(|known| known == source);
        (wanted.unwrap_or(self.0.len()), usual.unwrap_or(SEVERITY_ORDER.len()))
    }

    /// Whether the distribution's word goes before what `source` says.
    fn vendor_goes_before(&self, source: &str) -> bool {
        let at = |name: &str| self.0.iter().position(|known| known == name);
        match (at(VENDOR), at(source)) {
            (Some(vendor), Some(other)) => vendor < other,
            _ => true,
        }
    }

    /// The rating of each source, those that count first in front: its word, else its newest CVSS. `vendor` is the
    /// distribution's word, under its name.
    pub(crate) fn ratings(&self, vendor: Option<(&str, Severity)>, ratings: &[Rating]) -> Vec<SourceRating> {
        let mut found: Vec<(&Rating, SourceRating)> = Vec::new();
        let mut sorted: Vec<&Rating> = ratings.iter().collect();
        sorted.sort_by_key(|rating| (self.rank(&rating.source), newest(rating)));
        for rating in sorted {
            let known = |(other, _): &(&Rating, SourceRating)| other.source == rating.source;
            if found.iter().any(known) {
                continue;
            }
            let Some(severity) = severity(rating) else { continue };
            let cvss = cvss(rating);
            let rated = SourceRating {
                source: rating.source.clone(),
                severity,
                cvss_version: cvss.as_ref().map(|cvss| cvss.version.clone()),
                base: cvss.map(|cvss| cvss.base),
            };
            found.push((rating, rated));
        }
        let mut found: Vec<SourceRating> = found.into_iter().map(|(_, rated)| rated).collect();
        if let Some((name, severity)) = vendor {
            let at = found.iter().position(|rated| self.vendor_goes_before(&rated.source)).unwrap_or(found.len());
            let source = name.to_owned();
            found.insert(at, SourceRating { source, severity, cvss_version: None, base: None });
        }
        found
    }
}

/// A score in tenths, as CVSS publishes them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100 before")]
pub(crate) fn tenths(score: f64) -> u8 {
    (score * 10.0).round().clamp(0.0, 100.0) as u8
}

/// The first rating that gives a severity, in [`SEVERITY_ORDER`].
pub(crate) fn choose(ratings: &[Rating]) -> Option<Severity> {
    SeverityOrder::default().ratings(None, ratings).first().map(|rated| rated.severity)
}

/// Of one rater a word counts before a score, and a new CVSS before an old one.
fn newest(rating: &Rating) -> u8 {
    match &rating.value {
        RatingValue::Word(_) => 0,
        value => {
            10 - version(value).map_or(0, |version| version.bytes().next().unwrap_or(b'0').saturating_sub(b'0')).min(9)
        }
    }
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

    #[test]
    fn typing_errors_in_an_order_are_seen() {
        let words = ["vendr", "nvd", "nvdd", "vendor", "somebody-else", "security@apache.org"];
        let order = SeverityOrder::new(words.map(str::to_owned));
        let mistakes = [("vendr", Some("vendor")), ("nvdd", Some("nvd")), ("somebody-else", None)];
        assert_eq!(order.mistakes().collect::<Vec<_>>(), mistakes);
    }

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
        let chosen = |order: &SeverityOrder, ratings: &[Rating]| {
            order.ratings(None, ratings).first().map(|rated| (rated.severity, rated.source.clone(), rated.base))
        };
        let usual = SeverityOrder::default();
        assert_eq!(chosen(&usual, &ratings), Some((Severity::Medium, "ghsa".to_owned(), None)));
        assert_eq!(chosen(&usual, &ratings[..2]), Some((Severity::Low, "ghsa".to_owned(), Some(2.2))));
        assert_eq!(chosen(&usual, &ratings[..1]), Some((Severity::Critical, "nvd".to_owned(), Some(9.8))));
        assert_eq!(chosen(&usual, &[vector("nvd", "nonsense")]), None);
        let other = SeverityOrder::new(["nvd".to_owned()]);
        assert_eq!(chosen(&other, &ratings), Some((Severity::Critical, "nvd".to_owned(), Some(9.8))));
    }

    #[test]
    fn the_distribution_counts_first_unless_somebody_is_put_before_it() {
        let ratings = [
            vector("nvd", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"),
            vector("ghsa", "CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N"),
        ];
        for (order, want) in [
            (&[][..], ["debian", "ghsa", "nvd"]),
            (&["nvd"], ["debian", "nvd", "ghsa"]),
            (&["nvd", "vendor"], ["nvd", "debian", "ghsa"]),
            (&["nvd", "ghsa", "vendor"], ["nvd", "ghsa", "debian"]),
        ] {
            let order = SeverityOrder::new(order.iter().map(|word| (*word).to_owned()));
            let found = order.ratings(Some(("debian", Severity::Low)), &ratings);
            let found: Vec<&str> = found.iter().map(|rated| rated.source.as_str()).collect();
            assert_eq!(found, want);
        }
    }
}
