//! The services of the processes that work on one database.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};

#[tokio::test]
async fn services_are_told_of_every_process() {
    let service = Service::start(|config| {
        config.server.host_id = "here".to_owned();
        config.server.roles = vec![killick_server::Role::Api, killick_server::Role::Scheduler];
    })
    .await;
    let told = async || {
        let system = service.get(ADMIN, "/system").await;
        let states = system["service_states"].as_array().unwrap().iter();
        let state = |state: &Value| {
            format!(
                "{}@{} {} {}",
                state["servicename"].as_str().unwrap(),
                state["hostid"].as_str().unwrap(),
                state["status_message"].as_str().unwrap(),
                state["service_detail"]["up"]
            )
        };
        states.map(state).collect::<Vec<_>>()
    };
    let own = ["apiext@here", "simplequeue@here", "policy_engine@here", "catalog@here"];
    let own = own.map(|name| format!("{name} available true"));
    assert_eq!(told().await, own, "nobody analyses");

    service
        .tamper(
            "insert into process (id, host, base_url, roles, seen_at) values
        ('1', 'there', 'http://there', 'worker', 9999999999999999), ('2', 'gone', 'http://gone', 'worker', 1)",
        )
        .await;
    let mut all = own.to_vec();
    all.insert(2, "analyzer@there available true".to_owned());
    all.insert(3, "analyzer@gone unavailable false".to_owned());
    assert_eq!(told().await, all);

    let delete = async |host: &str| {
        service.call(ADMIN, "DELETE", &format!("/system/services/analyzer/{host}"), Value::Null).await
    };
    assert_eq!(delete("there").await.0, 409, "it is active");
    assert_eq!(delete("gone").await, (200, json!(true)));
    assert_eq!(delete("gone").await.0, 404);
    all.remove(3);
    assert_eq!(told().await, all);
}
