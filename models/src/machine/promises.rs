//! What a generation of the protocol promises, and what it is known to break.

use sim_core::SimDuration;

use crate::apf::rules::{
    Announce, CannotInject, HaltRequest, PageReady, PageReadyTold, PagingToggle, ReadyWakes, Rules,
    Runnable, SetupOrder, TokenZero,
};
use crate::config::{MemoryControl, Policy};
use crate::monitors::catalogue::{INV_04, INV_10, INV_12, INV_16, InvariantId};
use crate::monitors::{Family, Losses, MonitorConfig};

/// What must happen in the end has to happen within this time: far above any queueing at a disk,
/// far below the length of an experiment.
const LIVENESS_BOUND: SimDuration = SimDuration::from_secs(2);

/// The same where a vCPU thread may be put to sleep for memory beyond `memory.high`: for 2 s
/// at a time (`MEMCG_MAX_HIGH_DELAY_JIFFIES`), and again after the next batch of pages.
pub(super) fn liveness_bound(control: &MemoryControl) -> SimDuration {
    LIVENESS_BOUND.times(if control.has_high() { 8 } else { 1 })
}

/// Which invariants a generation promises.
pub fn family_of(rules: &Rules) -> Family {
    match (rules.page_ready, rules.announce) {
        (PageReady::Interrupt, _) => Family::Int,
        (PageReady::Exception, Announce::AtSetup) => Family::V7,
        (PageReady::Exception, Announce::AtEntryIfMissing) => Family::V5,
    }
}

/// Invariants that a generation is known to break.
pub fn known_violations(rules: &Rules) -> Vec<InvariantId> {
    // Page ready without not present is what kernels before 5.9 do when a fault only halted.
    let mut known = match rules.page_ready_told {
        PageReadyTold::Always => vec![INV_12],
        PageReadyTold::OnlyIfNotPresentTold => Vec::new(),
    };
    // The counter of tokens starts at zero before 5.17, and a slot that holds zero looks free.
    if rules.token_zero == TokenZero::Possible {
        known.extend([INV_04, INV_10]);
    }
    // In v7 of the series page ready leaves the artificial halt set: where the item is delivered in
    // the turn that sets it, only an interrupt ends the halt.
    if rules.cannot_inject == CannotInject::Halt && rules.ready_wakes == ReadyWakes::Nothing {
        known.push(INV_16);
    }
    known
}

/// How a generation is known to lose a page ready that was told.
fn losses(rules: &Rules) -> Losses {
    Losses {
        in_hlt: rules.page_ready == PageReady::Exception
            && rules.ready_wakes < ReadyWakes::HltToo
            && rules.runnable < Runnable::DoneExceptionKickOrInterrupt,
        of_token_zero: rules.page_ready == PageReady::Interrupt
            && rules.token_zero == TokenZero::Possible,
    }
}

/// What the monitors of a run are told.
pub(super) fn monitor_config(
    vcpus: u16,
    policy: &Policy,
    control: &MemoryControl,
) -> MonitorConfig {
    MonitorConfig {
        vcpus,
        family: family_of(&policy.rules),
        cap: Some(policy.rules.cap),
        schedules_first: policy.rules.setup_order == SetupOrder::ScheduleFirst,
        known: known_violations(&policy.rules),
        liveness_bound: liveness_bound(control),
        loses: losses(&policy.rules),
        rsm_drops_items: policy.rules.paging_toggle == PagingToggle::DropsItems,
        looks_before_halt: policy.rules.vmm_answers()
            && policy.rules.halt_request == HaltRequest::LooksFirst,
    }
}
