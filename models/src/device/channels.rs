//! A device with parallel channels: solid-state disks, remote memory. Requests wait in order of
//! submission for a free channel; service times follow a law for the first page and a fixed time
//! for each further one.

use std::collections::VecDeque;

use sim_core::{Distribution, DistributionError, KeyedStreams, Sampler, SimDuration, SimTime};

use super::{Request, Started, draw};
use crate::trace::IoKind;

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
    pub(super) fn new(
        channels: u32,
        read: &Distribution,
        write: &Distribution,
        per_page: SimDuration,
    ) -> Result<Self, DistributionError> {
        Ok(Self {
            free: channels,
            waiting: VecDeque::new(),
            read: read.sampler()?,
            write: write.sampler()?,
            per_page,
        })
    }

    fn start(&mut self, now: SimTime, request: Request, draws: &KeyedStreams) -> Started {
        self.free -= 1;
        let mut stream = draw(draws, &request);
        let law = if request.op == IoKind::Read { &self.read } else { &self.write };
        let service = SimDuration::from_ps(law.sample(&mut stream))
            + self.per_page.times(u64::from(request.pages.saturating_sub(1)));
        Started { request, completes: now + service }
    }

    pub(super) fn submit(
        &mut self,
        now: SimTime,
        request: Request,
        draws: &KeyedStreams,
        started: &mut Vec<Started>,
    ) {
        if self.free > 0 {
            let begun = self.start(now, request, draws);
            started.push(begun);
        } else {
            self.waiting.push_back(request);
        }
    }

    pub(super) fn completed(
        &mut self,
        now: SimTime,
        draws: &KeyedStreams,
        started: &mut Vec<Started>,
    ) {
        self.free += 1;
        if let Some(next) = self.waiting.pop_front() {
            let begun = self.start(now, next, draws);
            started.push(begun);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Gfn, RequestId, SwapSlot};
    use sim_core::RandomStreams;

    #[test]
    fn no_more_than_the_channels_are_served_at_once() {
        let law = Distribution::Constant { value: 1_000 };
        let mut device = Channels::new(2, &law, &law, SimDuration::from_ps(10)).unwrap();
        let draws = RandomStreams::new(1).label("device");
        let mut started = Vec::new();
        for id in 0..3 {
            let request = Request {
                id: RequestId(id),
                op: IoKind::Read,
                slot: SwapSlot(id),
                pages: 1 + id,
                gfn: Gfn(0),
                occurrence: id,
                submitted: SimTime::ZERO,
            };
            device.submit(SimTime::ZERO, request, &draws, &mut started);
        }
        let ends: Vec<u64> = started.iter().map(|s| s.completes.as_ps()).collect();
        assert_eq!(ends, [1_000, 1_010]);
        device.completed(SimTime::from_ps(1_000), &draws, &mut started);
        assert_eq!(started[2].completes.as_ps(), 1_000 + 1_000 + 20);
    }
}
