//! Memory as a block device: nothing waits for a place, and copies share one bandwidth.
//!
//! A request takes a fixed time and the copy of its pages; copies go one after the other, in the
//! order in which requests begin. That the copy is the device's own is a simplification: brd and pmem
//! copy on the submitter's processor, which the cost `block_copy` stands for. Where the device is
//! synchronous the copy is the submitter's work, and no bandwidth is shared.

use sim_core::{DistributionError, KeyedStreams, SimDuration, SimTime};

use super::kind::SwapDevice;
use super::request::Request;
use crate::config::RamConfig;

/// State of the device.
#[derive(Clone, Debug)]
pub(super) struct Ram {
    config: RamConfig,
    /// When the copies that have begun are over.
    copied: SimTime,
}

impl Ram {
    pub(super) fn new(config: &RamConfig, _: u32) -> Result<Self, DistributionError> {
        Ok(Self { config: config.clone(), copied: SimTime::ZERO })
    }
}

impl SwapDevice for Ram {
    fn issue(&mut self, _now: SimTime, _request: Request) -> bool {
        true
    }

    fn begin(&mut self, request: &Request, _draws: &KeyedStreams) -> SimDuration {
        let copy = self.config.copy_per_page.times(u64::from(request.pages));
        if self.config.synchronous {
            return self.config.latency + copy;
        }
        self.copied = self.copied.max(request.submitted) + copy;
        self.copied.since(request.submitted) + self.config.latency
    }

    fn submit(&mut self, _now: SimTime, request: Request) -> Option<Request> {
        Some(request)
    }

    fn completed(&mut self, _now: SimTime) -> Option<Request> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{GuestPage, RequestId, SwapSlot};
    use crate::base::record::IoKind;
    use sim_core::RandomStreams;

    /// Two copies at one time share the bandwidth, and a later one finds it free again.
    #[test]
    fn copies_go_one_after_the_other() {
        let draws = RandomStreams::new(1).label("device");
        let us = SimDuration::from_us;
        let mut device =
            Ram::new(&RamConfig { latency: us(3), copy_per_page: us(2), synchronous: false }, 0)
                .expect("has no law");
        let mut service = |at: u64, pages: u32| {
            let request = Request {
                id: RequestId(0),
                op: IoKind::Read,
                slot: SwapSlot(0),
                pages,
                guest_page: GuestPage(0),
                occurrence: 0,
                store: None,
                submitted: SimTime::ZERO + us(at),
            };
            device.begin(&request, &draws)
        };
        assert_eq!([service(0, 1), service(0, 4), service(9, 1)], [us(5), us(13), us(6)]);
        assert_eq!(service(100, 1), us(5));
    }

    /// Each processor copies for itself.
    #[test]
    fn synchronous_copies_go_beside_each_other() {
        let draws = RandomStreams::new(1).label("device");
        let us = SimDuration::from_us;
        let config = RamConfig { latency: us(3), copy_per_page: us(2), synchronous: true };
        let mut device = Ram::new(&config, 0).expect("has no law");
        for pages in [1, 4, 1] {
            let request = Request {
                id: RequestId(0),
                op: IoKind::Read,
                slot: SwapSlot(0),
                pages,
                guest_page: GuestPage(0),
                occurrence: 0,
                store: None,
                submitted: SimTime::ZERO,
            };
            assert_eq!(device.begin(&request, &draws), us(3 + 2 * u64::from(pages)));
        }
    }
}
