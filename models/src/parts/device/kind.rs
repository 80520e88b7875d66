//! What every kind of swap device can do. Its states are its own.

use sim_core::{KeyedStreams, SimDuration, SimTime};

use super::request::Request;

/// A kind of swap device.
pub(super) trait SwapDevice {
    /// Issues a request whose pages are still to be copied. True: it has a place.
    fn issue(&mut self, now: SimTime, request: Request) -> bool;

    /// How long a request is served that has a place.
    fn begin(&mut self, request: &Request, draws: &KeyedStreams) -> SimDuration;

    /// The pages of a request that has no place are copied: it is returned if it has one now, or
    /// waits.
    fn submit(&mut self, now: SimTime, request: Request) -> Option<Request>;

    /// A request is served: another one that has its place now is returned.
    fn completed(&mut self, now: SimTime) -> Option<Request>;
}
