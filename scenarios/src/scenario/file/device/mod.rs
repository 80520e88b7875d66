//! Swap devices: a file a kind says which fields it has.
//!
//! Which fields a device may have depends on its kind, and that may be a preset's. So the file is
//! read in two steps: here only whether it is a name or an object; its fields when its kind is known.

mod channels;
mod constant;
mod fields;
mod hdd;
mod law;
mod ram;
mod volume;
mod zram;

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value, json};

pub use channels::{AtDepthFile, ChannelsChanges, ChannelsFile};
pub use constant::{ConstantChanges, ConstantFile};
pub use hdd::{ElevatorFile, HddChanges, HddFile};
pub use law::{LawFile, NumberLawFile, NumberQuantileFile, PartFile, QuantileFile, ServiceTime};
pub use ram::{RamChanges, RamFile};
pub use volume::{VolumeChanges, VolumeFile};
pub use zram::{ZramChanges, ZramFile};

/// A preset in a file of its own, which scenarios name by its path.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `name`, `summary` and `device`")]
pub struct DevicePresetText {
    /// Short name.
    pub name: String,
    /// What it stands for, with the sources of its numbers.
    pub summary: String,
    /// The device.
    pub device: DeviceRef,
}

/// A swap device: the name of a preset, a preset with changes, or a whole description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceRef {
    /// Name of a preset.
    Name(String),
    /// An object.
    Object,
}

impl<'de> Deserialize<'de> for DeviceRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = DeviceRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name in double quotes or an object")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<DeviceRef, E> {
                Ok(DeviceRef::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DeviceRef, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(DeviceRef::Object)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for DeviceRef {
    fn schema_name() -> Cow<'static, str> {
        "DeviceRef".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let changes = generator.subschema_for::<DevicePresetFile>();
        let whole = generator.subschema_for::<DeviceFile>();
        json_schema!({
            "description": "A swap device.",
            "anyOf": [
                {
                    "description": "Name of a preset, or path of a preset file, which ends in .json.",
                    "type": "string",
                },
                described("A preset with changes.", changes),
                described("A whole description.", whole),
            ],
        })
    }
}

fn described(text: &str, schema: Schema) -> Value {
    let mut schema = schema.to_value();
    schema["description"] = json!(text);
    schema
}

/// The kinds by name, with the schemas of both forms.
fn kinds(generator: &mut SchemaGenerator) -> [(&'static str, Schema, Schema); 6] {
    [
        kind::<ConstantFile, ConstantChanges>("constant", generator),
        kind::<ChannelsFile, ChannelsChanges>("channels", generator),
        kind::<HddFile, HddChanges>("hdd", generator),
        kind::<RamFile, RamChanges>("ram", generator),
        kind::<VolumeFile, VolumeChanges>("volume", generator),
        kind::<ZramFile, ZramChanges>("zram", generator),
    ]
}

fn kind<Whole: JsonSchema, Changes: JsonSchema>(
    name: &'static str,
    generator: &mut SchemaGenerator,
) -> (&'static str, Schema, Schema) {
    (name, Whole::json_schema(generator), Changes::json_schema(generator))
}

/// The schema of a whole description.
struct DeviceFile;

impl JsonSchema for DeviceFile {
    fn schema_name() -> Cow<'static, str> {
        "DeviceFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kinds = kinds(generator).map(|(name, whole, _)| {
            let mut whole = whole.to_value();
            whole["properties"]["kind"] = json!({ "type": "string", "const": name });
            if let Some(required) = whole["required"].as_array_mut() {
                required.insert(0, json!("kind"));
            }
            whole
        });
        json_schema!({
            "description": "A swap device in full; `kind` says which law it follows.",
            "oneOf": kinds,
        })
    }
}

/// The schema of a preset with changes.
struct DevicePresetFile;

impl JsonSchema for DevicePresetFile {
    fn schema_name() -> Cow<'static, str> {
        "DevicePresetFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let preset = "Name of the preset, or path of the preset file, that everything else is \
                      taken from.";
        let mut fields = Map::new();
        fields.insert("preset".into(), json!({ "description": preset, "type": "string" }));
        for (name, _, changes) in kinds(generator) {
            let mut changes = changes.to_value();
            let Value::Object(own) = changes["properties"].take() else { continue };
            for (field, mut schema) in own {
                let text = schema["description"].as_str().unwrap_or_default();
                schema["description"] = json!(format!("Kind `{name}`: {text}"));
                fields.insert(field, schema);
            }
        }
        json_schema!({
            "description":
                "A device preset with changes. Only fields of the preset's kind may be given.",
            "type": "object",
            "properties": fields,
            "additionalProperties": false,
            "required": ["preset"],
        })
    }
}
