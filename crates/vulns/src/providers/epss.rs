//! FIRST's exploit prediction scores, `epss_scores-2026-07-31.csv.gz`.
//!
//! <https://www.first.org/epss/data_stats>: a comment line with model and date (missing before 2022), a header,
//! then `cve,epss[,percentile]`. Only the newest file counts.

use std::path::{Path, PathBuf};

use killick_model::advisory::{AdvisoryStatus, Enrichment, Instant, License};
use killick_model::feed::{Each, File, Form, Upstream};

use super::sink::UNDATED;
use super::{Input, Namespace, Provider, ReadError, Sink, files_in};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider = Provider {
    name: "epss",
    title: "FIRST exploit prediction scores",
    upstreams: UPSTREAMS,
    find: |root| -> Vec<Vec<PathBuf>> {
        let files = files_in(root, "epss", |name| name.starts_with("epss_scores-") && name.contains(".csv"));
        files.into_iter().next_back().map(|newest| vec![newest]).into_iter().collect()
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "scores",
    base: "https://epss.empiricalsecurity.com/",
    folder: "epss",
    is_default: true,
    max_bytes: 64 << 20,
    hours: 0,
    notes_date: false,
    form: Form::Files {
        each: Each::Once,
        files: &[File::new("epss_scores-current.csv.gz", "epss_scores-current.csv.gz")],
    },
}];

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let mut instant = day_of_name(input.path);
    let mut columns = None;
    input.lines(|line| {
        if let Some(comment) = line.strip_prefix('#') {
            let date = comment.split(',').find_map(|part| part.strip_prefix("score_date:"));
            // `+0000` without a colon is not RFC 3339; the day is all that matters.
            instant = date.and_then(|date| Instant::parse(date.get(..10)?)).or(instant);
        } else if columns.is_none() {
            let position = |wanted: &str| line.split(',').position(|column| column.trim() == wanted);
            columns = Some(position("cve").zip(position("epss")));
        } else if let Some(Some((cve, score))) = columns
            && !line.is_empty()
        {
            row(input, line, (cve, score), instant, sink);
        }
    })?;
    match columns {
        Some(Some(_)) => Ok(()),
        _ => Err(input.malformed("no columns `cve` and `epss`")),
    }
}

/// The day in `epss_scores-2021-04-14.csv.gz`: files of before 2022 have none in them.
fn day_of_name(path: &Path) -> Option<Instant> {
    let name = path.file_name()?.to_str()?.strip_prefix("epss_scores-")?;
    Instant::parse(name.get(..10)?)
}

fn row(input: &Input<'_>, line: &str, (cve, score): (usize, usize), instant: Option<Instant>, sink: &mut Sink) {
    let field = |at: usize| line.split(',').nth(at).map(str::trim);
    let (Some(cve), Some(Ok(score))) = (field(cve), field(score).map(str::parse::<f64>)) else {
        return sink.skip(&input.label(), format!("malformed line `{}`", line.chars().take(80).collect::<String>()));
    };
    if !(0.0..=1.0).contains(&score) {
        return sink.skip(cve, format!("score {score} is no probability"));
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

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a probability")]
fn millionths(score: f64) -> u32 {
    (score * 1e6).round() as u32
}
