//! `--format`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use reports::formats::{self, FORMATS};

/// How a result is printed.
pub(crate) type Format = &'static dyn formats::Format;

/// Reads the name of a format that can be printed.
pub(super) fn format() -> impl TypedValueParser<Value = Format> {
    let printed = FORMATS.iter().filter_map(|format| {
        let value = PossibleValue::new(format.name()).help(format.help()?);
        Some(value.aliases(format.aliases()))
    });
    PossibleValuesParser::new(printed)
        .try_map(|name| formats::find(&name).ok_or_else(|| format!("there is no format `{name}`")))
}

/// The format of what nothing is said of.
pub(super) fn usual() -> &'static str {
    FORMATS[0].name()
}
