//! The published JSON Schema of the sweep file, made from the types that read it.

use super::file::SweepFile;
use crate::scenario::schema;

/// The schema of sweep files, in the form of that of scenarios.
pub fn sweep_schema_json() -> String {
    schema::json_of::<SweepFile>()
}
