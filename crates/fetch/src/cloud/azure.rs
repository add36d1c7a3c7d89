//! Microsoft: a token of Entra ID, exchanged at the registry for one of its own ("Azure Container Registry
//! authentication", AAD-OAuth).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::exchange::{Exchange, is_absent};
use super::{CloudError, Login};
use crate::credentials::Credentials;

const LOGIN: &str = "login service";
const METADATA: &str = "metadata service";
const EXCHANGE: &str = "token exchange";
/// The last part of a registry's name, its login service, and what a token is for.
const CLOUDS: [(&str, &str, &str); 3] = [
    ("io", "login.microsoftonline.com", "https://management.azure.com/"),
    ("cn", "login.chinacloudapi.cn", "https://management.chinacloudapi.cn/"),
    ("us", "login.microsoftonline.us", "https://management.usgovcloudapi.net/"),
];
/// Of the tokens that registries give, of three hours.
const LIFE: SignedDuration = SignedDuration::from_hours(1);

#[derive(Deserialize)]
struct Access {
    access_token: SecretString,
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: SecretString,
}

/// A login to the registry `host`, if we are anybody.
pub(super) async fn log_in(host: &str, exchange: &Exchange<'_>) -> Result<Option<Login>, CloudError> {
    let environment = exchange.environment();
    let last = host.rsplit('.').next().unwrap_or_default();
    let cloud = CLOUDS.into_iter().find(|(known, ..)| *known == last);
    let Some((_, authority, resource)) = cloud else { return Ok(None) };
    let access = match (environment.get("AZURE_TENANT_ID"), environment.get("AZURE_CLIENT_ID")) {
        (Some(tenant), Some(client)) => match principal(exchange, (authority, resource), tenant, client).await? {
            Some(access) => Some(access),
            None => of_machine(exchange, resource).await?,
        },
        _ => of_machine(exchange, resource).await?,
    };
    let Some(access) = access else { return Ok(None) };
    let usual = format!("https://{host}/oauth2/exchange");
    let url = exchange.endpoint(EXCHANGE, |endpoints| endpoints.azure_exchange.as_ref(), &usual)?;
    let token = access.access_token.expose_secret();
    let tenant = environment.get("AZURE_TENANT_ID").map(str::to_owned).or_else(|| tenant_of(token));
    let mut form = vec![("grant_type", "access_token"), ("service", host), ("access_token", token)];
    form.extend(tenant.as_deref().map(|tenant| ("tenant", tenant)));
    let answer: Refresh = exchange.ask(EXCHANGE, exchange.far(EXCHANGE, &url)?.post(url).form(&form)).await?;
    let until = exchange.now().checked_add(LIFE).map_err(|_| exchange.malformed(EXCHANGE))?;
    Ok(Some(Login { credentials: Credentials::IdentityToken(answer.refresh_token), until }))
}

/// A token of a service principal, by its secret or by somebody else's token that vouches for it.
async fn principal(
    exchange: &Exchange<'_>,
    (authority, resource): (&str, &str),
    tenant: &str,
    client: &str,
) -> Result<Option<Access>, CloudError> {
    let is_id =
        tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)) && !tenant.starts_with('.');
    if !is_id {
        return Err(exchange.unusable("`AZURE_TENANT_ID`", "it is no tenant"));
    }
    let environment = exchange.environment();
    let assertion = match environment.path("AZURE_FEDERATED_TOKEN_FILE") {
        Some(path) => Some(exchange.read(&path)?),
        None => None,
    };
    let scope = format!("{resource}.default");
    let mut form = vec![("grant_type", "client_credentials"), ("client_id", client), ("scope", scope.as_str())];
    match (environment.get("AZURE_CLIENT_SECRET"), &assertion) {
        (Some(secret), _) => form.push(("client_secret", secret)),
        (None, Some(assertion)) => form.extend([
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.trim()),
        ]),
        (None, None) => return Ok(None),
    }
    let base =
        exchange.endpoint(LOGIN, |endpoints| endpoints.azure_login.as_ref(), &format!("https://{authority}/"))?;
    let url = base.join(&format!("{tenant}/oauth2/v2.0/token")).map_err(|_| exchange.malformed(LOGIN))?;
    exchange.ask(LOGIN, exchange.far(LOGIN, &url)?.post(url).form(&form)).await.map(Some)
}

/// A token of the machine's managed identity.
async fn of_machine(exchange: &Exchange<'_>, resource: &str) -> Result<Option<Access>, CloudError> {
    let base = exchange.endpoint(METADATA, |endpoints| endpoints.azure_metadata.as_ref(), "http://169.254.169.254/")?;
    let mut url = base.join("metadata/identity/oauth2/token").map_err(|_| exchange.malformed(METADATA))?;
    url.query_pairs_mut().append_pair("api-version", "2018-02-01").append_pair("resource", resource);
    if let Some(client) = exchange.environment().get("AZURE_CLIENT_ID") {
        url.query_pairs_mut().append_pair("client_id", client);
    }
    let request = exchange.near(METADATA, &url)?.get(url).header("metadata", "true");
    match exchange.ask(METADATA, request).await {
        Ok(access) => Ok(Some(access)),
        // Another cloud's machine, or one without an identity.
        Err(CloudError::Refused { status: 400 | 404, .. }) => Ok(None),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The tenant that a token says it is of. Nobody relies on it but the registry, which verifies the token.
fn tenant_of(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        tid: String,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok().map(|claims| claims.tid)
}
