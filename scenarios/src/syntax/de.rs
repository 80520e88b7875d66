//! From a tree of placed values to typed structs, by serde, with the place of every error.
//!
//! This is a serde deserializer of its own over [`Node`] instead of one over `serde_json::Value`,
//! because serde's derived code then reports unknown fields, missing fields and wrong types as
//! data, at the node where they happen. Texts of a generic error would have to be taken apart.
//!
//! Two kinds of enum are read in a form that serde's own attributes would read by buffering, which
//! loses the places. They derive a plain `Deserialize`, and say themselves how they are read:
//!
//! * An enum whose name serde is told to be `tagged by FIELD` is an object whose field FIELD names the
//!   variant; its other fields are the content.
//! * An enum with a variant `Name` is a string, which is that variant, or an object: variant `Preset`
//!   when it has a field `preset`, else variant `Inline` when there is one.

use std::fmt;
use std::ops::Range;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};

use crate::syntax::error::{MAX_SHOWN, ScenarioError, help_for_unknown};
use crate::syntax::tree::{Document, FieldPath, Member, Node, NodeValue, Segment};
use crate::syntax::visible::shortened;

/// How the name of an enum begins that is read as a tagged object; the tag follows.
const TAGGED_BY: &str = "tagged by ";

/// Parts the message of a custom error from the help that follows.
const HELP_MARK: char = '\u{1f}';

/// Reads a document as a `T`.
pub(crate) fn from_document<T: de::DeserializeOwned>(doc: &Document) -> Result<T, ScenarioError> {
    value(doc, &FieldPath::default())
}

/// Reads the value at a place of a document as a `T`.
pub(crate) fn value<T: de::DeserializeOwned>(
    doc: &Document,
    path: &FieldPath,
) -> Result<T, ScenarioError> {
    let node = doc.nearest(path);
    T::deserialize(node).map_err(|error| error.in_document(doc, path, node))
}

/// Reads the object at a place of a document, but for one of its fields, as a `T`.
pub(crate) fn fields<T: de::DeserializeOwned>(
    doc: &Document,
    path: &FieldPath,
    but_for: &'static str,
) -> Result<T, ScenarioError> {
    let node = doc.nearest(path);
    T::deserialize(Fields { node, but_for }).map_err(|error| error.in_document(doc, path, node))
}

/// The value at a place is not of the type that is expected.
pub(crate) fn expected(doc: &Document, path: &FieldPath, expected: &str) -> ScenarioError {
    let node = doc.nearest(path);
    let error: Error = de::Error::invalid_type(node.unexpected(), &expected);
    error.in_document(doc, path, node)
}

/// The value at a place is none of some words.
pub(crate) fn unknown_value(
    doc: &Document,
    path: &FieldPath,
    word: &str,
    valid: &[&str],
) -> ScenarioError {
    let help = Some(help_for_unknown(word, valid));
    let error = Error::new(format!("unknown value `{}`", shortened(word, MAX_SHOWN)), help);
    error.in_document(doc, path, doc.nearest(path))
}

/// The names of the fields of a struct, as serde has them.
pub(crate) fn field_names<T: de::DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &[&str] = &[];
    // That it gives no value is no failure.
    let _ = T::deserialize(Names(&mut names));
    names
}

/// An object without the field that said what it is.
struct Fields<'de> {
    node: &'de Node,
    but_for: &'static str,
}

impl<'de> Deserializer<'de> for Fields<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let members = Members::new(self.node.members(), Some(self.but_for));
        visitor.visit_map(members).map_err(|error| error.at(&self.node.span))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Takes the names of a struct's fields down.
struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::new(String::new(), None))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A custom error with help, for `Deserialize` implementations of single values.
pub(crate) fn custom<E: de::Error>(message: &str, help: &str) -> E {
    E::custom(format!("{message}{HELP_MARK}{help}"))
}

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
    fn new(message: String, help: Option<String>) -> Self {
        Self(Box::new(Failure { span: None, path: Vec::new(), message, help }))
    }

    fn at(mut self, span: &Range<usize>) -> Self {
        self.0.span.get_or_insert_with(|| span.clone());
        self
    }

    /// As an error of a document, whose value at `path` was read.
    fn in_document(self, doc: &Document, path: &FieldPath, node: &Node) -> ScenarioError {
        let Failure { span, path: inner, message, help } = *self.0;
        doc.error(span.unwrap_or(node.span.clone()), &path.on(inner), message, help)
    }

    fn within(mut self, segment: Segment) -> Self {
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

impl Node {
    fn unexpected(&self) -> Unexpected<'_> {
        match &self.value {
            NodeValue::Null => Unexpected::Unit,
            NodeValue::Bool(value) => Unexpected::Bool(*value),
            NodeValue::Number(text) => match number(text) {
                Some(Number::Unsigned(value)) => Unexpected::Unsigned(value),
                Some(Number::Signed(value)) => Unexpected::Signed(value),
                Some(Number::Float(value)) => Unexpected::Float(value),
                None => Unexpected::Other("a number too large to hold"),
            },
            NodeValue::String(text) => Unexpected::Str(text),
            NodeValue::Array(_) => Unexpected::Seq,
            NodeValue::Object(_) => Unexpected::Map,
        }
    }
}

enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// A number as written. `1.1e9` is a whole number, so it may stand where one is wanted.
fn number(text: &str) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Ok(value) = text.parse() {
        return Some(Number::Unsigned(value));
    }
    if let Ok(value) = text.parse() {
        return Some(Number::Signed(value));
    }
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    if (0.0..=EXACT).contains(&value) && value.fract() == 0.0 {
        return Some(Number::Unsigned(value as u64));
    }
    Some(Number::Float(value))
}

macro_rules! as_any {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.deserialize_any(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.value {
            NodeValue::Null => visitor.visit_unit(),
            NodeValue::Bool(value) => visitor.visit_bool(*value),
            NodeValue::Number(text) => match number(text) {
                Some(Number::Unsigned(value)) => visitor.visit_u64(value),
                Some(Number::Signed(value)) => visitor.visit_i64(value),
                Some(Number::Float(value)) => visitor.visit_f64(value),
                None => Err(Error::new(
                    format!("the number {} is too large", shortened(text, 40)),
                    None,
                )),
            },
            NodeValue::String(text) => visitor.visit_borrowed_str(text),
            NodeValue::Array(items) => visitor.visit_seq(Items { items: items.iter(), at: 0 }),
            NodeValue::Object(members) => visitor.visit_map(Members::new(members, None)),
        };
        result.map_err(|error| error.at(&self.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            NodeValue::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let choice = Choice::of(self, name, variants).map_err(|error| error.at(&self.span))?;
        visitor.visit_enum(choice).map_err(|error| error.at(&self.span))
    }

    as_any! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_unit deserialize_seq deserialize_map
        deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // A list is not a struct here, though serde's derived code would take one.
        match self.value {
            NodeValue::Object(_) => self.deserialize_any(visitor),
            _ => Err(de::Error::invalid_type(self.unexpected(), &visitor)),
        }
        .map_err(|error: Error| error.at(&self.span))
    }
}

struct Items<'de> {
    items: std::slice::Iter<'de, Node>,
    at: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let at = self.at;
        self.at += 1;
        seed.deserialize(item).map(Some).map_err(|error| error.within(Segment::Index(at)))
    }
}

struct Members<'de> {
    members: std::slice::Iter<'de, Member>,
    /// The name that says which variant this is; no field of the content.
    tag: Option<&'static str>,
    current: Option<&'de Member>,
}

impl<'de> Members<'de> {
    fn new(members: &'de [Member], tag: Option<&'static str>) -> Self {
        Self { members: members.iter(), tag, current: None }
    }
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let tag = self.tag;
        self.current = self.members.find(|member| Some(member.name.as_str()) != tag);
        let Some(member) = self.current else { return Ok(None) };
        seed.deserialize(member.name.as_str().into_deserializer()).map(Some).map_err(
            |error: Error| error.at(&member.name_span).within(Segment::Field(member.name.clone())),
        )
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(member) = self.current else {
            return Err(de::Error::custom("a value without a name"));
        };
        seed.deserialize(&member.value)
            .map_err(|error| error.within(Segment::Field(member.name.clone())))
    }
}

/// The variant that a value stands for, with its content.
struct Choice<'de> {
    variant: &'de str,
    content: &'de Node,
    /// Where the variant is named, for unknown ones.
    named_at: Range<usize>,
    tag: Option<&'static str>,
    /// The field that names the variant, for paths in errors.
    via: Option<&'static str>,
}

impl<'de> Choice<'de> {
    fn of(
        node: &'de Node,
        name: &'static str,
        variants: &'static [&'static str],
    ) -> Result<Self, Error> {
        let span = node.span.clone();
        if let Some(tag) = name.strip_prefix(TAGGED_BY) {
            return Self::tagged(node, tag, variants);
        }
        if variants.contains(&"Name") {
            let (preset, inline) = (variants.contains(&"Preset"), variants.contains(&"Inline"));
            let variant = match &node.value {
                NodeValue::String(_) => "Name",
                NodeValue::Object(_) if !inline => "Preset",
                NodeValue::Object(_) if preset && node.get("preset").is_some() => "Preset",
                NodeValue::Object(_) => "Inline",
                _ => {
                    let expected = "a name in double quotes or an object";
                    return Err(de::Error::invalid_type(node.unexpected(), &expected));
                }
            };
            return Ok(Self { variant, content: node, named_at: span, tag: None, via: None });
        }
        match &node.value {
            NodeValue::String(text) => {
                Ok(Self { variant: text, content: node, named_at: span, tag: None, via: None })
            }
            _ => {
                let expected = format!("one of {}", quoted(variants));
                Err(de::Error::invalid_type(node.unexpected(), &expected.as_str()))
            }
        }
    }

    fn tagged(
        node: &'de Node,
        tag: &'static str,
        variants: &'static [&'static str],
    ) -> Result<Self, Error> {
        if !matches!(node.value, NodeValue::Object(_)) {
            let expected = format!("an object with a field `{tag}`");
            return Err(de::Error::invalid_type(node.unexpected(), &expected.as_str()));
        }
        let Some(named) = node.get(tag) else {
            let mut error: Error = de::Error::missing_field(tag);
            error.0.help = Some(format!("`{tag}` is one of {}", quoted(variants)));
            return Err(error);
        };
        let NodeValue::String(variant) = &named.value else {
            let expected = format!("one of {}", quoted(variants));
            let error: Error = de::Error::invalid_type(named.unexpected(), &expected.as_str());
            return Err(error.at(&named.span).within(Segment::Field(tag.into())));
        };
        let named_at = named.span.clone();
        Ok(Self { variant, content: node, named_at, tag: Some(tag), via: Some(tag) })
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let value =
            seed.deserialize(self.variant.into_deserializer()).map_err(|error: Error| {
                let error = error.at(&self.named_at);
                match self.via {
                    Some(tag) => error.within(Segment::Field(tag.into())),
                    None => error,
                }
            })?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.content)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.content.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor
            .visit_map(Members::new(self.content.members(), self.tag))
            .map_err(|error| error.at(&self.content.span))
    }
}
