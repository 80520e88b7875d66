//! The sweep file as it is written. The doc comments are the descriptions of the published schema.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, IgnoredAny};

use crate::syntax::units::Span;

/// A sweep of apfsim, format 1: one scenario with some of its fields changed, many times.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a sweep")]
#[schemars(title = "apfsim sweep")]
#[expect(dead_code, reason = "some fields are only checked; their values are read from the tree")]
pub(crate) struct SweepFile {
    /// Ignored; lets an editor find this schema.
    #[serde(rename = "$schema")]
    pub(crate) schema: Option<String>,
    /// Version of the file format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub(crate) format: u64,
    /// Short name of letters, digits, `-`, `_` and `.`, at most 64; used in file names.
    pub(crate) name: String,
    /// One line that says which question the sweep answers.
    pub(crate) title: String,
    /// Name of a built-in scenario, or path of a scenario file, from the folder of this file.
    pub(crate) scenario: String,
    /// Fields that have another value in every point: path of the field, and its value.
    #[serde(default)]
    pub(crate) set: BTreeMap<String, AnyValue>,
    /// What is varied; every combination of values is a point. Either this or `variations`.
    pub(crate) axes: Option<Vec<AxisFile>>,
    /// Changes tried one at a time; the first point is the scenario without any.
    pub(crate) variations: Option<Vec<VariationFile>>,
    /// Metrics that the table shows for each policy, by name, instead of the median latency
    /// of faults.
    pub(crate) metrics: Option<Vec<String>>,
    /// What is known of the workload, for laws drawn in plots.
    pub(crate) laws: Option<LawsFile>,
}

/// An axis: some fields that have the same value, and the values. Either `values`, or `from`, `to`
/// and `steps`.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes an axis")]
pub(crate) struct AxisFile {
    /// Name in tables. Default: the last part of the first field's path.
    pub(crate) name: Option<String>,
    /// Path of the field. Either this or `fields`.
    pub(crate) field: Option<String>,
    /// Paths of the fields.
    pub(crate) fields: Option<Vec<String>>,
    /// The values.
    pub(crate) values: Option<Vec<AnyValue>>,
    /// The first value of a range.
    pub(crate) from: Option<AnyValue>,
    /// The last value of a range.
    pub(crate) to: Option<AnyValue>,
    /// Values of the range, both ends among them: 2 to 1000.
    pub(crate) steps: Option<u64>,
    /// How the values of a range are spaced. Default: "log".
    pub(crate) scale: Option<ScaleFile>,
}

/// How the values of a range are spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ScaleFile {
    /// Each is the same multiple of the one before.
    #[default]
    Log,
    /// Each is the same amount above the one before.
    Linear,
}

/// One change of the scenario.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a variation")]
#[expect(dead_code, reason = "the values are read from the tree")]
pub(crate) struct VariationFile {
    /// Name in tables.
    pub(crate) name: String,
    /// Path of each field that is changed, and its value.
    pub(crate) set: BTreeMap<String, AnyValue>,
}

/// What is known of the workload, for laws drawn in plots.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `compute`")]
pub(crate) struct LawsFile {
    /// Time that a faulting task computes between two faults.
    pub(crate) compute: Span,
}

/// A value of whatever kind; it is read where it is put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnyValue;

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for AnyValue {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A value as the scenario file has it there." })
    }
}
