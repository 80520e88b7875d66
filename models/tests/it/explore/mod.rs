//! The protocol in every schedule of small worlds.

mod combinations;
mod findings;
mod host;
mod protect;
mod schedules;
mod steps;
mod tokens;
mod vmm;
