//! How notifications are written for whoever takes them: one file for each format, and one line in [`FORMATS`].

mod anchore;
mod email;
mod jira;
mod slack;
mod teams;

use killick_fetch::mail::{self, Letter, MailError, MailOptions};
use killick_fetch::webhook::WebhookError;
use killick_model::hint::Hint;
use killick_store::notifications::Notice;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use super::announcement::Announcement;
use crate::app::App;
use crate::config::{WebhookConfig, WebhooksConfig, no_http_url};
use crate::webhooks::{self, Post};

/// One format.
pub(crate) struct Format {
    /// As `format` of a webhook names it.
    pub(crate) name: &'static str,
    /// What is wrong with the settings of a webhook of this format.
    check: fn(&WebhookConfig) -> Option<String>,
    /// How it goes.
    way: Way,
}

/// How notifications go.
enum Way {
    /// As JSON, posted to an address.
    Post(fn(&Sending<'_>) -> Value),
    /// As JSON, posted to an address where each post is another message: what may have been posted before is searched for
    /// first.
    PostOnce(fn(&Sending<'_>) -> Value, Search),
    /// As a letter.
    Letter(fn(&Sending<'_>) -> Letter),
}

/// How a notification that may have arrived is found.
#[derive(Clone, Copy)]
pub(crate) struct Search {
    /// Where to post the search, of the address that notifications are posted to, and its body.
    ask: fn(&Url, &Notice) -> Option<(Url, Value)>,
    /// Whether the answer says that the notification is there.
    has: fn(&[u8]) -> bool,
}

/// What is sent, and to whom.
pub(crate) struct Sending<'a> {
    /// The notification.
    pub(crate) notice: &'a Notice,
    /// What it says.
    pub(crate) said: &'a Announcement,
    /// To whom.
    pub(crate) to: &'a WebhookConfig,
    /// What holds for all.
    pub(crate) all: &'a WebhooksConfig,
}

/// Every format; the first is that of webhooks that name none.
pub(crate) const FORMATS: &[Format] = &[anchore::FORMAT, slack::FORMAT, teams::FORMAT, email::FORMAT, jira::FORMAT];

/// Why a notification was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// By a webhook.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// By a mail server.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// There is nobody to write to.
    #[error("the account has no e-mail address")]
    Nobody,
}

impl SendError {
    /// Whether nobody is there, so that others for the same place need not be tried now.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Webhook(error) => error.is_outage(),
            Self::Mail(error) => error.is_outage(),
            Self::Nobody => false,
        }
    }
}

impl Hint for SendError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Webhook(error) => error.hint(),
            Self::Mail(error) => error.hint(),
            Self::Nobody => Some("give the account one, or set `to` of the webhook".to_owned()),
        }
    }
}

/// A setting of a webhook that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`webhooks.{webhook}` cannot be used: {reason}")]
pub struct WebhookSettingError {
    webhook: &'static str,
    reason: String,
}

/// Looks at the settings of all webhooks, so that a mistake is told at the start and not with the first notification.
pub(crate) fn check(all: &WebhooksConfig) -> Result<(), WebhookSettingError> {
    for (webhook, config) in all.each() {
        let refused = |reason| WebhookSettingError { webhook, reason };
        let Some(format) = of(config) else {
            let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
            let shown: String = config.format.chars().take(40).collect();
            return Err(refused(format!("`{shown}` is no format: there are {}", names.join(", "))));
        };
        if config.url.get().is_some()
            && let Some(reason) = (format.check)(config).or_else(|| no_address(format, config))
        {
            return Err(refused(reason));
        }
    }
    Ok(())
}

/// Why nothing can be sent to the address of a webhook, whatever account and type are filled in.
fn no_address(format: &Format, config: &WebhookConfig) -> Option<String> {
    let address = webhooks::address(config, "admin", "tag_update");
    let why = match format.way {
        Way::Post(_) | Way::PostOnce(..) => no_http_url(address.expose_secret()),
        // The format has looked at the scheme.
        Way::Letter(_) => match Url::parse(address.expose_secret()) {
            Ok(url) if url.host_str().is_some_and(|host| !host.is_empty()) => None,
            Ok(_) => Some("it names no host".to_owned()),
            Err(error) => Some(format!("it is no address: {error}")),
        },
    };
    why.map(|why| format!("`url`: {why}"))
}

/// The format of a webhook.
fn of(config: &WebhookConfig) -> Option<&'static Format> {
    match config.format.as_str() {
        "" => FORMATS.first(),
        name => FORMATS.iter().find(|format| format.name == name),
    }
}

/// Whether a webhook takes what those of the original did.
pub(crate) fn is_original(config: &WebhookConfig) -> bool {
    config.format.is_empty() || FORMATS.first().is_some_and(|format| format.name == config.format)
}

/// Sends a notification in the format of its webhook, and reads what that answers.
pub(crate) async fn send(app: &App, to: &WebhookConfig, notice: &Notice) -> Result<Vec<u8>, SendError> {
    let all = &app.config().webhooks;
    let said = Announcement::of(notice, &app.config().server.base_url());
    let sending = Sending { notice, said: &said, to, all };
    match of(to).map(|format| &format.way) {
        Some(Way::Letter(write)) => {
            let letter = write(&sending);
            if letter.to.is_empty() {
                return Err(SendError::Nobody);
            }
            let options: MailOptions = app.ways().mail_options(app.config(), to.ssl_verify.unwrap_or(all.ssl_verify));
            let login = webhooks::login(all, to);
            mail::send(&webhooks::address(to, &notice.account, &notice.r#type), login.as_ref(), &letter, &options)
                .await?;
            Ok(Vec::new())
        }
        Some(Way::Post(write)) => Ok(post(app, to, notice, &write(&sending)).await?),
        Some(Way::PostOnce(write, search)) => {
            if notice.attempts > 1 && has_arrived(app, to, notice, search).await? {
                return Ok(Vec::new());
            }
            Ok(post(app, to, notice, &write(&sending)).await?)
        }
        // Refused at the start; the original's envelope is what is understood by most.
        None => Ok(post(app, to, notice, &webhooks::envelope(all, notice)).await?),
    }
}

async fn post(app: &App, to: &WebhookConfig, notice: &Notice, body: &Value) -> Result<Vec<u8>, WebhookError> {
    let post = Post { id: &notice.uuid, account: &notice.account, kind: &notice.r#type, body };
    app.webhooks().send(app, to, post).await
}

/// Whether a notification is found where it is sent to. Who cannot search there does not know: better twice than never.
async fn has_arrived(app: &App, to: &WebhookConfig, notice: &Notice, search: &Search) -> Result<bool, WebhookError> {
    let address = webhooks::address(to, &notice.account, &notice.r#type);
    let asked = Url::parse(address.expose_secret()).ok().and_then(|url| (search.ask)(&url, notice));
    let Some((url, body)) = asked else { return Ok(false) };
    let post = Post { id: &notice.uuid, account: &notice.account, kind: &notice.r#type, body: &body };
    match app.webhooks().send_to(app, to, &SecretString::from(url.as_str()), post).await {
        Ok(answer) => Ok((search.has)(&answer)),
        Err(error @ WebhookError::Status { status: 400..=428 | 430..=499, .. }) => {
            tracing::warn!(notification.id = notice.uuid, "cannot look whether a notification has arrived: {error}");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// What text formats have in common: a line for each fact, then the lines, and how many more there are.
fn plain(said: &Announcement) -> String {
    let mut text = String::new();
    for (name, value) in &said.facts {
        text.push_str(&format!("{name}: {value}\n"));
    }
    if !said.lines.is_empty() {
        text.push('\n');
    }
    for line in &said.lines {
        text.push_str(&format!("- {line}\n"));
    }
    if said.more > 0 {
        text.push_str(&format!("- and {} more\n", said.more));
    }
    if let Some(link) = &said.link {
        text.push_str(&format!("\n{link}\n"));
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A notification that every format is shown.
    pub(super) fn notice() -> Notice {
        let row = |id: &str, severity: &str, fix: &str| json!({"CVE_ID": id, "Severity": severity, "Vulnerable_Package": "openssl-3.0.1", "Fix_Available": fix});
        let payload = json!({
            "subscription_type": "vuln_update", "subscription_key": "registry.example.com/team/app:1.0",
            "imageDigest": "sha256:aa", "notificationId": "id-1", "userId": "team",
            "diff_vulnerability_result": {
                "added": [row("CVE-2099-0002", "Low", "None"), row("CVE-2099-0001", "Critical", "3.0.2 <&> *x*")],
                "updated": [], "removed": [row("CVE-2099-0003", "High", "None")],
            },
        });
        Notice {
            id: 1,
            uuid: "id-1".to_owned(),
            account: "team".to_owned(),
            email: Some("team@example.com".to_owned()),
            r#type: "vuln_update".to_owned(),
            payload: payload.to_string(),
            attempts: 2,
            due_at: 0,
            last_error: None,
            created_at: 1_700_000_000_000_000,
        }
    }

    /// The same as one format writes it.
    pub(super) fn posted(format: &Format, settings: &str) -> Value {
        let (notice, to) = (notice(), toml::from_str::<WebhookConfig>(settings).unwrap());
        assert_eq!((format.check)(&to), None);
        let said = Announcement::of(&notice, "https://killick.example.com");
        let all = WebhooksConfig::default();
        let (Way::Post(write) | Way::PostOnce(write, _)) = &format.way else {
            panic!("`{}` is not posted", format.name)
        };
        write(&Sending { notice: &notice, said: &said, to: &to, all: &all })
    }

    /// The same as a letter.
    pub(super) fn written(format: &Format, settings: &str) -> Letter {
        let (notice, to) = (notice(), toml::from_str::<WebhookConfig>(settings).unwrap());
        let said = Announcement::of(&notice, "https://killick.example.com");
        let all = WebhooksConfig::default();
        let Way::Letter(write) = &format.way else { panic!("`{}` is no letter", format.name) };
        write(&Sending { notice: &notice, said: &said, to: &to, all: &all })
    }

    #[test]
    fn names_are_unique_and_every_file_is_registered() {
        let mut names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        names.sort_unstable();
        let mut files: Vec<String> =
            fs_err::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/notifications/formats"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_file())
                .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
                .collect();
        files.sort();
        assert_eq!(names, files);
    }

    #[test]
    fn mistakes_are_told_at_the_start() {
        for (settings, told) in [
            ("[general]\nurl = 'https://h.example/'", ""),
            ("[general]\nformat = 'slack'", ""),
            ("[general]\nurl = 'http://<userId>.hooks.example:8080/<notification_type>'", ""),
            (
                "[general]\nurl = 'nope'",
                "`webhooks.general` cannot be used: `url`: it is no `http://` or `https://` address: relative URL without a base",
            ),
            (
                "[policy_eval]\nurl = 'ftp://h/x'\nformat = 'slack'",
                "`webhooks.policy_eval` cannot be used: `url`: it is no `http://` or `https://` address: `ftp` is another scheme",
            ),
            (
                "[tag_update]\nurl = 'http://'\nformat = 'teams'",
                "`webhooks.tag_update` cannot be used: `url`: it is no `http://` or `https://` address: empty host",
            ),
            (
                "[event_log]\nurl = 'http://h:99999/'",
                "`webhooks.event_log` cannot be used: `url`: it is no `http://` or `https://` address: invalid port number",
            ),
            (
                "[general]\nurl = 'smtp://'\nformat = 'email'\nfrom = 'a@b.example'",
                "`webhooks.general` cannot be used: `url`: it names no host",
            ),
            (
                "[vuln_update]\nformat = 'irc'",
                "`webhooks.vuln_update` cannot be used: `irc` is no format: there are anchore, slack, teams, email, jira",
            ),
            (
                "[general]\nurl = 'https://h.example/'\nformat = 'email'",
                "`webhooks.general` cannot be used: letters go to an `smtp://` or `smtps://` address",
            ),
            (
                "[general]\nurl = 'smtp://h.example'\nformat = 'email'",
                "`webhooks.general` cannot be used: `from` is no e-mail address",
            ),
            (
                "[general]\nurl = 'smtp://h.example'\nformat = 'email'\nfrom = 'a@b.example'\nto = ['x']",
                "`webhooks.general` cannot be used: `x` in `to` is no e-mail address",
            ),
            (
                "[general]\nurl = 'https://h.example/'\nformat = 'jira'",
                "`webhooks.general` cannot be used: issues need the key of a `project`",
            ),
        ] {
            let outcome = check(&toml::from_str(settings).unwrap());
            assert_eq!(outcome.map_or_else(|error| error.to_string(), |()| String::new()), told, "{settings}");
        }
    }
}
