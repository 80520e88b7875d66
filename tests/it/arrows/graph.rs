//! Files and what they import.

use std::collections::{BTreeMap, BTreeSet};

/// What each file imports, and the names by which it does.
#[derive(Default)]
pub(crate) struct Graph(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Graph {
    pub(crate) fn add(&mut self, from: &str, to: &str, name: &str) {
        if from != to {
            let all = self.0.entry(from.to_owned()).or_default();
            all.entry(to.to_owned()).or_default().insert(name.to_owned());
        }
    }

    /// Importer, imported, and names between commas, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str, String)> {
        self.0.iter().flat_map(|(from, all)| {
            all.iter().map(move |(to, names)| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                (from.as_str(), to.as_str(), names.join(", "))
            })
        })
    }

    fn imported(&self, file: &str) -> impl Iterator<Item = &str> {
        self.0.get(file).into_iter().flat_map(|all| all.keys()).map(String::as_str)
    }

    /// All that can be reached from a file.
    fn reached<'a>(&'a self, file: &'a str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(file) = open.pop() {
            open.extend(self.imported(file).filter(|to| reached.insert(*to)));
        }
        reached
    }
}

/// Largest sets of files that import each other, by way of others or not.
pub(crate) fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.0.keys().map(|file| (file.as_str(), graph.reached(file))).collect();
    let mut circles: Vec<Vec<String>> = Vec::new();
    for (file, all) in &reached {
        let known = circles.iter().flatten().any(|known| known == file);
        if known || !all.contains(file) {
            continue;
        }
        let back = |to: &&&str| reached.get(**to).is_some_and(|back| back.contains(file));
        circles.push(all.iter().filter(back).map(|to| (*to).to_owned()).collect());
    }
    circles
}
