//! Objects with fields that may be given.

use models::base::named::Named;
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

/// One of the words that a knob can have.
pub(super) fn word<T: Named>(draw: &mut Draw) -> Value {
    json!(draw.pick(T::ALL).word())
}

/// True or false.
pub(super) fn flag(draw: &mut Draw) -> Value {
    json!(draw.percent(50))
}
