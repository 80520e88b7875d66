//! Presets of devices and guest kernels as lists of their values, as the data files have them.

use serde_json::Value;

use super::files::{COMPRESSORS, DEVICES, GUEST_KERNELS, builtin};

/// A preset whose sources are told in its summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainPreset {
    /// Name in scenario files.
    pub name: String,
    /// What it stands for, with the sources of its numbers.
    pub summary: String,
    /// Its values by name.
    pub values: Vec<(String, String)>,
}

/// The swap device, guest kernel or compressor of that name.
pub fn plain(name: &str) -> Option<PlainPreset> {
    let read = |text: &str| builtin::<Vec<Value>, _>("data", serde_json::from_str(text));
    let mut all = [DEVICES, GUEST_KERNELS, COMPRESSORS].into_iter().flat_map(read);
    let preset = all.find(|preset| preset["name"] == name)?;
    let mut values = Vec::new();
    if let Value::Object(fields) = &preset {
        for (field, value) in fields.iter().filter(|(name, _)| !is_text(name)) {
            list(field, value, &mut values);
        }
    }
    let summary = preset["summary"].as_str().unwrap_or_default().to_owned();
    Some(PlainPreset { name: name.to_owned(), summary, values })
}

fn is_text(field: &str) -> bool {
    matches!(field, "name" | "summary")
}

/// The values below a field, by their paths.
fn list(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| list(&format!("{path}.{name}"), value, out));
        }
        Value::String(text) => out.push((path.to_owned(), text.clone())),
        other => out.push((path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets::{compressor_names, device_names, guest_kernel_names};

    #[test]
    fn every_device_and_kernel_has_values() {
        for name in [device_names(), guest_kernel_names(), compressor_names()].iter().flatten() {
            let preset = plain(name).unwrap();
            assert!(preset.values.len() > 1 && !preset.summary.is_empty(), "{preset:?}");
        }
        assert_eq!(plain("nobody"), None);
        let disk = plain("hdd-7200").unwrap();
        assert!(disk.values.contains(&("elevator.fifo_batch".into(), "16".into())));
    }
}
