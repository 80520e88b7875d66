//! A scenario as a folder of results has it: whoever has the folder has all that the runs were made of.
//!
//! The preset file of a device is put in its place. Lists of pages and recorded addresses, which may be large, lie
//! beside the scenario.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::scenario::named_files::{NamedKind, named_files};
use crate::scenario::resolve::Scenario;
use crate::scenario::source::document;
use crate::syntax::error::ScenarioError;
use crate::syntax::tree::{Attached, Document, Member, Node, NodeValue};

/// The folder, within one of results, of files that its scenario names.
const INPUTS: &str = "inputs";

/// A scenario with all that it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptScenario {
    /// Its text, in which devices stand themselves and other files are those of `files`.
    pub text: Arc<str>,
    /// Files that lie beside it.
    pub files: Vec<KeptFile>,
}

/// A file that lies beside a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// Its path from there, which leads to no other folder.
    pub name: String,
    /// Where it was read.
    pub path: PathBuf,
}

impl KeptScenario {
    /// A text that names no file.
    pub fn plain(text: Arc<str>) -> Self {
        Self { text, files: Vec::new() }
    }
}

/// What becomes of files that stay files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Data {
    /// They lie beside the scenario.
    Beside,
    /// They stay where they are.
    There,
}

impl Scenario {
    /// Whether it names files, which are looked for from a folder.
    pub fn names_files(&self) -> bool {
        document(&self.name, &self.text).is_ok_and(|doc| !named_files(&doc.root).is_empty())
    }

    /// The scenario with the files that it names.
    ///
    /// # Errors
    /// When its text is none of a scenario.
    pub fn kept(&self) -> Result<KeptScenario, ScenarioError> {
        let doc = document(&self.name, &self.text)?;
        self.kept_as(doc, false)
    }

    /// The tree, which is this scenario's but for values that name no file, as a text with the files that it names.
    pub(crate) fn kept_as(
        &self,
        doc: Document,
        changed: bool,
    ) -> Result<KeptScenario, ScenarioError> {
        self.with_files(doc, changed, Data::Beside)
    }

    /// The scenario's text for whoever runs it in another folder of this machine: devices stand themselves in it, and
    /// other files are named by absolute paths.
    ///
    /// # Errors
    /// When its text is none of a scenario.
    pub fn text_for_anywhere(&self) -> Result<Arc<str>, ScenarioError> {
        let doc = document(&self.name, &self.text)?;
        Ok(self.with_files(doc, false, Data::There)?.text)
    }

    fn with_files(
        &self,
        mut doc: Document,
        changed: bool,
        data: Data,
    ) -> Result<KeptScenario, ScenarioError> {
        let changed = self.of_policies_run(&mut doc.root) || changed;
        let named = named_files(&doc.root);
        if named.is_empty() && !changed {
            return Ok(KeptScenario::plain(Arc::clone(&self.text)));
        }
        let mut files: Vec<KeptFile> = Vec::new();
        for file in named {
            match file.kind {
                NamedKind::Device(at) => {
                    let known = self.device_files.iter().find(|known| known.name == file.name);
                    if let (Some(known), Some(node)) = (known, doc.root.at_mut(&at)) {
                        *node = in_place(node, known)?;
                    }
                }
                NamedKind::Data => {
                    let path = self.folder.join(&file.name);
                    let name = match data {
                        Data::Beside => beside(&mut files, path),
                        Data::There => absolute(&path),
                    };
                    if let Some(node) = doc.root.at_mut(&file.at) {
                        node.value = NodeValue::String(name);
                    }
                }
            }
        }
        Ok(KeptScenario { text: doc.root.value.pretty().into(), files })
    }
}

impl Scenario {
    /// Takes out what the file says of policies that there are not since a command line chose others. Says whether it
    /// took out anything.
    fn of_policies_run(&self, root: &mut Node) -> bool {
        let policies = policies_in(root);
        let NodeValue::Object(members) = &mut root.value else { return false };
        let mut changed = false;
        for Member { name, value, .. } in members {
            match (name.as_str(), &mut value.value) {
                ("expect", NodeValue::Array(lines)) if !self.left_out.is_empty() => {
                    let left_out = |line: &Node| matches!(&line.value, NodeValue::String(line) if self.left_out.contains(line));
                    lines.retain(|line| !left_out(line));
                    changed = true;
                }
                ("baseline", NodeValue::String(baseline)) if !policies.contains(baseline) => {
                    baseline.clone_from(&self.baseline);
                    changed = true;
                }
                _ => {}
            }
        }
        changed
    }
}

/// Names of the policies that a text lists.
fn policies_in(root: &Node) -> Vec<String> {
    let Some(Node { value: NodeValue::Array(all), .. }) = root.get("policies") else {
        return Vec::new();
    };
    let name = |policy: &Node| match &policy.get("name").unwrap_or(policy).value {
        NodeValue::String(name) => Some(name.clone()),
        _ => None,
    };
    all.iter().filter_map(name).collect()
}

fn absolute(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.to_string_lossy().into_owned()
}

/// The name of a file beside the scenario: its own, and another one where two files have the same.
fn beside(files: &mut Vec<KeptFile>, path: PathBuf) -> String {
    if let Some(known) = files.iter().find(|known| known.path == path) {
        return known.name.clone();
    }
    let own = path.file_name().map_or_else(|| "file".into(), |name| name.to_string_lossy());
    let taken = |name: &str| files.iter().any(|known| known.name == name);
    let mut name = format!("{INPUTS}/{own}");
    for number in 2.. {
        if !taken(&name) {
            break;
        }
        name = format!("{INPUTS}/{number}-{own}");
    }
    files.push(KeptFile { name: name.clone(), path });
    name
}

/// The device of a preset file in the place where the file is named, with the fields that are given there.
fn in_place(node: &Node, file: &Attached) -> Result<Node, ScenarioError> {
    let doc = Document::parse(&file.name, &file.text)?;
    let device = doc.root.get("device").cloned().unwrap_or_else(|| doc.root.clone());
    let changes = node.members().iter().filter(|member| member.name != "preset");
    let changes: Vec<Member> = changes.cloned().collect();
    let span = node.span.clone();
    if changes.is_empty() {
        return Ok(Node { span, value: device.value });
    }
    let mut members = match device.value {
        NodeValue::Object(members) => members,
        name => {
            let value = Node { span: span.clone(), value: name };
            vec![Member { name: "preset".into(), name_span: span.clone(), value }]
        }
    };
    members.retain(|member| changes.iter().all(|change| change.name != member.name));
    members.extend(changes);
    Ok(Node { span, value: NodeValue::Object(members) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::library;
    use std::fs;

    const DEVICE: &str = r#"{ "name": "mine", "summary": "Of a test",
        "device": { "kind": "channels", "channels": 4, "read": "37us", "write": "12us" } }"#;

    /// The smoke scenario with another device, and something more said of the host.
    fn smoke(device: &str, more: &str) -> String {
        const OWN: &str =
            r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#;
        const CPUS: &str = r#""cpus": 6,"#;
        let text = library::find("smoke").expect("built in").text;
        assert!(text.contains(OWN) && text.contains(CPUS));
        text.replacen(OWN, device, 1).replacen(CPUS, &format!("{CPUS} {more}"), 1)
    }

    /// What is kept of a scenario can be read elsewhere, and is the same.
    fn same_elsewhere(folder: &Path, text: &str) -> KeptScenario {
        let file = folder.join("scenario.json");
        let scenario = Scenario::from_str(&file.to_string_lossy(), text).expect("a scenario");
        let kept = scenario.kept().expect("kept");
        let there = tempfile::tempdir().expect("a folder");
        for file in &kept.files {
            let to = there.path().join(&file.name);
            fs::create_dir_all(to.parent().expect("in a folder")).expect("made");
            fs::copy(&file.path, to).expect("copied");
        }
        let file = there.path().join("scenario.json");
        let again = Scenario::from_str(&file.to_string_lossy(), &kept.text).expect("a scenario");
        assert_eq!(again.hash(), scenario.hash(), "{}", kept.text);
        let anywhere = scenario.text_for_anywhere().expect("a text");
        let again = Scenario::from_str("elsewhere/scenario.json", &anywhere).expect("a scenario");
        assert_eq!(again.hash(), scenario.hash(), "{anywhere}");
        kept
    }

    #[test]
    fn devices_stand_in_their_place() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("mine.json"), DEVICE).expect("written");
        fs::write(
            folder.path().join("on.json"),
            r#"{ "name": "on", "summary": "Of a test", "device": "nvme-tlc-gen3" }"#,
        )
        .expect("written");
        for device in [
            r#""mine.json""#,
            r#"{ "preset": "mine.json", "read": "99us" }"#,
            r#""on.json""#,
            r#"{ "preset": "on.json", "channels": 3 }"#,
        ] {
            let kept = same_elsewhere(folder.path(), &smoke(device, ""));
            assert!(kept.files.is_empty() && !kept.text.contains(".json"), "{}", kept.text);
        }
        // A store may have another device's file than swap.
        let stores = r#""stores": [{ "name": "s", "device": "on.json" }],"#;
        same_elsewhere(folder.path(), &smoke(r#""mine.json""#, stores));
    }

    #[test]
    fn a_scenario_without_files_keeps_its_text() {
        let text = library::find("smoke").expect("built in").text;
        let kept = Scenario::from_str("smoke", text).expect("a scenario").kept().expect("kept");
        assert_eq!(kept, KeptScenario::plain(text.into()));
    }

    #[test]
    fn names_beside_lead_nowhere_else() {
        let mut files = Vec::new();
        let mut name = |path: &str| beside(&mut files, path.into());
        assert_eq!(name("/a/pages"), "inputs/pages");
        assert_eq!(name("../pages"), "inputs/2-pages");
        assert_eq!(name("/a/pages"), "inputs/pages");
        assert_eq!(name("x/../.."), "inputs/file");
        assert_eq!(name("b/pages"), "inputs/3-pages");
    }
}
