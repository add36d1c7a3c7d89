//! FIRST's exploit prediction scores, `epss_scores-2026-07-31.csv.gz`.
//!
//! <https://www.first.org/epss/data_stats>: a comment line with model and date (missing before 2022), a header,
//! then `cve,epss[,percentile]`. Only the newest file counts.

use std::io::BufRead;
use std::path::PathBuf;

use killick_model::advisory::{AdvisoryStatus, Enrichment, Instant, License};

use super::sink::UNDATED;
use super::{Input, Namespace, Provider, ReadError, Sink, files_in};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider = Provider {
    name: "epss",
    title: "FIRST exploit prediction scores",
    find: |root| -> Vec<Vec<PathBuf>> {
        let files = files_in(root, "epss", |name| name.starts_with("epss_scores-") && name.contains(".csv"));
        files.into_iter().next_back().map(|newest| vec![newest]).into_iter().collect()
    },
    read,
};

/// Longest line that makes sense, many times over.
const MAX_LINES: usize = 5_000_000;

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let mut instant = None;
    for line in input.reader()?.lines().take(MAX_LINES) {
        let line = line.map_err(|error| input.unreadable(error))?;
        if let Some(comment) = line.strip_prefix('#') {
            let date = comment.split(',').find_map(|part| part.strip_prefix("score_date:"));
            // `+0000` without a colon is not RFC 3339; the day is all that matters.
            instant = date.and_then(|date| Instant::parse(date.get(..10)?));
            continue;
        }
        if line.is_empty() || line.starts_with("cve,") {
            continue;
        }
        let mut fields = line.split(',');
        let (Some(cve), Some(Ok(score))) = (fields.next(), fields.next().map(str::parse::<f64>)) else {
            sink.skip(&input.label(), format!("malformed line `{}`", line.chars().take(80).collect::<String>()));
            continue;
        };
        if !(0.0..=1.0).contains(&score) {
            sink.skip(cve, format!("score {score} is no probability"));
            continue;
        }
        let filing = sink.file("epss", || Namespace {
            name: "epss".to_owned(),
            ecosystem: String::new(),
            coverage: Coverage::FixedOnly,
            license: License::Attribution,
            attribution: "FIRST.org Exploit Prediction Scoring System, https://www.first.org/epss".to_owned(),
        });
        filing.seen(instant);
        filing.enrichment(
            cve,
            &Enrichment {
                ratings: Vec::new(),
                cwes: Vec::new(),
                exploited: None,
                epss_millionths: Some(millionths(score)),
                status: AdvisoryStatus::Active,
                published: None,
                modified: None,
                known_since: UNDATED,
            },
        );
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a probability")]
fn millionths(score: f64) -> u32 {
    (score * 1e6).round() as u32
}
