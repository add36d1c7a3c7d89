//! The verdict by a bundle in a file: the webhook reads images itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use killick_model::evaluation::{Action, Evaluation, FinalActionReason};
use killick_model::reference::Reference;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::judge::{ANSWER, Judge, Said, Verdict, Word, in_words};
use super::remembered::Remembered;
use super::{Mode, WebhookArgs, tag_of_digest};
use crate::local::standing::{Standing, Unjudged};
use crate::report_error::in_one_line;

/// Images that wait to be read, with those that are read.
const WAITING: usize = 100;

/// How long is waited where everything is let in all the same.
const IN_PASSING: Duration = Duration::from_secs(1);

/// Reads images of registries, and judges them by a bundle.
pub(super) struct ByBundle {
    desk: Arc<Desk>,
    patience: Duration,
}

/// What is said when an image is read; whoever asks meanwhile gets it too.
type Reading = Shared<oneshot::Receiver<Said>>;

/// What readings have in common.
struct Desk {
    standing: Standing,
    judges: bool,
    turns: Semaphore,
    readings: Mutex<HashMap<String, Reading>>,
    remembered: Arc<Remembered>,
}

impl ByBundle {
    pub(super) fn new(standing: Standing, args: &WebhookArgs, remembered: Arc<Remembered>) -> Self {
        let desk = Desk {
            standing,
            judges: args.mode != Mode::Analysis,
            turns: Semaphore::new(args.scans),
            readings: Mutex::default(),
            remembered,
        };
        let wait = Duration::from_secs(args.wait);
        let patience = if args.mode == Mode::Passthrough { wait.min(IN_PASSING) } else { wait };
        Self { desk: Arc::new(desk), patience }
    }
}

impl Judge for ByBundle {
    fn name(&self) -> String {
        format!("the bundle `{}`", self.desk.standing.path().display())
    }

    /// An image that takes longer to be read than there is time is read to its end, so that the next question finds it read.
    async fn ask(&self, image: &str, _may_add: bool, deadline: Instant) -> Said {
        let until = (Instant::now() + self.patience).min(deadline - 2 * ANSWER);
        let reference: Reference = match image.parse() {
            Ok(reference) => reference,
            Err(error) => return Said::finally(Verdict::Refused(format!("{error}"))),
        };
        let later = |why: &str| Said::for_now(Verdict::Refused(format!("{why}; try again in a moment")));
        let Some(reading) = self.reading(image, reference) else {
            return later(&format!("{WAITING} other images wait to be read"));
        };
        match tokio::time::timeout_at(until, reading).await {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => Said::for_now(Verdict::Unknown("reading it was interrupted".to_owned())),
            Err(_) => later("it is not read yet"),
        }
    }
}

impl ByBundle {
    /// What will be said of the image; nothing, if too many wait.
    fn reading(&self, image: &str, reference: Reference) -> Option<Reading> {
        let mut readings = self.desk.readings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reading) = readings.get(image) {
            return Some(reading.clone());
        }
        if readings.len() >= WAITING {
            return None;
        }
        let (say, said) = oneshot::channel();
        let reading = said.shared();
        readings.insert(image.to_owned(), reading.clone());
        tokio::spawn(Arc::clone(&self.desk).read(image.to_owned(), reference, say));
        Some(reading)
    }
}

impl Desk {
    async fn read(self: Arc<Self>, image: String, reference: Reference, say: oneshot::Sender<Said>) {
        let turn = self.turns.acquire().await.expect("it is never closed");
        // Judging takes its thread for a while: others wait on those of the runtime.
        let (desk, name, runtime) = (Arc::clone(&self), image.clone(), Handle::current());
        let read = tokio::task::spawn_blocking(move || runtime.block_on(desk.judge(&name, &reference)));
        let interrupted = |_| Said::for_now(Verdict::Unknown("reading it was interrupted".to_owned()));
        let said = read.await.unwrap_or_else(interrupted);
        drop(turn);
        // Whoever asked may not wait any more.
        if said.is_final {
            self.remembered.put(&image, &said.verdict, Instant::now());
        }
        self.readings.lock().unwrap_or_else(PoisonError::into_inner).remove(&image);
        let _ = say.send(said);
    }

    async fn judge(&self, image: &str, reference: &Reference) -> Said {
        match self.standing.verdicts(reference, &tag_of(reference)).await {
            Ok(_) if !self.judges => Said::finally(Verdict::Passes(None)),
            // The strictest of its platforms.
            Ok(evaluations) => match evaluations.iter().min_by_key(|evaluation| evaluation.final_action) {
                Some(evaluation) => Said::finally(told(evaluation, image)),
                None => Said::for_now(Verdict::Unknown("there is no verdict on it".to_owned())),
            },
            Err(Unjudged { error, is_of_the_image: true }) => {
                Said::for_now(Verdict::Refused(format!("it cannot be read: {}", in_one_line(&error))))
            }
            Err(Unjudged { error, is_of_the_image: false }) => {
                Said::for_now(Verdict::Unknown(format!("it could not be judged: {}", in_one_line(&error))))
            }
        }
    }
}

/// What policies see of the name: a tag, as they do of images of a server.
fn tag_of(reference: &Reference) -> String {
    let Reference { registry, repository, tag, digest } = reference;
    let tag = tag.clone().or_else(|| digest.as_ref().map(tag_of_digest)).unwrap_or_else(|| "latest".to_owned());
    format!("{registry}/{repository}:{tag}")
}

/// The verdict in words.
fn told(evaluation: &Evaluation, image: &str) -> Verdict {
    let action = evaluation.final_action;
    let word = match action {
        Action::Stop => Word::Stop,
        Action::Warn => Word::Warn,
        Action::Go => Word::Go,
    };
    let findings = evaluation.findings.iter().filter(|finding| finding.action == action);
    let findings: Vec<String> =
        findings.map(|finding| format!("{}.{}: {}", finding.gate, finding.trigger, finding.message)).collect();
    let otherwise = match evaluation.final_action_reason {
        FinalActionReason::Blacklisted => "it is on the list of denied images",
        _ => evaluation.problems.first().map_or("it does not say why", |problem| problem.details.as_str()),
    };
    let how = format!("`killick check {image} --policy` with this bundle has all");
    in_words(word, &evaluation.bundle_id, &findings, otherwise, &how)
}
