//! Which queue a run uses, as named on a command line.

use std::fmt;
use std::str::FromStr;

/// The event queues that can be chosen by name. The choice never changes a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueKind {
    /// [`HybridQueue`](super::HybridQueue), `hybrid`: a sorted array over a timing wheel.
    #[default]
    Hybrid,
    /// [`StdHeapQueue`](super::StdHeapQueue), `std`: a binary heap.
    Std,
    /// [`ReferenceQueue`](super::ReferenceQueue), `reference`: plain, slow, for checking others.
    Reference,
}

impl QueueKind {
    /// Every kind, in the order in which help texts list them.
    pub const ALL: [Self; 3] = [Self::Hybrid, Self::Std, Self::Reference];

    /// The name that [`FromStr`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Std => "std",
            Self::Reference => "reference",
        }
    }
}

/// A name that is no queue's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown event queue `{0}`; use `hybrid`, `std` or `reference`")]
pub struct ParseQueueKindError(String);

impl FromStr for QueueKind {
    type Err = ParseQueueKindError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| ParseQueueKindError(text.into()))
    }
}

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_printed() {
        for kind in QueueKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!(QueueKind::default(), QueueKind::Hybrid);
        let error = "heap".parse::<QueueKind>().unwrap_err().to_string();
        for kind in QueueKind::ALL {
            assert!(error.contains(kind.name()), "{error}");
        }
    }
}
