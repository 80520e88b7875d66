//! Every value with which a scenario is run, under the name that its field has in a file, and where it
//! comes from.
//!
//! The values are the lines of the canonical form, so that none is missing; names of fields, units and
//! sources are put to them here.

mod lines;
mod names;
mod row;
mod sources;
mod stores;
#[cfg(test)]
mod tests;

use self::names::named;
pub use self::row::Source;
use self::sources::Sources;
use crate::scenario::resolve::Scenario;
use crate::syntax::tree::{Document, FieldPath, Node, NodeValue};

/// A value and its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The field, as `--set` names it. Rules of a policy that has none of its own stand under its name.
    pub field: String,
    /// The value, with its unit.
    pub value: String,
    /// Where it comes from.
    pub from: Source,
}

/// Names and values of all that a run of a scenario under the first of its policies consists of.
pub(crate) fn values(scenario: &Scenario) -> Vec<(String, String)> {
    let root = Node { span: 0..0, value: NodeValue::Null };
    let nothing = || Document::of(String::new(), "".into(), root);
    // The text was read once; one that cannot be read again has no list of virtual machines.
    let doc = Document::parse("", &scenario.text).unwrap_or_else(|_| nothing());
    let policy = scenario.policies[0].name.as_str();
    let own = format!("{policy}: ");
    let rows = named(scenario, &doc).into_iter();
    let rows = rows.filter_map(|row| match row.policy.as_deref() {
        None => Some((row.field, row.value)),
        Some(name) if name == policy => {
            let field = row.field.strip_prefix(&own).unwrap_or(&row.field).to_owned();
            Some((field, row.value))
        }
        Some(_) => None,
    });
    rows.collect()
}

/// Every value of a scenario that was read from `doc`, in which these settings put values at these
/// places.
pub(crate) fn resolved(
    scenario: &Scenario,
    doc: &Document,
    set: &[(FieldPath, String)],
) -> Vec<Resolved> {
    let sources = Sources { doc, set };
    let rows = named(scenario, doc).into_iter();
    rows.map(|row| Resolved { from: sources.of(&row), field: row.field, value: row.value })
        .collect()
}
