//! What monitoring reads.

use serde_json::Value;

use crate::caller::{ADMIN, Service, basic};
use crate::registry;

#[tokio::test]
async fn there_is_no_page_unless_it_is_wanted() {
    let service = Service::start(|_| {}).await;
    assert_eq!(service.call(ADMIN, "GET", "/metrics", Value::Null).await.0, 404);
}

#[tokio::test]
async fn requests_analyses_and_evaluations_are_counted() {
    let service = Service::start(|config| config.metrics.enabled = true).await;
    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let digest = service.analyzed(ADMIN, &tag).await;
    service.get(ADMIN, &format!("/images/{digest}/check?tag={tag}")).await;
    assert_eq!(service.call(ADMIN, "GET", "/images/nothing", Value::Null).await.0, 404);
    assert_eq!(service.call(ADMIN, "GET", "/no/such/route", Value::Null).await.0, 404);
    assert_eq!(service.send(None, "GET", "/metrics", "", Vec::new()).await.0, 401);
    let (status, page) = service.send(Some(&basic(ADMIN)), "GET", "/v1/metrics", "", Vec::new()).await;
    let page = String::from_utf8(page).unwrap();
    assert_eq!(status, 200, "{page}");
    let check = r#"method="GET",status="200",endpoint="/images/{imageDigest}/check""#;
    let missing = r#"method="GET",status="404",endpoint="/images/{imageDigest}""#;
    for line in [
        format!("flask_http_request_duration_seconds_count{{{check}}} 1"),
        format!("flask_http_request_duration_seconds_count{{{missing}}} 1"),
        r#"flask_http_request_duration_seconds_count{method="",status="404",endpoint=""} 1"#.to_owned(),
        "anchore_analysis_success_total 1".to_owned(),
        "anchore_analysis_error_total 0".to_owned(),
        r#"anchore_analysis_time_seconds_count{status="success"} 1"#.to_owned(),
        r#"anchore_policy_evaluation_time_seconds_count{status="success"} 1"#.to_owned(),
        r#"anchore_queue_length{queuename="images_to_analyze"} 0"#.to_owned(),
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line}\n{page}");
    }
    assert!(!page.contains("no/such"), "names are those of routes");
}

#[tokio::test]
async fn an_operator_may_show_it_to_anybody() {
    let service = Service::start(|config| {
        config.metrics.enabled = true;
        config.metrics.auth_disabled = true;
    })
    .await;
    assert_eq!(service.send(None, "GET", "/metrics", "", Vec::new()).await.0, 200);
}
