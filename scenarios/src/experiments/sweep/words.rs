//! Axes and values as a command line has them.

use std::ops::Range;
use std::sync::Arc;

use super::axis::{Axis, AxisSpec};
use super::file::ScaleFile;
use super::point::{Origin, Patch};
use super::range::{Quantity, ends, spread};
use crate::scenario::patch::{PathError, Target};
use crate::syntax::error::ScenarioError;
use crate::syntax::tree::{Document, FieldPath, Node, NodeValue};

const AXIS_HELP: &str = "write FIELD=VALUE,VALUE,... or FIELD=LOW..HIGH/COUNT, such as \
                         host.swap.read_ahead=1,8,32, with NAME: before it for a name of its own";
const SET_HELP: &str = "write FIELD=VALUE, such as duration=5s";

/// An option as a text with places.
fn document(option: &str, text: &str) -> Arc<Document> {
    let value = NodeValue::String(text.into());
    let root = Node { span: 0..text.len(), value };
    Arc::new(Document::of(option.into(), text.into(), root))
}

fn origin(doc: &Arc<Document>, span: Range<usize>) -> Origin {
    Origin { doc: Arc::clone(doc), path: FieldPath::default(), span }
}

/// `FIELD=VALUE`.
pub(crate) fn setting(text: &str) -> Result<Patch, ScenarioError> {
    let doc = document("--set", text);
    let whole = origin(&doc, 0..text.len());
    let Some((field, value)) = text.split_once('=') else {
        return Err(whole.error("there is no `=` in it", Some(SET_HELP.into())));
    };
    let named = origin(&doc, 0..field.len());
    let target = field.parse().map_err(|error| named.path_error(error))?;
    let origin = origin(&doc, field.len() + 1..text.len());
    let value = value_of(value).map_err(|error| origin.path_error(error))?;
    Ok(Patch { target, named, value, origin })
}

/// `[NAME:]FIELD[,FIELD]=VALUES`.
pub(super) fn axis(text: &str) -> Result<AxisSpec, ScenarioError> {
    let doc = document("--axis", text);
    let whole = origin(&doc, 0..text.len());
    let Some((fields, values)) = text.split_once('=') else {
        return Err(whole.error("there is no `=` in it", Some(AXIS_HELP.into())));
    };
    let name = name_of(fields);
    let first = name.map_or(0, |name| name.len() + 1);
    let mut named = Vec::new();
    for part in parts(&fields[first..]) {
        let part = first + part.start..first + part.end;
        let origin = origin(&doc, part.clone());
        let target = fields[part].parse().map_err(|error| origin.path_error(error))?;
        named.push((target, origin));
    }
    let from = fields.len() + 1;
    let mut placed = Vec::new();
    for part in parts(values) {
        let origin = origin(&doc, from + part.start..from + part.end);
        let word = values[part].trim();
        if word.is_empty() {
            return Err(origin.error("there is no value here", Some(AXIS_HELP.into())));
        }
        let found = match range(word) {
            Some(range) => range,
            None => value_of(word).map(|value| vec![value]),
        };
        let found = found.map_err(|error| origin.path_error(error))?;
        placed.extend(found.into_iter().map(|value| (value, origin.clone())));
    }
    let only: Vec<NodeValue> = placed.iter().map(|(value, _)| value.clone()).collect();
    let axis = Axis::new(name.map(|name| name.trim().to_owned()), &named, &only);
    Ok(AxisSpec { axis, targets: named, values: placed, whole })
}

/// The name before the fields of an axis, up to its colon. No field begins like one: those with a colon have a dot or a
/// bracket before it.
fn name_of(fields: &str) -> Option<&str> {
    let (name, _) = fields.split_once(':')?;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
    (!name.trim().is_empty() && name.chars().all(plain)).then_some(name)
}

/// A value for a field, as if it stood on the command line.
pub(crate) fn put(target: &Target, value: Quantity) -> Patch {
    let text = format!("{}={}", target.text(), value.text());
    let doc = document("--field", &text);
    let named = origin(&doc, 0..target.text().len());
    let origin = origin(&doc, target.text().len() + 1..text.len());
    Patch { target: target.clone(), named, value: value.value(), origin }
}

/// Paths between commas.
pub(crate) fn targets(text: &str) -> Result<Vec<Target>, PathError> {
    text.split(',').map(str::parse).collect()
}

/// `LOW..HIGH/COUNT`, with ` linear` or ` log` after it.
fn range(word: &str) -> Option<Result<Vec<NodeValue>, PathError>> {
    let (low, rest) = word.split_once("..")?;
    let (high, rest) = rest.split_once('/')?;
    let (count, scale) = match rest.trim().split_once(char::is_whitespace) {
        None => (rest.trim(), ScaleFile::Log),
        Some((count, scale)) => match scale.trim() {
            "log" => (count, ScaleFile::Log),
            "linear" => (count, ScaleFile::Linear),
            _ => return None,
        },
    };
    let count = count.parse().ok()?;
    let ends = value_of(low).and_then(|low| ends(&low, &value_of(high)?));
    let values = ends.and_then(|ends| spread(ends, count, scale));
    Some(values.map(|values| values.into_iter().map(Quantity::value).collect()))
}

/// A number, `true`, `false`, `null` or JSON where it is one, and text where not.
pub(crate) fn value_of(word: &str) -> Result<NodeValue, PathError> {
    let word = word.trim();
    let plain = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    Ok(match word {
        "true" => NodeValue::Bool(true),
        "false" => NodeValue::Bool(false),
        "null" => NodeValue::Null,
        _ if plain && word.parse::<f64>().is_ok() => NodeValue::Number(word.into()),
        _ if word.starts_with(['{', '[', '"']) => {
            let doc = Document::parse("", word).map_err(|error| PathError {
                message: error
                    .diagnostic()
                    .map_or_else(|| error.to_string(), |d| d.message.clone()),
                help: "objects, lists and quoted text are written as in a scenario file".into(),
            })?;
            doc.root.value
        }
        _ => NodeValue::String(word.into()),
    })
}

/// The parts of a text between commas that stand in no brackets and no quotes.
fn parts(text: &str) -> Vec<Range<usize>> {
    let (mut parts, mut begin, mut depth, mut quoted) = (Vec::new(), 0, 0_i32, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth <= 0 => {
                parts.push(begin..at);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(begin..text.len());
    parts
}
