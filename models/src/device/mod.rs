//! Swap devices: one file a kind. A device takes requests and says when each completes; it draws
//! its random service times from streams keyed by what the request is for, so that policies see
//! the same device.

mod channels;
mod hdd;

use sim_core::{KeyedStreams, SimTime};

use crate::config::DeviceConfig;
use crate::ids::{Gfn, RequestId, SwapSlot};
use crate::trace::IoKind;
use channels::Channels;
use hdd::Hdd;

/// A transfer of consecutive slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Number of the request.
    pub id: RequestId,
    /// Direction.
    pub op: IoKind,
    /// First slot.
    pub slot: SwapSlot,
    /// Consecutive slots.
    pub pages: u32,
    /// The page on whose behalf the request is made; with `occurrence` it keys random draws.
    pub gfn: Gfn,
    /// How many requests were made on behalf of that page before.
    pub occurrence: u32,
    /// When it was handed to the device, or will be when its pages are copied.
    pub submitted: SimTime,
}

/// A request that the device has begun to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// The request.
    pub request: Request,
    /// When it will be complete.
    pub completes: SimTime,
}

/// A swap device.
#[derive(Clone, Debug)]
pub struct Device {
    kind: Kind,
    draws: KeyedStreams,
}

#[derive(Clone, Debug)]
enum Kind {
    Hdd(Hdd),
    Channels(Channels),
    Constant { read: sim_core::SimDuration, write: sim_core::SimDuration },
}

impl Device {
    /// An idle device for a swap area of `swap_pages` slots.
    ///
    /// # Errors
    /// When a service-time law is not a distribution.
    pub fn new(
        config: &DeviceConfig,
        swap_pages: u32,
        draws: KeyedStreams,
    ) -> Result<Self, sim_core::DistributionError> {
        let kind = match config {
            DeviceConfig::Hdd(hdd) => Kind::Hdd(Hdd::new(hdd.clone(), swap_pages)),
            DeviceConfig::Constant { read_latency, write_latency } => {
                Kind::Constant { read: *read_latency, write: *write_latency }
            }
            DeviceConfig::Channels { channels, read, write, per_page } => {
                Kind::Channels(Channels::new(*channels, read, write, *per_page)?)
            }
        };
        Ok(Self { kind, draws })
    }

    /// Hands a request to the device; what it begins to serve is appended to `started`.
    pub fn submit(&mut self, now: SimTime, request: Request, started: &mut Vec<Started>) {
        match &mut self.kind {
            Kind::Constant { read, write } => {
                let latency = if request.op == IoKind::Read { *read } else { *write };
                let completes = request.submitted.max(now) + latency;
                started.push(Started { request, completes });
            }
            Kind::Channels(device) => device.submit(now, request, &self.draws, started),
            Kind::Hdd(device) => device.submit(now, request, &self.draws, started),
        }
    }

    /// Tells the device that the time of a completion has come; what it begins to serve next is
    /// appended to `started`.
    pub fn completed(&mut self, now: SimTime, started: &mut Vec<Started>) {
        match &mut self.kind {
            Kind::Constant { .. } => {}
            Kind::Channels(device) => device.completed(now, &self.draws, started),
            Kind::Hdd(device) => device.completed(now, &self.draws, started),
        }
    }
}

/// The stream that belongs to a request.
fn draw(draws: &KeyedStreams, request: &Request) -> sim_core::Stream {
    draws.draw([request.gfn.0, u64::from(request.occurrence), request.op as u64])
}
