//! What goes to the swap device and comes from it, and what compressed swap does instead.

use sim_core::SimTime;

use super::totals::Counts;
use crate::base::record::{Event, IoKind};

/// Requests that are under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    in_flight: u64,
    /// Since when so many.
    since: SimTime,
}

impl Traffic {
    /// Takes in a record of the swap device or of compressed swap; `measuring` is 1 in the measured phase.
    pub(super) fn observe(
        &mut self,
        now: SimTime,
        event: &Event,
        (counts, measuring): (&mut Counts, u64),
    ) {
        match *event {
            Event::BlockRqIssue { op, pages, .. } => {
                let pages = u64::from(pages) * measuring;
                match op {
                    IoKind::Read => {
                        counts.swap_read_pages += pages;
                        counts.swap_read_requests += measuring;
                    }
                    IoKind::Write => {
                        counts.swap_write_pages += pages;
                        counts.swap_write_requests += measuring;
                    }
                }
                self.settle(now, counts);
                self.in_flight += 1;
            }
            Event::BlockRqComplete { .. } => {
                self.settle(now, counts);
                self.in_flight = self.in_flight.saturating_sub(1);
            }
            Event::SwapCompute { op, pages, span, .. } => {
                let (pages, ps) = (u64::from(pages) * measuring, span.as_ps() * measuring);
                match op {
                    IoKind::Read => {
                        counts.swap_read_pages += pages;
                        counts.decompress_ps += ps;
                        counts.decompressed_pages += pages;
                    }
                    IoKind::Write => {
                        counts.swap_write_pages += pages;
                        counts.compress_ps += ps;
                        counts.compressed_pages += pages;
                    }
                }
            }
            Event::ZswapWriteback { span, .. } => {
                counts.decompress_ps += span.as_ps() * measuring;
                counts.zswap_writebacks += measuring;
            }
            Event::ZswapRefuse { .. } => counts.zswap_refusals += measuring,
            _ => {}
        }
    }

    /// Counts what was under way until now.
    pub(super) fn settle(&mut self, now: SimTime, counts: &mut Counts) {
        let span = now.saturating_since(self.since).as_ps();
        self.since = now;
        counts.in_flight_ps += u128::from(self.in_flight) * u128::from(span);
        if self.in_flight > 0 {
            counts.device_busy_ps += span;
        }
    }
}
