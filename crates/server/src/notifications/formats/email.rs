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
        assert_eq!(letter.subject, "Vulnerabilities of registry.example.com/team/app:1.0: 2 new, 1 gone");
        let text = "\
            Vulnerabilities of registry.example.com/team/app:1.0: 2 new, 1 gone\n\nImage: sha256:aa\nAccount: team\n\n\
            - new: CVE-2099-0001 (Critical) in openssl-3.0.1, fixed in 3.0.2 <&> *x*\n\
            - gone: CVE-2099-0003 (High) in openssl-3.0.1, no fix\n\
            - new: CVE-2099-0002 (Low) in openssl-3.0.1, no fix\n\n\
            https://killick.example.com/v1/images/sha256:aa/vuln/all\n";
        assert_eq!(letter.text, text);
        let travels = String::from_utf8(letter.formatted().unwrap()).unwrap();
        for header in ["Message-ID: <id-1@killick>\r\n", "Date: Tue, 14 Nov 2023 22:13:20 ", "To: team@example.com\r\n"]
        {
            assert!(travels.contains(header), "{travels}");
        }
        let others = written(&FORMAT, "from = 'a@b.example'\nto = ['c@d.example', 'Team <e@f.example>']");
        assert_eq!(others.to, ["c@d.example", "Team <e@f.example>"]);
    }
}
