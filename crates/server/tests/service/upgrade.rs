//! Databases of the first and of the last schema version that there are dumps of (`killick-store`, `testdata/previous/`),
//! served by the program of today: nothing is lost, and work goes on. That every schema version is brought to the same schema
//! is tested there.

use std::path::{Path, PathBuf};

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use killick_model::digest::Digest;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use crate::caller::{ADMIN, Service};
use crate::database::Postgres;
use crate::registry;

/// What the registry's password was sealed with.
const SECRET: &str = "the secret of stores that are only there to be read by tests";

/// The tag that the analysed image has.
const TAG: &str = "registry.example.com/shop/web:1";

/// The first and the last dump for an engine, with passwords: those of the dumps are none.
fn dumps(engine: &str) -> [String; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/testdata/previous");
    let files = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut dumps: Vec<PathBuf> =
        files.filter(|file| file.to_string_lossy().ends_with(&format!(".{engine}.sql"))).collect();
    dumps.sort();
    assert!(dumps.len() > 1, "there is an older and a newer one");
    [&dumps[0], &dumps[dumps.len() - 1]].map(|file| with_passwords(&fs_err::read_to_string(file).unwrap()))
}

fn with_passwords(dump: &str) -> String {
    let hash = |password: &str| Argon2::default().hash_password(password.as_bytes()).unwrap().to_string();
    let (admin, alice) = (hash("foobar"), hash("password1"));
    format!(
        "{dump}\nupdate account_user set password_hash = '{admin}' where username = 'admin';\n\
         update account_user set password_hash = '{alice}' where username = 'alice';\n"
    )
}

#[tokio::test]
async fn a_sqlite_file_of_before_is_served() {
    let [first, last] = dumps("sqlite");
    for (dump, is_first) in [(first, true), (last, false)] {
        let folder = tempfile::tempdir().unwrap();
        let old: PathBuf = folder.path().join("killick.db");
        let options = SqliteConnectOptions::new().filename(&old).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(dump)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let service = Service::start(|config| {
            config.storage.secret_key = SECRET.into();
            fs_err::copy(&old, config.storage.data_dir.join("killick.db")).unwrap();
        });
        is_served(&service.await, is_first).await;
    }
}

#[tokio::test]
async fn a_postgresql_database_of_before_is_served() {
    let [first, last] = dumps("postgresql");
    for (dump, is_first) in [(first, true), (last, false)] {
        let postgres = Postgres::start();
        let url = postgres.url();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(dump)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let service = Service::start(|config| {
            config.storage.secret_key = SECRET.into();
            config.storage.database_url = url.as_str().into();
        });
        is_served(&service.await, is_first).await;
    }
}

async fn is_served(service: &Service, is_first: bool) {
    what_there_was(service).await;
    if is_first {
        nothing_of_later(service).await;
    }
    work_goes_on(service).await;
}

async fn what_there_was(service: &Service) {
    let alice = "alice:password1";
    let names = |answer: &Value, member: &str| -> Vec<String> {
        answer.as_array().unwrap().iter().map(|item| item[member].as_str().unwrap().to_owned()).collect()
    };
    // Who there is, with the password they had.
    let accounts = service.get(ADMIN, "/accounts").await;
    assert_eq!(names(&accounts, "name"), ["admin", "gone", "team"]);
    assert_eq!(names(&accounts, "state"), ["enabled", "disabled", "enabled"]);
    assert_eq!(service.get(alice, "/user").await["username"], "alice");

    // What they have.
    let images = service.get(alice, "/images").await;
    let states: Vec<(&str, &str)> = images.as_array().unwrap().iter().rev().map(state).collect();
    let (analyzed, failed, waiting) = (digest("analyzed"), digest("failed"), digest("waiting"));
    let want =
        [(analyzed.as_str(), "analyzed"), (failed.as_str(), "analysis_failed"), (waiting.as_str(), "not_analyzed")];
    assert_eq!(states, want);
    let image = &service.get(alice, &format!("/images?fulltag={TAG}")).await[0];
    assert_eq!((&image["annotations"], &image["image_detail"][0]["fulltag"]), (&json!({"owner": "shop"}), &json!(TAG)));
    assert_eq!(image["image_content"]["metadata"]["distro"], "debian");
    let policies = service.get(alice, "/policies?detail=true").await;
    assert_eq!(names(&policies, "policyId"), ["other", "shop"]);
    let active: Vec<bool> =
        policies.as_array().unwrap().iter().map(|policy| policy["active"].as_bool().unwrap()).collect();
    assert_eq!(active, [false, true]);
    assert_eq!(names(&service.get(alice, "/registries").await, "registry_user"), ["puller"]);
    let subscriptions = service.get(alice, &format!("/subscriptions?subscription_key={TAG}")).await;
    assert_eq!(names(&subscriptions, "subscription_type").len(), 4);
    let events = service.get(alice, "/events").await;
    assert_eq!(events["item_count"], 1, "{events}");
    let event = events["results"][0]["generated_uuid"].as_str().unwrap();
    service.get(alice, &format!("/events/{event}")).await;
}

/// Of what came later there is nothing yet, and it works.
async fn nothing_of_later(service: &Service) {
    let alice = "alice:password1";
    assert_eq!(service.get(alice, "/v2/users/alice/roles").await["roles"], json!([]));
    for path in ["/v2/exceptions", "/v2/api-keys"] {
        assert_eq!(service.get(alice, path).await["items"], json!([]), "{path}");
    }
    for path in ["/archives/images", "/archives/rules", "/imports/images"] {
        assert_eq!(service.get(alice, path).await, json!([]), "{path}");
    }
    let exception = json!({"id": "one", "select": {"path": "/x"}, "reason": "r", "owner": "o"});
    assert_eq!(service.call(alice, "POST", "/v2/exceptions", exception).await.0, 201);
    assert_eq!(service.call(alice, "POST", "/v2/api-keys", json!({"name": "ci"})).await.0, 201);
}

async fn work_goes_on(service: &Service) {
    let (alice, analyzed) = ("alice:password1", digest("analyzed"));
    // Packages that were written before there were names to look for are found by name.
    service.app().keep_house().await.unwrap();
    let found = service.get(alice, "/query/images/by_package?name=openssl").await;
    assert_eq!((&found["total_count"], &found["images"][0]["image"]["imageDigest"]), (&json!(1), &json!(analyzed)));

    // An image is added, analysed, judged and deleted.
    let upstream = registry::serve(None).await;
    let reference = format!("{}/tiny/alpine:3.20", upstream.address);
    let added = service.analyzed(ADMIN, &reference).await;
    service.get(ADMIN, &format!("/images/{added}/vuln/all")).await;
    assert_eq!(service.call(alice, "DELETE", &format!("/images/{analyzed}?force=true"), Value::Null).await.0, 200);
    service.app().keep_house().await.unwrap();
    assert_eq!(service.call(alice, "GET", &format!("/images/{analyzed}"), Value::Null).await.0, 404);
}

fn digest(name: &str) -> String {
    Digest::of(name.as_bytes()).to_string()
}

fn state(image: &Value) -> (&str, &str) {
    (image["imageDigest"].as_str().unwrap(), image["analysis_status"].as_str().unwrap())
}
