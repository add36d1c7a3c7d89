//! Sends letters to a mail server of the configuration: SMTP, encrypted, within a time. Nothing here retries.
//!
//! `smtps://` is encrypted from the beginning; `smtp://` by `STARTTLS`, which must be there, but on this machine, where it
//! is used if it is.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use killick_model::hint::Hint;
use lettre::message::{Mailbox, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::egress::{Egress, Reach, Refused};
use crate::webhook::Login;

/// How mail servers are spoken to.
#[derive(Clone)]
pub struct MailOptions {
    /// Whether certificates are verified.
    pub verify_tls: bool,
    /// Certificates in PEM to trust besides the system's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// Where they may be.
    pub egress: Egress,
    /// How long one letter may take.
    pub timeout: Duration,
}

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Names it, the same at each try: mail programs show it once.
    pub id: String,
    /// Who writes: `Name <address>` or an address.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// When it was written.
    pub date: SystemTime,
}

/// Why a letter was not taken. Neither address nor credentials are told, beyond the host.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It is no address.
    #[error("the address of the mail server is not an `smtp://` or `smtps://` address")]
    Address,
    /// The settings keep us from it.
    #[error("mail must not go to {0}")]
    Refused(#[source] Refused),
    /// Nobody has that address.
    #[error("`{text}` is no e-mail address")]
    Mailbox {
        /// As written.
        text: String,
    },
    /// The letter cannot be put together.
    #[error("the letter cannot be written")]
    Letter(#[source] lettre::error::Error),
    /// The mail server cannot be reached, or does not take it.
    #[error("the mail server `{host}` did not take the letter")]
    Server {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: lettre::transport::smtp::Error,
    },
    /// It took too long.
    #[error("the mail server `{host}` did not answer within {seconds} seconds")]
    Timeout {
        /// The host.
        host: String,
        /// The limit.
        seconds: u64,
    },
}

impl MailError {
    /// Whether nobody is there, so that other letters need not be tried now.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Server { source, .. } => source.status().is_none() && !source.is_tls() && !source.is_client(),
            _ => false,
        }
    }
}

impl Hint for MailError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(_) => Some("allow its host in `egress.allowed_hosts`".to_owned()),
            Self::Server { source, .. } if source.is_client() => {
                Some("`smtp://` wants a server that offers STARTTLS; `smtps://` is for port 465".to_owned())
            }
            Self::Server { source, .. } if source.is_permanent() => {
                Some("check `webhook_user`, `webhook_pass`, `from` and `to`".to_owned())
            }
            _ => None,
        }
    }
}

impl Letter {
    /// As it travels.
    fn message(&self) -> Result<Message, MailError> {
        let mailbox = |text: &str| -> Result<Mailbox, MailError> {
            text.parse().map_err(|_| MailError::Mailbox { text: text.to_owned() })
        };
        let mut builder = Message::builder()
            .from(mailbox(&self.from)?)
            .subject(self.subject.as_str())
            .date(self.date)
            .message_id(Some(format!("<{}@killick>", self.id)))
            .header(header::ContentType::TEXT_PLAIN);
        for to in &self.to {
            builder = builder.to(mailbox(to)?);
        }
        builder.body(self.text.clone()).map_err(MailError::Letter)
    }

    /// As it travels, for whoever wants to look at it.
    pub fn formatted(&self) -> Result<Vec<u8>, MailError> {
        Ok(self.message()?.formatted())
    }
}

/// Whether somebody may have this e-mail address.
pub fn is_mailbox(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

/// Sends one letter.
pub async fn send(
    address: &SecretString,
    login: Option<&Login>,
    letter: &Letter,
    options: &MailOptions,
) -> Result<(), MailError> {
    let url = Url::parse(address.expose_secret()).map_err(|_| MailError::Address)?;
    let name = url.host_str().filter(|name| !name.is_empty()).ok_or(MailError::Address)?.to_owned();
    Reach::new(&url, &options.egress).map_err(MailError::Refused)?;
    let failed = |source| MailError::Server { host: name.clone(), source };
    let mut parameters = TlsParameters::builder(name.clone()).dangerous_accept_invalid_certs(!options.verify_tls);
    if let Some(pem) = &options.extra_ca_pem {
        parameters = parameters.add_root_certificate(Certificate::from_pem(pem).map_err(failed)?);
    }
    let parameters = parameters.build_rustls().map_err(failed)?;
    let (tls, port) = match url.scheme() {
        "smtps" => (Tls::Wrapper(parameters), 465),
        "smtp" if is_here(&url) => (Tls::Opportunistic(parameters), 25),
        "smtp" => (Tls::Required(parameters), 587),
        _ => return Err(MailError::Address),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&name)
        .port(url.port().unwrap_or(port))
        .timeout(Some(options.timeout))
        .tls(tls);
    if let Some(login) = login {
        let password = login.password.expose_secret().to_owned();
        transport = transport.credentials(Credentials::new(login.user.clone(), password));
    }
    let message = letter.message()?;
    let seconds = options.timeout.as_secs();
    match tokio::time::timeout(options.timeout, transport.build::<Tokio1Executor>().send(message)).await {
        Err(_) => Err(MailError::Timeout { host: name, seconds }),
        Ok(sent) => sent.map(drop).map_err(failed),
    }
}

/// Whether it is this machine: nobody listens in between.
fn is_here(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
