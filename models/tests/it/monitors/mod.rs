//! The monitors, over traces written by hand and over simulated runs.

mod kit;

mod catch;
mod clean;
mod guest;
mod policies;
