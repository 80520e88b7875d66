//! The text of a scenario as a tree of values that know their place.
//!
//! JSON with `//` and `/* */` comments, and nothing else beyond JSON: what this reader takes, every
//! editor with a "JSON with comments" mode takes. The same name twice in one object is an error,
//! because one of the two values would silently be lost.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::tokens::Token;
use jsonc_parser::{CollectOptions, ParseOptions, Scanner, ScannerOptions, parse_to_ast};

use crate::syntax::error::{Diagnostic, ScenarioError};

/// Deepest nesting that is read; keeps recursion far from the end of the stack.
const MAX_DEPTH: usize = 32;

/// A parsed file.
#[derive(Debug)]
pub(crate) struct Document {
    /// The name used in messages.
    pub(crate) file: String,
    /// The text, for excerpts.
    pub(crate) text: Arc<str>,
    /// The top-level value.
    pub(crate) root: Node,
    /// Files of devices that this one names.
    pub(crate) attached: Vec<Attached>,
    /// What of it is run.
    pub(crate) chosen: Chosen,
}

/// The policies that a command line chooses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Their names; empty where all of the file are run.
    pub(crate) policies: Vec<String>,
    /// The file's list is not the one that the rest of the file was written for.
    pub(crate) others: bool,
}

impl Chosen {
    /// By the policies and the values of fields that were typed.
    pub(crate) fn of(policies: &[String], settings: &[String]) -> Self {
        let others = settings.iter().any(|setting| is_of_policies(setting));
        Self { policies: policies.to_vec(), others: others || !policies.is_empty() }
    }

    /// Whether a policy is run.
    pub(crate) fn has(&self, policy: &str) -> bool {
        self.policies.is_empty() || self.policies.iter().any(|name| name == policy)
    }
}

/// Whether a path is that of the list of policies, or leads into it.
pub(crate) fn is_of_policies(path: &str) -> bool {
    path.trim_start().strip_prefix("policies").is_some_and(|rest| !rest.starts_with('_'))
}

/// A file that another one names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// As the other one calls it.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
}

/// A value and its place in the text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: NodeValue,
}

#[derive(Clone, Debug)]
pub(crate) enum NodeValue {
    Null,
    Bool(bool),
    /// As written; made a number where the type that is wanted is known.
    Number(String),
    String(String),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

/// A name and its value in an object.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) name_span: Range<usize>,
    pub(crate) value: Node,
}

/// A way from the root of a document to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldPath(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Field(String),
    Index(usize),
}

impl Document {
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        // Editors on Windows put a byte order mark in front; it is no part of the text.
        let text: Arc<str> = text.strip_prefix('\u{feff}').unwrap_or(text).into();
        let fail = |span: Range<usize>, field: String, message: String, help: &str| {
            let help = (!help.is_empty()).then(|| help.to_owned());
            let diagnostic = Diagnostic::new(file, &text, span, field, message, help);
            ScenarioError::Invalid(Box::new(diagnostic))
        };
        if let Some(span) = broken_string(&text) {
            let message = "not valid JSON: the text that begins here does not end on its line";
            return Err(fail(span, String::new(), message.into(), "close it with a double quote"));
        }
        let parsed =
            parse_to_ast(&text, &CollectOptions::default(), &strict()).map_err(|error| {
                let (message, help) = explain(&error);
                fail(error.range().start..error.range().end, String::new(), message, help)
            })?;
        let Some(value) = parsed.value else {
            return Err(ScenarioError::Empty { file: file.into() });
        };
        let root = Node::from_ast(value, &FieldPath::default()).map_err(|error| match error {
            TreeError::Twice { path, first, second } => {
                let first = Diagnostic::new(file, &text, first, String::new(), String::new(), None);
                let help = format!("the first is on line {}; keep one of them", first.line);
                let name = path.last_name().to_owned();
                fail(second, path.to_string(), format!("`{name}` is given twice"), &help)
            }
            TreeError::TooDeep { span } => {
                let message = format!("more than {MAX_DEPTH} levels of nesting");
                fail(span, String::new(), message, "no scenario needs so many")
            }
        })?;
        Ok(Self::of(file.into(), text, root))
    }

    /// A tree of values of a text.
    pub(crate) fn of(file: String, text: Arc<str>, root: Node) -> Self {
        Self { file, text, root, attached: Vec::new(), chosen: Chosen::default() }
    }

    /// The same text with another tree.
    pub(crate) fn with_root(&self, root: Node) -> Self {
        let mut doc = Self::of(self.file.clone(), Arc::clone(&self.text), root);
        (doc.attached, doc.chosen) = (self.attached.clone(), self.chosen.clone());
        doc
    }

    /// The value at `path`, or the nearest value around it that exists.
    pub(crate) fn nearest(&self, path: &FieldPath) -> &Node {
        let mut node = &self.root;
        for segment in &path.0 {
            match node.inner(segment) {
                Some(inner) => node = inner,
                None => break,
            }
        }
        node
    }

    /// The value at `path`, if there is one.
    pub(crate) fn at(&self, path: &FieldPath) -> Option<&Node> {
        path.0.iter().try_fold(&self.root, Node::inner)
    }

    pub(crate) fn error(
        &self,
        span: Range<usize>,
        path: &FieldPath,
        message: impl Into<String>,
        help: Option<String>,
    ) -> ScenarioError {
        let path = path.to_string();
        let diagnostic = Diagnostic::new(&self.file, &self.text, span, path, message.into(), help);
        ScenarioError::Invalid(Box::new(diagnostic))
    }
}

impl Node {
    /// The member `name` of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|member| member.name == name).map(|member| &member.value)
    }

    /// The value at `path`, if there is one.
    pub(crate) fn at_mut(&mut self, path: &FieldPath) -> Option<&mut Self> {
        path.0.iter().try_fold(self, |node, segment| match (segment, &mut node.value) {
            (Segment::Field(name), NodeValue::Object(members)) => {
                let member = members.iter_mut().find(|member| member.name == *name);
                member.map(|member| &mut member.value)
            }
            (Segment::Index(at), NodeValue::Array(items)) => items.get_mut(*at),
            _ => None,
        })
    }

    fn inner(&self, segment: &Segment) -> Option<&Self> {
        match (segment, &self.value) {
            (Segment::Field(name), _) => self.get(name),
            (Segment::Index(at), NodeValue::Array(items)) => items.get(*at),
            (Segment::Index(_), _) => None,
        }
    }

    /// The members of an object; none for other values.
    pub(crate) fn members(&self) -> &[Member] {
        match &self.value {
            NodeValue::Object(members) => members,
            _ => &[],
        }
    }

    fn from_ast(value: ast::Value<'_>, path: &FieldPath) -> Result<Self, TreeError> {
        let span = value.start()..value.end();
        if path.0.len() > MAX_DEPTH {
            return Err(TreeError::TooDeep { span });
        }
        let value = match value {
            ast::Value::NullKeyword(_) => NodeValue::Null,
            ast::Value::BooleanLit(lit) => NodeValue::Bool(lit.value),
            ast::Value::NumberLit(lit) => NodeValue::Number(lit.value.into()),
            ast::Value::StringLit(lit) => NodeValue::String(lit.value.into_owned()),
            ast::Value::Array(array) => {
                let items = array.elements.into_iter().enumerate();
                let nodes = items.map(|(at, item)| Self::from_ast(item, &path.index(at)));
                NodeValue::Array(nodes.collect::<Result<_, _>>()?)
            }
            ast::Value::Object(object) => {
                let mut members: Vec<Member> = Vec::with_capacity(object.properties.len());
                let mut seen = std::collections::BTreeMap::new();
                for property in object.properties {
                    let name_span = property.name.start()..property.name.end();
                    let name = property.name.into_string();
                    let path = path.field(&name);
                    if let Some(first) = seen.insert(name.clone(), name_span.clone()) {
                        return Err(TreeError::Twice { path, first, second: name_span });
                    }
                    let value = Self::from_ast(property.value, &path)?;
                    members.push(Member { name, name_span, value });
                }
                NodeValue::Object(members)
            }
        };
        Ok(Self { span, value })
    }
}

impl NodeValue {
    /// The value as JSON for people: what is longer than a line has a line for each part.
    pub(crate) fn pretty(&self) -> String {
        let mut text = String::new();
        self.write_pretty(0, &mut text);
        text.push('\n');
        text
    }

    fn write_pretty(&self, indent: usize, text: &mut String) {
        const WIDTH: usize = 100;
        let line = self.json();
        let column = text.len() - text.rfind('\n').map_or(0, |at| at + 1);
        let fits = column + line.len() < WIDTH && indent > 0;
        let mut parts = |ends: [char; 2], parts: Vec<(String, &Self)>| {
            text.push(ends[0]);
            let last = parts.len().saturating_sub(1);
            for (at, (before, value)) in parts.into_iter().enumerate() {
                text.push('\n');
                text.extend(std::iter::repeat_n(' ', indent + 2));
                text.push_str(&before);
                value.write_pretty(indent + 2, text);
                text.push_str(if at < last { "," } else { "" });
            }
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            text.push(ends[1]);
        };
        match self {
            Self::Array(items) if !fits && !items.is_empty() => {
                let items = items.iter().map(|item| (String::new(), &item.value));
                parts(['[', ']'], items.collect());
            }
            Self::Object(members) if !fits && !members.is_empty() => {
                let member = |member: &'_ Member| {
                    format!("{}: ", serde_json::Value::from(member.name.as_str()))
                };
                let members = members.iter().map(|own| (member(own), &own.value.value));
                parts(['{', '}'], members.collect());
            }
            _ => text.push_str(&line),
        }
    }

    /// The value as JSON on one line.
    pub(crate) fn json(&self) -> String {
        let joined = |parts: Vec<String>| parts.join(", ");
        match self {
            Self::Null => "null".into(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) => text.clone(),
            Self::String(text) => serde_json::Value::from(text.as_str()).to_string(),
            Self::Array(items) => {
                format!("[{}]", joined(items.iter().map(|item| item.value.json()).collect()))
            }
            Self::Object(members) => {
                let member = |member: &Member| {
                    let name = serde_json::Value::from(member.name.as_str());
                    format!("{name}: {}", member.value.value.json())
                };
                let members = joined(members.iter().map(member).collect());
                if members.is_empty() { "{}".into() } else { format!("{{ {members} }}") }
            }
        }
    }
}

enum TreeError {
    Twice { path: FieldPath, first: Range<usize>, second: Range<usize> },
    TooDeep { span: Range<usize> },
}

impl FieldPath {
    pub(crate) fn field(&self, name: &str) -> Self {
        self.with(Segment::Field(name.into()))
    }

    pub(crate) fn index(&self, at: usize) -> Self {
        self.with(Segment::Index(at))
    }

    /// The path that goes on with these segments, the innermost of which is first.
    pub(crate) fn on(&self, innermost_first: Vec<Segment>) -> Self {
        let mut segments = self.0.clone();
        segments.extend(innermost_first.into_iter().rev());
        Self(segments)
    }

    /// Whether the other path is this one, or leads on from it.
    pub(crate) fn leads_to(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    fn last_name(&self) -> &str {
        match self.0.last() {
            Some(Segment::Field(name)) => name,
            _ => "",
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if at == 0 => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The first string that runs over the end of its line, up to there. The parser would take it, and
/// complain far from the quote that is missing.
fn broken_string(text: &str) -> Option<Range<usize>> {
    let mut scanner = Scanner::new(text, &ScannerOptions::default());
    loop {
        // What else is wrong is told by the parser.
        let token = scanner.scan().ok()??;
        let (start, end) = (scanner.token_start(), scanner.token_end());
        let source = text.get(start..end)?;
        if let (Token::String(_), Some(at)) = (token, source.find('\n')) {
            return Some(start..start + source[..at].trim_end_matches('\r').len());
        }
    }
}

fn strict() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn explain(error: &jsonc_parser::errors::ParseError) -> (String, &'static str) {
    use jsonc_parser::errors::ParseErrorKind as Kind;
    let help = match error.kind() {
        Kind::TrailingCommasNotAllowed => "remove the comma before the closing bracket",
        Kind::ExpectedComma => "put a comma between two fields or two elements",
        Kind::SingleQuotedStringsNotAllowed => "use double quotes",
        Kind::ExpectedStringObjectProperty => "put the name of the field in double quotes",
        Kind::UnexpectedWord => "put text in double quotes; the bare words are true, false, null",
        Kind::UnterminatedObject => "the object that begins here has no closing `}`",
        Kind::UnterminatedArray => "the list that begins here has no closing `]`",
        Kind::UnterminatedCommentBlock => "the comment that begins here has no closing `*/`",
        Kind::NestingDepthExceeded => "a scenario needs no more than ten levels",
        Kind::MultipleRootJsonValues => "a scenario file holds one object; this text follows it",
        Kind::ExpectedColonAfterObjectKey => "write \"name\": value",
        _ => "",
    };
    let message = error.kind().to_string();
    let mut letters = message.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    let message: String = first.into_iter().chain(letters).collect();
    (format!("not valid JSON: {message}"), help)
}
