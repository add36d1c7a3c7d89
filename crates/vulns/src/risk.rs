//! How urgent a match is: one number, by which people's lists are ordered.
//!
//! ```text
//! risk = 100 × impact × likelihood × remedy, to one decimal place; 100 for a malicious package
//!
//! impact      score / 10. The score is the first CVSS base score, held within the band of the severity that counts
//!             (negligible 0.1 to 0.9, low 1 to 3.9, medium 4 to 6.9, high 7 to 8.9, critical 9 to 10); without one the
//!             middle of the band. Unknown severity counts as 4: it is not low.
//! likelihood  1 if the vulnerability is known to be exploited, else 0.4 + 0.6 × √EPSS, an unknown EPSS being 0
//! remedy      1 if there is a version with the fix, else 0.95: what can be done goes before what cannot
//! ```
//!
//! It is no probability, and not meant to be compared with other tools' numbers. It never falls when severity (of known
//! ones), score, EPSS or exploitation rise, or when a fix appears.

use killick_model::matching::{FixState, Match};
use killick_model::severity::Severity;

/// Least likelihood of what nobody was seen to exploit.
const BASE_LIKELIHOOD: f64 = 0.4;

/// What counts less where nothing can be done.
const NO_REMEDY: f64 = 0.95;

/// The risk of a match, 0 to 100.
pub fn score(found: &Match) -> f64 {
    if found.malicious {
        return 100.0;
    }
    let base = found.cvss.first().map(|cvss| cvss.base);
    let likelihood = if found.known_exploited {
        1.0
    } else {
        let epss = found.epss.filter(|epss| epss.is_finite()).unwrap_or(0.0).clamp(0.0, 1.0);
        BASE_LIKELIHOOD + (1.0 - BASE_LIKELIHOOD) * epss.sqrt()
    };
    let has_fix = found.fix.state == FixState::Fixed && !found.fix.versions.is_empty();
    let remedy = if has_fix { 1.0 } else { NO_REMEDY };
    (1000.0 * impact(found.severity, base) * likelihood * remedy).round() / 10.0
}

/// The score within the band of the severity, as a share of 1.
fn impact(severity: Severity, base: Option<f64>) -> f64 {
    let (least, most) = match severity {
        Severity::Unknown => return 0.4,
        Severity::Negligible => (0.1, 0.9),
        Severity::Low => (1.0, 3.9),
        Severity::Medium => (4.0, 6.9),
        Severity::High => (7.0, 8.9),
        Severity::Critical => (9.0, 10.0),
    };
    let base = base.filter(|base| base.is_finite()).unwrap_or(f64::midpoint(least, most));
    base.clamp(least, most) / 10.0
}

#[cfg(test)]
mod tests {
    use killick_model::matching::Fix;
    use killick_model::package::PackageId;
    use killick_model::severity::Cvss;
    use proptest::prelude::*;

    use super::*;

    /// What the number depends on.
    #[derive(Debug, Clone)]
    struct Factors {
        severity: Severity,
        base: Option<f64>,
        epss: Option<f64>,
        exploited: bool,
        malicious: bool,
        fixed: bool,
    }

    fn risk(factors: &Factors) -> f64 {
        let cvss = factors.base.map(|base| Cvss {
            source: "nvd".to_owned(),
            version: "3.1".to_owned(),
            vector: String::new(),
            base,
            exploitability: None,
            impact: None,
        });
        let state = if factors.fixed { FixState::Fixed } else { FixState::NotFixed };
        score(&Match {
            package: PackageId(0),
            vulnerability: "CVE-2099-1".to_owned(),
            aliases: Vec::new(),
            severity: factors.severity,
            severity_source: None,
            cvss: cvss.into_iter().collect(),
            ratings: Vec::new(),
            fix: Fix { state, versions: vec!["1".to_owned(); usize::from(factors.fixed)], observed_at: None },
            url: None,
            known_exploited: factors.exploited,
            epss: factors.epss,
            malicious: factors.malicious,
            risk: 0.0,
            claims: Vec::new(),
            evidence: Vec::new(),
        })
    }

    fn factors() -> impl Strategy<Value = Factors> {
        let severity = prop::sample::select(Severity::ALL.to_vec());
        let base = prop::option::of(0.0..=10.0);
        (severity, base, prop::option::of(0.0..=1.0), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(severity, base, epss, exploited, malicious, fixed)| Factors {
                severity,
                base,
                epss,
                exploited,
                malicious,
                fixed,
            },
        )
    }

    #[test]
    fn numbers_to_hold_it_by() {
        let plain =
            |severity, base| Factors { severity, base, epss: None, exploited: false, malicious: false, fixed: true };
        for (factors, want) in [
            (plain(Severity::Critical, Some(9.8)), 39.2),
            (Factors { exploited: true, ..plain(Severity::Critical, Some(10.0)) }, 100.0),
            (Factors { epss: Some(0.25), ..plain(Severity::High, Some(7.5)) }, 52.5),
            (Factors { fixed: false, ..plain(Severity::Medium, Some(5.0)) }, 19.0),
            // The vendor calls low what the NVD calls critical.
            (plain(Severity::Low, Some(9.8)), 15.6),
            (plain(Severity::Unknown, None), 16.0),
            (plain(Severity::Negligible, None), 2.0),
            (Factors { malicious: true, ..plain(Severity::Unknown, None) }, 100.0),
        ] {
            assert!((risk(&factors) - want).abs() < 0.05, "{factors:?}: {} is not {want}", risk(&factors));
        }
    }

    proptest! {
        #[test]
        fn more_of_anything_is_never_less_risk(
            factors in factors(), base in 0.0..=10.0, epss in 0.0..=1.0, worse in prop::sample::select(&Severity::ALL[1..]),
        ) {
            let before = risk(&factors);
            prop_assert!((0.0..=100.0).contains(&before), "{before}");
            let mut more = vec![
                Factors { exploited: true, ..factors.clone() },
                Factors { malicious: true, ..factors.clone() },
                Factors { fixed: true, ..factors.clone() },
                Factors { epss: Some(factors.epss.unwrap_or(0.0).max(epss)), ..factors.clone() },
            ];
            if let Some(known) = factors.base {
                more.push(Factors { base: Some(known.max(base)), ..factors.clone() });
            }
            if factors.severity != Severity::Unknown && worse >= factors.severity {
                more.push(Factors { severity: worse, ..factors.clone() });
            }
            for more in more {
                prop_assert!(risk(&more) >= before, "{more:?} of {factors:?}");
            }
        }

        #[test]
        fn odd_numbers_stay_within_bounds(base in any::<f64>(), epss in any::<f64>()) {
            let factors = Factors {
                severity: Severity::High, base: Some(base), epss: Some(epss), exploited: false, malicious: false, fixed: true,
            };
            prop_assert!((0.0..=100.0).contains(&risk(&factors)));
        }
    }
}
