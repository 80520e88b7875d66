//! Monitors of real kernels' logs.
//!
//! A log has what the kernel prints and not what the models say beside it: no list is seen, not
//! present is announced whether the guest is told or not, and the log begins and ends in the
//! middle of things. So these monitors follow each request from `kvm_async_pf_not_present` to its
//! `kvm_async_pf_ready`, and conclude only what a complete log could not show of a correct kernel:
//!
//! - *Before the log.* Tokens of a vCPU count up. A page ready whose token is older than the first
//!   one announced in the log belongs to a request from before it; any other was announced, or
//!   should have been.
//! - *Overtaken.* Completed requests are dequeued in the order of their completion. A request that
//!   was announced after another one was completed cannot be ready before it: if it is, the other
//!   one's page ready is missing. (Both may print `completed` late, so that the order of these
//!   lines alone proves nothing.)
//! - *Losses.* After a loss nothing that may be among the lost is missed, and what was concluded
//!   since the last line of that processor is taken back. Numbers of tokens that are missing show
//!   a loss of which the log says nothing (`gaps`).
//! - *Late begin.* Events are enabled one after the other: what was announced before the first line of
//!   a kind lacks no line of that kind (`begins`).
//! - *Turned off.* A guest that turns notices off, or a vCPU that is reset, drops its requests
//!   silently. Without `kvm_msr` a missing page ready counts only when the vCPU is told new not
//!   presents later without a wake-all, which a guest that turns notices on again gets.
//!
//! The files, from the bottom: what an event is and what a log has (`event`, `seen`); what is
//! concluded (`ledger`, `deferred`) and counted (`course`, `survey`); what is kept of a vCPU (`vcpu`,
//! with `request`, `watch` and `spins`), and all that together (`state`). On that stand the matters
//! that look across vCPUs: whose a completion is (`completions`), who was told (`told`,
//! `exceptions`), and the list of requests (`requests`), then the events that move requests
//! (`announced`, `answers`, `delivery`) and the end of the log (`ending`, `standing`). `observe` sends
//! each event to those that it concerns. None of them imports from one above it.

mod announced;
mod answers;
mod begins;
mod clocks;
mod completions;
mod config;
mod course;
mod deferred;
mod delivery;
mod drained;
mod early_readies;
mod end_of_log;
mod event;
mod exceptions;
mod gaps;
mod groups;
mod halt_rows;
mod halt_spins;
mod ledger;
mod livelocks_at_end;
mod observe;
mod pauses;
mod processors;
mod request;
mod requests;
mod ring;
mod seen;
mod sides;
mod stalls;
mod stalls_at_end;
mod state;
mod survey;
mod tokens;
mod told;
mod vcpu;
mod watch;
mod workers;

pub use clocks::ClocksDiffer;
pub use config::LogConfig;
pub use course::{Counted, Course, CourseRow, CourseWindow, Latencies, MAX_ROWS};
pub use event::LogEvent;
pub use halt_rows::{SpinCause, Spins};
pub use ledger::{LogFinding, LogWitness, StoryLine, Unjudged};
pub use observe::LogMonitors;
pub use processors::EndsEarly;
pub use stalls::{MissingStep, Stall, StallKind, late_beside};
pub use survey::{LogSurvey, TokenGap, VcpuSurvey};
