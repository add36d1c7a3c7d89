//! A letter in plain text. Its `Message-ID` is the same at each try, so that mail programs show it once.

use std::time::{Duration, SystemTime};

use killick_fetch::mail::{Letter, is_mailbox};

use super::super::announcement::shortened;
use super::{Format, Sending, Way, plain};
use crate::config::WebhookConfig;

pub(super) const FORMAT: Format = Format { name: "email", check, way: Way::Letter(write) };

/// Characters of the subject.
const SUBJECT: usize = 200;

fn check(to: &WebhookConfig) -> Option<String> {
    let url = to.url.get().unwrap_or_default();
    if !url.starts_with("smtp://") && !url.starts_with("smtps://") {
        return Some("letters go to an `smtp://` or `smtps://` address".to_owned());
    }
    if !is_mailbox(&to.from) {
        return Some("`from` is no e-mail address".to_owned());
    }
    let wrong = to.to.iter().find(|address| !is_mailbox(address))?;
    Some(format!("`{wrong}` in `to` is no e-mail address"))
}

fn write(sending: &Sending<'_>) -> Letter {
    let (said, notice) = (sending.said, sending.notice);
    let account = || notice.email.iter().filter(|email| is_mailbox(email)).cloned().collect();
    let micros = u64::try_from(notice.created_at).unwrap_or(0);
    Letter {
        id: notice.uuid.clone(),
        from: sending.to.from.clone(),
        to: if sending.to.to.is_empty() { account() } else { sending.to.to.clone() },
        subject: shortened(&said.title, SUBJECT),
        text: format!("{}\n\n{}", said.title, plain(said)),
        date: SystemTime::UNIX_EPOCH + Duration::from_micros(micros),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::written;
    use super::*;

    #[test]
    fn a_letter_is_written() {
        let letter = written(&FORMAT, "url = 'smtp://h.example'\nfrom = 'Killick <killick@example.com>'");
        assert_eq!(letter.to, ["team@example.com"], "the account's own address");
        insta::assert_snapshot!(String::from_utf8(letter.formatted().unwrap()).unwrap().replace('\r', ""), @"");
        let others = written(&FORMAT, "from = 'a@b.example'\nto = ['c@d.example', 'Team <e@f.example>']");
        assert_eq!(others.to, ["c@d.example", "Team <e@f.example>"]);
    }
}
