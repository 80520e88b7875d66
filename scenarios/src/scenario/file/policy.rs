//! Policies as they are written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A policy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(untagged)]
pub enum PolicyRef {
    /// Name of a built-in policy.
    Name(String),
    /// A custom policy.
    Inline(PolicyFile),
}

/// A custom policy: a built-in one with other mechanisms of the protocol, or with mistakes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a policy")]
pub struct PolicyFile {
    /// Its name: letters, digits, `-`, `_` and `.`, at most 64; not that of a built-in policy.
    pub name: String,
    /// The policy that everything else is taken from: a built-in one, or a generation of the
    /// protocol, such as "v6.12" for "apf-v6.12".
    pub base: String,
    /// Mechanisms that differ, by name, as `apfsim rules` lists them; `token_id_bits` and
    /// `token_vcpu_bits` set a part of `token`.
    #[serde(default)]
    pub set: BTreeMap<String, SettingText>,
    /// Mistakes that are switched on, by name, as `apfsim explore --list` lists them.
    #[serde(default)]
    pub defects: Vec<String>,
}

/// The value of a mechanism: a word, a number, `true` or `false`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingText(pub String);

impl<'de> Deserialize<'de> for SettingText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = SettingText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word in double quotes, a number, true or false")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SettingText, E> {
                Ok(SettingText(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<SettingText, E> {
                Ok(SettingText(number.to_string()))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<SettingText, E> {
                Ok(SettingText(value.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for SettingText {
    fn schema_name() -> Cow<'static, str> {
        "SettingText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer", "boolean"],
            "description": "The value of a mechanism, as `apfsim rules` writes it.",
        })
    }
}
