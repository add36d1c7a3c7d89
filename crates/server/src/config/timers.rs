//! Timers of the original's `cycle_timers` that are set elsewhere here, or for which there is nothing to set.

use toml::{Table, Value};

use super::ConfigError;

/// What became of a timer.
enum Became {
    /// The same, under this section and key.
    Setting(&'static str, &'static str),
    /// Something alike, which this says.
    Told(&'static str),
}

/// Those of the original that are not here under their names.
const TIMERS: &[(&str, Became)] = &[
    ("account_resource_cleanup", Became::Told("what deleted accounts owned goes every `retention.every_seconds`")),
    ("analyzer_queue", Became::Told("workers look for work every `analysis.poll_seconds`")),
    ("archive_tasks", Became::Setting("archive", "rules_every_seconds")),
    ("feed_sync", Became::Told("advisories are updated every `knowledge.update_seconds`")),
    ("feed_sync_checker", Became::Told("advisories are updated every `knowledge.update_seconds`")),
    ("grypedb_sync", Became::Told("a new index is looked for every `knowledge.reload_seconds`")),
    ("handle_metrics", Became::Told("metrics are counted as things happen")),
    ("image_analyzer", Became::Told("workers look for work every `analysis.poll_seconds`")),
    ("image_gc", Became::Setting("retention", "every_seconds")),
    ("image_vulnerabilities_refresh", Became::Told("a new index is followed at once")),
    ("import_gc", Became::Told("imports that ended are removed by themselves")),
    ("policy_bundle_sync", Became::Told("it did nothing in the original either")),
    ("service_heartbeat", Became::Told("processes say by themselves that they are there")),
    ("service_watcher", Became::Told("processes say by themselves that they are there")),
];

/// Whether a timer may be given beside the setting that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precedence {
    /// It may not: nobody can tell which is meant.
    None,
    /// It may: what comes later counts, as with every setting.
    Latest,
}

/// Puts timers of the original where they are set here, in settings from one origin.
pub(super) fn settle(
    settings: &mut Table,
    precedence: Precedence,
    origin: &dyn Fn() -> String,
) -> Result<(), ConfigError> {
    for (timer, became) in TIMERS {
        let Some(value) = take(settings, timer) else { continue };
        match became {
            Became::Told(instead) => {
                return Err(ConfigError::Timer { timer, origin: origin(), instead });
            }
            Became::Setting(section, key) => {
                let table = settings.entry(*section).or_insert_with(|| Value::Table(Table::new()));
                let there = table.as_table_mut().and_then(|table| table.insert((*key).to_owned(), value.clone()));
                if precedence == Precedence::None && there.is_some_and(|there| there != value) {
                    return Err(ConfigError::TwoTimers { timer, section, key });
                }
            }
        }
    }
    Ok(())
}

fn take(settings: &mut Table, timer: &str) -> Option<Value> {
    settings.get_mut("cycle_timers")?.as_table_mut()?.remove(timer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(text: &str) -> Result<Table, String> {
        let mut table: Table = text.parse().unwrap();
        settle(&mut table, Precedence::None, &|| "the file".to_owned())
            .map(|()| table)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn timers_go_where_they_are_set() {
        let table = settled("[cycle_timers]\nimage_watcher = 1\narchive_tasks = 0\nimage_gc = 60").unwrap();
        let want =
            "[cycle_timers]\nimage_watcher = 1\n[archive]\nrules_every_seconds = 0\n[retention]\nevery_seconds = 60";
        assert_eq!(table, want.parse::<Table>().unwrap());
        let same = "[cycle_timers]\nimage_gc = 60\n[retention]\nevery_seconds = 60\ntasks_days = 1";
        assert_eq!(settled(same).unwrap()["retention"]["tasks_days"], Value::Integer(1));
        // What is no table is told by who reads the settings.
        for odd in ["cycle_timers = 1", "archive = 1\n[cycle_timers]\narchive_tasks = 1"] {
            assert!(settled(odd).is_ok(), "{odd}");
        }
    }

    #[test]
    fn others_are_told() {
        let told = "the timer `service_watcher` of `cycle_timers` in the file has no counterpart: remove it; processes say by \
                    themselves that they are there";
        assert_eq!(settled("[cycle_timers]\nservice_watcher = 15").unwrap_err(), told);
        let twice = settled("[cycle_timers]\nimage_gc = 60\n[retention]\nevery_seconds = 30").unwrap_err();
        assert_eq!(twice, "`cycle_timers.image_gc` and `retention.every_seconds` are the same setting: give one");
    }

    #[test]
    fn no_timer_of_ours_is_among_them() {
        let ours = Table::try_from(crate::config::CycleTimersConfig::default()).unwrap();
        for (timer, _) in TIMERS {
            assert!(!ours.contains_key(*timer), "{timer}");
        }
    }
}
