//! The presets that a scenario names.

use models::presets::{self, SourcedValue};
use serde::Serialize;

/// A preset with its values.
#[derive(Serialize)]
pub(super) struct Preset {
    pub(super) name: String,
    summary: String,
    pub(super) values: Vec<PresetValue>,
}

/// A value; how sure it is and where it comes from are empty where the summary says it for all.
#[derive(Serialize)]
pub(super) struct PresetValue {
    name: String,
    value: String,
    certainty: &'static str,
    source: String,
}

/// The presets whose names stand in the text of a scenario as a value.
pub(super) fn presets_in(scenario: &str) -> Vec<Preset> {
    let named = |name: &str| scenario.contains(&format!("\"{name}\""));
    let mut found = Vec::new();
    for preset in presets::cpus().into_iter().filter(|preset| named(&preset.name)) {
        let meanings = preset.config.costs.describe();
        let value = |own: &SourcedValue| {
            let meaning = meanings.iter().find(|(name, ..)| *name == own.name);
            let meaning = meaning.map_or(String::new(), |(.., meaning)| format!(" ({meaning})"));
            PresetValue {
                name: own.name.clone(),
                value: own.value.clone(),
                certainty: own.certainty.name(),
                source: format!("{}{meaning}", own.source),
            }
        };
        let values = preset.sources.iter().map(value).collect();
        found.push(Preset { name: preset.name, summary: preset.summary, values });
    }
    for preset in presets::host_kernels().into_iter().filter(|preset| named(&preset.name)) {
        let values = preset.sources.iter().map(|own| PresetValue {
            name: own.name.clone(),
            value: own.value.clone(),
            certainty: "",
            source: own.source.clone(),
        });
        let (name, values) = (format!("{} (host)", preset.name), values.collect());
        found.push(Preset { name, summary: preset.summary, values });
    }
    let plain = presets::device_names().into_iter().chain(presets::guest_kernel_names());
    for preset in plain.filter(|name| named(name)).filter_map(|name| presets::plain(&name)) {
        let values = preset.values.into_iter().map(|(name, value)| PresetValue {
            name,
            value,
            certainty: "",
            source: String::new(),
        });
        found.push(Preset { name: preset.name, summary: preset.summary, values: values.collect() });
    }
    found
}
