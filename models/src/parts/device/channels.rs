//! A device with parallel channels: solid-state disks, remote memory. Requests wait in order of
//! submission for a free channel; service times follow a law for the first page and a fixed time
//! for each further one.

use std::collections::VecDeque;

use sim_core::{DistributionError, KeyedStreams, Sampler, SimDuration, SimTime};

use super::kind::SwapDevice;
use super::request::{Request, draw};
use crate::base::record::IoKind;
use crate::config::ChannelsConfig;

/// State of the device.
#[derive(Clone, Debug)]
pub(super) struct Channels {
    free: u32,
    waiting: VecDeque<Request>,
    read: Sampler,
    write: Sampler,
    per_page: SimDuration,
}

impl Channels {
    pub(super) fn new(config: &ChannelsConfig, _: u32) -> Result<Self, DistributionError> {
        Ok(Self {
            free: config.channels,
            waiting: VecDeque::new(),
            read: config.read.sampler()?,
            write: config.write.sampler()?,
            per_page: config.per_page,
        })
    }

    /// Takes a free channel, if there is one.
    fn take(&mut self) -> bool {
        let free = self.free > 0;
        self.free -= u32::from(free);
        free
    }
}

impl SwapDevice for Channels {
    fn issue(&mut self, _now: SimTime, _request: Request) -> bool {
        self.take()
    }

    fn begin(&mut self, request: &Request, draws: &KeyedStreams) -> SimDuration {
        let mut stream = draw(draws, request);
        let law = if request.op == IoKind::Read { &self.read } else { &self.write };
        SimDuration::from_ps(law.sample(&mut stream))
            + self.per_page.times(u64::from(request.pages.saturating_sub(1)))
    }

    fn submit(&mut self, _now: SimTime, request: Request) -> Option<Request> {
        if self.take() {
            return Some(request);
        }
        self.waiting.push_back(request);
        None
    }

    /// The request that has waited longest has the free channel now.
    fn completed(&mut self, _now: SimTime) -> Option<Request> {
        let next = self.waiting.pop_front();
        self.free += u32::from(next.is_none());
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{GuestPage, RequestId, SwapSlot};
    use sim_core::{Distribution, RandomStreams};

    fn request(id: u32) -> Request {
        Request {
            id: RequestId(id),
            op: IoKind::Read,
            slot: SwapSlot(id),
            pages: 1 + id,
            guest_page: GuestPage(0),
            occurrence: id,
            submitted: SimTime::ZERO,
        }
    }

    fn device(channels: u32) -> Channels {
        let law = Distribution::Constant { value: 1_000 };
        let (read, write, per_page) = (law.clone(), law, SimDuration::from_ps(10));
        Channels::new(&ChannelsConfig { channels, read, write, per_page }, 0).unwrap()
    }

    #[test]
    fn no_more_than_the_channels_are_served_at_once() {
        let mut device = device(2);
        assert!(device.take());
        assert_eq!(device.submit(SimTime::ZERO, request(1)), Some(request(1)));
        assert!(!device.take());
        assert_eq!(device.submit(SimTime::ZERO, request(2)), None);
        assert_eq!(device.completed(SimTime::ZERO), Some(request(2)));
        assert!(!device.take());
        assert_eq!(device.completed(SimTime::ZERO), None);
        assert!(device.take());
    }

    #[test]
    fn further_pages_take_their_time() {
        let draws = RandomStreams::new(1).label("device");
        let service = |id| device(1).begin(&request(id), &draws).as_ps();
        assert_eq!([service(0), service(1), service(7)], [1_000, 1_010, 1_070]);
    }
}
