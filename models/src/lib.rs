//! The simulated machine: the asynchronous page fault protocol, the MMU, vCPUs, the guest kernel,
//! the host, swap devices, and the trace that all of them write.
//!
//! The only output of a model is its records ([`trace`]); metrics, digests and monitors consume
//! them. [`machine::prefill`] and [`machine::run`] simulate a [`config::MachineConfig`] under a
//! [`config::Policy`].
//!
//! # Example
//!
//! A device of one's own, without a machine around it: memory behind a link that takes 5 us and moves a page in
//! 1 us, under 1 and under 16 requests at a time.
//!
//! ```
//! use models::config::{DeviceConfig, RamConfig};
//! use models::parts::device::load::{ClosedLoad, closed_load};
//! use sim_core::SimDuration;
//!
//! let device = DeviceConfig::Ram(RamConfig {
//!     latency: SimDuration::from_us(5),
//!     copy_per_page: SimDuration::from_us(1),
//!     synchronous: false,
//! });
//! let at = |depth| ClosedLoad { depth, requests: 10_000, reads_ppm: 1_000_000, seed: 1 };
//! let one = closed_load(&device, &at(1))?;
//! let sixteen = closed_load(&device, &at(16))?;
//! // The link is idle for most of a lone request, and never under sixteen.
//! assert_eq!(one.means()[0], 6_000.0);
//! assert!((sixteen.rate() / 1e6 - 1.0).abs() < 0.01, "{}", sixteen.rate());
//! # Ok::<(), sim_core::DistributionError>(())
//! ```
//!
//! Whole machines are built of a scenario most easily: see the page of the crate `scenarios`, which also has a policy
//! and a sink of one's own.

pub mod apf;
pub mod base;
pub mod config;
pub mod explore;
pub mod machine;
pub mod monitors;
pub mod parts;
pub mod presets;
pub mod trace;
