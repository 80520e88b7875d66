//! Swap devices: a file a kind says how its fields are checked and what goes into the hash.

mod channels;
mod constant;
pub(crate) mod file;
mod hdd;
pub(in crate::scenario) mod law;
mod ram;
mod volume;
mod work;
mod zram;

use std::sync::Arc;

pub(in crate::scenario) use work::work;

use models::config::{
    ChannelsConfig, ConstantConfig, DeviceConfig, HddConfig, RamConfig, VolumeConfig, ZramConfig,
};
use models::presets;
use serde::de::DeserializeOwned;
use sim_core::SimDuration;

use super::at::{At, MAX_SPAN, title};
use crate::scenario::file::{DevicePresetText, DeviceRef};
use crate::scenario::named_files::is_preset_file;
use crate::syntax::de;
use crate::syntax::error::ScenarioError;
use crate::syntax::tree::{Document, FieldPath, Node, NodeValue};
use crate::syntax::units::Span;

const MILLION: u64 = 1_000_000;

/// Names and values for the hash of a scenario.
pub(crate) type Lines = Vec<(&'static str, String)>;

/// A kind of device, as a scenario file has it.
trait Kind: Sized {
    /// What a file calls it.
    const NAME: &'static str;
    /// Its fields in a whole description.
    type Whole: DeserializeOwned + Into<Self::Changes>;
    /// Its fields as changes to a preset.
    type Changes: DeserializeOwned;

    /// What a whole description that leaves fields out starts from.
    fn base() -> Self;

    /// The device with these fields.
    fn changed(self, at: &At<'_>, file: Self::Changes) -> Result<Self, ScenarioError>;

    /// Every field, for the hash.
    fn lines(&self) -> Lines;
}

/// The list of kinds, carried out for one of them.
macro_rules! of_kind {
    ($config:expr, $kind:ident => $do:expr) => {
        match $config {
            DeviceConfig::Constant($kind) => $do,
            DeviceConfig::Channels($kind) => $do,
            DeviceConfig::Hdd($kind) => $do,
            DeviceConfig::Ram($kind) => $do,
            DeviceConfig::Volume($kind) => $do,
            DeviceConfig::Zram($kind) => $do,
        }
    };
}

/// The kinds by name, each as a device that has nothing given.
fn kinds() -> [(&'static str, DeviceConfig); 6] {
    [
        (ConstantConfig::NAME, ConstantConfig::base().into()),
        (ChannelsConfig::NAME, ChannelsConfig::base().into()),
        (HddConfig::NAME, HddConfig::base().into()),
        (RamConfig::NAME, RamConfig::base().into()),
        (VolumeConfig::NAME, VolumeConfig::base().into()),
        (ZramConfig::NAME, ZramConfig::base().into()),
    ]
}

/// What goes into the hash of a scenario: the kind and its fields.
pub(crate) fn device_lines(config: &DeviceConfig) -> (&'static str, Lines) {
    of_kind!(config, kind => (name_of(kind), kind.lines()))
}

fn name_of<K: Kind>(_: &K) -> &'static str {
    K::NAME
}

pub(super) fn device(at: &At<'_>, file: &DeviceRef) -> Result<DeviceConfig, ScenarioError> {
    let node = at.doc.nearest(&at.path);
    match file {
        DeviceRef::Name(name) => preset(at, name),
        DeviceRef::Object if node.get("preset").is_some() => changed(at, node),
        DeviceRef::Object => described(at, node),
    }
}

fn preset(at: &At<'_>, name: &str) -> Result<DeviceConfig, ScenarioError> {
    if is_preset_file(name) {
        return preset_file(at, name);
    }
    let preset = presets::device(name).map(|preset| preset.config);
    preset.ok_or_else(|| {
        let names = presets::device_names();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        at.unknown("device preset", name, &names)
    })
}

/// The device of the preset file that the scenario names.
fn preset_file(at: &At<'_>, name: &str) -> Result<DeviceConfig, ScenarioError> {
    match at.doc.attached.iter().find(|file| file.name == name) {
        Some(file) => device_of_text(&file.name, &file.text),
        None => Err(at.fail("a preset file names no other file", "name a preset that is built in")),
    }
}

/// The device that the text of a preset file describes.
pub(crate) fn device_of_text(file: &str, text: &Arc<str>) -> Result<DeviceConfig, ScenarioError> {
    let doc = Document::parse(file, text)?;
    let root = At { doc: &doc, path: FieldPath::default() };
    let preset: DevicePresetText = de::from_document(&doc)?;
    title(&root.field("name"), &preset.name)?;
    let at = root.field("device");
    match &preset.device {
        DeviceRef::Name(name) if is_preset_file(name) => preset_file(&at, name),
        other => device(&at, other),
    }
}

/// A whole description.
fn described(at: &At<'_>, node: &Node) -> Result<DeviceConfig, ScenarioError> {
    fn whole<K: Kind>(at: &At<'_>, base: K) -> Result<K, ScenarioError> {
        let file: K::Whole = de::fields(at.doc, &at.path, "kind")?;
        base.changed(at, file.into())
    }
    let kinds = kinds();
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let quoted = quoted.join(", ");
    let Some(kind) = node.get("kind") else {
        let help = format!("`kind` is one of {quoted}; or name a `preset`");
        return Err(at.fail("the field `kind` is missing", help));
    };
    let at_kind = at.field("kind");
    let NodeValue::String(name) = &kind.value else {
        return Err(de::expected(at.doc, &at_kind.path, &format!("one of {quoted}")));
    };
    let Some((_, base)) = kinds.into_iter().find(|(known, _)| known == name) else {
        return Err(de::unknown_value(at.doc, &at_kind.path, name, &names));
    };
    of_kind!(base, kind => whole(at, kind).map(Into::into))
}

/// A preset with the fields that are given.
fn changed(at: &At<'_>, node: &Node) -> Result<DeviceConfig, ScenarioError> {
    fn changes<K: Kind>(at: &At<'_>, preset: K) -> Result<K, ScenarioError> {
        let file: K::Changes = de::fields(at.doc, &at.path, "preset")?;
        preset.changed(at, file)
    }
    let name: String = de::value(at.doc, &at.field("preset").path)?;
    let device = preset(&at.field("preset"), &name)?;
    own_fields_only(at, node, &name, &device)?;
    of_kind!(device, kind => changes(at, kind).map(Into::into))
}

/// Refuses fields of another kind than the preset's.
fn own_fields_only(
    at: &At<'_>,
    node: &Node,
    preset: &str,
    device: &DeviceConfig,
) -> Result<(), ScenarioError> {
    let (kind, own) = fields_of(device);
    for field in node.members().iter().map(|member| member.name.as_str()) {
        let belongs = |(_, other): &(&str, DeviceConfig)| fields_of(other).1.contains(&field);
        if own.contains(&field) || field == "preset" {
            continue;
        }
        if let Some((other, _)) = kinds().into_iter().find(belongs) {
            let message =
                format!("`{preset}` is a device of kind {kind}; `{field}` belongs to kind {other}");
            let help = format!("fields of kind {kind}: {}", own.join(", "));
            return Err(at.field(field).fail(message, help));
        }
    }
    Ok(())
}

/// A kind's name, and what its changes may name.
fn fields_of(device: &DeviceConfig) -> (&'static str, &'static [&'static str]) {
    fn of<K: Kind>(_: &K) -> (&'static str, &'static [&'static str]) {
        (K::NAME, de::field_names::<K::Changes>())
    }
    of_kind!(device, kind => of(kind))
}

/// A time that is not zero, or that of the preset.
fn some(
    at: &At<'_>,
    field: &str,
    value: Option<Span>,
    preset: SimDuration,
) -> Result<SimDuration, ScenarioError> {
    value.map_or(Ok(preset), |value| at.field(field).some_time(value.0))
}

/// A time that may be zero, or that of the preset.
fn any(
    at: &At<'_>,
    field: &str,
    value: Option<Span>,
    preset: SimDuration,
) -> Result<SimDuration, ScenarioError> {
    let range = SimDuration::ZERO..=MAX_SPAN;
    value.map_or(Ok(preset), |value| at.field(field).span(value.0, range))
}
