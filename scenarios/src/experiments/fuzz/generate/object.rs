//! Objects with fields that may be given.

use serde_json::{Map, Value, json};

use crate::experiments::fuzz::draw::Draw;

/// An object of the scenario file.
pub(super) type Object = Map<String, Value>;

/// Puts a field into an object if it is to be given.
pub(super) fn give(
    object: &mut Object,
    draw: &Draw,
    name: &str,
    value: impl FnOnce(&mut Draw) -> Value,
) {
    let mut field = draw.at(name);
    if field.given() {
        object.insert(name.into(), value(&mut field));
    }
}

/// One of several names.
pub(super) fn word(names: &[&str]) -> impl FnOnce(&mut Draw) -> Value {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    move |draw| json!(draw.pick(&names))
}

/// True or false.
pub(super) fn flag(draw: &mut Draw) -> Value {
    json!(draw.percent(50))
}
