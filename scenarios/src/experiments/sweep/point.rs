//! One point of a sweep: a scenario with values put into it.

use std::ops::Range;
use std::sync::Arc;

use crate::scenario::named_files::from_here;
use crate::scenario::patch::{PathError, Target};
use crate::scenario::resolve::{Scenario, ScenarioOverrides};
use crate::scenario::resolved::{Resolved, resolved};
use crate::scenario::source::{document, source};
use crate::syntax::error::{Diagnostic, ScenarioError};
use crate::syntax::tree::{Chosen, Document, FieldPath, NodeValue, is_of_policies};

/// A point of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its place in the sweep, from 0.
    pub number: u32,
    /// Its values, or the name of the variation.
    pub label: String,
    /// Of each axis, the place of the point's value among the axis's values.
    pub values: Vec<usize>,
    /// What is changed in it, as path and value in JSON, in order.
    pub changes: Vec<(String, String)>,
    /// The scenario.
    pub scenario: Scenario,
}

/// A value to be put into a scenario, and where path and value were written.
#[derive(Clone, Debug)]
pub(crate) struct Patch {
    pub(crate) target: Target,
    pub(crate) named: Origin,
    pub(crate) value: NodeValue,
    pub(crate) origin: Origin,
}

/// A place in a sweep file or a command line.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) doc: Arc<Document>,
    pub(crate) path: FieldPath,
    pub(crate) span: Range<usize>,
}

impl Origin {
    pub(crate) fn error(&self, message: impl Into<String>, help: Option<String>) -> ScenarioError {
        self.doc.error(self.span.clone(), &self.path, message, help)
    }

    pub(crate) fn path_error(&self, error: PathError) -> ScenarioError {
        self.error(error.message, Some(error.help))
    }
}

/// The scenario that is changed.
pub(crate) struct Base {
    doc: Document,
}

impl Base {
    /// A scenario by name or path, which must be valid by itself.
    pub(crate) fn load(path_or_name: &str) -> Result<Self, ScenarioError> {
        Self::load_for(path_or_name, Chosen::default())
    }

    /// As [`load`](Self::load); policies that are not chosen need not be such as can be run.
    pub(crate) fn load_for(path_or_name: &str, chosen: Chosen) -> Result<Self, ScenarioError> {
        let (file, text) = source(path_or_name)?;
        let mut doc = document(&file, &text)?;
        doc.chosen = chosen;
        Ok(Self::new(doc)?.0)
    }

    /// With the scenario that it is without changes.
    pub(crate) fn new(doc: Document) -> Result<(Self, Scenario), ScenarioError> {
        let scenario = Scenario::from_document(&doc)?;
        Ok((Self { doc }, scenario))
    }

    /// The places that values come to when they are put in, in order.
    pub(super) fn places(&self, patches: &[&Patch]) -> Result<Vec<FieldPath>, ScenarioError> {
        let mut root = self.doc.root.clone();
        let put = |patch: &&Patch| {
            let set = patch.target.set(&mut root, &patch.value);
            set.map_err(|error| patch.named.path_error(error))
        };
        patches.iter().map(put).collect()
    }

    /// Every value of the scenario with values put into it, as it is run, and where each comes from.
    pub(crate) fn resolved(
        &self,
        patches: &[&Patch],
        overrides: &ScenarioOverrides,
    ) -> Result<Vec<Resolved>, ScenarioError> {
        let (scenario, _) = self.with(patches, "with this value")?;
        let scenario = scenario.with_overrides(overrides)?;
        let (doc, paths) = patched(&self.doc, patches)?;
        let typed = patches.iter().map(|patch| patch.origin.doc.text.to_string());
        let set: Vec<(FieldPath, String)> = paths.into_iter().zip(typed).collect();
        Ok(resolved(&scenario, &doc, &set))
    }

    /// The scenario with values put into it, in order. `label` tells the point in errors.
    pub(crate) fn with(
        &self,
        patches: &[&Patch],
        label: &str,
    ) -> Result<(Scenario, Vec<FieldPath>), ScenarioError> {
        let (doc, paths) = patched(&self.doc, patches)?;
        let mut scenario = Scenario::from_document(&doc)
            .map_err(|error| blamed(error, &doc, patches, &paths, label))?;
        if !patches.is_empty() {
            scenario.text = doc.root.value.json().into();
        }
        Ok((scenario, paths))
    }

    /// As [`with`](Self::with), and with the changes of a command line, which give way to the last
    /// `own` patches.
    pub(crate) fn point(
        &self,
        patches: &[&Patch],
        own: usize,
        overrides: &ScenarioOverrides,
        label: &str,
    ) -> Result<Scenario, ScenarioError> {
        let (scenario, paths) = self.with(patches, label)?;
        let own = &paths[paths.len() - own..];
        let kept = |name: &str| own.iter().any(|path| path.to_string().starts_with(name));
        scenario.with_overrides(&ScenarioOverrides {
            policies: if kept("policies") { Vec::new() } else { overrides.policies.clone() },
            seed: overrides.seed.filter(|_| !kept("seed")),
            replications: overrides.replications.filter(|_| !kept("replications")),
        })
    }
}

/// A tree with values put into it, in order, and the places that they came to.
pub(super) fn patched(
    doc: &Document,
    patches: &[&Patch],
) -> Result<(Document, Vec<FieldPath>), ScenarioError> {
    let mut doc = doc.with_root(doc.root.clone());
    // Values that are put in may name other ones.
    doc.attached.clear();
    doc.chosen.others |= patches.iter().any(|patch| is_of_policies(patch.target.text()));
    let mut paths = Vec::new();
    for patch in patches {
        let set = patch.target.set(&mut doc.root, &patch.value);
        let path = set.map_err(|error| patch.named.path_error(error))?;
        // The values of a sweep file are as those of its scenario.
        if patch.origin.doc.file.starts_with("--") {
            from_here(&mut doc, &path);
        }
        paths.push(path);
    }
    Ok((doc, paths))
}

/// The error of a changed scenario, at the place of the value that it is about.
fn blamed(
    error: ScenarioError,
    doc: &Document,
    patches: &[&Patch],
    paths: &[FieldPath],
    label: &str,
) -> ScenarioError {
    let ScenarioError::Invalid(diagnostic) = error else { return error };
    // About a file that a value names: its places are not those of the scenario.
    if diagnostic.source != doc.text {
        return ScenarioError::Invalid(diagnostic);
    }
    let Diagnostic { span, field, message, help, .. } = *diagnostic;
    // About the value itself, a part of it, or an object that was made for it.
    let within = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        !outer.is_empty()
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let about = |path: &FieldPath| {
        let path = path.to_string();
        within(&field, &path) || within(&path, &field)
    };
    let found = patches.iter().zip(paths).rev().find(|(_, path)| about(path));
    match found {
        Some((patch, _)) => patch.origin.error(format!("{label}, `{field}`: {message}"), help),
        // What was changed does not go together with something that was not.
        None => {
            let file = doc.file.as_str();
            let message = format!("{label}: {message}");
            let diagnostic = Diagnostic::new(file, &doc.text, span, field, message, help);
            ScenarioError::Invalid(Box::new(diagnostic))
        }
    }
}
