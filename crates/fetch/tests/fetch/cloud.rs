//! Logins to the registries of clouds, at services that answer as the real ones do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use killick_fetch::cloud::{AwsIdentity, CloudOptions, Endpoints, Provider};
use killick_fetch::{Cloud, Credentials, Environment};
use killick_model::hint::Hint as _;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use url::Url;

use crate::fake::{Answer, Fake, Seen, reply};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// Endpoints that are all at one fake.
fn endpoints(fake: &Fake) -> Endpoints {
    let at = |path: &str| Some(format!("http://{}/{path}", fake.host).parse::<Url>().unwrap());
    Endpoints {
        ecr: at("ecr"),
        ecr_public: at("ecr-public"),
        sts: at("sts"),
        aws_metadata: at("aws/"),
        google_token: at("google-token"),
        google_metadata: at("google/"),
        azure_login: at("login/"),
        azure_metadata: at("azure/"),
        azure_exchange: at("exchange"),
    }
}

fn options(fake: &Fake, variables: &[(&str, &str)]) -> CloudOptions {
    let environment: Environment = variables.iter().copied().collect();
    let clock = Arc::new(|| "2026-11-28T12:00:00Z".parse().unwrap());
    CloudOptions { endpoints: endpoints(fake), ..CloudOptions::new(environment, clock) }
}

/// Who we are at a registry.
async fn logged_in(fake: &Fake, host: &str, variables: &[(&str, &str)]) -> String {
    show(Cloud::new(options(fake, variables)).log_in(host).await)
}

fn show(login: Result<Option<Credentials>, killick_fetch::cloud::CloudError>) -> String {
    match login {
        Ok(None) => "nobody".to_owned(),
        Ok(Some(Credentials::Password { user, password })) => format!("{user}:{}", password.expose_secret()),
        Ok(Some(Credentials::IdentityToken(token))) => format!("token {}", token.expose_secret()),
        Err(error) => {
            assert!(error.hint().is_some());
            error.to_string()
        }
    }
}

/// Amazon's services. The password tells which key signed the request.
fn amazon(seen: &Seen) -> Answer {
    let key = seen.header("authorization").split_once("Credential=").map_or("", |(_, rest)| rest);
    let key = key.split('/').next().unwrap_or_default();
    let session = seen.header("x-amz-security-token");
    let token = STANDARD.encode(format!("AWS:{key}+{session}"));
    let target = seen.header("x-amz-target");
    match seen.path.as_str() {
        "/ecr" | "/ecr-public" if key == "DENIED" => reply(
            400,
            &[],
            r#"{"__type":"AccessDeniedException","message":"User: arn:aws:iam::1:user/x is not authorized"}"#,
        ),
        "/ecr" if target == "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken" => {
            let data = json!([{"authorizationToken": token, "expiresAt": 1.8e9, "proxyEndpoint": "https://x"}]);
            reply(200, &[], json!({"authorizationData": data}).to_string())
        }
        "/ecr-public" if target == "SpencerFrontendService.GetAuthorizationToken" => {
            reply(200, &[], json!({"authorizationData": {"authorizationToken": token}}).to_string())
        }
        "/sts" => {
            let form: std::collections::BTreeMap<_, _> = url::form_urlencoded::parse(&seen.body).into_owned().collect();
            let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
            let id = match get("Action") {
                "AssumeRoleWithWebIdentity" if get("WebIdentityToken") == "web-t0k" => {
                    format!("WEB-{}", get("RoleArn"))
                }
                "AssumeRole" => format!("{key}-{}-{}", get("RoleArn"), get("ExternalId")),
                _ => {
                    let text = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>secret</Message></Error></ErrorResponse>";
                    return reply(400, &[], text);
                }
            };
            let text = format!(
                "<R><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>sts</SessionToken></Credentials></R>"
            );
            reply(200, &[("content-type", "text/xml")], text)
        }
        "/aws/latest/api/token" if seen.method == "PUT" => reply(200, &[], "session"),
        path if path.starts_with("/aws/") && seen.header("x-aws-ec2-metadata-token") != "session" => {
            reply(401, &[], "")
        }
        "/aws/latest/meta-data/iam/security-credentials/" => reply(200, &[], "build-role"),
        "/aws/latest/meta-data/iam/security-credentials/build-role" => {
            reply(200, &[], r#"{"Code":"Success","AccessKeyId":"MACHINE","SecretAccessKey":"s","Token":"m"}"#)
        }
        "/container" if seen.header("authorization") == "pod" => reply(
            200,
            &[],
            r#"{"AccessKeyId":"POD","SecretAccessKey":"s","Token":"p","Expiration":"2026-11-28T18:00:00Z"}"#,
        ),
        _ => reply(404, &[], ""),
    }
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs_err::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn amazon_is_logged_in_to_with_what_there_is() {
    let fake = Fake::start(amazon).await;
    let folder = tempfile::tempdir().unwrap();
    let token = write(folder.path(), "token", "web-t0k\n");
    let bad_token = write(folder.path(), "bad-token", "other");
    let credentials = write(
        folder.path(),
        "credentials",
        "[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n[base]\naws_access_key_id=BASE\naws_secret_access_key=s\n",
    );
    let config = write(
        folder.path(),
        "config",
        &format!(
            "[profile ci]\nrole_arn=ROLE\nsource_profile=base\nexternal_id=ext\n[profile deep]\nrole_arn=UPPER\nsource_profile=ci\n\
             [profile web]\nrole_arn=R\nweb_identity_token_file={token}\n[profile machine]\nrole_arn=R\ncredential_source=Ec2InstanceMetadata\n\
             [profile sso]\nsso_session=x\n[profile loop]\nrole_arn=R\nsource_profile=pool\n[profile pool]\nrole_arn=R\nsource_profile=loop\n\
             [profile lost]\nrole_arn=R\nsource_profile=none\n[profile bare]\nrole_arn=R\n"
        ),
    );
    let container = format!("http://{}/container", fake.host);
    let files = [("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()), ("AWS_CONFIG_FILE", config.as_str())];
    let with = |profile| [files[0], files[1], ("AWS_PROFILE", profile)];
    for (variables, want) in [
        (vec![("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")], "AWS:ENV+"),
        (
            vec![("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "t"), files[0]],
            "AWS:ENV+t",
        ),
        (vec![("AWS_WEB_IDENTITY_TOKEN_FILE", &token), ("AWS_ROLE_ARN", "arn:r"), files[0]], "AWS:WEB-arn:r+sts"),
        (
            vec![("AWS_WEB_IDENTITY_TOKEN_FILE", &bad_token), ("AWS_ROLE_ARN", "arn:r")],
            "the security token service of aws answered 400 (InvalidIdentityToken)",
        ),
        (files.to_vec(), "AWS:FILE+"),
        (with("base").to_vec(), "AWS:BASE+"),
        (with("ci").to_vec(), "AWS:BASE-ROLE-ext+sts"),
        (with("deep").to_vec(), "AWS:BASE-ROLE-ext-UPPER-+sts"),
        (with("web").to_vec(), "AWS:WEB-R+sts"),
        (with("machine").to_vec(), "AWS:MACHINE-R-+sts"),
        (with("none").to_vec(), "cannot log in to aws with the profile `none`: there is none of this name"),
        (
            with("sso").to_vec(),
            "cannot log in to aws with the profile `sso`: it logs in by SSO; export its keys with `aws configure \
             export-credentials --format env`",
        ),
        (with("loop").to_vec(), "cannot log in to aws with the profile `loop`: too many roles lead to it"),
        (
            with("lost").to_vec(),
            "cannot log in to aws with the profile `lost`: the profile it takes its keys from is missing",
        ),
        (with("bare").to_vec(), "cannot log in to aws with the profile `bare`: it has no keys"),
        (
            vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod")],
            "AWS:POD+p",
        ),
        (
            vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/x")],
            "cannot log in to aws with `AWS_CONTAINER_CREDENTIALS_FULL_URI`: its host does not answer containers",
        ),
        (vec![], "AWS:MACHINE+m"),
        (vec![("AWS_EC2_METADATA_DISABLED", "true")], "nobody"),
        (
            vec![("AWS_ACCESS_KEY_ID", "DENIED"), ("AWS_SECRET_ACCESS_KEY", "s")],
            "the ECR API of aws answered 400 (AccessDeniedException)",
        ),
    ] {
        assert_eq!(logged_in(&fake, ECR, &variables).await, want, "{variables:?}");
    }
    let variables = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    assert_eq!(logged_in(&fake, "public.ecr.aws", &variables).await, "AWS:ENV+");
    let log = fake.log();
    let last = log.last().unwrap();
    assert!(last.contains("/20261128/us-east-1/ecr-public/aws4_request"), "{last}");
}

#[tokio::test]
async fn strangers_and_clouds_that_are_not_wanted_get_nothing() {
    let fake = Fake::start(amazon).await;
    let variables = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    for host in ["123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", "localhost", "docker.io", "evil.gcr.io"] {
        assert_eq!(logged_in(&fake, host, &variables).await, "nobody", "{host}");
    }
    let only_google = CloudOptions { providers: vec![Provider::Google], ..options(&fake, &variables) };
    assert_eq!(show(Cloud::new(only_google).log_in(ECR).await), "nobody");
    assert!(fake.log().is_empty());
}

#[tokio::test]
async fn an_identity_of_its_own_is_used_for_it_alone() {
    let fake = Fake::start(amazon).await;
    let variables = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let cloud = Cloud::new(CloudOptions { providers: vec![], ..options(&fake, &variables) });
    let key = |id: &str| AwsIdentity::Key { id: id.to_owned(), secret: SecretString::from("s") };
    let role = |id: Option<&str>| AwsIdentity::Role { arn: "arn:r".to_owned(), external_id: id.map(str::to_owned) };
    assert_eq!(show(cloud.log_in(ECR).await), "nobody");
    assert_eq!(show(cloud.as_aws(key("ONE")).log_in(ECR).await), "AWS:ONE+");
    assert_eq!(show(cloud.as_aws(key("TWO")).log_in(ECR).await), "AWS:TWO+");
    assert_eq!(show(cloud.as_aws(role(Some("x"))).log_in(ECR).await), "AWS:ENV-arn:r-x+sts");
    assert_eq!(show(cloud.as_aws(role(None)).log_in(ECR).await), "AWS:ENV-arn:r-+sts");
    assert_eq!(show(cloud.as_aws(key("ONE")).log_in("gcr.io").await), "nobody");
    let before = fake.log().len();
    assert_eq!(show(cloud.as_aws(key("ONE")).log_in(ECR).await), "AWS:ONE+");
    assert_eq!(fake.log().len(), before, "each is remembered");
    assert_eq!(show(cloud.log_in(ECR).await), "nobody");
}

#[tokio::test]
async fn a_login_is_remembered_while_it_is_good() {
    let fake = Fake::start(amazon).await;
    let time = Arc::new(std::sync::Mutex::new("2026-11-28T12:00:00Z".parse::<jiff::Timestamp>().unwrap()));
    let clock = Arc::clone(&time);
    let variables = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let cloud =
        Cloud::new(CloudOptions { clock: Arc::new(move || *clock.lock().unwrap()), ..options(&fake, &variables) });
    for (at, requests) in [("12:00", 1), ("12:58", 1), ("12:59", 2), ("13:30", 2)] {
        *time.lock().unwrap() = format!("2026-11-28T{at}:00Z").parse().unwrap();
        assert_eq!(show(cloud.clone().log_in(ECR).await), "AWS:ENV+");
        assert_eq!(fake.log().len(), requests, "{at}");
    }
}

/// Google's services.
fn google(seen: &Seen) -> Answer {
    let form: std::collections::BTreeMap<_, _> = url::form_urlencoded::parse(&seen.body).into_owned().collect();
    let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    match (seen.path.as_str(), get("grant_type")) {
        ("/google-token", "urn:ietf:params:oauth:grant-type:jwt-bearer") => {
            let (text, signature) = get("assertion").rsplit_once('.').unwrap();
            let key = fs_err::read(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/cloud/service-account.der")).unwrap();
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
            let is_signed = key.verify(text.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).is_ok();
            let claims: Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap()).unwrap();
            let is_ours = claims["iss"] == "scan@p.iam.gserviceaccount.com"
                && claims["aud"] == "https://oauth2.googleapis.com/token"
                && claims["iat"] == 1_795_867_200
                && claims["exp"] == 1_795_870_800;
            if is_signed && is_ours {
                reply(200, &[], r#"{"access_token":"jwt-t0k","expires_in":3599,"token_type":"Bearer"}"#)
            } else {
                reply(400, &[], r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#)
            }
        }
        ("/google-token", "refresh_token") if get("refresh_token") == "refresh" => {
            reply(200, &[], r#"{"access_token":"user-t0k"}"#)
        }
        ("/google/computeMetadata/v1/instance/service-accounts/default/token", _)
            if seen.header("metadata-flavor") == "Google" =>
        {
            reply(200, &[], r#"{"access_token":"machine-t0k","expires_in":1200}"#)
        }
        _ => reply(403, &[], "<html>"),
    }
}

#[tokio::test]
async fn google_is_logged_in_to_with_what_there_is() {
    let fake = Fake::start(google).await;
    let folder = tempfile::tempdir().unwrap();
    let pem =
        fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/cloud/service-account.pem")).unwrap();
    let key = json!({
        "type": "service_account", "client_email": "scan@p.iam.gserviceaccount.com", "private_key_id": "k",
        "private_key": pem, "token_uri": "https://oauth2.googleapis.com/token",
    });
    let user = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "refresh"});
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = key.clone();
        change(&mut changed);
        changed
    };
    let file = |value: &Value| write(folder.path(), "key.json", &value.to_string());
    let unusable =
        |reason: &str| format!("cannot log in to google with `{}`: {reason}", folder.path().join("key.json").display());
    for (value, want) in [
        (key.clone(), "oauth2accesstoken:jwt-t0k".to_owned()),
        (user, "oauth2accesstoken:user-t0k".to_owned()),
        (
            with(&|key| key["client_email"] = "other@p".into()),
            "the token service of google answered 400 (invalid_grant)".to_owned(),
        ),
        (with(&|key| key["private_key"] = "rubbish".into()), unusable("its private key is no RSA key")),
        (
            with(&|key| key["token_uri"] = "http://evil.example/".into()),
            unusable("its token service is no HTTPS address"),
        ),
        (
            with(&|key| key["type"] = "external_account".into()),
            unusable("its type is neither `service_account` nor `authorized_user`"),
        ),
        (with(&|key| key["private_key"] = Value::Null), unusable("it has no private key")),
        (json!([1]), unusable("it is no key file")),
    ] {
        let path = file(&value);
        assert_eq!(logged_in(&fake, "eu.gcr.io", &[("GOOGLE_APPLICATION_CREDENTIALS", &path)]).await, want);
    }
    assert_eq!(logged_in(&fake, "europe-docker.pkg.dev", &[]).await, "oauth2accesstoken:machine-t0k");
    let config = folder.path().to_str().unwrap();
    write(folder.path(), "application_default_credentials.json", &key.to_string());
    assert_eq!(logged_in(&fake, "gcr.io", &[("CLOUDSDK_CONFIG", config)]).await, "oauth2accesstoken:jwt-t0k");
    let missing = logged_in(&fake, "gcr.io", &[("GOOGLE_APPLICATION_CREDENTIALS", "/none")]).await;
    assert_eq!(missing, "cannot read `/none` to log in to google");
}

/// Microsoft's services.
fn microsoft(seen: &Seen) -> Answer {
    let form: std::collections::BTreeMap<_, _> = url::form_urlencoded::parse(&seen.body).into_owned().collect();
    let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    match seen.path.as_str() {
        "/login/tenant-1/oauth2/v2.0/token" if get("scope") == "https://management.azure.com/.default" => {
            match (get("client_id"), get("client_secret"), get("client_assertion")) {
                ("app", "s3cret", _) => reply(200, &[], r#"{"access_token":"app-t0k","expires_in":3599}"#),
                ("app", "", "federated") => reply(200, &[], r#"{"access_token":"federated-t0k"}"#),
                _ => reply(401, &[], r#"{"error":"invalid_client","error_description":"AADSTS7000215 s3cret"}"#),
            }
        }
        "/azure/metadata/identity/oauth2/token" if seen.header("metadata") == "true" => {
            assert!(seen.query.contains("resource=https%3A%2F%2Fmanagement.azure.com%2F"), "{}", seen.query);
            let token = format!("x.{}.x", URL_SAFE_NO_PAD.encode(r#"{"tid":"tenant-2"}"#));
            reply(200, &[], json!({"access_token": token}).to_string())
        }
        "/exchange" if get("grant_type") == "access_token" => {
            let token = [get("service"), get("tenant"), get("access_token").split('.').next().unwrap()].join("+");
            reply(200, &[], json!({"refresh_token": token}).to_string())
        }
        _ => reply(404, &[], ""),
    }
}

#[tokio::test]
async fn microsoft_is_logged_in_to_with_what_there_is() {
    let fake = Fake::start(microsoft).await;
    let folder = tempfile::tempdir().unwrap();
    let token = write(folder.path(), "token", "federated\n");
    let app = [("AZURE_TENANT_ID", "tenant-1"), ("AZURE_CLIENT_ID", "app")];
    for (more, want) in [
        (vec![app[0], app[1], ("AZURE_CLIENT_SECRET", "s3cret")], "token team.azurecr.io+tenant-1+app-t0k"),
        (vec![app[0], app[1], ("AZURE_FEDERATED_TOKEN_FILE", &token)], "token team.azurecr.io+tenant-1+federated-t0k"),
        (
            vec![app[0], app[1], ("AZURE_CLIENT_SECRET", "wrong")],
            "the login service of azure answered 401 (invalid_client)",
        ),
        (
            vec![("AZURE_TENANT_ID", "../x"), app[1], ("AZURE_CLIENT_SECRET", "s3cret")],
            "cannot log in to azure with `AZURE_TENANT_ID`: it is no tenant",
        ),
        (vec![], "token team.azurecr.io+tenant-2+x"),
    ] {
        assert_eq!(logged_in(&fake, "team.azurecr.io", &more).await, want, "{more:?}");
    }
}

#[tokio::test]
async fn odd_answers_are_named_and_secrets_are_not_told() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        "/ecr" => reply(200, &[], r#"{"authorizationData":[{"authorizationToken":"s3cret"}]}"#),
        "/google/computeMetadata/v1/instance/service-accounts/default/token" => reply(200, &[], vec![b' '; 300_000]),
        "/azure/metadata/identity/oauth2/token" => reply(200, &[], r#"{"access_token":"s3cret"}"#),
        "/exchange" => reply(500, &[], "s3cret"),
        _ => reply(404, &[], ""),
    })
    .await;
    let variables = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    assert_eq!(logged_in(&fake, ECR, &variables).await, "the ECR API of aws gave no proper answer");
    assert_eq!(logged_in(&fake, "gcr.io", &[]).await, "the metadata service of google gave no proper answer");
    assert_eq!(logged_in(&fake, "team.azurecr.io", &[]).await, "the token exchange of azure answered 500");
}

#[tokio::test]
async fn a_machine_that_is_in_no_cloud_is_nobody_there() {
    let fake = Fake::start(|_| reply(404, &[], "")).await;
    let gone = { tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    let gone: Url = format!("http://{gone}/").parse().unwrap();
    let mut options = options(&fake, &[]);
    options.timeout = Duration::from_secs(5);
    options.endpoints.aws_metadata = Some(gone.clone());
    options.endpoints.google_metadata = Some(gone.clone());
    options.endpoints.azure_metadata = Some(gone);
    let cloud = Cloud::new(options);
    for host in [ECR, "gcr.io", "team.azurecr.io"] {
        assert_eq!(show(cloud.log_in(host).await), "nobody", "{host}");
    }
}
