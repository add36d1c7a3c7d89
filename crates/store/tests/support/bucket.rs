//! Just enough of S3 for one bucket, in this process: put, copy, get, head, delete, and lists in pages of two.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, Response, StatusCode, Uri};
use killick_model::digest::Digest;
use killick_store::blobs::Bucket;

/// The only bucket, and whose signatures count.
const BUCKET: &str = "scans";
const ACCESS_KEY: &str = "AKIDTEST";

/// When everything in it was written, in microseconds, in a list and in a header.
pub(crate) const WRITTEN_AT: i64 = 1_893_553_445_000_000;
const LISTED: &str = "2030-01-02T03:04:05.000Z";
const HEADER: &str = "Wed, 02 Jan 2030 03:04:05 GMT";

type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// The settings of a running one.
pub(crate) async fn start() -> Bucket {
    let objects = Objects::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::clone(&objects));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Bucket {
        name: BUCKET.to_owned(),
        prefix: "of/killick".to_owned(),
        endpoint,
        region: "eu-test-1".to_owned(),
        access_key_id: ACCESS_KEY.to_owned(),
        secret_access_key: Some("hunter2".into()),
    }
}

async fn answer(State(objects): State<Objects>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 26).await.unwrap();
    let signed = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let credential = format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/");
    if !signed.starts_with(&credential) || !signed.contains("/eu-test-1/s3/aws4_request") {
        return empty(StatusCode::FORBIDDEN);
    }
    let Some(key) = parts.uri.path().strip_prefix(&format!("/{BUCKET}")) else { return empty(StatusCode::NOT_FOUND) };
    let key = key.trim_start_matches('/').to_owned();
    let mut objects = objects.lock().unwrap();
    match (parts.method, key.is_empty()) {
        (Method::GET, true) => list(&parts.uri, &objects),
        (Method::PUT, _) => {
            let content = match parts.headers.get("x-amz-copy-source") {
                None => Some(body),
                Some(from) => {
                    let from = from.to_str().unwrap().trim_start_matches('/').trim_start_matches(BUCKET);
                    objects.get(from.trim_start_matches('/')).cloned()
                }
            };
            let Some(content) = content else { return missing() };
            let tag = etag(&content);
            objects.insert(key, content);
            let copied = format!("<CopyObjectResult><ETag>{tag}</ETag></CopyObjectResult>");
            Response::builder().header("etag", tag).body(Body::from(copied)).unwrap()
        }
        (method @ (Method::GET | Method::HEAD), _) => {
            let Some(content) = objects.get(&key) else { return missing() };
            let head = Response::builder().header("etag", etag(content)).header("last-modified", HEADER);
            let head = head.header("content-length", content.len());
            head.body(if method == Method::HEAD { Body::empty() } else { Body::from(content.clone()) }).unwrap()
        }
        (Method::DELETE, _) => {
            objects.remove(&key);
            empty(StatusCode::NO_CONTENT)
        }
        _ => empty(StatusCode::NOT_IMPLEMENTED),
    }
}

fn list(uri: &Uri, objects: &BTreeMap<String, Bytes>) -> Response<Body> {
    let query: BTreeMap<String, String> =
        uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).map(unescaped).collect();
    assert_eq!(query.get("list-type").map(String::as_str), Some("2"));
    let prefix = query.get("prefix").cloned().unwrap_or_default();
    let after = query.get("continuation-token").or(query.get("start-after")).cloned().unwrap_or_default();
    let mut found = objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
    let page: Vec<_> = found.by_ref().take(2).collect();
    let more = found.next().is_some();
    let mut text = format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>");
    for (key, content) in &page {
        let (at, size, tag) = (LISTED, content.len(), etag(content));
        text.push_str(&format!(
            "<Contents><Key>{key}</Key><LastModified>{at}</LastModified><ETag>{tag}</ETag><Size>{size}</Size></Contents>"
        ));
    }
    if let (true, Some((last, _))) = (more, page.last()) {
        text.push_str(&format!("<NextContinuationToken>{last}</NextContinuationToken>"));
    }
    Response::new(Body::from(text + "</ListBucketResult>"))
}

fn unescaped((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.replace("%2F", "/"))
}

fn etag(content: &[u8]) -> String {
    Digest::of(content).hex()
}

fn missing() -> Response<Body> {
    let text = "<Error><Code>NoSuchKey</Code><Message>there is none</Message></Error>";
    Response::builder().status(StatusCode::NOT_FOUND).body(Body::from(text)).unwrap()
}

fn empty(status: StatusCode) -> Response<Body> {
    Response::builder().status(status).body(Body::empty()).unwrap()
}
