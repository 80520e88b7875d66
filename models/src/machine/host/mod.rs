//! The host: its threads and processors, workers, fetching of pages, the block layer.

mod answer;
mod block;
mod bring;
mod compression;
mod duties;
mod fetch;
mod fresh;
mod handler;
mod interrupts;
mod items;
mod map_lock;
mod mapping;
mod native;
mod power_on;
mod prefetch;
mod read;
mod reclaim;
mod reclaimers;
mod scheduler;
mod second_stage_lock;
mod shrinker;
mod state;
mod stores;
mod stretch;
mod userfault;
mod vmm;
mod waiters;
mod waiting;
mod worker;
mod zswap;

pub(in crate::machine) use state::{FetchGoal, Host, ThreadKind};
