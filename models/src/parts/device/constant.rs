//! A device that serves every request at once, each in the same time.

use sim_core::{DistributionError, KeyedStreams, SimDuration, SimTime};

use super::kind::SwapDevice;
use super::request::Request;
use crate::base::record::IoKind;
use crate::config::ConstantConfig;

/// It has no state.
#[derive(Clone, Debug)]
pub(super) struct Constant(ConstantConfig);

impl Constant {
    pub(super) fn new(config: &ConstantConfig, _: u32) -> Result<Self, DistributionError> {
        Ok(Self(config.clone()))
    }
}

impl SwapDevice for Constant {
    fn issue(&mut self, _now: SimTime, _request: Request) -> bool {
        true
    }

    fn begin(&mut self, request: &Request, _draws: &KeyedStreams) -> SimDuration {
        match request.op {
            IoKind::Read => self.0.read_latency,
            IoKind::Write => self.0.write_latency,
        }
    }

    fn submit(&mut self, _now: SimTime, request: Request) -> Option<Request> {
        Some(request)
    }

    fn completed(&mut self, _now: SimTime) -> Option<Request> {
        None
    }
}
