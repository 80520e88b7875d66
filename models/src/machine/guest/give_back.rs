//! What is kept of pages that a program gives back, and of the translations that go for it.

use crate::base::ids::{Gfn, Gva, VcpuId};
use crate::config::GATHERED_PAGES;

/// Pages whose translations go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TlbRange {
    pub first: Gva,
    pub pages: u64,
}

/// What another vCPU asks for, which waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub from: VcpuId,
    /// Translations that are to go; none: nothing but an answer.
    pub flush: Option<TlbRange>,
}

/// A shootdown that a vCPU is about to send.
#[derive(Clone, Debug)]
pub(super) struct Shootdown {
    pub range: TlbRange,
    pub targets: Vec<VcpuId>,
}

/// Pages that a task is giving back.
#[derive(Clone, Debug, Default)]
pub(super) struct Discard {
    /// The next page that is looked at, counted from the first one.
    pub next: u64,
    /// Addresses whose entries are gone, and the frames that they had.
    pub frames: Vec<(Gva, Gfn)>,
    /// The first and the last address that had one.
    pub range: Option<(Gva, Gva)>,
    /// Their translations are gone too.
    pub flushed: bool,
    /// Pages that had entries, in all.
    pub gone: u64,
}

impl Discard {
    /// Whether translations go before more entries do.
    pub(super) fn is_full(&self) -> bool {
        self.frames.len() as u64 == GATHERED_PAGES
    }
}
