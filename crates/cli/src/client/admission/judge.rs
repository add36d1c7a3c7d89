//! Who says whether an image may run, and what is said.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::remembered::Remembered;

/// Time that is left for the answer itself.
pub(super) const ANSWER: Duration = Duration::from_millis(200);

/// What is known of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may be let in; perhaps there is something to say.
    Passes(Option<String>),
    /// It may not, and why.
    Refused(String),
    /// Nobody could say.
    Unknown(String),
}

/// A verdict, and whether it counts for a while.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) verdict: Verdict,
    pub(super) is_final: bool,
}

impl Said {
    /// What need not be asked again soon.
    pub(super) fn finally(verdict: Verdict) -> Self {
        Self { verdict, is_final: true }
    }

    /// What may be otherwise in a moment.
    pub(super) fn for_now(verdict: Verdict) -> Self {
        Self { verdict, is_final: false }
    }
}

/// Who gives the verdict.
pub(super) trait Judge: Send + Sync + 'static {
    /// Who it is, for people.
    fn name(&self) -> String;

    /// The verdict on an image as a specification names it, before `deadline`. With `may_add`, something may last on account
    /// of the question.
    fn ask(&self, image: &str, may_add: bool, deadline: Instant) -> impl Future<Output = Said> + Send;
}

/// A judge, and what it said lately.
pub(super) struct Court<J> {
    judge: J,
    remembered: Arc<Remembered>,
}

impl<J: Judge> Court<J> {
    pub(super) fn new(judge: J, remembered: Arc<Remembered>) -> Self {
        Self { judge, remembered }
    }

    /// The verdict on an image, before `deadline`.
    pub(super) async fn verdict(&self, image: &str, may_add: bool, deadline: Instant) -> Verdict {
        if let Some(verdict) = self.remembered.get(image, Instant::now()) {
            return verdict;
        }
        let asked = self.judge.ask(image, may_add, deadline);
        let said = tokio::time::timeout_at(deadline - ANSWER, asked).await.unwrap_or_else(|_| {
            Said::for_now(Verdict::Unknown(format!("{} did not answer in time", self.judge.name())))
        });
        if said.is_final {
            self.remembered.put(image, &said.verdict, Instant::now());
        } else if matches!(said.verdict, Verdict::Unknown(_)) {
            tracing::warn!("{image}: {:?}", said.verdict);
        }
        said.verdict
    }
}

/// What a policy says of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Stop,
    Warn,
    Go,
}

/// A verdict in words: the first of what the policy `policy` found to be so, and how many there are. `otherwise` is the
/// reason where nothing was found, `how` tells where all of it is.
pub(super) fn in_words(word: Word, policy: &str, findings: &[String], otherwise: &str, how: &str) -> Verdict {
    let told = |says: &str| {
        let findings = match findings {
            [] => otherwise.to_owned(),
            [one] => one.clone(),
            [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
        };
        format!("the policy {policy} {says}: {findings}; {how}")
    };
    match word {
        Word::Go => Verdict::Passes(None),
        Word::Warn => Verdict::Passes(Some(told("warns"))),
        Word::Stop => Verdict::Refused(told("says stop")),
    }
}
