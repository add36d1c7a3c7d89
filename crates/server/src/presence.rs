//! Which processes there are, and by that which services of version 1.
//!
//! Each says every few seconds that it is there, and when it ends; one that says nothing any more is shown as down until
//! it is forgotten. Schedulers tell of that by events, each step once, whoever of them sees it first.

use std::sync::{Mutex, PoisonError};

use killick_store::StoreError;
use killick_store::news::News;
use killick_store::processes::{Process, ProcessState, Silence};
use serde_json::json;

use crate::app::App;
use crate::config::Role;
use crate::events::{EventType, SERVICE_DOWN, SERVICE_ORPHANED, SERVICE_REMOVED};
use crate::herald::{self, Herald};
use crate::records::now;

/// Seconds between two signs of life.
pub(crate) const BEAT_SECONDS: u64 = 15;

/// Microseconds without one after which a process counts as down: three are missing.
const SILENCE: i64 = 45_000_000;

/// Microseconds without a sign of life, and what becomes of the process then: the longer ones are those of the original.
const STEPS: [(i64, Silence); 3] =
    [(SILENCE, Silence::Down), (3_600_000_000, Silence::Orphaned), (86_400_000_000, Silence::Removed)];

/// Whose events tell of processes.
const ACCOUNT: &str = "admin";

/// The services of version 1, in the order they are listed, and what a process does that stands for one.
const SERVICES: &[(&str, Role)] = &[
    ("apiext", Role::Api),
    ("simplequeue", Role::Scheduler),
    ("analyzer", Role::Worker),
    ("policy_engine", Role::Api),
    ("catalog", Role::Scheduler),
];

/// A service on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) host: String,
    pub(crate) base_url: String,
    pub(crate) is_up: bool,
}

/// Since when this process says without a gap that it is there.
#[derive(Debug, Default)]
pub(crate) struct Beats(Mutex<Option<(i64, i64)>>);

impl Beats {
    /// It said so at an instant. Whether it has for so long that who was not heard of meanwhile is not there: after a
    /// while without the database, everybody has been silent.
    fn noted(&self, at: i64) -> bool {
        let mut beats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = beats.filter(|(_, last)| at.saturating_sub(*last) < SILENCE).map_or(at, |(since, _)| since);
        *beats = Some((since, at));
        at.saturating_sub(since) >= SILENCE
    }
}

/// Says that this process is there, and tells of those that are not, if that is its work.
pub(crate) async fn beat(app: &App) -> Result<(), StoreError> {
    let own = own(app);
    app.records().store().note_process(&own, SILENCE).await?;
    if app.beats().noted(own.seen_at) && app.config().server.has(Role::Scheduler) {
        sweep(app, own.seen_at).await?;
    }
    Ok(())
}

/// Tells of the processes that are silent at an instant.
async fn sweep(app: &App, at: i64) -> Result<(), StoreError> {
    let store = app.records().store();
    for (age, silence) in STEPS {
        let since = at.saturating_sub(age);
        // Hardly ever is one: nothing has to be written to see that.
        let is_due = |process: &Process| match silence {
            Silence::Down => process.state == ProcessState::Up,
            Silence::Orphaned => process.state == ProcessState::Down,
            Silence::Removed => true,
        };
        if store.processes().await?.iter().any(|process| process.seen_at <= since && is_due(process)) {
            let told = |process: &Process, all: &[Process]| tell(app.herald(), silence, process, all, at);
            let count = store.note_silence(silence, since, told, at).await?;
            tracing::warn!("{count} processes say nothing any more: {silence:?}");
        }
    }
    Ok(())
}

/// What is told of a process that is silent: one event for each service of version 1. That it is gone for good is told
/// only of services that nobody else does under the name of its host.
fn tell(herald: &Herald, silence: Silence, process: &Process, all: &[Process], now: i64) -> News {
    let kind: &EventType = match silence {
        Silence::Down => &SERVICE_DOWN,
        Silence::Orphaned => &SERVICE_ORPHANED,
        Silence::Removed => &SERVICE_REMOVED,
    };
    let done = SERVICES.iter().filter(|(_, role)| does(process, *role));
    done.fold(News::default(), |news, (name, role)| {
        let does_it_still = |other: &Process| {
            other.id != process.id
                && other.host == process.host
                && does(other, *role)
                && (other.seen_at, &other.id) > (process.seen_at, &process.id)
        };
        let others = all.iter().any(does_it_still);
        if others && silence != Silence::Down {
            return news;
        }
        let seen = herald::microseconds(process.seen_at);
        let others = if others { "; another process does the same under this name" } else { "" };
        let cause = format!("process {} has said nothing since {seen}{others}", process.id);
        let details = json!({
            "service_name": name, "host_id": process.host, "base_url": process.base_url, "cause": cause,
        });
        let resource = format!("{name}/{}", process.host);
        news.and(herald.event(kind, herald::Service::Catalog, ACCOUNT, Some(&resource), details, now))
    })
}

fn does(process: &Process, role: Role) -> bool {
    process.roles.split(' ').any(|word| word == role.word())
}

/// Says that this process ends.
pub(crate) async fn leave(app: &App) -> Result<(), StoreError> {
    app.records().store().forget_process(app.process()).await
}

/// Forgets the processes of a host that are down; whether there were any.
pub(crate) async fn forget(app: &App, host: &str) -> Result<bool, StoreError> {
    let silent = now().saturating_sub(SILENCE);
    Ok(app.records().store().forget_silent_processes(host, silent).await? > 0)
}

/// Every service, once for each host.
pub(crate) async fn services(app: &App) -> Result<Vec<Service>, StoreError> {
    let mut processes = app.records().store().processes().await?;
    // Whoever answers is there.
    processes.retain(|process| process.id != app.process());
    processes.insert(0, own(app));
    Ok(of(&processes, now()))
}

fn own(app: &App) -> Process {
    let server = &app.config().server;
    let roles: Vec<&str> = server.roles.iter().map(|role| role.word()).collect();
    Process {
        id: app.process().to_owned(),
        host: server.host_id.clone(),
        base_url: server.base_url(),
        roles: roles.join(" "),
        seen_at: now(),
        state: ProcessState::Up,
    }
}

fn of(processes: &[Process], now: i64) -> Vec<Service> {
    let mut services: Vec<Service> = Vec::new();
    for (name, role) in SERVICES {
        let first = services.len();
        for process in processes.iter().filter(|process| does(process, *role)) {
            let is_up = process.seen_at > now.saturating_sub(SILENCE);
            if let Some(known) = services[first..].iter_mut().find(|service| service.host == process.host) {
                known.is_up |= is_up;
                continue;
            }
            let (host, base_url) = (process.host.clone(), process.base_url.clone());
            services.push(Service { name, host, base_url, is_up });
        }
    }
    services
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(host: &str, roles: &str, seconds: i64) -> Process {
        Process {
            id: format!("{host} {roles} {seconds}"),
            host: host.to_owned(),
            base_url: format!("http://{host}"),
            roles: roles.to_owned(),
            seen_at: -seconds * 1_000_000,
            state: ProcessState::Up,
        }
    }

    #[test]
    fn only_who_was_there_all_the_time_tells_who_was_not() {
        let beats = Beats::default();
        let second = 1_000_000;
        for (at, tells) in [(0, false), (15, false), (30, false), (45, true), (60, true), (105, false), (140, false)] {
            assert_eq!(beats.noted(at * second), tells, "{at}");
        }
        assert!(beats.noted(150 * second));
    }

    #[test]
    fn a_service_is_gone_when_nobody_does_it() {
        let herald = Herald::new(&crate::config::Config::default());
        let told = |silence: Silence, of: &Process, all: &[Process]| {
            let news = tell(&herald, silence, of, all, 0);
            assert_eq!(news.notices, []);
            news.events
                .into_iter()
                .map(|event| format!("{} {}", event.kind, event.resource.unwrap()))
                .collect::<Vec<_>>()
        };
        let (down, gone) = ("system.service.state_transition.down", "system.service.removed");
        let (old, new) = (process("a", "api worker", 90), process("a", "worker", 1));
        let each = |kind: &str, names: &[&str]| names.iter().map(|name| format!("{kind} {name}/a")).collect::<Vec<_>>();
        let all = [old.clone(), new.clone(), process("b", "api", 1)];
        assert_eq!(told(Silence::Down, &old, &all), each(down, &["apiext", "analyzer", "policy_engine"]));
        assert_eq!(told(Silence::Removed, &old, &all), each(gone, &["apiext", "policy_engine"]));
        assert_eq!(told(Silence::Removed, &new, &all), each(gone, &["analyzer"]));
        let news = tell(&herald, Silence::Down, &old, &all, 0);
        let document: serde_json::Value = serde_json::from_str(&news.events[1].document).unwrap();
        let cause = "process a api worker 90 has said nothing since 1969-12-31T23:58:30.000000Z; another process does the \
            same under this name";
        let want = json!({"service_name": "analyzer", "host_id": "a", "base_url": "http://a", "cause": cause});
        assert_eq!(document["details"], want);
    }

    #[tokio::test]
    async fn each_step_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = crate::config::Config::default();
        config.storage.data_dir = dir.path().join("data");
        let app = App::open(config).await.unwrap();
        let store = app.records().store();
        store.note_process(&process("there", "worker", 0), 0).await.unwrap();
        store.note_process(&process("later", "worker", -3590), 0).await.unwrap();
        let told = async || {
            let events = store.events(ACCOUNT, &killick_store::events::EventFilter::default(), 99, 0).await.unwrap();
            let word = |kind: &str| kind.rsplit('.').next().unwrap().to_owned();
            events.iter().rev().map(|event| word(&event.r#type)).collect::<Vec<_>>().join(" ")
        };
        for (seconds, want) in [
            (44, ""),
            (45, "down"),
            (60, "down"),
            (3599, "down"),
            (3600, "down orphaned"),
            (3700, "down orphaned down"),
            (86_400, "down orphaned down orphaned removed"),
        ] {
            for _ in 0..2 {
                sweep(&app, seconds * 1_000_000).await.unwrap();
            }
            assert_eq!(told().await, want, "after {seconds} seconds");
        }
        // Who comes back is there, and may vanish again.
        store.note_process(&process("later", "worker", -3590), 0).await.unwrap();
        sweep(&app, 86_401_000_000).await.unwrap();
        assert!(told().await.ends_with("down orphaned"), "{}", told().await);
        assert_eq!(store.processes().await.unwrap().len(), 1);
    }

    #[test]
    fn services_are_those_of_the_processes_that_are_there() {
        let shown = |processes: &[Process]| {
            let told = |service: &Service| {
                format!("{}@{}{}", service.name, service.host, if service.is_up { "" } else { " down" })
            };
            of(processes, 0).iter().map(told).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            shown(&[process("a", "api worker scheduler", 0)]),
            "apiext@a, simplequeue@a, analyzer@a, policy_engine@a, catalog@a"
        );
        assert_eq!(shown(&[process("a", "api", 0)]), "apiext@a, policy_engine@a");
        assert_eq!(
            shown(&[process("a", "api", 0), process("b", "worker", 44), process("c", "worker", 45)]),
            "apiext@a, analyzer@b, analyzer@c down, policy_engine@a"
        );
        // Another of the same name does it as well.
        assert_eq!(shown(&[process("b", "worker", 90), process("b", "worker", 1)]), "analyzer@b");
    }
}
