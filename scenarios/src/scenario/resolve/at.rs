//! Values of a file with their places, and the bounds that they are held to.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use models::base::ids::PAGE_SIZE;
use sim_core::SimDuration;

use crate::syntax::error::{ScenarioError, help_for_unknown};
use crate::syntax::tree::{Document, FieldPath, NodeValue};
use crate::syntax::units::Bytes;

/// The version of the file format that this program reads.
pub const FORMAT: u64 = 1;
/// Longest measured time, and longest warm-up.
pub const MAX_DURATION: SimDuration = SimDuration::from_secs(24 * 60 * 60);
/// Largest memory of a guest.
pub const MAX_MEMORY: Bytes = Bytes(1 << 40);
/// Pages of the largest aligned block: what one table of the lowest level maps.
const LARGEST_BLOCK: u64 = 512;
const MAX_NAME: usize = 64;
/// Longest time that a parameter of a scheduler or device may have.
pub(super) const MAX_SPAN: SimDuration = SimDuration::from_secs(100);
const MAX_TITLE: usize = 200;

/// A value of the file: the place that errors about it point to.
#[derive(Clone)]
pub(crate) struct At<'a> {
    pub(crate) doc: &'a Document,
    pub(crate) path: FieldPath,
}

impl At<'_> {
    pub(crate) fn field(&self, name: &str) -> Self {
        Self { doc: self.doc, path: self.path.field(name) }
    }

    pub(crate) fn index(&self, at: usize) -> Self {
        Self { doc: self.doc, path: self.path.index(at) }
    }

    pub(crate) fn fail(
        &self,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> ScenarioError {
        let node = self.doc.nearest(&self.path);
        self.doc.error(node.span.clone(), &self.path, message, Some(help.into()))
    }

    /// The number, when it lies in the range.
    pub(in crate::scenario) fn number<T: TryFrom<u64>>(
        &self,
        value: u64,
        range: RangeInclusive<u64>,
    ) -> Result<T, ScenarioError> {
        let (low, high) = (range.start(), range.end());
        match T::try_from(value) {
            Ok(number) if range.contains(&value) => Ok(number),
            _ => {
                Err(self.fail(format!("{value} is out of range"), format!("from {low} to {high}")))
            }
        }
    }

    /// The size in pages, when it is whole pages.
    pub(in crate::scenario) fn pages(&self, size: Bytes) -> Result<u64, ScenarioError> {
        if !size.0.is_multiple_of(PAGE_SIZE) {
            let help = format!("a multiple of {}", Bytes(PAGE_SIZE));
            return Err(self.fail(format!("{size} is not a whole number of pages"), help));
        }
        if size > MAX_MEMORY {
            let help = format!("at most {MAX_MEMORY}");
            return Err(self.fail(format!("{size} is more than is supported"), help));
        }
        Ok(size.0 / PAGE_SIZE)
    }

    /// The pages of an aligned block: a power of two up to 2 MiB.
    pub(in crate::scenario) fn block(&self, size: Bytes) -> Result<u32, ScenarioError> {
        let pages = self.pages(size)?;
        if !pages.is_power_of_two() || pages > LARGEST_BLOCK {
            let help = "a power of two from \"4KiB\" to \"2MiB\"";
            return Err(self.fail(format!("{size} is no block of pages"), help));
        }
        self.number(pages, 1..=LARGEST_BLOCK)
    }

    /// The span, when it lies in the range.
    pub(in crate::scenario) fn span(
        &self,
        span: SimDuration,
        range: RangeInclusive<SimDuration>,
    ) -> Result<SimDuration, ScenarioError> {
        if range.contains(&span) {
            return Ok(span);
        }
        let told = |span: SimDuration| match span.is_zero() {
            true => "0s".into(),
            false => span.to_string(),
        };
        let help = format!("from {} to {}", told(*range.start()), told(*range.end()));
        Err(self.fail(format!("{} is out of range", told(span)), help))
    }

    /// A time that a part of the machine takes: not zero, and not absurd.
    pub(in crate::scenario) fn some_time(
        &self,
        span: SimDuration,
    ) -> Result<SimDuration, ScenarioError> {
        self.span(span, SimDuration::from_ps(1)..=MAX_SPAN)
    }

    pub(crate) fn unknown(&self, what: &str, name: &str, valid: &[&str]) -> ScenarioError {
        self.fail(format!("there is no {what} `{name}`"), help_for_unknown(name, valid))
    }

    /// A name that may stand in a file name.
    pub(crate) fn name(&self, name: &str) -> Result<String, ScenarioError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = (1..=MAX_NAME).contains(&name.len()) && name.chars().all(plain);
        if !fits || name.starts_with('.') {
            let help = format!(
                "letters, digits, `-`, `_` and `.`, at most {MAX_NAME}, not beginning with `.`"
            );
            return Err(self.fail(format!("`{name}` is not a name"), help));
        }
        Ok(name.into())
    }

    /// Names that must differ; `field` is where each element has its name.
    pub(crate) fn distinct<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        field: Option<&str>,
    ) -> Result<(), ScenarioError> {
        let mut seen = BTreeMap::new();
        for (index, name) in names.into_iter().enumerate() {
            if let Some(first) = seen.insert(name, index) {
                let here = self.index(index);
                let here = field.map_or(here.clone(), |field| here.field(field));
                let first = self.index(first).path;
                let help = format!("`{first}` has that name already");
                return Err(here.fail(format!("the name `{name}` is given twice"), help));
            }
        }
        Ok(())
    }
}

pub(crate) fn check_format(root: &At<'_>) -> Result<(), ScenarioError> {
    let Some(node) = root.doc.root.get("format") else { return Ok(()) };
    match &node.value {
        NodeValue::Number(text) if text != &FORMAT.to_string() => Err(root.field("format").fail(
            format!("format {text} is not supported"),
            format!("this version of apfsim reads format {FORMAT}"),
        )),
        // Anything else that is wrong is told with its type.
        _ => Ok(()),
    }
}

pub(crate) fn title(at: &At<'_>, title: &str) -> Result<String, ScenarioError> {
    let title = title.trim();
    let one_line = !title.chars().any(char::is_control);
    if !(1..=MAX_TITLE).contains(&title.chars().count()) || !one_line {
        let help = format!("one line of at most {MAX_TITLE} characters");
        return Err(at.fail("this is not a title", help));
    }
    Ok(title.into())
}
