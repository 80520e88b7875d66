//! A run as a timeline: tracks with slices that do not overlap, instants, counters, and flows that lead from
//! a page that is not present to the task that goes on with it.
//!
//! A consumer of records that holds what is open at the moment and nothing of the past, so that its memory
//! does not grow with the run. It knows no file format: what it gives out are [`Mark`]s, which a writer
//! encodes. A slice is given out when it ends, as only then all is known of it; marks are therefore ordered
//! by their ends, and those of one track by their beginnings, too.

mod board;
mod cast;
mod collector;
mod flows;
mod host;
mod items;
mod lane;
mod mapped;
mod mark;
mod tasks;
#[cfg(test)]
mod tests;
mod vcpus;

pub use self::cast::Cast;
pub use self::collector::Timeline;
pub use self::mark::{Arg, Flow, Label, Mark, Slice, Track, TrackId, TrackKind};
