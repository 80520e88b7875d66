//! A node of the tree as serde's deserializer.

use std::ops::Range;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};

use super::error::Error;
use crate::syntax::tree::{Member, Node, NodeValue, Segment};
use crate::syntax::visible::shortened;

/// How the name of an enum begins that is read as a tagged object; the tag follows.
const TAGGED_BY: &str = "tagged by ";

impl Node {
    pub(super) fn unexpected(&self) -> Unexpected<'_> {
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

pub(super) struct Members<'de> {
    members: std::slice::Iter<'de, Member>,
    /// The name that says which variant this is; no field of the content.
    tag: Option<&'static str>,
    current: Option<&'de Member>,
}

impl<'de> Members<'de> {
    pub(super) fn new(members: &'de [Member], tag: Option<&'static str>) -> Self {
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
            error.help_is(format!("`{tag}` is one of {}", quoted(variants)));
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
        match self.tag {
            Some(tag) => seed.deserialize(Fields { node: self.content, but_for: tag }),
            None => seed.deserialize(self.content),
        }
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

/// An object without the field that said what it is.
pub(super) struct Fields<'de> {
    pub(super) node: &'de Node,
    pub(super) but_for: &'static str,
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
