//! Who is told, and how often is looked: the keys of the original's `webhooks`, `event_log` and `cycle_timers`.

use serde::{Deserialize, Serialize};

use super::Secret;

/// Where notifications are posted to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhooksConfig {
    /// User for every webhook that has none of its own; empty for none.
    pub webhook_user: String,
    /// Password for every webhook that has none of its own.
    pub webhook_pass: Secret,
    /// Whether certificates are verified, for every webhook that does not say so itself.
    pub ssl_verify: bool,
    /// Secret that posts are signed with; empty for unsigned ones.
    pub signing_secret: Secret,
    /// A post is given up, and tried again later, after this time without an answer.
    pub timeout_seconds: u64,
    /// Seconds for which a notification that is not received is tried again.
    pub notification_retry_timeout: u64,
    /// For every type that has no address of its own.
    pub general: WebhookConfig,
    /// A tag points to another image.
    pub tag_update: WebhookConfig,
    /// An image was analysed.
    pub analysis_update: WebhookConfig,
    /// A verdict is another than before.
    pub policy_eval: WebhookConfig,
    /// Vulnerabilities are others than before.
    pub vuln_update: WebhookConfig,
    /// An alert is opened or closed.
    pub alerts: WebhookConfig,
    /// Events; see [`EventLogConfig`].
    pub event_log: WebhookConfig,
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        Self {
            webhook_user: String::new(),
            webhook_pass: Secret::default(),
            ssl_verify: true,
            signing_secret: Secret::default(),
            timeout_seconds: 10,
            notification_retry_timeout: 3 * 24 * 60 * 60,
            general: WebhookConfig::default(),
            tag_update: WebhookConfig::default(),
            analysis_update: WebhookConfig::default(),
            policy_eval: WebhookConfig::default(),
            vuln_update: WebhookConfig::default(),
            alerts: WebhookConfig::default(),
            event_log: WebhookConfig::default(),
        }
    }
}

impl WebhooksConfig {
    /// The webhook that is configured under this name, if there can be one.
    pub fn named(&self, name: &str) -> Option<&WebhookConfig> {
        match name {
            "general" => Some(&self.general),
            "tag_update" => Some(&self.tag_update),
            "analysis_update" => Some(&self.analysis_update),
            "policy_eval" => Some(&self.policy_eval),
            "vuln_update" => Some(&self.vuln_update),
            "alerts" => Some(&self.alerts),
            "event_log" => Some(&self.event_log),
            _ => None,
        }
    }

    /// The webhook that notifications of this type go to.
    pub fn of_type(&self, kind: &str) -> Option<&WebhookConfig> {
        let own = self.named(kind).filter(|webhook| webhook.url.get().is_some());
        own.or(Some(&self.general)).filter(|webhook| webhook.url.get().is_some())
    }

    /// Each, with its name.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &WebhookConfig)> {
        let names = ["general", "tag_update", "analysis_update", "policy_eval", "vuln_update", "alerts", "event_log"];
        names.into_iter().filter_map(|name| Some((name, self.named(name)?)))
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.each().all(|(_, webhook)| webhook.url.get().is_none())
    }
}

/// One webhook.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// `http://` or `https://`, with `<userId>` and `<notification_type>` where the account and the type are to be;
    /// empty for none. Secret, because some addresses are.
    pub url: Secret,
    /// User, if not that of all webhooks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub webhook_user: String,
    /// Password, if not that of all webhooks.
    #[serde(skip_serializing_if = "is_none")]
    pub webhook_pass: Secret,
    /// Whether certificates are verified, if not as for all webhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_verify: Option<bool>,
    /// How notifications are written: one of `FORMATS`; empty for the original's envelope.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub format: String,
    /// Seconds for which notifications of an account wait for others of the same type, to be sent as one; 0 to send each
    /// by itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub group_seconds: u64,
    /// Who writes, in letters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// To whom, in letters; empty for the e-mail address of the account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// The project that issues belong to, by its key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub project: String,
    /// The type of issues; empty for `Task`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issue_type: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_none(secret: &Secret) -> bool {
    secret.get().is_none()
}

/// Whether events are sent, beside those that somebody subscribed to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventLogConfig {
    /// Whether they are.
    pub notification_enabled: bool,
    /// Of which levels.
    pub notification_level: Vec<EventLevel>,
}

impl Default for EventLogConfig {
    fn default() -> Self {
        Self { notification_enabled: false, notification_level: vec![EventLevel::Error] }
    }
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventLevel {
    /// Something happened.
    Info,
    /// Something failed.
    Error,
}

impl EventLevel {
    /// As events and settings spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Error => "error",
        }
    }
}

/// How often is looked for what is to be told, in seconds; 0 for never. The names are the original's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CycleTimersConfig {
    /// At a tag with an active subscription `tag_update`, whether it points to another image.
    pub image_watcher: u64,
    /// At a repository with an active subscription `repo_update`, whether it has other tags.
    pub repo_watcher: u64,
    /// At a tag with an active subscription `policy_eval`, whether its verdict is another.
    pub policy_eval: u64,
    /// At a tag with an active subscription `vuln_update`, whether its vulnerabilities are others.
    pub vulnerability_scan: u64,
    /// For notifications of other processes that are to be sent; this one's are sent at once.
    pub notifications: u64,
}

impl Default for CycleTimersConfig {
    fn default() -> Self {
        Self { image_watcher: 3600, repo_watcher: 60, policy_eval: 3600, vulnerability_scan: 14400, notifications: 30 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_fall_back_to_the_general_webhook() {
        let text =
            "[general]\nurl = 'https://g.example/<userId>'\n[policy_eval]\nurl = 'https://p.example/'\n[vuln_update]";
        let webhooks: WebhooksConfig = toml::from_str(text).unwrap();
        let url = |kind: &str| webhooks.of_type(kind).and_then(|webhook| webhook.url.get());
        assert_eq!(url("policy_eval"), Some("https://p.example/"));
        for kind in ["vuln_update", "tag_update", "event_log", "repo_update"] {
            assert_eq!(url(kind), Some("https://g.example/<userId>"), "{kind}");
        }
        assert!(!webhooks.is_empty());
        assert!(webhooks.named("repo_update").is_none());
        let none = WebhooksConfig::default();
        assert!(none.is_empty() && none.of_type("policy_eval").is_none());
    }
}
