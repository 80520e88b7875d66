//! All tests of this crate's public side in one program, as linking takes longer than running most of
//! them. `cargo test -p scenarios --test it logs::zoo` runs one module.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answered;
mod asleep;
mod death;
mod fuzzed;
mod kit;
mod logs;
mod memory_control;
mod poison;
mod read_ahead;
mod runs;
mod second_stage_lock;
mod stored;
mod write_protect;
