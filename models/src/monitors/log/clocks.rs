//! Clocks of processors that differ.
//!
//! ftrace's default clock is each processor's own. Where they differ, a thread that moves seems to
//! do things before their cause. No single clock can give such an order, and what rests on the
//! order of events is not judged in such a log.

use super::event::LogEvent;

/// By how much clocks may seem to differ, in nanoseconds: the kernel promises of its `local` clock
/// that it is about a tick off at most, and the longest tick is that of HZ = 100.
pub(super) const TICK: u64 = 10_000_000;
/// Why what rests on the order of events is not judged.
pub(super) const DIFFER: &str = "the clocks of the processors differ; record with `echo mono > \
                                 trace_clock`, `trace-cmd record -C mono` or `perf record -k mono`";

/// Two processors whose clocks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClocksDiffer {
    /// The one whose clock is behind.
    pub behind: u32,
    /// The one whose clock is ahead.
    pub ahead: u32,
    /// By at least so many nanoseconds.
    pub ns: u64,
    /// The line of the effect.
    pub effect: u64,
    /// The line of its cause, printed with a later time.
    pub cause: u64,
    /// How often such an order is seen.
    pub count: u64,
}

/// Whether an effect that is printed before its cause may be so by their clocks alone: on another
/// processor, less than a tick before.
pub(super) fn may_differ(effect: &LogEvent, cause: &LogEvent) -> bool {
    effect.cpu != cause.cpu && cause.ns.saturating_sub(effect.ns) < TICK
}

impl ClocksDiffer {
    /// Notes an effect that is printed before its cause.
    pub(super) fn note(known: &mut Option<Self>, effect: LogEvent, cause: LogEvent) {
        let ns = cause.ns.saturating_sub(effect.ns);
        let first = Self {
            behind: effect.cpu,
            ahead: cause.cpu,
            ns,
            effect: effect.line,
            cause: cause.line,
            count: 0,
        };
        let known = known.get_or_insert(first);
        known.count += 1;
        if ns > known.ns {
            *known = Self { count: known.count, ..first };
        }
    }
}
