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
mod constant;
mod hdd;
mod kind;
mod kinds;
pub mod load;
mod ram;
mod request;
mod volume;
mod zram;

pub use kinds::Device;
pub(crate) use request::QUEUE_DEPTH;
pub use request::{Request, Started};
