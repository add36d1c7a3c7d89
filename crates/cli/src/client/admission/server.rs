//! The verdict of a server.

use std::time::Duration;

use killick_model::reference::Reference;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::judge::{ANSWER, Judge, Said, Verdict, Word, in_words};
use super::{Mode, WebhookArgs, tag_of_digest};
use crate::client::api::{Api, Failure, percent_encode};

/// Between looks at an image that is being analysed.
const PAUSE: Duration = Duration::from_millis(300);

/// Asks the server.
pub(super) struct ByServer {
    api: Api,
    mode: Mode,
    policy: Option<String>,
    adds: bool,
    wait: Duration,
}

/// An image in a specification, as the API wants it.
struct Named {
    tag: String,
    digest: Option<String>,
}

impl ByServer {
    pub(super) fn new(api: Api, args: &WebhookArgs) -> Self {
        Self {
            api,
            mode: args.mode,
            policy: args.policy.clone(),
            adds: !args.no_add,
            wait: Duration::from_secs(args.wait),
        }
    }

    /// A failure is one of asking.
    async fn try_ask(&self, image: &str, may_add: bool, deadline: Instant) -> Result<Said, Failure> {
        let named = match Named::read(image) {
            Ok(named) => named,
            Err(why) => return Ok(Said::finally(Verdict::Refused(why))),
        };
        let mut record = match self.find(&named, may_add).await {
            Ok(record) => record,
            Err(failure) if failure.status().is_some_and(is_about_the_image) => {
                let remedy = if may_add {
                    "is the name right, and may the server read its registry (`killick registry list`)?"
                } else {
                    "add it with `killick image add`"
                };
                return Ok(Said::for_now(Verdict::Refused(format!("{}; {remedy}", failure.told()))));
            }
            Err(failure) => return Err(failure),
        };
        let digest = record["imageDigest"].as_str().unwrap_or_default().to_owned();
        let path = format!("/images/{}", percent_encode(&digest));
        let until = (Instant::now() + self.wait).min(deadline - 2 * ANSWER);
        loop {
            match record["analysis_status"].as_str().unwrap_or_default() {
                "analyzed" => break,
                "analysis_failed" => {
                    let cause = record["analysis_status_detail"].as_str().unwrap_or("the log of the server tells why");
                    let again = format!("; mend that, and `killick image add {} --force`", named.tag);
                    return Ok(Said::for_now(Verdict::Refused(format!("it could not be analysed: {cause}{again}"))));
                }
                status if self.mode == Mode::Passthrough || Instant::now() + PAUSE >= until => {
                    let why = format!("it is not analysed yet ({status}); try again in a moment");
                    return Ok(Said::for_now(Verdict::Refused(why)));
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
            record = self.api.get(&path, &[]).await?.body[0].take();
        }
        if self.mode == Mode::Analysis {
            return Ok(Said::finally(Verdict::Passes(None)));
        }
        let mut query = vec![("tag", named.tag.as_str()), ("detail", "true"), ("interactive", "true")];
        query.extend(self.policy.as_deref().map(|policy| ("policyId", policy)));
        let reply = self.api.get(&format!("{path}/check"), &query).await?;
        judged(&reply.body, &named.tag).map(Said::finally).ok_or_else(|| {
            Failure::local("the answer of the server holds no verdict: is it a Killick server or an Anchore Engine?")
        })
    }

    /// What the server knows of the image. A tag may have moved, so that who may add it asks the server to look.
    async fn find(&self, named: &Named, may_add: bool) -> Result<Value, Failure> {
        let known = match &named.digest {
            Some(digest) => Some(self.api.get(&format!("/images/{}", percent_encode(digest)), &[]).await),
            None if may_add => None,
            None => Some(self.api.get("/images", &[("fulltag", &named.tag), ("history", "false")]).await),
        };
        let mut reply = match known {
            Some(Err(failure)) if failure.is_not_found() && may_add => self.add(named).await?,
            Some(known) => known?,
            None => match self.add(named).await {
                // Its registry may be down: what was there when it was up counts.
                Err(failure) if failure.status().is_some_and(|status| !matches!(status, 401 | 403)) => {
                    let query = [("fulltag", named.tag.as_str()), ("history", "false")];
                    self.api.get("/images", &query).await.map_err(|_| failure)?
                }
                added => added?,
            },
        };
        Ok(reply.body[0].take())
    }

    async fn add(&self, named: &Named) -> Result<crate::client::api::Reply, Failure> {
        let body = match &named.digest {
            Some(digest) => json!({"tag": named.tag, "digest": digest}),
            None => json!({"tag": named.tag}),
        };
        self.api.send("POST", "/images", &[("autosubscribe", "false")], Some(&body)).await
    }
}

impl Judge for ByServer {
    fn name(&self) -> String {
        format!("the server {}", self.api.settings.url)
    }

    async fn ask(&self, image: &str, may_add: bool, deadline: Instant) -> Said {
        let asked = self.try_ask(image, may_add && self.adds, deadline).await;
        asked.unwrap_or_else(|failure| Said::for_now(unknown(&failure, &self.api.settings.url)))
    }
}

impl Named {
    fn read(image: &str) -> Result<Self, String> {
        let reference: Reference = image.parse().map_err(|error| format!("{error}"))?;
        // As it is written: the API knows `nginx` by other words than Docker does.
        let name = image.split('@').next().unwrap_or(image);
        let tag = match (&reference.tag, &reference.digest) {
            (None, Some(digest)) => format!("{name}:{}", tag_of_digest(digest)),
            _ => name.to_owned(),
        };
        Ok(Self { tag, digest: reference.digest.map(|digest| digest.to_string()) })
    }
}

/// Whether a status speaks of the image, and not of the server or of who asks.
fn is_about_the_image(status: u16) -> bool {
    matches!(status, 400 | 404 | 406 | 409 | 422)
}

fn unknown(failure: &Failure, url: &str) -> Verdict {
    let why = match failure.status() {
        Some(401 | 403) => {
            format!(
                "the server {url} does not take who asks: are KILLICK_USER and KILLICK_PASS right, and may they add images?"
            )
        }
        Some(status) => format!("the server {url} answered {status}: {}", failure.told()),
        None => format!("the server {url} cannot be asked: {}", failure.told()),
    };
    Verdict::Unknown(why)
}

/// The verdict in an answer of `/check`.
fn judged(answer: &Value, tag: &str) -> Option<Verdict> {
    let tags = answer[0].as_object()?.values().next()?;
    let evaluation = &tags.as_object()?.values().next()?[0];
    let result = &evaluation["detail"]["result"];
    let warns = result["final_action"].as_str().is_some_and(|action| action.eq_ignore_ascii_case("warn"));
    let word = match evaluation["status"].as_str()?.to_ascii_lowercase().as_str() {
        "pass" if warns => Word::Warn,
        "pass" => Word::Go,
        "fail" => Word::Stop,
        _ => return None,
    };
    let findings = findings(result, if word == Word::Warn { "warn" } else { "stop" });
    let otherwise = match result["final_action_reason"].as_str() {
        Some("blacklisted") => "it is on the list of denied images",
        _ => "it does not say why",
    };
    let how = format!("`killick evaluate check {tag} --detail` has all");
    let policy = evaluation["policyId"].as_str().unwrap_or_default();
    Some(in_words(word, policy, &findings, otherwise, &how))
}

/// What a verdict of the API found that says stop or warn.
fn findings(result: &Value, action: &str) -> Vec<String> {
    let rows = result["image_id"].as_str().and_then(|id| result["result"][id]["result"]["rows"].as_array());
    rows.into_iter()
        .flatten()
        .filter(|row| row[6].as_str().is_some_and(|said| said.eq_ignore_ascii_case(action)) && !row[7].is_object())
        .map(|row| {
            let word = |index: usize| row[index].as_str().unwrap_or_default();
            format!("{}.{}: {}", word(3), word(4), word(5))
        })
        .collect()
}
