//! Presets in files of their own, as `apfsim fit device` writes them.

use crate::scenario::named_files::{Named, NamedKind, folder_of, named_files};
use crate::scenario::resolve::at::At;
use crate::scenario::source::read;
use crate::syntax::error::ScenarioError;
use crate::syntax::tree::{Attached, Document};

/// What only fio writes.
const FIO: [&str; 2] = ["\"fio version\"", "\"jobname\""];

/// The preset files that a scenario names, read from beside the scenario.
pub(crate) fn attached(doc: &Document) -> Result<Vec<Attached>, ScenarioError> {
    let mut files: Vec<Attached> = Vec::new();
    for Named { at, kind, name } in named_files(&doc.root) {
        let known = files.iter().any(|known| known.name == name);
        if matches!(kind, NamedKind::Device(_)) && !known {
            files.push(preset(&At { doc, path: at }, name)?);
        }
    }
    Ok(files)
}

fn preset(at: &At<'_>, name: String) -> Result<Attached, ScenarioError> {
    let text = read(&folder_of(&at.doc.file).join(&name)).map_err(|error| {
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
    Ok(Attached { name, text: text.into() })
}
