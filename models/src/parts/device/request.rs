//! What a swap device is asked for.

use sim_core::{KeyedStreams, SimDuration, SimTime, Stream};

use crate::base::ids::{GuestPage, RequestId, StoreId, SwapSlot};
use crate::base::record::IoKind;

/// Requests that a block device takes before who submits more has to wait (`nr_requests`). An assumption:
/// `BLKDEV_DEFAULT_RQ`, which all queues had before blk-mq. Later it is the depth of the hardware (1024 of an NVMe
/// drive), or twice that and at most 256 with a scheduler (`blk_mq_init_sched`).
pub(crate) const QUEUE_DEPTH: usize = 128;

/// A transfer of consecutive slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Number of the request.
    pub id: RequestId,
    /// Direction.
    pub op: IoKind,
    /// What it reads from; none: the swap area.
    pub store: Option<StoreId>,
    /// First slot, or first page in the store.
    pub slot: SwapSlot,
    /// Consecutive slots.
    pub pages: u32,
    /// The page on whose behalf the request is made; with `occurrence` it keys random draws.
    pub guest_page: GuestPage,
    /// How many requests were made on behalf of that page before.
    pub occurrence: u32,
    /// When it was submitted to the device, its pages copied.
    pub submitted: SimTime,
}

impl Request {
    /// Whether it writes to the swap area. What else is written goes to the sink of a snapshot.
    pub fn swaps_out(&self) -> bool {
        self.op == IoKind::Write && self.store.is_none()
    }
}

/// A request that the device has begun to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// The request.
    pub request: Request,
    /// How long it takes, from when its pages are copied.
    pub service: SimDuration,
}

/// The stream that belongs to a request.
pub(super) fn draw(draws: &KeyedStreams, request: &Request) -> Stream {
    draws.draw([request.guest_page.0, u64::from(request.occurrence), request.op as u64])
}
