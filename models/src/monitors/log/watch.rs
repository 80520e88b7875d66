//! What is kept of a vCPU to see at the end whether it went round without progress or stopped
//! quietly: faults on one address that are never asynchronous, pages that are ready and asked for
//! again, registers that are refused. And how far work items and reads are.

use std::collections::{BTreeMap, BTreeSet};

use super::event::LogEvent;
use crate::base::ids::{Gfn, Gva, Token};
use crate::trace::kernel::{KernelEvent, KernelExit};

/// Faults on one address in a row that make a row without progress. An assumption: a fault is
/// retried while a range that it is in is being invalidated, which takes some tens of
/// microseconds a page; a retry takes one or two.
const REFAULTS: u64 = 64;
/// How far apart they may be, in nanoseconds: as between the turns of a halt that spins.
const CLOSE: u64 = 100_000;
/// Times that a page is asked for again which make a row. An assumption: reclaim that takes a page
/// before it is touched does not choose the same one so often in a row.
const AGAIN: u64 = 16;
/// How soon after its page ready a frame is asked for again, in nanoseconds: a guest that runs
/// touches the page in its next time slice, which is a few milliseconds.
const SOON: u64 = 10_000_000;
/// Frames whose last page ready is remembered a vCPU.
const MAX_FRAMES: usize = 128;
/// Work items and reads that are followed.
const MAX_WORKS: usize = 1 << 16;
/// Bits of the error code of a nested fault (AMD): a reserved bit, as in entries of devices'
/// memory, which are emulated; the address is the final one, or that of a page table.
const RESERVED: u64 = 1 << 3;
const NESTED: u64 = 3 << 32;

/// How far a work item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Queued,
    Begun,
    Ended,
}

/// Work items and reads, as far as they are recorded.
#[derive(Clone, Debug, Default)]
pub(super) struct Works {
    pub(super) items: BTreeMap<u64, Work>,
    /// Reads that are sent and not completed.
    pub(super) reads: BTreeSet<(u32, u64)>,
}

/// Faults on one address in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refaults {
    pub(super) address: Gva,
    pub(super) first: LogEvent,
    pub(super) last: u64,
    pub(super) count: u64,
}

/// A frame that was ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) gfn: Gfn,
    pub(super) first: LogEvent,
    pub(super) token: Token,
    pub(super) ready: u64,
    /// Times that it was asked for again at once.
    pub(super) count: u64,
}

/// Tries in a row that came to nothing below the cap, with no request announced nor ready in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nothing {
    pub(super) first: LogEvent,
    pub(super) last: u64,
    pub(super) count: u64,
    /// Announcements and page readies before it.
    pub(super) announced: u64,
    readied: u64,
}

/// A write to the register of notices that was refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) event: LogEvent,
    pub(super) data: u64,
    /// Announcements and page readies before it.
    pub(super) announced: u64,
    pub(super) ready: u64,
}

/// Notices were turned off while a page ready was not acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct OffUnacknowledged {
    pub(super) raised: LogEvent,
    pub(super) token: Option<Token>,
    pub(super) off: LogEvent,
    /// Page readies before it.
    pub(super) ready: u64,
}

/// What is watched of a vCPU.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    row: Option<Refaults>,
    longest: Option<Refaults>,
    rows: u64,
    frames: Vec<Frame>,
    worst: Option<(Frame, u64)>,
    pub(super) refused: Option<Refused>,
    pub(super) off: Option<OffUnacknowledged>,
    nothing: Option<Nothing>,
    /// Announcements so far.
    pub(super) announced: u64,
    /// The read that its thread sent since it left the guest.
    pub(super) read: Option<(u32, u64)>,
    /// The item that it queued.
    pub(super) work: Option<u64>,
}

impl Works {
    /// An event of a device or of a worker; `own` is what is watched of the thread, if it runs a
    /// vCPU.
    pub(super) fn observe(&mut self, event: &KernelEvent, own: Option<&mut Watch>) {
        match *event {
            KernelEvent::BlockIssue { read: true, at, .. } => {
                if let Some(own) = own {
                    own.read = Some(at);
                    if self.reads.len() < MAX_WORKS {
                        self.reads.insert(at);
                    }
                }
            }
            KernelEvent::BlockComplete { at, .. } => _ = self.reads.remove(&at),
            KernelEvent::QueueWork { work } => {
                if let Some(own) = own {
                    own.work = Some(work);
                }
                if self.items.len() < MAX_WORKS || self.items.contains_key(&work) {
                    self.items.insert(work, Work::Queued);
                }
            }
            KernelEvent::ExecuteStart { work } => {
                if let Some(item) = self.items.get_mut(&work) {
                    *item = Work::Begun;
                }
            }
            KernelEvent::ExecuteEnd { work } => {
                if let Some(item) = self.items.get_mut(&work) {
                    *item = Work::Ended;
                }
            }
            _ => {}
        }
    }
}

impl Watch {
    /// A second-stage fault.
    pub(super) fn faulted(&mut self, event: LogEvent, address: Gva, error_code: u64) {
        if error_code & RESERVED != 0 && error_code & NESTED != 0 {
            self.row = None;
            return;
        }
        match &mut self.row {
            Some(row) if row.address == address && event.ns.saturating_sub(row.last) <= CLOSE => {
                row.count += 1;
                row.last = event.ns;
            }
            _ => self.row = Some(Refaults { address, first: event, last: event.ns, count: 1 }),
        }
        let Some(row) = self.row else { return };
        if row.count == REFAULTS {
            self.rows += 1;
        }
        if self.longest.is_none_or(|longest| longest.count <= row.count) {
            self.longest = Some(row);
        }
    }

    /// The vCPU goes on, or its fault is asynchronous.
    pub(super) fn progress(&mut self) {
        self.row = None;
    }

    pub(super) fn left(&mut self, reason: KernelExit) {
        (self.read, self.work) = (None, None);
        if !stands(reason) {
            self.progress();
        }
    }

    pub(super) fn ready(&mut self, event: LogEvent, token: Token, gfn: Gfn) {
        if let Some(frame) = self.frames.iter_mut().find(|frame| frame.gfn == gfn) {
            frame.ready = event.ns;
            return;
        }
        if self.frames.len() == MAX_FRAMES {
            self.frames.remove(0);
        }
        self.frames.push(Frame { gfn, first: event, token, ready: event.ns, count: 0 });
    }

    pub(super) fn announced(&mut self, event: LogEvent, gfn: Gfn) {
        self.announced += 1;
        let Some(place) = self.frames.iter().position(|frame| frame.gfn == gfn) else { return };
        if event.ns.saturating_sub(self.frames[place].ready) > SOON {
            self.frames.remove(place);
            return;
        }
        let frame = &mut self.frames[place];
        frame.count += 1;
        let age = event.ns.saturating_sub(frame.first.ns);
        if self.worst.is_none_or(|(worst, _)| worst.count < frame.count) {
            self.worst = Some((*frame, age));
        }
    }

    /// A try came to nothing below the cap; so many page readies were there before.
    pub(super) fn came_to_nothing(&mut self, event: LogEvent, readied: u64) {
        let announced = self.announced;
        match &mut self.nothing {
            Some(row) if (row.announced, row.readied) == (announced, readied) => {
                row.count += 1;
                row.last = event.ns;
            }
            _ => {
                let (first, last) = (event, event.ns);
                self.nothing = Some(Nothing { first, last, count: 1, announced, readied });
            }
        }
    }

    /// The tries since which nothing was asynchronous, though something was before.
    pub(super) fn nothing_since(&self, readied: u64) -> Option<Nothing> {
        let now = (self.announced, readied);
        self.nothing.filter(|row| row.announced > 0 && (row.announced, row.readied) == now)
    }

    pub(super) fn refused(&mut self, event: LogEvent, data: u64, ready: u64) {
        let announced = self.announced;
        self.refused.get_or_insert(Refused { event, data, announced, ready });
    }

    pub(super) fn turned_off(
        &mut self,
        raised: LogEvent,
        token: Option<Token>,
        off: LogEvent,
        ready: u64,
    ) {
        self.off = Some(OffUnacknowledged { raised, token, off, ready });
    }

    /// The longest row of faults on one address, if it is one without progress, and how many such
    /// rows there are.
    pub(super) fn without_progress(&self) -> Option<(Refaults, u64)> {
        self.longest.filter(|row| row.count >= REFAULTS).map(|row| (row, self.rows))
    }

    /// The frame that was asked for again most often, if that is too often, and within which time.
    pub(super) fn asked_again(&self) -> Option<(Frame, u64)> {
        self.worst.filter(|(frame, _)| frame.count >= AGAIN)
    }
}

/// Whether an exit is one of those that a vCPU without progress has.
const fn stands(reason: KernelExit) -> bool {
    matches!(reason, KernelExit::NestedFault | KernelExit::PageFault | KernelExit::Interrupt)
}
