//! What fio printed: its JSON, wherever it stands in a file, and the runs of which it tells.

mod find;
mod job;
mod runs;

pub(super) use find::{Found, find};
pub(super) use runs::runs;
