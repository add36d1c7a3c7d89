//! Google: an access token of whoever we are by the Application Default Credentials ("How Application Default
//! Credentials works"): a key file, the user's own login, or the machine.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use reqwest::RequestBuilder;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::exchange::{Exchange, is_absent};
use super::{CloudError, Login};
use crate::credentials::Credentials;

const TOKENS: &str = "token service";
const METADATA: &str = "metadata service";
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// What a token is for: reading, as far as our identity may.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform.read-only";
/// The user whose password is an access token.
const USER: &str = "oauth2accesstoken";
/// Seconds that a token is asked for, and good for if nobody says otherwise.
const LIFE: i64 = 3600;

#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    client_email: Option<String>,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default)]
    private_key: Option<SecretString>,
    #[serde(default)]
    token_uri: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    client_secret: Option<SecretString>,
    #[serde(default)]
    refresh_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: SecretString,
    #[serde(default)]
    expires_in: Option<i64>,
}

/// A login with an access token, if we are anybody.
pub(super) async fn log_in(exchange: &Exchange<'_>) -> Result<Option<Login>, CloudError> {
    let environment = exchange.environment();
    let answer = if let Some(path) = environment.path("GOOGLE_APPLICATION_CREDENTIALS") {
        with_file(exchange, &path, &exchange.read(&path)?).await?
    } else {
        let folder = environment.path("CLOUDSDK_CONFIG").or_else(|| environment.home(".config/gcloud"));
        let path = folder.map(|folder| folder.join("application_default_credentials.json"));
        let text = path.as_ref().map(|path| exchange.read_if_there(path)).transpose()?.flatten();
        match (path, text) {
            (Some(path), Some(text)) => with_file(exchange, &path, &text).await?,
            _ => match of_machine(exchange).await? {
                Some(answer) => answer,
                None => return Ok(None),
            },
        }
    };
    let life = SignedDuration::from_secs(answer.expires_in.unwrap_or(LIFE).clamp(0, LIFE));
    let until = exchange.now().checked_add(life).map_err(|_| exchange.malformed(TOKENS))?;
    let credentials = Credentials::Password { user: USER.to_owned(), password: answer.access_token };
    Ok(Some(Login { credentials, until }))
}

/// A token for what stands in a file.
async fn with_file(exchange: &Exchange<'_>, path: &Path, text: &str) -> Result<Answer, CloudError> {
    let unusable = |reason| exchange.unusable(format!("`{}`", path.display()), reason);
    let key: KeyFile = serde_json::from_str(text).map_err(|_| unusable("it is no key file"))?;
    let request = match key.kind.as_str() {
        "service_account" => {
            let parts = key.client_email.as_deref().zip(key.private_key.as_ref());
            let (email, private) = parts.ok_or_else(|| unusable("it has no private key"))?;
            let url = token_url(exchange, key.token_uri.as_deref())
                .ok_or_else(|| unusable("its token service is no HTTPS address"))?;
            let assertion = assertion(email, key.private_key_id.as_deref(), private, url.0.as_str(), exchange.now())
                .ok_or_else(|| unusable("its private key is no RSA key"))?;
            let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
            form(exchange, url.1, &[("grant_type", grant), ("assertion", &assertion)])?
        }
        "authorized_user" => {
            let (Some(id), Some(secret), Some(refresh)) = (&key.client_id, &key.client_secret, &key.refresh_token)
            else {
                return Err(unusable("it has no refresh token"));
            };
            let url = token_url(exchange, None).ok_or_else(|| exchange.malformed(TOKENS))?;
            let fields = [
                ("grant_type", "refresh_token"),
                ("client_id", id),
                ("client_secret", secret.expose_secret()),
                ("refresh_token", refresh.expose_secret()),
            ];
            form(exchange, url.1, &fields)?
        }
        _ => return Err(unusable("its type is neither `service_account` nor `authorized_user`")),
    };
    exchange.ask(TOKENS, request).await
}

fn form(exchange: &Exchange<'_>, url: Url, fields: &[(&str, &str)]) -> Result<RequestBuilder, CloudError> {
    Ok(exchange.far(TOKENS, &url)?.post(url).form(fields))
}

/// The token service as an assertion names it, and where it really is.
fn token_url(exchange: &Exchange<'_>, named: Option<&str>) -> Option<(String, Url)> {
    let named = named.unwrap_or(TOKEN_URL);
    let url: Url = named.parse().ok()?;
    let real = exchange.endpoint(TOKENS, |endpoints| endpoints.google_token.as_ref(), named).ok()?;
    (url.scheme() == "https").then(|| (named.to_owned(), real))
}

/// A statement of who we are, signed with our key (RFC 7523).
fn assertion(
    email: &str,
    key_id: Option<&str>,
    private_key: &SecretString,
    audience: &str,
    now: Timestamp,
) -> Option<String> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(private_key.expose_secret().as_bytes()).ok()?;
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()?;
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = key_id {
        header["kid"] = id.into();
    }
    let issued = now.as_second();
    let claims = json!({"iss": email, "scope": SCOPE, "aud": audience, "iat": issued, "exp": issued + LIFE});
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let text = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).ok()?;
    Some(format!("{text}.{}", encode(&signature)))
}

/// A token of the machine's own account.
async fn of_machine(exchange: &Exchange<'_>) -> Result<Option<Answer>, CloudError> {
    let host = exchange.environment().get("GCE_METADATA_HOST").unwrap_or("169.254.169.254");
    let usual = format!("http://{host}/");
    let base = exchange.endpoint(METADATA, |endpoints| endpoints.google_metadata.as_ref(), &usual)?;
    let path = "computeMetadata/v1/instance/service-accounts/default/token";
    let url = base.join(path).map_err(|_| exchange.malformed(METADATA))?;
    let request = exchange.near(METADATA, &url)?.get(url).header("metadata-flavor", "Google");
    match exchange.ask(METADATA, request).await {
        Ok(answer) => Ok(Some(answer)),
        // Another cloud's machine, or one without an account.
        Err(CloudError::Refused { status: 404, .. }) => Ok(None),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
