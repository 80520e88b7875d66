//! A request and what it is called on its way: a try, announced, told or not, ready, overdue.

use super::event::LogEvent;
use crate::base::ids::{Gfn, Gva, PAGE_SIZE, Token};

/// Whether the guest was told of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    /// The log has not come so far.
    #[default]
    Open,
    /// #PF was injected.
    Yes,
    /// The vCPU went on without it.
    No,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) ns: u64,
    pub(super) seq: u64,
    /// Events and entries of the vCPU so far.
    pub(super) events: u64,
    pub(super) entries: u64,
    /// Host address of guest address 0 by it.
    pub(super) base: u64,
}

/// A request between its announcement and its page ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) token: Token,
    pub(super) gva: Gva,
    /// The frame, where its try was seen.
    pub(super) frame: Option<Gfn>,
    pub(super) announced: LogEvent,
    pub(super) seq: u64,
    /// Sequence number of the vCPU's last event before the announcement (its try, where tries are
    /// recorded). The worker may have begun at any time after it.
    pub(super) begun: u64,
    /// When it was tried, if the log says so.
    pub(super) tried: Option<u64>,
    pub(super) completed: Option<Place>,
    pub(super) told: Told,
    /// The guest was entered without being told, and the thread had not slept.
    pub(super) went_on: bool,
    /// The vCPU faulted on the frame again.
    pub(super) again: bool,
    /// Whether it was told is not known yet: no exception is recorded so far.
    pub(super) uncounted: bool,
    /// Its page ready may be among what the log does not show.
    pub(super) doubtful: bool,
    /// A completion may have been this request's or that of one for the same address of which the
    /// log does not show enough to count them.
    pub(super) shared: bool,
    /// It was announced before the log's first completion: its own may not be recorded.
    pub(super) early: bool,
    /// It was announced before the log's first page ready, and its own may be before that.
    pub(super) unseen_ready: bool,
    /// Another request for the same frame was announced meanwhile.
    pub(super) doubled: Option<LogEvent>,
    /// The read that the vCPU thread sent for it.
    pub(super) read: Option<(u32, u64)>,
    /// Its work item.
    pub(super) work: Option<u64>,
}

impl Request {
    pub(super) fn gfn(&self) -> Gfn {
        self.frame.unwrap_or(Gfn(self.gva.0 / PAGE_SIZE))
    }
}

/// The last number that a vCPU has announced, and what may have taken numbers since.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastNumber {
    pub(super) counter: u32,
    pub(super) ns: u64,
    /// Tries before it that were no repeated faults.
    pub(super) tries: u64,
    /// The cap was reached.
    pub(super) at_cap: bool,
}

/// Numbers of tokens that are missing between two that were announced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) missing: u64,
    /// The line and the time of the second, and the time of the first.
    pub(super) line: u64,
    pub(super) ns: u64,
    pub(super) since: u64,
}

/// A request that is ready and whose completion the log has not shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unfinished {
    pub(super) request: Request,
    pub(super) ready: LogEvent,
    pub(super) seq: u64,
    /// When its completion was late.
    pub(super) overdue: Option<u64>,
    /// The vCPU's first entry since.
    pub(super) entered: Option<LogEvent>,
    /// The log has not shown that its worker begins, though it does of others.
    pub(super) unseen_worker: bool,
}

/// A request that is ready though its worker has not begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unstarted {
    pub(super) work: u64,
    pub(super) request: Request,
    pub(super) ready: LogEvent,
}

/// Page readies before their completions, as far as one clock says so.
#[derive(Clone, Debug, Default)]
pub(super) struct EarlyReadies {
    pub(super) count: u64,
    /// The first, on which vCPU, and its completion.
    pub(super) first: Option<(usize, Unfinished, LogEvent)>,
}

/// More requests than the cap, to be confirmed by their page readies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Over {
    pub(super) event: LogEvent,
    pub(super) seq: u64,
    pub(super) count: usize,
    pub(super) readied: u32,
}

/// The request whose exception is expected next.
#[derive(Clone, Copy, Debug)]
pub(super) struct AwaitingException {
    pub(super) token: Token,
    /// Its own page ready, if it came first.
    pub(super) readied: Option<LogEvent>,
    /// When it was tried, if its page ready came first.
    pub(super) begun: Option<u64>,
    /// Another page ready came in between.
    pub(super) crossed: bool,
    /// Its page ready has raised an interrupt.
    pub(super) interrupts: Option<LogEvent>,
}

/// What a guest has said of notices, as far as the log has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Notices {
    /// Nothing, or the host may have changed it since.
    Unknown,
    /// They are off.
    Off(LogEvent),
    /// They are on, without page ready by interrupt: since 5.8 that is off, too.
    WithoutInterrupt(LogEvent),
    /// They are on.
    On,
}

/// A page ready that raised an interrupt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raised {
    pub(super) event: LogEvent,
    pub(super) token: Option<Token>,
    /// The local APIC took the interrupt.
    pub(super) accepted: bool,
}

/// A try whose outcome is not known yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// Requests that were outstanding then.
    pub(super) outstanding: usize,
    /// An exception came of it though no not present was printed.
    pub(super) told: Option<LogEvent>,
    pub(super) gva: Gva,
    pub(super) gfn: Gfn,
    pub(super) ns: u64,
    pub(super) event: LogEvent,
}

/// A request that is ready, in a log without exceptions.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotificationUnknown {
    pub(super) token: Token,
    pub(super) ready: LogEvent,
    pub(super) begun: u64,
}
