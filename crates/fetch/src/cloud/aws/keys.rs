//! Keys of an Amazon identity, looked for in the order of Amazon's tools (AWS SDKs and Tools Reference Guide,
//! "Standardized credential providers"): variables, a web identity, a profile, the container, the machine.

use std::path::Path;

use reqwest::header::AUTHORIZATION;
use secrecy::SecretString;
use serde::Deserialize;
use url::{Host, Url};

use super::profile::{self, Profile};
use crate::cloud::exchange::{Exchange, element, is_absent};
use crate::cloud::sigv4::{Keys, Signed};
use crate::cloud::{AwsIdentity, CloudError};

const STS: &str = "security token service";
const CONTAINER: &str = "credentials service of the container";
const METADATA: &str = "metadata service";

/// Addresses that answer containers in plain HTTP: of ECS, and of EKS.
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];
/// Seconds that a session with the metadata service lasts.
const SESSION_SECONDS: &str = "300";
/// Roles that lead to each other through profiles.
const ROLES: usize = 4;

/// Where the token services are.
#[derive(Clone, Copy)]
struct Partition<'a> {
    region: &'a str,
    domain: &'a str,
}

/// A role to take on.
struct Role<'a> {
    arn: &'a str,
    session: Option<&'a str>,
    external_id: Option<&'a str>,
}

impl<'a> Role<'a> {
    /// The role of a profile.
    fn of(profile: &'a Profile) -> Option<Self> {
        let (session, external_id) = (profile.get("role_session_name"), profile.get("external_id"));
        Some(Self { arn: profile.get("role_arn")?, session, external_id })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: SecretString,
    #[serde(default)]
    token: Option<SecretString>,
}

impl From<Answer> for Keys {
    fn from(answer: Answer) -> Self {
        Self { id: answer.access_key_id, secret: answer.secret_access_key, session: answer.token }
    }
}

/// The keys of `identity`, or of whoever we are by the environment, if we are anybody.
pub(in crate::cloud) async fn of(
    identity: Option<&AwsIdentity>,
    exchange: &Exchange<'_>,
    region: &str,
    domain: &str,
) -> Result<Option<Keys>, CloudError> {
    let partition = Partition { region, domain };
    match identity {
        None => find(exchange, partition).await,
        Some(AwsIdentity::Key { id, secret }) => {
            Ok(Some(Keys { id: id.clone(), secret: secret.clone(), session: None }))
        }
        Some(AwsIdentity::Role { arn, external_id }) => match find(exchange, partition).await? {
            Some(keys) => {
                let role = Role { arn, session: None, external_id: external_id.as_deref() };
                other_role(exchange, partition, &keys, &role).await.map(Some)
            }
            None => Ok(None),
        },
    }
}

/// The keys of whoever we are by the environment.
async fn find(exchange: &Exchange<'_>, partition: Partition<'_>) -> Result<Option<Keys>, CloudError> {
    let environment = exchange.environment();
    let secret = |name| environment.get(name).map(SecretString::from);
    if let (Some(id), Some(secret_key)) = (environment.get("AWS_ACCESS_KEY_ID"), secret("AWS_SECRET_ACCESS_KEY")) {
        return Ok(Some(Keys { id: id.to_owned(), secret: secret_key, session: secret("AWS_SESSION_TOKEN") }));
    }
    if let (Some(file), Some(role)) = (environment.path("AWS_WEB_IDENTITY_TOKEN_FILE"), environment.get("AWS_ROLE_ARN"))
    {
        let session = environment.get("AWS_ROLE_SESSION_NAME");
        return web_identity(exchange, partition, &file, role, session).await.map(Some);
    }
    if let Some(keys) = of_profile(exchange, partition).await? {
        return Ok(Some(keys));
    }
    if let Some(keys) = of_container(exchange).await? {
        return Ok(Some(keys));
    }
    of_machine(exchange).await
}

/// Keys for a token that somebody else has vouched for us with (`AssumeRoleWithWebIdentity`).
async fn web_identity(
    exchange: &Exchange<'_>,
    partition: Partition<'_>,
    file: &Path,
    role: &str,
    session: Option<&str>,
) -> Result<Keys, CloudError> {
    let token = exchange.read(file)?;
    let form = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", session.unwrap_or("killick")),
        ("WebIdentityToken", token.trim()),
    ];
    let url = sts(exchange, partition)?;
    let request = exchange.far(STS, &url)?.post(url).form(&form);
    assumed(exchange, request).await
}

/// Keys of another role, for keys that may take it on (`AssumeRole`).
async fn other_role(
    exchange: &Exchange<'_>,
    partition: Partition<'_>,
    keys: &Keys,
    role: &Role<'_>,
) -> Result<Keys, CloudError> {
    let url = sts(exchange, partition)?;
    let mut form = vec![
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("RoleArn", role.arn),
        ("RoleSessionName", role.session.unwrap_or("killick")),
    ];
    form.extend(role.external_id.map(|id| ("ExternalId", id)));
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let (region, service) = (partition.region, "sts");
    let signed = Signed { method: "POST", url: &url, headers: &headers, body: body.as_bytes(), region, service };
    let mut request =
        exchange.far(STS, &url)?.post(url.clone()).header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in signed.sign(keys, exchange.now()) {
        request = request.header(name, value);
    }
    assumed(exchange, request.body(body)).await
}

fn sts(exchange: &Exchange<'_>, partition: Partition<'_>) -> Result<Url, CloudError> {
    let usual = format!("https://sts.{}.{}/", partition.region, partition.domain);
    exchange.endpoint(STS, |endpoints| endpoints.sts.as_ref(), &usual)
}

/// The keys in an answer of the token service, which is XML.
async fn assumed(exchange: &Exchange<'_>, request: reqwest::RequestBuilder) -> Result<Keys, CloudError> {
    let body = exchange.send(STS, request).await?;
    let text = String::from_utf8_lossy(&body);
    let part = |name| element(&text, name).filter(|part| !part.is_empty());
    match (part("AccessKeyId"), part("SecretAccessKey"), part("SessionToken")) {
        (Some(id), Some(secret), Some(session)) => Ok(Keys {
            id: id.to_owned(),
            secret: SecretString::from(secret),
            session: Some(SecretString::from(session)),
        }),
        _ => Err(exchange.malformed(STS)),
    }
}

/// Keys of the profile in use, which may take on a role with the keys of another.
async fn of_profile(exchange: &Exchange<'_>, partition: Partition<'_>) -> Result<Option<Keys>, CloudError> {
    let environment = exchange.environment();
    let chosen = environment.get("AWS_PROFILE").or_else(|| environment.get("AWS_DEFAULT_PROFILE"));
    let profiles = profile::read(exchange)?;
    let mut name = chosen.unwrap_or("default");
    let unusable = |name: &str, reason| exchange.unusable(format!("the profile `{name}`"), reason);
    let Some(mut profile) = profiles.get(name) else {
        return if chosen.is_some() { Err(unusable(name, "there is none of this name")) } else { Ok(None) };
    };
    let mut roles = Vec::new();
    while let Some((role, source)) = Role::of(profile).zip(profile.get("source_profile")) {
        if source == name {
            break;
        }
        if roles.len() >= ROLES {
            return Err(unusable(name, "too many roles lead to it"));
        }
        roles.push(role);
        profile =
            profiles.get(source).ok_or_else(|| unusable(name, "the profile it takes its keys from is missing"))?;
        name = source;
    }
    let keys = of_last_profile(exchange, partition, profile).await?;
    let Some(mut keys) = keys else {
        return match profile.unsupported() {
            Some(reason) => Err(unusable(name, reason)),
            None if roles.is_empty() && Role::of(profile).is_none() => Ok(None),
            None => Err(unusable(name, "it has no keys")),
        };
    };
    for role in roles.iter().rev() {
        keys = other_role(exchange, partition, &keys, role).await?;
    }
    Ok(Some(keys))
}

/// Keys that a profile has without another.
async fn of_last_profile(
    exchange: &Exchange<'_>,
    partition: Partition<'_>,
    profile: &Profile,
) -> Result<Option<Keys>, CloudError> {
    let role = Role::of(profile);
    if let Some((role, file)) = role.as_ref().zip(profile.get("web_identity_token_file")) {
        return web_identity(exchange, partition, Path::new(file), role.arn, role.session).await.map(Some);
    }
    let keys = match (profile.keys(), profile.get("credential_source")) {
        (Some(keys), _) => Some(keys),
        (None, Some("EcsContainer")) => of_container(exchange).await?,
        (None, Some("Ec2InstanceMetadata")) => of_machine(exchange).await?,
        (None, _) => None,
    };
    match keys.zip(role) {
        Some((keys, role)) => other_role(exchange, partition, &keys, &role).await.map(Some),
        None => Ok(profile.keys()),
    }
}

/// Keys of the container's role.
async fn of_container(exchange: &Exchange<'_>) -> Result<Option<Keys>, CloudError> {
    let environment = exchange.environment();
    let relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let full = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let url: Url = match (relative, full) {
        (Some(relative), _) => format!("http://169.254.170.2{relative}").parse().ok(),
        (None, Some(full)) => full.parse().ok(),
        (None, None) => return Ok(None),
    }
    .filter(may_answer_containers)
    .ok_or_else(|| exchange.unusable("`AWS_CONTAINER_CREDENTIALS_FULL_URI`", "its host does not answer containers"))?;
    let mut request = exchange.near(CONTAINER, &url)?.get(url);
    let token = match environment.path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => Some(exchange.read(&file)?.trim().to_owned()),
        None => environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned),
    };
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, token);
    }
    exchange.ask::<Answer>(CONTAINER, request).await.map(|answer| Some(answer.into()))
}

/// Whether keys may come from there: over TLS from anywhere, otherwise only from this machine or its link.
fn may_answer_containers(url: &Url) -> bool {
    let is_near = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let is_known = url.host_str().is_some_and(|host| CONTAINER_HOSTS.contains(&host));
    url.scheme() == "https" || url.scheme() == "http" && (is_near || is_known)
}

/// Keys of the machine's role (Instance Metadata Service, version 2 only: version 1 answers forged requests too).
async fn of_machine(exchange: &Exchange<'_>) -> Result<Option<Keys>, CloudError> {
    if exchange.environment().get("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let base = exchange.endpoint(METADATA, |endpoints| endpoints.aws_metadata.as_ref(), "http://169.254.169.254/")?;
    let at = |path: &str| base.join(path).map_err(|_| exchange.malformed(METADATA));
    let client = exchange.near(METADATA, &base)?;
    let request = client.put(at("latest/api/token")?).header("x-aws-ec2-metadata-token-ttl-seconds", SESSION_SECONDS);
    let session = match exchange.send(METADATA, request).await {
        Ok(session) => String::from_utf8(session).map_err(|_| exchange.malformed(METADATA))?,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let get = |url| client.get(url).header("x-aws-ec2-metadata-token", session.trim());
    let list = "latest/meta-data/iam/security-credentials/";
    let roles = match exchange.send(METADATA, get(at(list)?)).await {
        Ok(roles) => roles,
        // A machine without a role.
        Err(CloudError::Refused { status: 404, .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let roles = String::from_utf8_lossy(&roles);
    let role = roles.lines().next().map(str::trim).filter(|role| !role.is_empty());
    let Some(role) = role else { return Ok(None) };
    let is_name = role.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte));
    if !is_name || role.starts_with('.') {
        return Err(exchange.malformed(METADATA));
    }
    exchange.ask::<Answer>(METADATA, get(at(&format!("{list}{role}"))?)).await.map(|answer| Some(answer.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_near_or_over_tls() {
        for (url, want) in [
            ("http://169.254.170.2/v2/x", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://127.0.0.1:1234/x", true),
            ("http://localhost/x", true),
            ("https://keys.example/x", true),
            ("http://keys.example/x", false),
            ("http://169.254.169.254/x", false),
            ("file:///x", false),
        ] {
            assert_eq!(may_answer_containers(&url.parse().unwrap()), want, "{url}");
        }
    }
}
