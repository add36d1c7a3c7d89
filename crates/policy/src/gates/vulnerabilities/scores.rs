//! CVSS v3 scores of the NVD and of vendors, and the conditions rules put on them.

use killick_model::matching::Match;

use crate::params::Values;
use crate::python;
use crate::v1;

/// The score of a vulnerability that nobody has rated.
const NONE: f64 = -1.0;

/// Base, exploitability and impact score.
pub(super) type Scores = [f64; 3];

/// Whose scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rater {
    Nvd,
    Vendor,
}

impl Rater {
    /// The highest of each score; scores of a statement of the NVD itself are the NVD's, and there is no vendor.
    pub(super) fn scores(self, found: &Match) -> Scores {
        let from_nvd = v1::feed_group(found).contains("nvd");
        let mut scores = [NONE; 3];
        for rating in found.cvss.iter().filter(|rating| rating.version.starts_with('3')) {
            let counts = match self {
                Self::Nvd => from_nvd || rating.source == "nvd",
                Self::Vendor => !from_nvd && rating.source != "nvd",
            };
            if counts {
                let rated = [Some(rating.base), rating.exploitability, rating.impact];
                for (score, rated) in scores.iter_mut().zip(rated) {
                    *score = score.max(rated.unwrap_or(NONE));
                }
            }
        }
        scores
    }
}

/// What a rule demands of the scores of one rater.
#[derive(Debug)]
pub(super) struct Constraints([Option<Constraint>; 3]);

#[derive(Debug)]
struct Constraint {
    parameter: String,
    comparison: String,
    threshold: f64,
}

impl Constraints {
    /// Reads the parameters with the prefix, which is empty or `vendor_`. A comparison without a score is nothing.
    pub(super) fn of(params: &Values, prefix: &str) -> Self {
        Self(["base", "exploitability", "impact"].map(|kind| {
            let parameter = format!("{prefix}cvss_v3_{kind}_score");
            let threshold = params.float(&parameter)?;
            let comparison = params.text(&format!("{parameter}_comparison")).unwrap_or(">=").to_owned();
            Some(Constraint { parameter, comparison, threshold })
        }))
    }

    /// Whether all hold.
    pub(super) fn met_by(&self, scores: &Scores) -> bool {
        self.0.iter().zip(scores).all(|(constraint, score)| constraint.as_ref().is_none_or(|it| it.holds(*score)))
    }

    /// The constrained scores for the message; empty where there are none, and zeros are left out.
    pub(super) fn describe(&self, scores: &Scores) -> String {
        let parts: Vec<_> = self
            .0
            .iter()
            .zip(scores)
            .filter(|(_, score)| **score != 0.0)
            .filter_map(|(constraint, score)| {
                constraint.as_ref().map(|it| format!("{}={}", it.parameter, python::float(*score)))
            })
            .collect();
        if parts.is_empty() { String::new() } else { format!("({})", parts.join(" ")) }
    }
}

impl Constraint {
    #[expect(clippy::float_cmp, reason = "the contract compares scores exactly")]
    fn holds(&self, score: f64) -> bool {
        match self.comparison.as_str() {
            "=" => score == self.threshold,
            "!=" => score != self.threshold,
            "<" => score < self.threshold,
            ">" => score > self.threshold,
            "<=" => score <= self.threshold,
            _ => score >= self.threshold,
        }
    }
}
