//! The published JSON Schema of the scenario file, made from the types that read it.

use models::apf::Defect;
use models::apf::rules::{Mechanism, PARTS};
use models::config::MAX_VMS;
use models::config::costs::Costs;
use models::presets;
use models::presets::policies;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::scenario::file::ScenarioFile;
use crate::scenario::resolve::{MAX_REPLICATIONS, MAX_VCPUS};

/// Numbers with limits of their own: the type and the field, the least and the largest.
const LIMITS: [(&str, &str, u64, u64); 23] = [
    ("HostFile", "cpus", 1, 4096),
    ("HostFile", "reclaim_batch", 1, 1024),
    ("HostFile", "allocation_failure_ppm", 0, 1_000_000),
    ("HostFile", "second_stage_levels", 4, 5),
    ("HostKernelFile", "slow_work_threads", 1, 255),
    ("HostKernelFile", "workqueue_max_active", 1, 2048),
    ("HostKernelFile", "halt_poll_shrink", 0, 1000),
    ("SwapFile", "read_ahead", 1, 256),
    ("GuestFile", "vcpus", 1, MAX_VCPUS),
    ("GuestFile", "hz", 1, 10_000),
    ("GuestFile", "balance_ticks", 1, 1_000_000_000),
    ("GuestFile", "table_levels", 4, 5),
    ("TaskFile", "count", 1, 4096),
    ("TaskFile", "passes", 1, 1_000_000_000_000),
    ("VmFile", "count", 1, MAX_VMS as u64),
    ("HandlerFile", "readers", 1, 256),
    ("HandlerFile", "installers", 0, 256),
    ("HandlerFile", "batch", 1, 1024),
    ("HandlerFile", "descriptors", 1, 256),
    ("KswapdFile", "scale_factor", 1, 3000),
    ("ZswapFile", "accept_percent", 1, 100),
    ("ZswapFile", "ratio_milli", 1000, 1_000_000),
    ("", "replications", 1, MAX_REPLICATIONS as u64),
];

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
    for (file, field, least, most) in LIMITS {
        let of = if file.is_empty() { String::new() } else { format!("/$defs/{file}") };
        if let Some(number) = schema.pointer_mut(&format!("{of}/properties/{field}")) {
            (number["minimum"], number["maximum"]) = (json!(least), json!(most));
        }
    }
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
    use crate::scenario::resolve::Scenario;

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

    /// A scenario that has every field with limits; those of `host.kernel` and so on are objects.
    fn with_all_limits() -> Value {
        json!({
            "format": 1, "name": "n", "title": "t", "duration": "1ms", "policies": ["sync"], "replications": 1,
            "host": {
                "cpu": "skylake-sp", "cpus": 4, "memory_limit": "64MiB", "reclaim_batch": 32,
                "allocation_failure_ppm": 0, "second_stage_levels": 4,
                "kernel": {
                    "preset": "linux-6.12", "slow_work_threads": 4, "workqueue_max_active": 256, "halt_poll_shrink": 0
                },
                "swap": {
                    "device": "nvme-tlc-gen3", "read_ahead": 8,
                    "zswap": { "compressor": "lzo", "accept_percent": 90, "ratio_milli": 3000 }
                },
                "kswapd": { "scale_factor": 10 },
                "stores": [{
                    "name": "s", "handler": { "readers": 1, "installers": 1, "batch": 16, "descriptors": 1, "latency": "1us" }
                }]
            },
            "guest": {
                "kernel": "linux-6.12", "vcpus": 2, "memory": "64MiB", "hz": 250, "balance_ticks": 4, "table_levels": 4
            },
            "vms": [{ "name": "v", "count": 1 }],
            "workload": {
                "regions": [{ "name": "r", "size": "8MiB", "content": "stored", "store": "s" }],
                "tasks": [{
                    "name": "t", "role": "worker", "count": 1, "passes": 3,
                    "program": [{ "op": "access", "region": "r", "pattern": "uniform", "cost": "20ns" }]
                }]
            }
        })
    }

    /// Where fields of a type stand in that.
    fn place(file: &str) -> &'static str {
        match file {
            "HostFile" => "/host",
            "HostKernelFile" => "/host/kernel",
            "SwapFile" => "/host/swap",
            "ZswapFile" => "/host/swap/zswap",
            "KswapdFile" => "/host/kswapd",
            "HandlerFile" => "/host/stores/0/handler",
            "GuestFile" => "/guest",
            "VmFile" => "/vms/0",
            "TaskFile" => "/workload/tasks/0",
            _ => "",
        }
    }

    #[test]
    fn limits_of_numbers_are_those_of_the_program() {
        let schema = scenario();
        for (file, field, least, most) in LIMITS {
            let of = if file.is_empty() { String::new() } else { format!("/$defs/{file}") };
            let number = schema.pointer(&format!("{of}/properties/{field}")).expect(field);
            assert_eq!((&number["minimum"], &number["maximum"]), (&json!(least), &json!(most)));
            let is_out_of_range = |value: u64| {
                let mut text = with_all_limits();
                let at = format!("{}/{field}", place(file));
                *text.pointer_mut(&at).unwrap_or_else(|| panic!("{at}")) = json!(value);
                let told = match Scenario::from_str("f", &text.to_string()) {
                    Ok(_) => return false,
                    Err(error) => error.to_string(),
                };
                let is = told.contains("out of range") || told.contains("are not supported");
                is && told.contains(&format!("{field}`"))
            };
            for value in [least, most] {
                assert!(!is_out_of_range(value), "{file}.{field}: {value} is taken");
            }
            assert!(is_out_of_range(most + 1), "{file}.{field}: {}", most + 1);
            if let Some(below) = least.checked_sub(1) {
                assert!(is_out_of_range(below), "{file}.{field}: {below}");
            }
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
