//! Fair schedulers, of the host and of the guest.

use sim_core::SimDuration;

/// A fair scheduler in the manner of CFS: parameters in time, already scaled by CPU count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FairParams {
    /// Period in which every runnable entity should run once (`sched_latency_ns`).
    pub latency: SimDuration,
    /// Shortest slice (`sched_min_granularity_ns`).
    pub min_granularity: SimDuration,
    /// Lead in virtual runtime that a waking entity needs to preempt
    /// (`sched_wakeup_granularity_ns`).
    pub wakeup_granularity: SimDuration,
    /// How far behind the queue's minimum a waking sleeper may be placed.
    pub sleeper_credit: SimDuration,
    /// Whether a wake-up may preempt the running entity at all.
    pub wakeup_preemption: bool,
}

/// EEVDF, the fair scheduler since Linux 6.6: parameters in time, already scaled by CPU count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EevdfParams {
    /// What an entity may run until its next virtual deadline (`sysctl_sched_base_slice`).
    pub base_slice: SimDuration,
    /// Whether the running entity is left alone until it is not eligible or its slice is over
    /// (RUN_TO_PARITY).
    pub run_to_parity: bool,
    /// Whether lag is kept over sleep (PLACE_LAG).
    pub place_lag: bool,
    /// Whether a sleeper that has had more than its share stays in the queue until it has not
    /// (DELAY_DEQUEUE).
    pub delay_dequeue: bool,
    /// Whether the running entity, once its slice is over, is looked at again at each charge as long as it is not
    /// eligible (PREEMPT_SHORT, `did_preempt_short`).
    pub preempt_short: bool,
    /// Whether a wake-up may preempt the running entity at all (WAKEUP_PREEMPTION).
    pub wakeup_preemption: bool,
    /// Tick of the kernel (`TICK_NSEC`): lag is never more than this or two slices.
    pub tick: SimDuration,
}

/// A fair scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchedParams {
    /// CFS, until 6.5.
    Cfs(FairParams),
    /// EEVDF, since 6.6.
    Eevdf(EevdfParams),
}

impl From<FairParams> for SchedParams {
    fn from(params: FairParams) -> Self {
        Self::Cfs(params)
    }
}

impl From<EevdfParams> for SchedParams {
    fn from(params: EevdfParams) -> Self {
        Self::Eevdf(params)
    }
}
