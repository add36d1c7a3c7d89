//! The order in which recordings are replayed, and the state they assume.
//!
//! Recordings carry state from one to the next, and some that made it were not kept. `plan.json` says, per group,
//! which requests of ours stand in for them: a step is the name of a case, a request, `"analyze"` (the workers run
//! until nothing is queued), `"keep house"` (rules are followed, what was deleted goes),
//! or `{"activate": ID}` (a policy is read and put back as the active one). A request may say under which names parts of
//! its answer were recorded (`"learn": {"/uuid": NAME}`). Cases a group's steps do not name come last, in the order of their
//! names, but for those that are left out: `{"skip": NAME, "because": REASON}`. Every group has a plan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::exchange::Request;
use crate::here;

/// One group of recordings.
pub(crate) struct Group {
    pub(crate) steps: Vec<Step>,
}

/// One thing to do.
pub(crate) enum Step {
    /// Replay a recording.
    Case(PathBuf),
    /// Make state.
    Request(Request),
    /// Make state, and remember what of the answer stands for what was recorded.
    Learn(Request, BTreeMap<String, String>),
    /// Let the workers work.
    Analyze,
    /// Let what runs on a timer run.
    KeepHouse,
    /// Read a policy and put it back as the active one.
    Activate(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    Activate {
        activate: String,
    },
    Skip {
        skip: String,
        /// For who reads the plan.
        #[serde(rename = "because")]
        _because: String,
    },
    Learn {
        learn: BTreeMap<String, String>,
        #[serde(flatten)]
        request: Request,
    },
    Request(Request),
}

/// The groups under `folder` that the plan knows, in order.
pub(crate) fn groups(folder: &Path) -> Vec<Group> {
    let text = std::fs::read_to_string(here().join("plan.json")).unwrap();
    let plan: BTreeMap<String, Vec<Written>> = serde_json::from_str(&text).unwrap();
    // Beside them lies what they are about.
    let is_group = |name: &String| name.starts_with(|first: char| first.is_ascii_digit());
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let unplanned: Vec<String> = names.filter(|name| is_group(name) && !plan.contains_key(name)).collect();
    assert!(unplanned.is_empty(), "no plan says how to replay {unplanned:?}");
    plan.into_iter().filter_map(|(group, written)| read_group(folder, &group, written)).collect()
}

fn read_group(folder: &Path, group: &str, written: Vec<Written>) -> Option<Group> {
    let mut cases = cases(&folder.join(group));
    if cases.is_empty() {
        return None;
    }
    let mut steps = Vec::new();
    for step in written {
        match step {
            Written::Request(request) => steps.push(Step::Request(request)),
            Written::Skip { skip, .. } => {
                cases.remove(&skip);
            }
            Written::Activate { activate } => steps.push(Step::Activate(activate)),
            Written::Learn { learn, request } => steps.push(Step::Learn(request, learn)),
            Written::Word(word) if word == "analyze" => steps.push(Step::Analyze),
            Written::Word(word) if word == "keep house" => steps.push(Step::KeepHouse),
            Written::Word(name) => {
                if let Some(path) = cases.remove(&name) {
                    steps.push(Step::Case(path));
                }
            }
        }
    }
    steps.extend(cases.into_values().map(Step::Case));
    Some(Group { steps })
}

/// The recordings of a group by name, folders inside included.
fn cases(folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if let Some(name) = name.trim_end_matches(".gz").strip_suffix(".json") {
                found.insert(name.to_owned(), path.clone());
            }
        }
    }
    found
}
