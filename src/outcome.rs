//! How commands end.

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to complain about.
    Fine,
    /// An invariant was violated, or an expectation was not met.
    Violation,
    /// The two runs are not the same.
    Different,
}
