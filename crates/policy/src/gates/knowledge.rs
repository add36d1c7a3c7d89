//! How old the data are that an image was judged by. Not in the original, which knows one date for everything.

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::params::{Parameter, Validator};

pub(super) const GATE: Gate = Gate {
    name: "knowledge",
    description: "How old the data are that the image was judged by. Not in Anchore Engine.",
    state: State::Active,
    superseded_by: None,
    triggers: &[Trigger {
        name: "stale_sources",
        description: "Fires for each source of vulnerability data that speaks of packages of this image and has nothing \
                      newer than this.",
        params: &[Parameter::required(
            "max_days",
            Validator::Integer,
            Some("7"),
            "Greatest age in days of the newest date in the data of the source, or of the index where they have no dates.",
        )],
        check: stale_sources,
    }],
};

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn stale_sources(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let days = check.params.integer("max_days").unwrap_or_default();
    let mut sources: Vec<_> = check.evidence.sources.iter().collect();
    sources.sort_by_key(|source| (&source.provider, &source.namespace));
    if sources.is_empty() && !check.shared.packages().is_empty() {
        check.warn_unseen("no source of vulnerability data speaks of packages of this image");
    }
    for source in sources {
        let (provider, namespace) = (&source.provider, &source.namespace);
        let message = match source.newest_data.map(|newest| check.days_since(newest)) {
            Some(age) if age <= days => continue,
            Some(age) => {
                format!("the newest data of {provider} about {namespace} are {age} days old, more than {days}")
            }
            None => format!("nothing tells how old the data of {provider} about {namespace} are"),
        };
        check.fire_as(
            format!("{provider}+{namespace}"),
            Vec::new(),
            message,
            Some("judge by newer vulnerability data: `killick db update`".to_owned()),
        );
    }
    Ok(())
}
