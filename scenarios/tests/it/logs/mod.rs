//! `check` on logs of real kernels and of runs.

mod clocks;
mod fuzz;
mod irregular;
mod kernels;
mod mutations;
mod own;
mod recordings;
mod variants;
mod zoo;
