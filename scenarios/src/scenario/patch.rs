//! Fields of a scenario by path, as error messages print it, and how a value is put there.
//!
//! A path is followed through the scenario's tree and, beside it, through the published schema: so
//! a field that the file leaves out can be set, and one that the format does not have is an error
//! with a suggestion. Nothing is done to the text of a file.

use std::ops::Range;
use std::str::FromStr;
use std::sync::OnceLock;

use serde_json::Value;

use crate::scenario::schema;
use crate::syntax::error::help_for_unknown;
use crate::syntax::tree::{FieldPath, Member, Node, NodeValue};

/// A path as it is written: `host.swap.read_ahead`, `workload.tasks[0].count`,
/// `workload.tasks[faulter].count`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    /// The element of a list whose field `name` says so.
    Named(String),
}

/// What is wrong with a path, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathError {
    pub(crate) message: String,
    pub(crate) help: String,
}

fn fail<T>(message: String, help: impl Into<String>) -> Result<T, PathError> {
    Err(PathError { message, help: help.into() })
}

impl Target {
    /// The path as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The field that the path ends with.
    pub(crate) fn last_name(&self) -> &str {
        let field = self.steps.iter().rev().find_map(|step| match step {
            Step::Field(name) => Some(name.as_str()),
            Step::Index(_) | Step::Named(_) => None,
        });
        field.unwrap_or(&self.text)
    }

    /// Puts a value at the path. Objects on the way that are missing are made, and the name of a
    /// preset becomes the preset with changes. Gives the place of the value.
    pub(crate) fn set(&self, root: &mut Node, value: &NodeValue) -> Result<FieldPath, PathError> {
        let mut walk = Walk { target: self, path: FieldPath::default() };
        walk.set(root, &expanded(format()), &self.steps, value)?;
        Ok(walk.path)
    }
}

impl FromStr for Target {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        const HELP: &str = "a path such as `host.swap.read_ahead` or `workload.tasks[0].count`";
        let wrong = || fail(format!("`{text}` is not a path of fields"), HELP);
        let mut steps = Vec::new();
        for part in text.trim().split('.') {
            let (name, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == ']') {
                return wrong();
            }
            steps.push(Step::Field(name.into()));
            while let Some(inner) = rest.strip_prefix('[') {
                let Some((inside, after)) = inner.split_once(']') else { return wrong() };
                steps.push(match inside.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) if inside.is_empty() => return wrong(),
                    Err(_) => Step::Named(inside.into()),
                });
                rest = after;
            }
            if !rest.is_empty() {
                return wrong();
            }
        }
        Ok(Self { text: text.trim().into(), steps })
    }
}

/// The published schema of scenarios.
fn format() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(schema::scenario)
}

/// All alternatives of a schema, references followed.
fn expanded(schema: &'static Value) -> Vec<&'static Value> {
    let mut all = vec![schema];
    let reference = schema.get("$ref").and_then(Value::as_str);
    let referred = reference.and_then(|name| format().pointer(name.trim_start_matches('#')));
    all.extend(referred.into_iter().flat_map(expanded));
    for word in ["anyOf", "oneOf", "allOf"] {
        let alternatives = schema.get(word).and_then(Value::as_array);
        all.extend(alternatives.into_iter().flatten().flat_map(expanded));
    }
    all
}

/// What a field may hold, and the names of all fields there are beside it.
fn field(schemas: &[&'static Value], name: &str) -> (Vec<&'static Value>, Vec<&'static str>) {
    let (mut found, mut names) = (Vec::new(), Vec::new());
    for schema in schemas {
        if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
            names.extend(fields.keys().map(String::as_str));
            found.extend(fields.get(name).into_iter().flat_map(expanded));
        }
        let listed = schema.pointer("/propertyNames/enum").and_then(Value::as_array);
        let listed = listed.into_iter().flatten().filter_map(Value::as_str);
        for free in listed {
            names.push(free);
            if free == name {
                found.extend(schema.get("additionalProperties").into_iter().flat_map(expanded));
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    (found, names)
}

struct Walk<'a> {
    target: &'a Target,
    /// Where the walk is.
    path: FieldPath,
}

impl Walk<'_> {
    fn set(
        &mut self,
        node: &mut Node,
        schemas: &[&'static Value],
        steps: &[Step],
        value: &NodeValue,
    ) -> Result<(), PathError> {
        let Some((step, rest)) = steps.split_first() else {
            *node = placed(value, &node.span);
            return Ok(());
        };
        match step {
            Step::Field(name) => {
                let (inner, names) = field(schemas, name);
                if inner.is_empty() {
                    return self.no_field(name, &names);
                }
                self.open(node, &names)?;
                self.path = self.path.field(name);
                self.set(member(node, name), &inner, rest, value)
            }
            Step::Index(_) | Step::Named(_) => {
                let items = schemas.iter().filter_map(|schema| schema.get("items"));
                let inner: Vec<_> = items.flat_map(expanded).collect();
                let at = self.element(node, step)?;
                let NodeValue::Array(items) = &mut node.value else {
                    return fail(
                        format!("`{}` is not a list", self.path),
                        "leave out the brackets",
                    );
                };
                self.path = self.path.index(at);
                self.set(&mut items[at], &inner, rest, value)
            }
        }
    }

    fn no_field(&self, name: &str, names: &[&str]) -> Result<(), PathError> {
        let (target, path) = (self.target.text(), self.path.to_string());
        let place = if path.is_empty() { "a scenario".into() } else { format!("`{path}`") };
        if names.is_empty() {
            let message =
                format!("`{target}` is no field of a scenario: {place} has no sub-fields");
            return fail(message, format!("set `{path}` as a whole"));
        }
        let message = format!("`{target}` is no field of a scenario: {place} has no `{name}`");
        fail(message, help_for_unknown(name, names))
    }

    /// Makes an object of what can be one: nothing, or the name of a preset.
    fn open(&self, node: &mut Node, names: &[&str]) -> Result<(), PathError> {
        let span = node.span.clone();
        match &node.value {
            NodeValue::Object(_) => {}
            NodeValue::Null => node.value = NodeValue::Object(Vec::new()),
            NodeValue::String(_) if names.contains(&"preset") => {
                let name = Node { span: span.clone(), value: node.value.clone() };
                let preset = Member { name: "preset".into(), name_span: span, value: name };
                node.value = NodeValue::Object(vec![preset]);
            }
            _ => {
                let message = format!("`{}` is not an object in this scenario", self.path);
                return fail(message, format!("set `{}` as a whole", self.path));
            }
        }
        Ok(())
    }

    fn element(&self, node: &Node, step: &Step) -> Result<usize, PathError> {
        let path = self.path.to_string();
        let NodeValue::Array(items) = &node.value else {
            return fail(format!("`{path}` is not a list in this scenario"), "set it as a whole");
        };
        match step {
            Step::Index(at) if *at < items.len() => Ok(*at),
            Step::Index(at) => {
                let message = format!("there is no `{path}[{at}]` in this scenario");
                fail(message, format!("`{path}` has {} elements, counted from 0", items.len()))
            }
            Step::Named(name) => {
                let names = items.iter().map(|item| match item.get("name").map(|n| &n.value) {
                    Some(NodeValue::String(name)) => name.as_str(),
                    _ => "",
                });
                let names: Vec<&str> = names.collect();
                let found = names.iter().position(|known| known == name);
                let named: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
                found.ok_or_else(|| PathError {
                    message: format!("nothing in `{path}` of this scenario is named `{name}`"),
                    help: help_for_unknown(name, &named),
                })
            }
            Step::Field(_) => unreachable!("fields are no elements"),
        }
    }
}

/// The member of an object, made if need be; its place is then that of the object.
fn member<'n>(node: &'n mut Node, name: &str) -> &'n mut Node {
    let span = node.span.clone();
    let NodeValue::Object(members) = &mut node.value else {
        unreachable!("it was made an object");
    };
    let at = members.iter().position(|member| member.name == name).unwrap_or_else(|| {
        let value = Node { span: span.clone(), value: NodeValue::Null };
        members.push(Member { name: name.into(), name_span: span, value });
        members.len() - 1
    });
    &mut members[at].value
}

/// A value of another text, with all its places where it is put.
fn placed(value: &NodeValue, span: &Range<usize>) -> Node {
    let value = match value {
        NodeValue::Array(items) => {
            NodeValue::Array(items.iter().map(|item| placed(&item.value, span)).collect())
        }
        NodeValue::Object(members) => {
            let member = |member: &Member| Member {
                name: member.name.clone(),
                name_span: span.clone(),
                value: placed(&member.value.value, span),
            };
            NodeValue::Object(members.iter().map(member).collect())
        }
        plain => plain.clone(),
    };
    Node { span: span.clone(), value }
}

#[cfg(test)]
mod tests;
