//! Presets in files of their own, as `apfsim fit device` writes them.

use std::path::Path;

use crate::scenario::resolve::at::At;
use crate::scenario::source::read;
use crate::syntax::error::ScenarioError;
use crate::syntax::tree::{Attached, Document, FieldPath, NodeValue};

/// How the path of a preset file ends, which no name of a preset does.
const ENDING: &str = ".json";

/// What only fio writes.
const FIO: [&str; 2] = ["\"fio version\"", "\"jobname\""];

/// Whether a device's name is the path of a preset file.
pub(crate) fn is_file(name: &str) -> bool {
    name.ends_with(ENDING)
}

/// The preset file that a scenario names, read from beside the scenario.
pub(crate) fn attached(doc: &Document) -> Result<Option<Attached>, ScenarioError> {
    let path = FieldPath::default().field("host").field("swap").field("device");
    let Some(node) = doc.at(&path) else { return Ok(None) };
    let (path, node) = match node.get("preset") {
        Some(preset) => (path.field("preset"), preset),
        None => (path, node),
    };
    let NodeValue::String(name) = &node.value else { return Ok(None) };
    if !is_file(name) {
        return Ok(None);
    }
    let folder = Path::new(&doc.file).parent().unwrap_or(Path::new(""));
    let at = At { doc, path };
    let text = read(&folder.join(name)).map_err(|error| {
        let help = "the path of a device's preset file is that from the scenario's folder; `apfsim \
                    presets` lists the presets that are built in";
        at.fail(error.to_string(), help)
    })?;
    if FIO.iter().any(|word| text.contains(word)) {
        let help =
            format!("`apfsim fit device {name} -o DEVICE.json` makes one of it; name that file");
        return Err(
            at.fail(format!("`{name}` is a result of fio, not a device's preset file"), help)
        );
    }
    Ok(Some(Attached { name: name.clone(), text: text.into() }))
}
