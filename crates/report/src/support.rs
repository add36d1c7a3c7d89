//! What is past the end of its support, in words that all formats share.

use std::fmt::Write as _;

use jiff::Timestamp;
use killick_model::lifecycle::{Support, Unsupported};
use killick_model::package::Package;

use crate::formats::Report;

/// `python 2.7 (/usr/bin/python2) is not supported any more since 2020-01-01: …`
pub(crate) fn line(report: &Report<'_>, ended: &Unsupported) -> String {
    let mut line = name(report, ended);
    match ended.packages.as_slice() {
        [] => {}
        [id] => {
            let place = report.analysis.packages.get(id.0 as usize).map(Package::virtual_path);
            line.extend(place.map(|place| format!(" ({place})")));
        }
        several => line.push_str(&format!(" ({} packages)", several.len())),
    }
    let dated = |word: &str, day: Option<Timestamp>| {
        day.map_or_else(String::new, |day| format!("{word} {}", day.strftime("%F")))
    };
    if ended.support == Support::Extended {
        let (since, until) = (dated(", since", ended.ended), dated(", until", ended.extended_until));
        let _ = write!(line, " has extended support only{since}{until}");
    } else {
        // Whoever paid for more had it until then.
        let since = dated(" since", ended.extended_until.or(ended.ended));
        let _ = write!(line, " is not supported any more{since}: vulnerabilities found later may be missing");
    }
    line
}

/// The distribution as it calls itself, anything else as the source of the days does.
fn name(report: &Report<'_>, ended: &Unsupported) -> String {
    let distribution = report.analysis.distribution.as_ref().filter(|_| ended.packages.is_empty());
    let own = distribution.map(|distribution| distribution.pretty_name.clone().unwrap_or_else(|| distribution.label()));
    own.unwrap_or_else(|| format!("{} {}", ended.product, ended.cycle))
}
