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

mod error;
mod node;

use serde::de::{self, Deserializer, Visitor};

pub(crate) use self::error::{Error, custom};
use self::node::Fields;
use crate::syntax::error::{MAX_SHOWN, ScenarioError, help_for_unknown};
use crate::syntax::tree::{Document, FieldPath};
use crate::syntax::visible::shortened;

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
