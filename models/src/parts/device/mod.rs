//! Swap devices: one file a kind. A device takes requests and says how long each takes; it draws
//! its random service times from streams keyed by what the request is for, so that policies see
//! the same device.
//!
//! A request comes in two steps, because there are devices without DMA, whose pages the submitter
//! copies: it is issued, and when the copy is over it is submitted. **A device begins no request
//! before that, and takes those that wait in the order of that.** What an issued request may have
//! at once is a place: a channel, or the arm; the driver keeps it meanwhile, as a tag is kept while
//! a driver copies. Without a copy both steps happen at one instant.

mod channels;
mod hdd;

use sim_core::{KeyedStreams, SimDuration, SimTime};

use crate::base::ids::{Gfn, RequestId, SwapSlot};
use crate::base::record::IoKind;
use crate::config::DeviceConfig;
use channels::Channels;
use hdd::Hdd;

/// Requests that a block device takes before who submits more has to wait (`nr_requests` of the
/// block layer, `BLKDEV_DEFAULT_RQ`).
pub(crate) const QUEUE_DEPTH: usize = 128;

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
    /// When it was submitted to the device, its pages copied.
    pub submitted: SimTime,
}

/// A request that the device has begun to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// The request.
    pub request: Request,
    /// How long it takes, from when its pages are copied.
    pub service: SimDuration,
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
    Constant { read: SimDuration, write: SimDuration },
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

    /// Issues a request whose pages are still to be copied. True: it has a place, and goes on with
    /// [`Self::begin`]; otherwise, when they are copied, with [`Self::submit`].
    pub fn issue(&mut self, now: SimTime, request: Request) -> bool {
        match &mut self.kind {
            Kind::Constant { .. } => true,
            Kind::Channels(device) => device.issue(),
            Kind::Hdd(device) => device.issue(now, request),
        }
    }

    /// How the device serves a request that has a place, from when its pages are copied.
    pub fn begin(&mut self, request: Request) -> Started {
        let service = match &mut self.kind {
            Kind::Constant { read, .. } if request.op == IoKind::Read => *read,
            Kind::Constant { write, .. } => *write,
            Kind::Channels(device) => device.service(&request, &self.draws),
            Kind::Hdd(device) => device.begin(&request, &self.draws),
        };
        Started { request, service }
    }

    /// The pages of a request that has no place are copied. It is returned if there is one now.
    pub fn submit(&mut self, now: SimTime, request: Request) -> Option<Started> {
        let next = match &mut self.kind {
            Kind::Constant { .. } => Some(request),
            Kind::Channels(device) => device.submit(request),
            Kind::Hdd(device) => device.submit(now, request),
        };
        next.map(|request| self.begin(request))
    }

    /// Tells the device that the time of a completion has come. Returns what it begins to serve
    /// next.
    pub fn completed(&mut self, now: SimTime) -> Option<Started> {
        let next = match &mut self.kind {
            Kind::Constant { .. } => None,
            Kind::Channels(device) => device.completed(),
            Kind::Hdd(device) => device.completed(now),
        };
        next.map(|request| self.begin(request))
    }
}

/// The stream that belongs to a request.
fn draw(draws: &KeyedStreams, request: &Request) -> sim_core::Stream {
    draws.draw([request.gfn.0, u64::from(request.occurrence), request.op as u64])
}
