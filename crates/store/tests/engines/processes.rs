//! Which processes work on the database.

use killick_store::processes::Process;

use super::Opened;

pub(crate) async fn processes_come_and_go(Opened { store, .. }: &Opened) {
    let process = |id: &str, host: &str, seen_at: i64| Process {
        id: id.to_owned(),
        host: host.to_owned(),
        base_url: format!("http://{host}"),
        roles: "api worker".to_owned(),
        seen_at,
    };
    let ids = async || {
        let processes = store.processes().await.unwrap();
        processes.iter().map(|process| format!("{} {}", process.id, process.seen_at)).collect::<Vec<_>>()
    };
    for noted in [process("1", "a", 10), process("2", "b", 11), process("3", "b", 12), process("1", "a", 20)] {
        store.note_process(&noted).await.unwrap();
    }
    assert_eq!(ids().await, ["1 20", "3 12", "2 11"], "the latest first");
    assert_eq!(store.processes().await.unwrap()[0], process("1", "a", 20));
    assert_eq!(store.forget_silent_processes(Some("a"), 15).await.unwrap(), 0);
    assert_eq!(store.forget_silent_processes(Some("b"), 11).await.unwrap(), 1);
    store.forget_process("1").await.unwrap();
    store.forget_process("1").await.unwrap();
    assert_eq!(ids().await, ["3 12"]);
    assert_eq!(store.forget_silent_processes(None, 99).await.unwrap(), 1);
}
