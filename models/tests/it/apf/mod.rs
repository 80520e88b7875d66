//! The protocol by itself, one step or one random schedule at a time.

mod bench;
pub(crate) mod world;

mod corners;
mod decisions;
mod defects;
mod guest;
mod mechanisms;
mod names_and_checks;
mod protocol;
mod random;
mod registers;
mod releases;
mod setup_failures;
mod tokens;
