//! A device that takes the same time for every request, without queueing.

use sim_core::{KeyedStreams, SimDuration, SimTime};

use super::kind::SwapDevice;
use super::request::Request;
use crate::base::record::IoKind;

/// State of the device: none.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    read: SimDuration,
    write: SimDuration,
}

impl Constant {
    pub(super) fn new(read: SimDuration, write: SimDuration) -> Self {
        Self { read, write }
    }
}

impl SwapDevice for Constant {
    fn issue(&mut self, _: SimTime, _: Request) -> bool {
        true
    }

    fn begin(&mut self, request: &Request, _: &KeyedStreams) -> SimDuration {
        match request.op {
            IoKind::Read => self.read,
            IoKind::Write => self.write,
        }
    }

    fn submit(&mut self, _: SimTime, request: Request) -> Option<Request> {
        Some(request)
    }

    fn completed(&mut self, _: SimTime) -> Option<Request> {
        None
    }
}
