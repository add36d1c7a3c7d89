//! Which processes work on the database.

use killick_store::events::EventFilter;
use killick_store::news::{NewEvent, News};
use killick_store::processes::{Process, ProcessState, Silence};

use super::{Opened, news};

fn process(id: &str, host: &str, seen_at: i64) -> Process {
    Process {
        id: id.to_owned(),
        host: host.to_owned(),
        base_url: format!("http://{host}"),
        roles: "api worker".to_owned(),
        seen_at,
        state: ProcessState::Up,
    }
}

pub(crate) async fn processes_come_and_go(Opened { store, .. }: &Opened) {
    let ids = async || {
        let processes = store.processes().await.unwrap();
        processes.iter().map(|process| format!("{} {}", process.id, process.seen_at)).collect::<Vec<_>>()
    };
    for noted in [process("1", "a", 10), process("2", "b", 11), process("3", "b", 12), process("1", "a", 20)] {
        store.note_process(&noted, 0).await.unwrap();
    }
    assert_eq!(ids().await, ["1 20", "3 12", "2 11"], "the latest first");
    assert_eq!(store.processes().await.unwrap()[0], process("1", "a", 20));
    assert_eq!(store.forget_silent_processes("a", 15).await.unwrap(), 0);
    assert_eq!(store.forget_silent_processes("b", 11).await.unwrap(), 1);
    store.forget_process("1").await.unwrap();
    store.forget_process("1").await.unwrap();
    assert_eq!(ids().await, ["3 12"]);
}

pub(crate) async fn silence_is_told_once(Opened { store, .. }: &Opened) {
    for noted in [process("1", "h", 10), process("2", "h", 20), process("3", "h", 99)] {
        store.note_process(&noted, 0).await.unwrap();
    }
    // Two look at the same time.
    let look = async |silence: Silence, since: i64| {
        let told = |process: &Process, all: &[Process]| {
            let (uuid, kind) = (format!("{silence:?} {} {since}", process.id), format!("{silence:?} of {}", all.len()));
            let event =
                NewEvent { uuid, kind, resource: Some(process.id.clone()), ..news("a", "", "k").events.remove(0) };
            News { events: vec![event], notices: Vec::new() }
        };
        let (one, other) = tokio::join!(
            store.note_silence(silence, since, told, since),
            store.note_silence(silence, since, told, since)
        );
        one.unwrap() + other.unwrap()
    };
    let told = async || {
        let mut events = store.events("a", &EventFilter::default(), 99, 0).await.unwrap();
        events.sort_by_key(|one| one.id);
        events.into_iter().map(|event| format!("{} {}", event.uuid, event.r#type)).collect::<Vec<_>>()
    };
    assert_eq!(look(Silence::Orphaned, 15).await, 0, "who is orphaned was down before");
    assert_eq!(look(Silence::Down, 15).await, 1);
    assert_eq!(look(Silence::Down, 20).await, 1);
    assert_eq!(look(Silence::Orphaned, 15).await, 1);
    assert_eq!(look(Silence::Down, 30).await, 0);
    // Who was not silent by its own clock is as it was; who comes back is there, and may be silent again.
    store.note_process(&process("2", "h", 25), 20).await.unwrap();
    assert_eq!(look(Silence::Down, 30).await, 0);
    store.note_process(&process("2", "h", 46), 20).await.unwrap();
    assert_eq!(look(Silence::Orphaned, 30).await, 0);
    assert_eq!(look(Silence::Down, 46).await, 1);
    assert_eq!(look(Silence::Removed, 46).await, 2);
    let mut want =
        vec!["Down 1 15 Down of 3", "Down 2 20 Down of 3", "Orphaned 1 15 Orphaned of 3", "Down 2 46 Down of 3"];
    want.extend(["Removed 1 46 Removed of 3", "Removed 2 46 Removed of 3"]);
    let mut told = told().await;
    told[4..].sort();
    assert_eq!(told, want);
    let left = store.processes().await.unwrap();
    assert_eq!(left, [process("3", "h", 99)]);
}
