//! The files that a scenario names: preset files of devices, lists of pages, recorded addresses.

use std::path::{Path, PathBuf};

use crate::syntax::tree::{Document, FieldPath, Member, Node, NodeValue};

/// How the path of a preset file ends, which no name of a preset does.
const ENDING: &str = ".json";

/// Whether a device's name is the path of a preset file.
pub(crate) fn is_preset_file(name: &str) -> bool {
    name.ends_with(ENDING)
}

/// A file that a scenario names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Where its path stands.
    pub(crate) at: FieldPath,
    pub(crate) kind: NamedKind,
    /// As the scenario has it: from its folder.
    pub(crate) name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamedKind {
    /// A device's preset file; the place of the device itself.
    Device(FieldPath),
    /// A list of pages, or recorded addresses.
    Data,
}

/// The files that a scenario names, in its order.
pub(crate) fn named_files(root: &Node) -> Vec<Named> {
    let mut found = Vec::new();
    search(root, &FieldPath::default(), &mut found);
    found
}

fn search(node: &Node, at: &FieldPath, found: &mut Vec<Named>) {
    match &node.value {
        NodeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                search(item, &at.index(index), found);
            }
        }
        NodeValue::Object(members) => {
            let replays = matches!(node.get("op").map(|op| &op.value), Some(NodeValue::String(op)) if op == "replay");
            for Member { name, value, .. } in members {
                let at = at.field(name);
                match name.as_str() {
                    "device" => found.extend(device(value, &at)),
                    "prefetch" => found.extend(data(value.get("file"), &at.field("file"))),
                    "file" if replays => found.extend(data(Some(value), &at)),
                    _ => {}
                }
                search(value, &at, found);
            }
        }
        _ => {}
    }
}

fn device(node: &Node, at: &FieldPath) -> Option<Named> {
    let (own, name) = match node.get("preset") {
        Some(preset) => (at.field("preset"), preset),
        None => (at.clone(), node),
    };
    let NodeValue::String(name) = &name.value else { return None };
    let kind = NamedKind::Device(at.clone());
    is_preset_file(name).then(|| Named { at: own, kind, name: name.clone() })
}

fn data(node: Option<&Node>, at: &FieldPath) -> Option<Named> {
    let NodeValue::String(name) = &node?.value else { return None };
    Some(Named { at: at.clone(), kind: NamedKind::Data, name: name.clone() })
}

/// Makes the path of a file that was typed on a command line one from where the command was given, if there is such a
/// file; `at` is what was typed.
pub(crate) fn from_here(doc: &mut Document, at: &FieldPath) {
    if folder_of(&doc.file).as_os_str().is_empty() {
        return;
    }
    for file in named_files(&doc.root) {
        let typed = at.leads_to(&file.at) || file.at.leads_to(at);
        let here = Path::new(&file.name);
        if !typed || !here.is_file() {
            continue;
        }
        if let (Ok(path), Some(node)) = (std::path::absolute(here), doc.root.at_mut(&file.at)) {
            node.value = NodeValue::String(path.to_string_lossy().into_owned());
        }
    }
}

/// The folder from which a scenario's paths are.
pub(crate) fn folder_of(file: &str) -> PathBuf {
    Path::new(file).parent().map(Path::to_owned).unwrap_or_default()
}
