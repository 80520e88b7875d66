//! Values of mechanisms as text: what files and command lines may say.

use std::fmt;

use crate::apf::gfn_table::MAX_SLOTS;

/// What a mechanism can be set to.
pub(super) trait Value: fmt::Display + Sized {
    /// All values; none where there are too many to list.
    fn all() -> Vec<Self>;

    /// The value that is written so.
    fn read(text: &str) -> Option<Self> {
        Self::all().into_iter().find(|value| value.to_string() == text)
    }
}

impl Value for bool {
    fn all() -> Vec<Self> {
        vec![false, true]
    }
}

/// The largest cap. Beyond it the table of outstanding frames does not grow.
const MAX_CAP: u32 = MAX_SLOTS;

/// The cap, the only mechanism that is a plain number.
impl Value for u32 {
    fn all() -> Vec<Self> {
        Vec::new()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|cap| (1..=MAX_CAP).contains(cap))
    }
}
