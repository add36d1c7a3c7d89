//! How often one user may call.

use serde_json::Value;

use crate::caller::{ADMIN, Service};

#[tokio::test]
async fn who_calls_too_often_waits_and_others_do_not() {
    let service = Service::start(|config| {
        config.rate_limits.user_requests_per_minute = 1;
        config.rate_limits.user_burst = 4;
    })
    .await;
    service.account_with_user("team1", "alice").await;
    let basic = "Basic YWxpY2U6cGFzc3dvcmQx";
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let (status, headers, body) = service.ask(&[("authorization", basic)], "GET", "/images", Value::Null).await;
        let wait = headers.get("retry-after").map(|wait| wait.to_str().unwrap().parse::<u64>().unwrap());
        assert_eq!(wait.is_some_and(|wait| (1..=60).contains(&wait)), status == 429, "{body}");
        statuses.push(status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 429, 429]);
    assert_eq!(service.call(ADMIN, "GET", "/images", Value::Null).await.0, 200);
    assert_eq!(service.call("alice:wrong", "GET", "/images", Value::Null).await.0, 401, "a login is another matter");
}
