//! Processors whose events end before the log does.
//!
//! A buffer that does not overwrite takes nothing more once it is full, and each processor has its own:
//! from then on all of it is missing, vCPU threads and workers alike. A processor that idles is silent as
//! well, and so is one whose thread waits; so one counts as cut only where `sched_switch` says that it ran
//! a thread. Without `sched_switch` nothing is known of a vCPU whose guest was told and whose processor has
//! fallen silent: it is cut, its VM was destroyed, or its guest waits.

use std::collections::BTreeMap;

use sim_core::Histogram;

use super::event::LogEvent;
use super::stalls::late_beside;
use crate::trace::kernel::KernelEvent;

/// Processors that are followed.
const MAX_CPUS: usize = 4096;
/// Events of a processor that say how long it is silent. An assumption: enough for a 99th percentile.
const ENOUGH: u64 = 100;

/// What is known of a processor.
#[derive(Clone, Debug, Default)]
struct Seen {
    last: u64,
    line: u64,
    silences: Histogram,
    /// It runs a thread, as its last switch says, if there is one.
    runs: Option<bool>,
}

/// A processor whose events end before the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndsEarly {
    /// Which.
    pub cpu: u32,
    /// The line of its last event, and its time.
    pub line: u64,
    /// Its time in nanoseconds.
    pub ns: u64,
}

/// All processors.
#[derive(Clone, Debug, Default)]
pub(super) struct Processors {
    seen: BTreeMap<u32, Seen>,
}

impl Processors {
    /// An event of whatever kind.
    pub(super) fn observe(&mut self, event: &LogEvent) {
        if self.seen.len() >= MAX_CPUS && !self.seen.contains_key(&event.cpu) {
            return;
        }
        let new = !self.seen.contains_key(&event.cpu);
        let own = self.seen.entry(event.cpu).or_default();
        if !new {
            own.silences.record(event.ns.saturating_sub(own.last));
        }
        (own.last, own.line) = (own.last.max(event.ns), event.line);
        if let KernelEvent::SchedSwitch { next, .. } = event.event {
            own.runs = Some(next != 0);
        }
    }

    /// The first processor whose events end before `now` though it ran a thread.
    pub(super) fn ends_early(&self, now: u64) -> Option<EndsEarly> {
        let cut = self.seen.iter().filter(|(_, own)| own.runs == Some(true) && own.is_silent(now));
        let first = cut.min_by_key(|(_, own)| own.last)?;
        Some(EndsEarly { cpu: *first.0, line: first.1.line, ns: first.1.last })
    }

    /// Since when a processor prints nothing any more, where the log does not say whether it idles.
    pub(super) fn silent_since(&self, cpu: u32, now: u64) -> Option<u64> {
        let own = self.seen.get(&cpu).filter(|own| own.runs.is_none() && own.is_silent(now))?;
        Some(own.last)
    }
}

impl Seen {
    /// Whether it is silent for longer than ever.
    fn is_silent(&self, now: u64) -> bool {
        let silence = now.saturating_sub(self.last);
        self.silences.count() >= ENOUGH
            && silence > late_beside(self.silences.value_at_quantile(0.99))
    }
}
