//! `killick db export`: publishes the index, or packs it for an air gap.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use jiff::SignedDuration;
use killick_fetch::publication::{Place, PlaceOptions, Sent};
use killick_server::publications::{Publishing, Restricted, publish};
use killick_vulns::Index;
use killick_vulns::publication::Publication;

use super::key;
use crate::exit::Exit;
use crate::local::knowledge::{self, KnowledgeArgs};
use crate::local::output;
use crate::local::registry::RegistryArgs;
use crate::report_error::hinted;

/// Arguments of `db export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Where to: a folder, FILE.tar for one bundle, `s3://BUCKET/PREFIX`, `oci://REGISTRY/REPOSITORY:TAG`. What is
    /// published there already is replaced, and stays readable meanwhile
    #[arg(long, value_name = "PLACE")]
    out: String,
    /// Sign with this private key; may be repeated, for readers who trust one or the other
    #[arg(long, value_name = "FILE")]
    sign: Vec<PathBuf>,
    /// From when on readers refuse it as too old: `36h`, `7d`, `2w`
    #[arg(long, value_name = "DURATION")]
    expires: Option<Lifetime>,
    /// Name of the publication, by which readers count its versions (default: that of what is there, else `advisories`)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Leave out sources whose terms do not let them be passed on
    #[arg(long, conflicts_with = "private")]
    public: bool,
    /// Publish sources too whose terms do not let them be passed on: for machines of your own
    #[arg(long)]
    private: bool,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Hours, days or weeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lifetime(SignedDuration);

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no time span: write `36h`, `7d` or `2w`");
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
        let hours = match unit {
            "h" => 1,
            "d" => 24,
            "w" => 24 * 7,
            _ => return Err(wrong()),
        };
        let number: u32 = number.parse().map_err(|_| wrong())?;
        if number == 0 {
            return Err(wrong());
        }
        Ok(Self(SignedDuration::from_hours(i64::from(number) * hours)))
    }
}

pub(super) async fn run(args: Export) -> anyhow::Result<Exit> {
    let keys = args.sign.iter().map(|path| key::read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let place = Place::parse(&args.out).map_err(hinted)?;
    let index = Arc::new(knowledge::open(&args.knowledge)?);
    let now = crate::clock::now();
    let expires =
        args.expires.map(|Lifetime(span)| now.checked_add(span)).transpose().context("it would never expire")?;
    warn(&index, keys.is_empty(), args.private);
    let restricted = match (args.public, args.private) {
        (true, _) => Restricted::LeftOut,
        (_, true) => Restricted::Included,
        _ => Restricted::Refused,
    };
    if let Place::Folder(path) | Place::Bundle(path) = &place {
        knowledge::make_parent(path)?;
    }
    let environment = crate::environment::read();
    let options =
        PlaceOptions { registry: args.registry.options(&environment)?, environment, ..PlaceOptions::default() };
    let shown = place.to_string();
    let publishing = Publishing { index, place, options, keys: &keys, name: args.name, now, expires, restricted };
    let (publication, sent) = publish(publishing).await.map_err(hinted)?;
    output::print(&Told { place: &shown, publication: &publication, sent }.to_string())?;
    Ok(Exit::Success)
}

/// What whoever passes an index on should know.
fn warn(index: &Index, is_unsigned: bool, is_private: bool) {
    let count = index.manifest().segments.iter().filter(|segment| !segment.license.may_ship()).count();
    if is_private && count > 0 {
        tracing::warn!("the terms of {count} sources do not let them be passed on: keep this publication to yourself");
    }
    if is_unsigned {
        tracing::warn!(
            "the publication is not signed: readers must take it with `--allow-unsigned`; sign it with `--sign`"
        );
    }
}

struct Told<'a> {
    place: &'a str,
    publication: &'a Publication,
    sent: Sent,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Publication { name, version, expires, segments, .. } = self.publication;
        let Sent { blobs, bytes } = self.sent;
        let expires = expires.map_or_else(|| "never expires".to_owned(), |at| format!("expires at {at}"));
        writeln!(
            out,
            "{}: {name} version {version} of {} sources, {expires}; wrote {blobs} blobs, {bytes} bytes",
            self.place,
            segments.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_read() {
        for (text, hours) in [("36h", 36), ("7d", 168), ("2w", 336)] {
            assert_eq!(text.parse(), Ok(Lifetime(SignedDuration::from_hours(hours))));
        }
        for text in ["", "d", "0d", "-1d", "7", "7m", "1.5d", "99999999999w", "7é"] {
            assert!(text.parse::<Lifetime>().is_err(), "{text}");
        }
    }
}
