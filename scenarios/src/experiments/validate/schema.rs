//! The published JSON Schema of files of published experiments, made from the types that read them.

use super::file::ExperimentFile;
use crate::scenario::schema;

/// The schema of files of published experiments, in the form of that of scenarios.
pub fn experiment_schema_json() -> String {
    schema::json_of::<ExperimentFile>()
}
