//! Why a tree is no value of a type, at which node, and what would be right.

use std::fmt;
use std::ops::Range;

use serde::de::{self, Expected, Unexpected};

use crate::syntax::error::{MAX_SHOWN, ScenarioError, help_for_unknown};
use crate::syntax::tree::{Document, FieldPath, Node, Segment};
use crate::syntax::visible::shortened;

/// Parts the message of a custom error from the help that follows.
const HELP_MARK: char = '\u{1f}';

/// A custom error with help, for `Deserialize` implementations of single values.
pub(crate) fn custom<E: de::Error>(message: &str, help: &str) -> E {
    E::custom(format!("{message}{HELP_MARK}{help}"))
}

/// Why a tree is no value of a type.
#[derive(Debug)]
pub(crate) struct Error(Box<Failure>);

#[derive(Debug)]
struct Failure {
    /// Innermost place; set once.
    span: Option<Range<usize>>,
    /// From the innermost segment outwards.
    path: Vec<Segment>,
    message: String,
    help: Option<String>,
}

impl Error {
    pub(super) fn new(message: String, help: Option<String>) -> Self {
        Self(Box::new(Failure { span: None, path: Vec::new(), message, help }))
    }

    /// What to do instead, in other words.
    pub(super) fn help_is(&mut self, help: String) {
        self.0.help = Some(help);
    }

    pub(super) fn at(mut self, span: &Range<usize>) -> Self {
        self.0.span.get_or_insert_with(|| span.clone());
        self
    }

    /// As an error of a document, whose value at `path` was read.
    pub(super) fn in_document(
        self,
        doc: &Document,
        path: &FieldPath,
        node: &Node,
    ) -> ScenarioError {
        let Failure { span, path: inner, message, help } = *self.0;
        doc.error(span.unwrap_or(node.span.clone()), &path.on(inner), message, help)
    }

    pub(super) fn within(mut self, segment: Segment) -> Self {
        self.0.path.push(segment);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(text: T) -> Self {
        let text = text.to_string();
        match text.split_once(HELP_MARK) {
            Some((message, help)) => Self::new(message.into(), Some(help.into())),
            None => Self::new(text, None),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = wanted(expected);
        let help = match found {
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_)
                if expected.contains(", such as \"") =>
            {
                Some("write the number and its unit together in double quotes".into())
            }
            Unexpected::Str(text)
                if expected.ends_with("number") && text.parse::<f64>().is_ok() =>
            {
                Some("write the number without quotes".into())
            }
            _ => None,
        };
        Self::new(format!("expected {expected}, found {}", describe(found)), help)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = wanted(expected);
        Self::new(format!("expected {expected}, found {}", describe(found)), None)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let shown = shortened(field, MAX_SHOWN);
        Self::new(format!("unknown field `{shown}`"), Some(help_for_unknown(field, expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let shown = shortened(variant, MAX_SHOWN);
        Self::new(format!("unknown value `{shown}`"), Some(help_for_unknown(variant, expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(
            format!("the field `{field}` is missing"),
            Some(format!("add `\"{field}\": ...` to the object that begins here")),
        )
    }
}

/// What is expected, in words for people who do not write Rust.
fn wanted(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "u32" => "a whole number up to 4294967295".into(),
        "u64" => "a whole number".into(),
        "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a string" => "text in double quotes".into(),
        "a map" => "an object".into(),
        "a sequence" => "a list".into(),
        _ => expected,
    }
}

fn describe(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Float(value) if value.abs() >= 1e15 => format!("the number {value:e}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(value) => format!("the text \"{}\"", shortened(value, 40)),
        Unexpected::Unit | Unexpected::Option => "null".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map | Unexpected::StructVariant | Unexpected::NewtypeVariant => {
            "an object".into()
        }
        other => other.to_string(),
    }
}
