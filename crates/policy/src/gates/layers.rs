//! What came into an image with which layer. Not in the original.

use killick_model::file::{FileEntry, FileKind};

use super::{Gate, State, Trigger};
use crate::check::{Check, Tried, TriggerError};
use crate::params::{Parameter, Validator};

const LAYERS: Parameter = Parameter::optional(
    "layers",
    Validator::Numbers,
    Some("0,1"),
    "Only of layers with these numbers; the lowest is 0.",
);
const STEP: Parameter = Parameter::optional(
    "step",
    Validator::Text,
    Some(".*curl .*"),
    "Only of layers whose build step matches this regular expression, which must match at the start.",
)
.regex();
const NOT_IN_BASE: Parameter = Parameter::optional(
    "not_in_base",
    Validator::Boolean,
    Some("true"),
    "Only what is not in the base image, or only what is. Where the base image ends follows from the Dockerfile, or else \
     from the history.",
);

pub(super) const GATE: Gate = Gate {
    name: "layers",
    description: "Packages and files by the layer that brought them. Not in Anchore Engine.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "package",
            description: "Fires for each package that came with the layers in question.",
            params: &[
                Parameter::optional(
                    "name",
                    Validator::Text,
                    Some("gcc.*"),
                    "Only packages whose name matches this regular expression, which must match at the start.",
                )
                .regex(),
                Parameter::optional(
                    "kinds",
                    Validator::Kinds,
                    Some("deb,npm"),
                    "Only packages of these kinds, by Killick's names.",
                ),
                LAYERS,
                STEP,
                NOT_IN_BASE,
            ],
            check: package,
        },
        Trigger {
            name: "file",
            description: "Fires for each file, directory or link that came with the layers in question.",
            params: &[
                Parameter::required(
                    "path",
                    Validator::Text,
                    Some("/usr/local/bin/.*"),
                    "Only paths that match this regular expression, which must match at the start.",
                )
                .regex(),
                LAYERS,
                STEP,
                NOT_IN_BASE,
            ],
            check: file,
        },
    ],
};

/// Which layers are asked about, one answer for each layer of the image.
fn asked(check: &Check<'_, '_>) -> Result<Vec<bool>, TriggerError> {
    let layers = &check.evidence.analysis.layers;
    let step = check.regex("step")?;
    let of_base = match check.params.flag("not_in_base") {
        None => None,
        Some(wanted) => {
            let Some(count) = check.shared.base().layers else {
                return Err(TriggerError::Unanswerable(
                    "nothing tells where the base image ends: the history has no finished image below another layer, and \
                     no Dockerfile that fits was supplied"
                        .to_owned(),
                ));
            };
            Some((count as usize, wanted))
        }
    };
    let numbers: Vec<usize> = check.params.list("layers").iter().filter_map(|number| number.parse().ok()).collect();
    layers
        .iter()
        .enumerate()
        .map(|(at, layer)| {
            let by_number = check.params.list("layers").is_empty() || numbers.contains(&at);
            let by_base = of_base.is_none_or(|(count, wanted)| (at >= count) == wanted);
            let by_step = step
                .as_ref()
                .map_or(Ok(true), |step| step.is_match(layer.created_by.as_deref().unwrap_or_default()))?;
            Ok(by_number && by_base && by_step)
        })
        .collect()
}

/// Number and build step of a layer, for people.
fn described(check: &Check<'_, '_>, layer: u32) -> (String, String) {
    let step = check.evidence.analysis.layers.get(layer as usize).and_then(|layer| layer.created_by.as_deref());
    match step {
        Some(step) => {
            let step: String = step.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(120).collect();
            (format!("layer {layer} (`{step}`)"), format!("the step `{step}` of the Dockerfile"))
        }
        None => (format!("layer {layer}"), format!("what makes layer {layer}")),
    }
}

fn matches(regex: Option<&Tried<'_>>, text: &str) -> Result<bool, TriggerError> {
    Ok(regex.map_or(Ok(true), |regex| regex.is_match(text))?)
}

fn package(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let asked = asked(check)?;
    let packages = check.shared.packages();
    let name = check.regex("name")?;
    let kinds = check.params.list("kinds");
    for package in packages {
        let is_kind = kinds.is_empty() || kinds.iter().any(|kind| kind == package.kind.name());
        let layer = check.evidence.analysis.layer_of(package).and_then(|layer| asked.get(layer as usize));
        let is_asked = layer.copied().unwrap_or(false);
        if !is_kind || !is_asked || !matches(name.as_ref(), &package.name)? {
            continue;
        }
        let (layer, step) = described(check, package.layer);
        let (name, version) = (&package.name, &package.version);
        check.fire_as(
            format!("{name}+{version}"),
            Vec::new(),
            format!("{} package {name} {version} came with {layer}", package.kind),
            Some(format!("leave `{name}` out of {step}, or build it in a stage of its own")),
        );
        check.about_package(package);
    }
    Ok(())
}

fn file(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let asked = asked(check)?;
    let shared = check.shared;
    let Some(pattern) = check.regex("path")? else { return Ok(()) };
    let is_asked = |file: &FileEntry| asked.get(file.layer as usize).copied().unwrap_or(false);
    for (file, path) in shared.files_matching(&pattern, is_asked)? {
        let (layer, step) = described(check, file.layer);
        let kind = match file.kind {
            FileKind::File => "file",
            FileKind::Directory => "directory",
            FileKind::Symlink => "symbolic link",
            FileKind::CharacterDevice | FileKind::BlockDevice => "device",
            FileKind::Fifo => "named pipe",
        };
        check.fire_as(
            path.to_owned(),
            Vec::new(),
            format!("the {kind} {path} came with {layer}"),
            Some(format!("remove `{path}` in {step}")),
        );
        check.about_path(&path);
    }
    Ok(())
}
