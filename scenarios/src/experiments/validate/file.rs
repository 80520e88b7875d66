//! The file of a published experiment as it is written. The doc comments are the descriptions of the
//! published schema.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use crate::experiments::sweep::AnyValue;

/// A published experiment of apfsim, format 1: what was published, how it is simulated, and which numbers are
/// held against each other.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a published experiment")]
#[schemars(title = "apfsim published experiment")]
#[expect(dead_code, reason = "some fields are only checked; their values are read from the tree")]
pub(crate) struct ExperimentFile {
    /// Ignored; lets an editor find this schema.
    #[serde(rename = "$schema")]
    pub(crate) schema: Option<String>,
    /// Version of the file format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub(crate) format: u64,
    /// Short name of letters, digits, `-`, `_` and `.`, at most 64.
    pub(crate) name: String,
    /// One line: what was measured, by whom, when.
    pub(crate) title: String,
    /// Where it was published: message ids, addresses, papers.
    pub(crate) sources: Vec<String>,
    /// Who measured. Default: published.
    pub(crate) kind: Option<KindFile>,
    /// What the simulated set-up rests on.
    #[serde(default)]
    pub(crate) parameters: Vec<ParameterFile>,
    /// What is run.
    #[serde(default)]
    pub(crate) setups: Vec<SetupFile>,
    /// The published numbers, and how each is measured.
    pub(crate) rows: Vec<RowFile>,
    /// Why the experiment cannot be simulated; then it has no setups.
    pub(crate) not_modelled: Option<String>,
    /// What is to be said of the errors: what was tried, which mechanism is missing. A paragraph each.
    #[serde(default)]
    pub(crate) analysis: Vec<String>,
}

/// Who measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KindFile {
    /// Somebody who published it.
    Published,
    /// The guest whose paths the processor preset `lab-1gips` was measured on.
    Measured,
}

/// A number that the set-up rests on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a parameter")]
pub(crate) struct ParameterFile {
    /// What it is.
    pub(crate) what: String,
    /// Its value, as text.
    pub(crate) value: String,
    /// Where it comes from.
    pub(crate) basis: BasisFile,
    /// With basis `calibrated`: the label of the row from which it is.
    pub(crate) row: Option<String>,
    /// Source, derivation, or range of an assumption.
    pub(crate) note: Option<String>,
}

/// Where a parameter comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BasisFile {
    /// It was published with the experiment.
    Given,
    /// It follows from what was published, by arithmetic that the note has.
    Derived,
    /// It was taken from a row, which therefore does not count.
    Calibrated,
    /// It comes from another source, which the note names.
    Source,
    /// Nobody published it.
    Assumption,
}

/// A scenario that is run, under all its policies; or, with `sweep`, those of all points of a sweep.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a setup")]
pub(crate) struct SetupFile {
    /// By which rows refer to it.
    pub(crate) name: Option<String>,
    /// Name of a built-in scenario or of an earlier setup of this file, or a whole scenario.
    pub(crate) scenario: Option<ScenarioText>,
    /// Fields that differ from it: path of the field, and its value.
    #[serde(default)]
    pub(crate) set: BTreeMap<String, AnyValue>,
    /// Name of a built-in sweep: its points that rows ask for are setups, named after their labels, with `-` for
    /// all signs between words.
    pub(crate) sweep: Option<String>,
}

/// A name, or a whole scenario, which is read where it is put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScenarioText;

impl<'de> Deserialize<'de> for ScenarioText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for ScenarioText {
    fn schema_name() -> Cow<'static, str> {
        "SetupScenario".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A name, or a scenario as a file has it.",
            "type": ["string", "object"],
        })
    }
}

/// A published number and how it is measured; or, with `published_of`, those that a scenario names itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a row")]
pub(crate) struct RowFile {
    /// What the number is.
    pub(crate) label: Option<String>,
    /// The published number.
    pub(crate) published: Option<f64>,
    /// Its published standard error.
    pub(crate) stderr: Option<f64>,
    /// Its unit.
    pub(crate) unit: Option<String>,
    /// The formula that gives the simulated number: numbers, `+ - * / ( )` between spaces, and quantities, which
    /// are METRIC@SETUP or METRIC@SETUP/POLICY.
    pub(crate) measure: Option<String>,
    /// Largest error of a row that is within, in percent, instead of 20.
    pub(crate) tolerance: Option<f64>,
    /// Whether the number is a ratio whose distance from 1 is the effect that was published.
    pub(crate) effect: Option<bool>,
    /// What the row is for. Default: prediction.
    pub(crate) role: Option<RoleFile>,
    /// Why this number cannot be simulated.
    pub(crate) not_modelled: Option<String>,
    /// Name of a setup whose scenario has published values: a row for each of them.
    pub(crate) published_of: Option<String>,
    /// With `published_of`: only of these metrics.
    pub(crate) metrics: Option<Vec<String>>,
}

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RoleFile {
    /// A parameter was taken from it: it does not count.
    Calibration,
    /// It is held against the simulation.
    Prediction,
}
