//! The fair schedulers that guest and host share: CFS and EEVDF, all weights equal.
//!
//! Pure bookkeeping of virtual runtimes: who runs next, and when the running entity must yield.
//! Time passes outside. Entities live in a table of their owner, by number; a queue holds numbers.
//! Names follow `kernel/sched/fair.c`.

mod balance;
mod cfs;
mod eevdf;
mod fair;
mod loads;
mod run_queue;
mod waiting;

pub use balance::{Balance, Balanced, Balancer, ENTITY_LOAD, Load};
pub use loads::Loads;
pub use run_queue::{Entity, RunQueue, Slept};
pub use waiting::Vruntime;
