//! A device with parallel channels: solid-state disks, remote memory. Requests wait in order of
//! submission for a free channel; service times follow a law for the first page and a fixed time
//! for each further one.
//!
//! A device whose parts are shared by requests (dies, a bus, a cap) is slower the more it serves. What
//! was measured of it is the law of times at some depths: a request takes its time from the law of the
//! depth at which it begins, and between two measured depths each quantile lies on a straight line.

use std::collections::VecDeque;

use sim_core::{
    Distribution, DistributionError, KeyedStreams, Sampler, SimDuration, SimTime, Stream,
};

use super::kind::SwapDevice;
use super::request::{Request, draw};
use crate::base::record::IoKind;
use crate::config::{AtDepth, ChannelsConfig};

/// Laws of service times by the depth at which a request begins, the first at depth one.
#[derive(Clone, Debug)]
struct Law(Vec<(u32, Sampler)>);

impl Law {
    fn new(alone: &Distribution, at_depth: &[AtDepth]) -> Result<Self, DistributionError> {
        let alone = std::iter::once((1, alone));
        let laws = alone.chain(at_depth.iter().map(|law| (law.depth, &law.time)));
        laws.map(|(depth, law)| Ok((depth, law.sampler()?))).collect::<Result<_, _>>().map(Self)
    }

    fn sample(&self, depth: u32, stream: &mut Stream) -> u64 {
        let above = self.0.partition_point(|(known, _)| *known <= depth).max(1);
        let (low, law) = &self.0[above - 1];
        let Some((high, next)) = self.0.get(above).filter(|_| depth > *low) else {
            return law.sample(stream);
        };
        // The same random numbers, so that the slow requests of one law are those of the other.
        let (fast, slow) = (law.sample(&mut stream.clone()), next.sample(stream));
        let (to_low, to_high) = (u128::from(depth - low), u128::from(high - depth));
        let sum = u128::from(fast) * to_high + u128::from(slow) * to_low;
        // A mean of 64-bit values, so the cast keeps the value.
        (sum / u128::from(high - low)) as u64
    }
}

/// State of the device.
#[derive(Clone, Debug)]
pub(super) struct Channels {
    channels: u32,
    free: u32,
    waiting: VecDeque<Request>,
    read: Law,
    write: Law,
    per_page: SimDuration,
}

impl Channels {
    pub(super) fn new(config: &ChannelsConfig, _: u32) -> Result<Self, DistributionError> {
        Ok(Self {
            channels: config.channels,
            free: config.channels,
            waiting: VecDeque::new(),
            read: Law::new(&config.read, &config.read_at_depth)?,
            write: Law::new(&config.write, &config.write_at_depth)?,
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
        let depth = self.channels - self.free;
        SimDuration::from_ps(law.sample(depth, &mut stream))
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
            store: None,
            submitted: SimTime::ZERO,
        }
    }

    fn device(channels: u32) -> Channels {
        let law = Distribution::Constant { value: 1_000 };
        let slower = AtDepth { depth: 5, time: Distribution::Constant { value: 3_000 } };
        let config = ChannelsConfig {
            channels,
            read: law.clone(),
            write: law,
            per_page: SimDuration::from_ps(10),
            read_at_depth: vec![slower],
            write_at_depth: Vec::new(),
        };
        Channels::new(&config, 0).unwrap()
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
        let service = |id| {
            let mut device = device(1);
            assert!(device.take());
            device.begin(&request(id), &draws).as_ps()
        };
        assert_eq!([service(0), service(1), service(7)], [1_000, 1_010, 1_070]);
    }

    /// From one law to the next in straight lines, and as the last beyond it; writes have one law.
    #[test]
    fn times_follow_the_depth() {
        let draws = RandomStreams::new(1).label("device");
        let mut device = device(8);
        let mut at_depth = |op| {
            assert!(device.take());
            device.begin(&Request { op, ..request(0) }, &draws).as_ps()
        };
        let reads = std::array::from_fn(|_| at_depth(IoKind::Read));
        assert_eq!(reads, [1_000, 1_500, 2_000, 2_500, 3_000, 3_000]);
        assert_eq!(at_depth(IoKind::Write), 1_000);
    }
}
