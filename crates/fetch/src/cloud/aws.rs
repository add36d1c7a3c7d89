//! Amazon: `GetAuthorizationToken` of ECR, signed with the keys that Amazon's own tools would find.

pub(super) mod keys;
mod profile;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::exchange::Exchange;
use super::host::{Ecr, Registry};
use super::sigv4::{Keys, Signed};
use super::{AwsIdentity, CloudError, Login};
use crate::credentials::Credentials;

const ECR: &str = "ECR API";
const ECR_PUBLIC: &str = "public ECR API";
const JSON: &str = "application/x-amz-json-1.1";

/// Where public ECR has its only API.
const PUBLIC_REGION: &str = "us-east-1";
/// Tokens are good for twelve hours; nobody need rely on that.
const LIFE: SignedDuration = SignedDuration::from_hours(1);

/// The API of one registry.
struct Api<'a> {
    label: &'static str,
    url: Url,
    target: &'static str,
    /// As signatures name it.
    service: &'static str,
    region: &'a str,
    domain: &'static str,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "authorizationData")]
    tokens: Tokens,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Tokens {
    /// Of private registries, which may be asked for several.
    Some(Vec<Token>),
    One(Token),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    authorization_token: SecretString,
}

/// A login to `registry`, as `identity` or as whoever we are by the environment, if there are keys.
pub(super) async fn log_in(
    registry: &Registry,
    identity: Option<&AwsIdentity>,
    exchange: &Exchange<'_>,
) -> Result<Option<Login>, CloudError> {
    let api = Api::of(registry, exchange)?;
    match keys::of(identity, exchange, api.region, api.domain).await? {
        Some(keys) => api.log_in(&keys, exchange).await.map(Some),
        None => Ok(None),
    }
}

impl<'a> Api<'a> {
    fn of(registry: &'a Registry, exchange: &Exchange<'_>) -> Result<Self, CloudError> {
        let Registry::Ecr(Ecr { region, fips, domain }) = registry else {
            let usual = format!("https://api.ecr-public.{PUBLIC_REGION}.amazonaws.com/");
            return Ok(Self {
                label: ECR_PUBLIC,
                url: exchange.endpoint(ECR_PUBLIC, |endpoints| endpoints.ecr_public.as_ref(), &usual)?,
                target: "SpencerFrontendService.GetAuthorizationToken",
                service: "ecr-public",
                region: PUBLIC_REGION,
                domain: "amazonaws.com",
            });
        };
        let prefix = if *fips { "ecr-fips" } else { "api.ecr" };
        let usual = format!("https://{prefix}.{region}.{domain}/");
        Ok(Self {
            label: ECR,
            url: exchange.endpoint(ECR, |endpoints| endpoints.ecr.as_ref(), &usual)?,
            target: "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
            service: "ecr",
            region,
            domain,
        })
    }

    async fn log_in(&self, keys: &Keys, exchange: &Exchange<'_>) -> Result<Login, CloudError> {
        let headers = [("content-type", JSON), ("x-amz-target", self.target)];
        let (url, body) = (&self.url, "{}");
        let (region, service) = (self.region, self.service);
        let signed = Signed { method: "POST", url, headers: &headers, body: body.as_bytes(), region, service };
        let mut request = exchange.far(self.label, url)?.post(url.clone()).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        for (name, value) in signed.sign(keys, exchange.now()) {
            request = request.header(name, value);
        }
        let token = match exchange.ask::<Answer>(self.label, request).await?.tokens {
            Tokens::Some(tokens) => tokens.into_iter().next(),
            Tokens::One(token) => Some(token),
        };
        let credentials = token.as_ref().and_then(credentials);
        let until = exchange.now().checked_add(LIFE).ok();
        let login = credentials.zip(until).map(|(credentials, until)| Login { credentials, until });
        login.ok_or_else(|| exchange.malformed(self.label))
    }
}

/// `user:password` in base64.
fn credentials(token: &Token) -> Option<Credentials> {
    let text = String::from_utf8(STANDARD.decode(token.authorization_token.expose_secret()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credentials::password(user, password))
}
