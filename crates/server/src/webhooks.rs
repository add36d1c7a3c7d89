//! Sends notifications to the webhooks of the settings, in the envelope of version 1.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use killick_fetch::webhook::{Login, Message, Webhook, WebhookError};
use killick_store::notifications::Notice;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::app::App;
use crate::clock;
use crate::config::{WebhookConfig, WebhooksConfig};

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// The places that were sent to, each with its connections.
#[derive(Default)]
pub(crate) struct Webhooks {
    places: Mutex<Vec<(bool, Webhook)>>,
}

/// What is to be sent.
pub(crate) struct Post<'a> {
    /// Names it, the same at each try.
    pub(crate) id: &'a str,
    /// Stands for `<userId>` in the address.
    pub(crate) account: &'a str,
    /// Stands for `<notification_type>` in the address.
    pub(crate) kind: &'a str,
    /// The envelope.
    pub(crate) body: &'a Value,
}

impl Webhooks {
    /// Posts to one webhook, and reads what it answers.
    pub(crate) async fn send(&self, app: &App, to: &WebhookConfig, post: Post<'_>) -> Result<Vec<u8>, WebhookError> {
        self.send_to(app, to, &address(to, post.account, post.kind), post).await
    }

    /// Posts to another address of the same webhook, with its login.
    pub(crate) async fn send_to(
        &self,
        app: &App,
        to: &WebhookConfig,
        address: &SecretString,
        post: Post<'_>,
    ) -> Result<Vec<u8>, WebhookError> {
        let all = &app.config().webhooks;
        let place = self.place(app, address, to.ssl_verify.unwrap_or(all.ssl_verify))?;
        let login = login(all, to);
        let signing = all.signing_secret.get().map(SecretString::from);
        let body = post.body.to_string().into_bytes();
        let message = Message { id: post.id, timestamp: clock::now().as_second(), body };
        place.post(address, login.as_ref(), signing.as_ref(), message).await
    }

    fn place(&self, app: &App, address: &SecretString, verify_tls: bool) -> Result<Webhook, WebhookError> {
        let known = |places: &[(bool, Webhook)]| {
            let found = places.iter().find(|(verify, place)| *verify == verify_tls && place.is_at(address));
            found.map(|(_, place)| place.clone())
        };
        if let Some(place) = known(&self.places.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(place);
        }
        let timeout = Duration::from_secs(app.config().webhooks.timeout_seconds.max(1));
        let place = Webhook::new(address, app.ways().webhook_options(app.config(), verify_tls, timeout))?;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        // Addresses may have the account in their host.
        if places.len() >= 100 {
            places.clear();
        }
        places.push((verify_tls, place.clone()));
        Ok(place)
    }
}

/// The address with its variables filled in, so that a name cannot change where it leads.
pub(crate) fn address(to: &WebhookConfig, account: &str, kind: &str) -> SecretString {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let url = to.url.get().unwrap_or_default();
    SecretString::from(url.replace("<userId>", &encoded(account)).replace("<notification_type>", &encoded(kind)))
}

/// The user and password of a webhook, or else those of all.
pub(crate) fn login(all: &WebhooksConfig, to: &WebhookConfig) -> Option<Login> {
    let first = |own: &str, general: &str| if own.is_empty() { general.to_owned() } else { own.to_owned() };
    let user = first(&to.webhook_user, &all.webhook_user);
    let password = to.webhook_pass.get().or(all.webhook_pass.get()).unwrap_or_default();
    if user.is_empty() && password.is_empty() {
        return None;
    }
    Some(Login { user, password: SecretString::from(password) })
}

/// Until when a notification is tried.
pub(crate) fn last_try(all: &WebhooksConfig, created_at: i64) -> i64 {
    let seconds = i64::try_from(all.notification_retry_timeout).unwrap_or(i64::MAX);
    created_at.saturating_add(seconds.saturating_mul(SECOND))
}

/// A notification as it is sent.
pub(crate) fn envelope(all: &WebhooksConfig, notice: &Notice) -> Value {
    let seconds = notice.created_at / SECOND;
    let payload: Value = serde_json::from_str(&notice.payload).unwrap_or_default();
    json!({
        "queueId": notice.r#type,
        "userId": notice.account,
        "dataId": notice.uuid,
        "created_at": seconds,
        "last_updated": seconds,
        "record_state_key": "active",
        "record_state_val": null,
        "tries": notice.attempts.saturating_sub(1),
        "max_tries": last_try(all, notice.created_at) / SECOND,
        "data": {
            "notification_user": notice.account,
            "notification_user_email": notice.email,
            "notification_type": notice.r#type,
            "notification_payload": payload,
        },
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn webhook(text: &str) -> WebhookConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn variables_are_filled_in_and_stay_where_they_are() {
        let to = webhook("url = 'https://h.example/<notification_type>/<userId>?u=<userId>'");
        let address = address(&to, "a/../b@evil.example", "policy_eval");
        let want = "https://h.example/policy_eval/a%2F..%2Fb%40evil.example?u=a%2F..%2Fb%40evil.example";
        assert_eq!(address.expose_secret(), want);
    }

    #[test]
    fn a_webhook_has_its_own_login_or_that_of_all() {
        let all: WebhooksConfig = toml::from_str("webhook_user = 'all'\nwebhook_pass = 'pa'").unwrap();
        let told = |all: &WebhooksConfig, to: &str| {
            login(all, &webhook(to)).map(|login| format!("{}:{}", login.user, login.password.expose_secret()))
        };
        assert_eq!(told(&all, "url = 'x'").as_deref(), Some("all:pa"));
        assert_eq!(told(&all, "webhook_user = 'me'\nwebhook_pass = 'mine'").as_deref(), Some("me:mine"));
        assert_eq!(told(&WebhooksConfig::default(), "webhook_user = 'me'").as_deref(), Some("me:"));
        assert_eq!(told(&WebhooksConfig::default(), ""), None);
    }
}
