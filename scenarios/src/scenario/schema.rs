//! The published JSON Schema of the scenario file, made from the types that read it.

use models::apf::Defect;
use models::apf::rules::{Mechanism, PARTS};
use models::config::costs::Costs;
use models::presets;
use models::presets::policies;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::scenario::file::ScenarioFile;

/// The schema of format 1 (JSON Schema draft 2020-12), indented, with a newline at the end.
///
/// Names of presets, costs and policies are listed in it, so that an editor can offer them.
pub fn schema_json() -> String {
    printed(&scenario())
}

/// The schema of what a type reads, in the same form.
pub(crate) fn json_of<T: JsonSchema>() -> String {
    let generator = SchemaSettings::draft2020_12().into_generator();
    printed(&generator.into_root_schema_for::<T>().to_value())
}

fn printed(schema: &Value) -> String {
    match serde_json::to_string_pretty(schema) {
        Ok(text) => text + "\n",
        Err(error) => unreachable!("a JSON value is always printable: {error}"),
    }
}

/// The schema of scenarios as a value.
pub(crate) fn scenario() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<ScenarioFile>().to_value();
    if let Some(name) = schema.pointer_mut("/$defs/PolicyRef/anyOf/0") {
        // One named after a kernel release, such as `apf-6.6`.
        let release = json!({ "pattern": r"^(apf|halt)-v?[0-9]+(\.[0-9]+)+$" });
        name["anyOf"] = json!([{ "enum": policies::policy_names() }, release]);
    }
    let defects = Defect::ALL.iter().map(|defect| defect.name()).collect();
    list(&mut schema, "/$defs/PolicyFile/properties/defects/items", defects);
    if let Some(set) = schema.pointer_mut("/$defs/PolicyFile/properties/set") {
        let names = Mechanism::ALL.iter().map(|mechanism| mechanism.name()).chain(PARTS);
        set["propertyNames"] = json!({ "enum": names.collect::<Vec<_>>() });
    }
    list(&mut schema, "/$defs/GuestFile/properties/kernel", presets::guest_kernel_names());
    list(&mut schema, "/$defs/SchedFile/properties/kernel", presets::guest_kernel_names());
    list(&mut schema, "/$defs/CpuRef/anyOf/0", presets::cpu_names());
    list(&mut schema, "/$defs/CpuFile/properties/preset", presets::cpu_names());
    for pointer in ["/$defs/DeviceRef/anyOf/0", "/$defs/DevicePresetFile/properties/preset"] {
        if let Some(device) = schema.pointer_mut(pointer) {
            // An editor offers the names and takes the path of a file.
            device["anyOf"] =
                json!([{ "enum": presets::device_names() }, { "pattern": r"\.json$" }]);
        }
    }
    list(&mut schema, "/$defs/ZswapFile/properties/compressor", presets::compressor_names());
    list(&mut schema, "/$defs/HostKernelRef/anyOf/0", presets::host_kernel_names());
    list(&mut schema, "/$defs/HostKernelFile/properties/preset", presets::host_kernel_names());
    if let Some(costs) = schema.pointer_mut("/$defs/HostFile/properties/costs") {
        costs["propertyNames"] = json!({ "enum": Costs::NAMES });
    }
    schema
}

/// Restricts the string at `pointer` to some names.
fn list<T: Into<Value>>(schema: &mut Value, pointer: &str, names: Vec<T>) {
    if let Some(place) = schema.pointer_mut(pointer) {
        place["enum"] = Value::Array(names.into_iter().map(Into::into).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::sweep::sweep_schema_json;
    use crate::experiments::validate::experiment_schema_json;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema");

    /// `UPDATE_SCHEMA=1 cargo test -p scenarios` writes the files anew.
    #[test]
    fn the_committed_schemas_are_current() {
        for (name, current) in [
            ("scenario-1.json", schema_json()),
            ("sweep-1.json", sweep_schema_json()),
            ("validation-1.json", experiment_schema_json()),
        ] {
            let path = format!("{FOLDER}/{name}");
            if std::env::var_os("UPDATE_SCHEMA").is_some() {
                std::fs::write(&path, &current).expect("the schema can be written");
            }
            let committed = std::fs::read_to_string(&path).expect("the schema is committed");
            assert!(committed == current, "run UPDATE_SCHEMA=1 cargo test -p scenarios schema");
        }
    }

    #[test]
    fn names_are_listed_where_names_are_wanted() {
        let schema: Value = serde_json::from_str(&schema_json()).expect("the schema is JSON");
        for pointer in [
            "/$defs/PolicyRef/anyOf/0/anyOf/0/enum",
            "/$defs/PolicyFile/properties/defects/items/enum",
            "/$defs/PolicyFile/properties/set/propertyNames/enum",
            "/$defs/GuestFile/properties/kernel/enum",
            "/$defs/CpuRef/anyOf/0/enum",
            "/$defs/CpuFile/properties/preset/enum",
            "/$defs/DeviceRef/anyOf/0/anyOf/0/enum",
            "/$defs/DevicePresetFile/properties/preset/anyOf/0/enum",
            "/$defs/HostFile/properties/costs/propertyNames/enum",
            "/$defs/HostKernelRef/anyOf/0/enum",
            "/$defs/HostKernelFile/properties/preset/enum",
        ] {
            let names = schema.pointer(pointer).and_then(Value::as_array);
            assert!(names.is_some_and(|names| !names.is_empty()), "{pointer}");
        }
        for device in ["/$defs/DeviceRef/anyOf/0", "/$defs/DevicePresetFile/properties/preset"] {
            let file = schema.pointer(&format!("{device}/anyOf/1/pattern"));
            assert_eq!(file, Some(&Value::from(r"\.json$")), "{device}");
        }
    }

    #[test]
    fn objects_take_no_unknown_fields_and_every_field_is_described() {
        fn walk(value: &Value, at: &str) {
            if let Some(properties) = value.get("properties").and_then(Value::as_object) {
                assert_eq!(value["additionalProperties"], false, "{at}");
                for (name, field) in properties {
                    // A tag is described by its variants.
                    let described = field.get("description").is_some()
                        || field.get("const").is_some()
                        || field.get("$ref").is_some();
                    assert!(described, "{at}/{name} has no description");
                }
            }
            match value {
                Value::Object(map) => {
                    map.iter().for_each(|(name, value)| walk(value, &format!("{at}/{name}")));
                }
                Value::Array(items) => items.iter().for_each(|item| walk(item, at)),
                _ => {}
            }
        }
        for text in [schema_json(), sweep_schema_json(), experiment_schema_json()] {
            walk(&serde_json::from_str(&text).expect("the schema is JSON"), "");
        }
    }
}
