//! Puts what happens into the words of version 1: events, and the payloads of notifications.
//!
//! As the store's reporter it is asked inside the transactions that change something. Which notification goes where is
//! decided when it is sent (`webhooks`); here only those are written down that can go somewhere.

use std::future::Future;

use jiff::Timestamp;
use killick_store::alerts::Alert;
use killick_store::images::{AnalysisStatus, Image, ImageTag};
use killick_store::news::{Change, NewEvent, NewNotice, News, Reporter};
use killick_store::notifications::Notice;
use killick_store::subscriptions::ALERTS;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::alerts::AlertRecord;
use crate::config::{Config, EventLevel, WebhookConfig, WebhooksConfig};
use crate::events::{self, EventType};

tokio::task_local! {
    /// What the request is named of which events are told.
    static REQUEST: String;
}

/// Runs a request, in whose events its name is.
pub(crate) async fn within<F: Future>(request: String, future: F) -> F::Output {
    REQUEST.scope(request, future).await
}

/// The future, under the name of the request that begins it, wherever it goes on.
pub(crate) fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let request = REQUEST.try_with(Clone::clone).ok();
    async move {
        match request {
            Some(request) => within(request, future).await,
            None => future.await,
        }
    }
}

/// The service that version 1 takes an event for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// What keeps records.
    Catalog,
    /// What reads images.
    Analyzer,
    /// What knows advisories.
    PolicyEngine,
}

impl Service {
    const fn name(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Analyzer => "analyzer",
            Self::PolicyEngine => "policy_engine",
        }
    }
}

/// Whoever tells what happens in this process.
#[derive(Debug)]
pub(crate) struct Herald {
    host: String,
    base_url: String,
    webhooks: WebhooksConfig,
    /// Levels of which every event is sent.
    levels: Vec<EventLevel>,
}

impl Herald {
    /// By the settings.
    pub(crate) fn new(config: &Config) -> Self {
        let log = &config.event_log;
        Self {
            host: config.server.host_id.clone(),
            base_url: config.server.base_url(),
            webhooks: config.webhooks.clone(),
            levels: if log.notification_enabled { log.notification_level.clone() } else { Vec::new() },
        }
    }

    /// An event, and the notification for whoever subscribed to such. `details` with a `subscription_type` are those
    /// of a subscription; details that are no object are a message.
    pub(crate) fn event(
        &self,
        kind: &EventType,
        service: Service,
        account: &str,
        resource: Option<&str>,
        details: Value,
        now: i64,
    ) -> News {
        let details = match details {
            Value::Object(details) => details,
            Value::Null => Map::new(),
            Value::String(text) => Map::from_iter([("msg".to_owned(), text.into())]),
            other => Map::from_iter([("msg".to_owned(), other.to_string().into())]),
        };
        let level = kind.level.as_str();
        let request = REQUEST.try_with(Clone::clone).ok();
        let subscription = details.get("subscription_type").and_then(Value::as_str).map(str::to_owned);
        let payload = details.clone();
        let event = json!({
            "details": details,
            "level": level,
            "message": kind.message,
            "resource": {"id": resource, "type": kind.resource, "user_id": account},
            "source": {
                "base_url": self.base_url, "hostid": self.host, "request_id": request, "servicename": service.name(),
            },
            "timestamp": microseconds(now),
            "type": kind.name,
        });
        let notice = match (subscription, resource) {
            (Some(kind), Some(key)) => self.notice(account, &kind, key, payload, now),
            _ => self.sent_event(account, kind.level, &event, now),
        };
        let event = NewEvent {
            uuid: Uuid::new_v4().simple().to_string(),
            account: account.to_owned(),
            kind: kind.name.to_owned(),
            level: level.to_owned(),
            service: service.name().to_owned(),
            host: self.host.clone(),
            resource_type: Some(kind.resource.to_owned()),
            resource: resource.map(str::to_owned),
            document: event.to_string(),
        };
        News { events: vec![event], notices: notice.into_iter().collect() }
    }

    /// What is sent to whoever subscribed to such of a key.
    fn notice(&self, account: &str, kind: &str, key: &str, details: Map<String, Value>, now: i64) -> Option<NewNotice> {
        let webhook = self.webhooks.of_type(kind)?;
        let uuid = Uuid::new_v4().to_string();
        let mut payload = details;
        payload.insert("notificationId".to_owned(), uuid.as_str().into());
        payload.insert("userId".to_owned(), account.into());
        payload.insert("subscription_key".to_owned(), key.into());
        payload.insert("subscription_type".to_owned(), kind.into());
        Some(NewNotice {
            uuid,
            account: account.to_owned(),
            kind: kind.to_owned(),
            key: Some(key.to_owned()),
            payload: Value::Object(payload).to_string(),
            folds_at: folds_at(webhook, now),
        })
    }

    /// What is sent of an event that nobody can subscribe to.
    fn sent_event(&self, account: &str, level: EventLevel, event: &Value, now: i64) -> Option<NewNotice> {
        const KIND: &str = "event_log";
        if !self.levels.contains(&level) {
            return None;
        }
        let webhook = self.webhooks.of_type(KIND)?;
        let uuid = Uuid::new_v4().to_string();
        let payload = json!({
            "event": event, "notificationId": uuid, "subscription_key": level.as_str(), "subscription_type": KIND,
            "userId": account,
        });
        let (account, kind) = (account.to_owned(), KIND.to_owned());
        let folds_at = folds_at(webhook, now);
        Some(NewNotice { uuid, account, kind, key: None, payload: payload.to_string(), folds_at })
    }

    /// A verdict has another action than the one before; both as check answers tell them.
    pub(crate) fn judged(
        &self,
        (account, tag): (&str, &str),
        annotations: &Map<String, Value>,
        last: &Value,
        now_is: &Value,
        now: i64,
    ) -> News {
        let mut details = json!({"last_eval": last, "curr_eval": now_is, "subscription_type": "policy_eval"});
        annotate(&mut details, annotations);
        self.event(&events::EVALUATION_UPDATED, Service::Catalog, account, Some(tag), details, now)
    }

    /// The vulnerabilities of an image under a tag are others than those that were seen last.
    pub(crate) fn vulnerabilities(
        &self,
        (account, tag, digest): (&str, &str, &str),
        annotations: &Map<String, Value>,
        difference: &Value,
        now: i64,
    ) -> News {
        let mut details = json!({
            "diff_vulnerability_result": difference, "imageDigest": digest, "subscription_type": "vuln_update",
        });
        annotate(&mut details, annotations);
        self.event(&events::VULNERABILITIES_UPDATED, Service::Catalog, account, Some(tag), details, now)
    }

    /// An alert is opened or closed, as it is now.
    pub(crate) fn alert(&self, alert: &Alert, now: i64) -> News {
        let details = Map::from_iter([("alert".to_owned(), json!(AlertRecord::of(alert)))]);
        let notice = self.notice(&alert.account, ALERTS, &alert.tag, details, now);
        News { events: Vec::new(), notices: notice.into_iter().collect() }
    }

    /// A notification is given up. That is never sent itself: whoever did not receive the one does not receive the other.
    pub(crate) fn given_up(&self, notice: &Notice, cause: &str, now: i64) -> News {
        let payload: Value = serde_json::from_str(&notice.payload).unwrap_or_default();
        let details = json!({
            "notification_type": notice.r#type, "key": payload["subscription_key"], "attempts": notice.attempts,
            "since": microseconds(notice.created_at), "cause": cause,
        });
        let (account, uuid) = (&notice.account, Some(notice.uuid.as_str()));
        News { notices: Vec::new(), ..self.event(&events::GIVEN_UP, Service::Catalog, account, uuid, details, now) }
    }

    fn analyzed(&self, service: Service, image: &Image, tag: &str, before: AnalysisStatus, now: i64) -> News {
        let annotations: Value = serde_json::from_str(&image.annotations).unwrap_or_else(|_| json!({}));
        let state = |status: AnalysisStatus| {
            json!({
                "analysis_status": status.as_str(), "annotations": annotations, "imageDigest": image.digest.to_string(),
            })
        };
        let details = json!({
            "annotations": annotations, "curr_eval": state(AnalysisStatus::Analyzed), "last_eval": state(before),
            "subscription_type": "analysis_update",
        });
        self.event(&events::ANALYSIS_COMPLETED, service, &image.account, Some(tag), details, now)
    }

    fn failed(&self, image: &Image, tags: &[ImageTag], cause: &str, now: i64) -> News {
        let account = image.account.as_str();
        let digest = image.digest.to_string();
        let tell = |kind: &EventType, resource: &str| {
            self.event(kind, Service::Analyzer, account, Some(resource), cause.into(), now)
        };
        let failed = tell(&events::SYSTEM_ANALYSIS_FAILED, &digest);
        names(tags).iter().fold(failed, |news, tag| news.and(tell(&events::ANALYSIS_FAILED, tag)))
    }
}

impl Reporter for Herald {
    fn report(&self, change: &Change<'_>, now: i64) -> News {
        match change {
            Change::Analyzed { image, tags } => {
                // Who watches a tag is told of the image that it means.
                let meant: Vec<ImageTag> = tags.iter().filter(|tag| !tag.child).cloned().collect();
                names(&meant).iter().fold(News::default(), |news, tag| {
                    news.and(self.analyzed(Service::Analyzer, image, tag, AnalysisStatus::Analyzing, now))
                })
            }
            Change::AnalysisFailed { image, tags, cause } => self.failed(image, tags, cause, now),
            Change::TagAdded { image, tag } => {
                self.analyzed(Service::Catalog, image, &tag.full(), AnalysisStatus::Analyzed, now)
            }
            Change::TagMoved { image, tag, before } => {
                let annotations: Map<String, Value> = serde_json::from_str(&image.annotations).unwrap_or_default();
                let mut details = json!({"last_eval": before, "curr_eval": [image.digest.to_string()]});
                annotate(&mut details, &annotations);
                let Value::Object(details) = details else { return News::default() };
                let notice = self.notice(&image.account, "tag_update", &tag.full(), details, now);
                News { events: Vec::new(), notices: notice.into_iter().collect() }
            }
            // Whoever has none yet gets one: no news.
            Change::PolicyActivated { before: None, .. } => News::default(),
            Change::PolicyActivated { before: Some(before), now: policy } => {
                let details = json!({"last_policy_bundle_id": before.id, "current_policy_bundle_id": policy.id});
                self.event(&events::POLICY_ACTIVATED, Service::Catalog, &policy.account, None, details, now)
            }
            Change::PolicyChanged { before, now: policy } => {
                let details = json!({
                    "policy_id": policy.id,
                    "last_policy_bundle_digest": before.digest.hex(),
                    "current_policy_bundle_digest": policy.digest.hex(),
                });
                self.event(&events::POLICY_CHANGED, Service::Catalog, &policy.account, None, details, now)
            }
        }
    }
}

/// Until when a notification for this webhook waits for others.
fn folds_at(webhook: &WebhookConfig, now: i64) -> Option<i64> {
    let seconds = i64::try_from(webhook.group_seconds).unwrap_or(i64::MAX);
    (seconds > 0).then(|| now.saturating_add(seconds.saturating_mul(1_000_000)))
}

/// ISO 8601 in UTC with microseconds.
pub(crate) fn microseconds(instant: i64) -> String {
    let stamp = Timestamp::from_microsecond(instant).unwrap_or(Timestamp::UNIX_EPOCH);
    stamp.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// The full names of tags, each once.
fn names(tags: &[ImageTag]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for tag in tags {
        let name = format!("{}/{}:{}", tag.registry, tag.repository, tag.tag);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Annotations are told where there are any.
fn annotate(details: &mut Value, annotations: &Map<String, Value>) {
    if let (Value::Object(details), false) = (details, annotations.is_empty()) {
        details.insert("annotations".to_owned(), Value::Object(annotations.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn herald(settings: &str) -> Herald {
        Herald::new(&toml::from_str(settings).unwrap())
    }

    #[test]
    fn events_have_the_members_of_version_1() {
        let herald = herald("[server]\nhost_id = 'here'\npublic_url = 'http://killick.example'");
        let news = herald.event(
            &events::SYNC_STARTED,
            Service::PolicyEngine,
            "admin",
            None,
            json!({"a": 1}),
            1_700_000_000_000_042,
        );
        let [event] = news.events.as_slice() else { panic!("{news:?}") };
        assert_eq!(event.uuid.len(), 32);
        let document: Value = serde_json::from_str(&event.document).unwrap();
        insta::assert_json_snapshot!(document, @r#"
        {
          "details": {
            "a": 1
          },
          "level": "info",
          "message": "Feeds sync task started",
          "resource": {
            "id": null,
            "type": "feeds",
            "user_id": "admin"
          },
          "source": {
            "base_url": "http://killick.example",
            "hostid": "here",
            "request_id": null,
            "servicename": "policy_engine"
          },
          "timestamp": "2023-11-14T22:13:20.000042Z",
          "type": "system.feeds.sync.started"
        }
        "#);
        let told = herald.event(&events::LIST_TAGS_FAILED, Service::Catalog, "admin", Some("r/x"), "why".into(), 1);
        assert!(told.events[0].document.contains(r#""details":{"msg":"why"}"#), "{told:?}");
    }

    #[tokio::test]
    async fn events_name_the_request_that_they_are_of() {
        let herald = herald("");
        let event = || {
            let news = herald.event(&events::SYNC_STARTED, Service::PolicyEngine, "admin", None, Value::Null, 1);
            serde_json::from_str::<Value>(&news.events[0].document).unwrap()["source"]["request_id"].clone()
        };
        assert_eq!(within("my-request".to_owned(), async { event() }).await, "my-request");
        assert_eq!(event(), Value::Null);
    }

    #[test]
    fn what_is_given_up_is_not_sent_again() {
        let herald =
            herald("[webhooks]\ngeneral = { url = 'http://h.example/' }\n[event_log]\nnotification_enabled = true");
        let notice = Notice {
            id: 1,
            uuid: "u".to_owned(),
            account: "team".to_owned(),
            email: None,
            r#type: "policy_eval".to_owned(),
            payload: json!({"subscription_key": "r/x:1"}).to_string(),
            attempts: 80,
            due_at: 2,
            last_error: None,
            created_at: 0,
        };
        let news = herald.given_up(&notice, "nobody answers", 3);
        assert_eq!(news.notices, []);
        let [event] = news.events.as_slice() else { panic!("{news:?}") };
        let told = (event.account.as_str(), event.kind.as_str(), event.level.as_str(), event.resource.as_deref());
        assert_eq!(told, ("team", "system.notification.given_up", "error", Some("u")));
        let document: Value = serde_json::from_str(&event.document).unwrap();
        let want = json!({
            "notification_type": "policy_eval", "key": "r/x:1", "attempts": 80, "since": "1970-01-01T00:00:00.000000Z",
            "cause": "nobody answers",
        });
        assert_eq!(document["details"], want);
    }

    #[test]
    fn only_what_can_go_somewhere_is_sent() {
        let details = || json!({"subscription_type": "policy_eval", "n": 1});
        let event = |settings: &str, kind: &EventType, details: Value| {
            let news = herald(settings).event(kind, Service::Catalog, "a", Some("r/x:1"), details, 1);
            news.notices.into_iter().map(|notice| (notice.kind, notice.key)).collect::<Vec<_>>()
        };
        let to = |kind: &str, key: Option<&str>| vec![(kind.to_owned(), key.map(str::to_owned))];
        let (judged, lookup) = (&events::EVALUATION_UPDATED, &events::LOOKUP_FAILED);
        assert_eq!(event("", judged, details()), []);
        let webhook = "[webhooks]\ngeneral = { url = 'http://h.example/' }\n";
        assert_eq!(event(webhook, judged, details()), to("policy_eval", Some("r/x:1")));
        assert_eq!(event(webhook, lookup, json!({})), []);
        let logged = format!("{webhook}[event_log]\nnotification_enabled = true");
        assert_eq!(event(&logged, lookup, json!({})), to("event_log", None));
        assert_eq!(event(&logged, &events::SYNC_STARTED, json!({})), [], "only errors are wanted");
    }
}
