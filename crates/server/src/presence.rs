//! Which processes there are, and by that which services of version 1.
//!
//! Each says every few seconds that it is there, and when it ends; one that says nothing any more is shown as down until
//! it is forgotten.

use killick_store::StoreError;
use killick_store::processes::Process;

use crate::app::App;
use crate::config::Role;
use crate::records::now;

/// Seconds between two signs of life.
pub(crate) const BEAT_SECONDS: u64 = 15;

/// Microseconds without one after which a process counts as down: three are missing.
const SILENCE: i64 = 45_000_000;

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

/// Says that this process is there.
pub(crate) async fn beat(app: &App) -> Result<(), StoreError> {
    app.records().store().note_process(&own(app)).await
}

/// Says that this process ends.
pub(crate) async fn leave(app: &App) -> Result<(), StoreError> {
    app.records().store().forget_process(app.process()).await
}

/// Forgets the processes of a host that are down; whether there were any.
pub(crate) async fn forget(app: &App, host: &str) -> Result<bool, StoreError> {
    let silent = now().saturating_sub(SILENCE);
    Ok(app.records().store().forget_silent_processes(Some(host), silent).await? > 0)
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
    }
}

fn of(processes: &[Process], now: i64) -> Vec<Service> {
    let mut services: Vec<Service> = Vec::new();
    for (name, role) in SERVICES {
        let first = services.len();
        for process in processes.iter().filter(|process| process.roles.split(' ').any(|word| word == role.word())) {
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

    #[test]
    fn services_are_those_of_the_processes_that_are_there() {
        let process = |host: &str, roles: &str, seconds: i64| Process {
            id: format!("{host} {roles} {seconds}"),
            host: host.to_owned(),
            base_url: format!("http://{host}"),
            roles: roles.to_owned(),
            seen_at: -seconds * 1_000_000,
        };
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
