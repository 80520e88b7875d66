//! A kernel or a posted series as a dated set of changes to the one that it began as.

use super::mechanism::{Mechanism, Setting};

/// One mechanism that a generation does otherwise than its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The mechanism and its new value.
    pub new: Setting,
    /// Where that is known from.
    pub source: &'static str,
    /// The first mainline release that has it, such as `6.6`, where that is before the one that the
    /// generation is named after and is known from more than memory.
    pub since: Option<&'static str>,
}

/// A kernel, or a posted series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its name.
    pub name: &'static str,
    /// When it was posted or released.
    pub date: &'static str,
    /// What it began as; none for the oldest one here.
    pub parent: Option<&'static str>,
    /// What it is and what is new in it, in a line.
    pub summary: &'static str,
    /// What it does otherwise.
    pub changes: &'static [Change],
    /// What later releases of its long-term tree took over from newer kernels.
    pub backports: &'static [Backport],
}

/// A change that a long-term tree took over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backport {
    /// The first release that has it, such as `6.12.64`.
    pub release: &'static str,
    /// The mechanism and its value since.
    pub new: Setting,
    /// The commit.
    pub source: &'static str,
}

/// A change with the value that it replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The generation that made it.
    pub generation: &'static str,
    /// The mechanism.
    pub mechanism: Mechanism,
    /// The value before.
    pub old: Setting,
    /// The value since.
    pub new: Setting,
    /// Where that is known from.
    pub source: &'static str,
}

/// Since when a generation has the value of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The value.
    pub setting: Setting,
    /// The generation that brought it.
    pub since: &'static str,
    /// Where that is known from.
    pub source: &'static str,
}
