//! The history of the protocol: what every generation does otherwise than its parent, and where
//! that is known from.
//!
//! A source names the function and the first release or commit, then the trees in which the value
//! was seen and those in which it was not. A bare number (6.12.117) is the tree of a Debian package
//! `linux-source` that was unpacked and read; "Ubuntu 6.17" is the tree of Ubuntu's
//! package of that kernel. "From memory" and "inferred" say that no source was read for it.

mod backports;
mod changes;
mod list;
mod root;
mod vmm;

pub(super) use list::GENERATIONS;
pub(super) use root::{ROOT, ROOT_SOURCES};
