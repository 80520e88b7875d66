//! All tests of this crate's public side in one program. `cargo test -p sim-core --test it mm1` runs
//! one module.

mod mm1;
mod queue_vs_sorted_list;
mod simulation;
