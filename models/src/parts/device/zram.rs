//! Compressed memory: no place to wait for, no interrupt; what a request takes is work of the thread
//! that submits it, page by page.

use sim_core::{DistributionError, KeyedStreams, Sampler, SimDuration, SimTime};

use super::kind::SwapDevice;
use super::request::{Request, draw};
use crate::base::record::IoKind;
use crate::config::ZramConfig;

/// It has no state: what it keeps is known by the swap slots in use.
#[derive(Clone, Debug)]
pub(super) struct Zram {
    decompress: Sampler,
    compress: Sampler,
}

impl Zram {
    pub(super) fn new(config: &ZramConfig, _: u32) -> Result<Self, DistributionError> {
        Ok(Self { decompress: config.decompress.sampler()?, compress: config.compress.sampler()? })
    }
}

impl SwapDevice for Zram {
    fn issue(&mut self, _now: SimTime, _request: Request) -> bool {
        true
    }

    fn begin(&mut self, request: &Request, draws: &KeyedStreams) -> SimDuration {
        let law = match request.op {
            IoKind::Read => &self.decompress,
            IoKind::Write => &self.compress,
        };
        let mut stream = draw(draws, request);
        let pages = (0..request.pages).map(|_| SimDuration::from_ps(law.sample(&mut stream)));
        pages.fold(SimDuration::ZERO, |sum, page| sum + page)
    }

    fn submit(&mut self, _now: SimTime, request: Request) -> Option<Request> {
        Some(request)
    }

    fn completed(&mut self, _now: SimTime) -> Option<Request> {
        None
    }
}
