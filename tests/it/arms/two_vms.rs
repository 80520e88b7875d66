//! Two guests on one processor.

use super::fact::{Fact, Side, facts};
use super::measure::{self as m, median_us, share};
use super::trace::{Run, Trace};

const BOTH: Side<Run> = Side::Of(Run {
    scenario: "lab-two-vms",
    policy: "apf-v6.12",
    traced: true,
    settled: true,
    set: &[],
});

fn waiting(trace: &Trace) -> f64 {
    let waits = m::waits_for_workers(trace);
    share(waits.iter().filter(|&&ns| ns > 20_000).count(), waits.len())
}

facts! {
    items_wait_for_a_worker_recorded items_wait_for_a_worker_simulated {
        what: "items that wait more than 20 us for a worker, two guests",
        recorded: Side::Of("two-vms/v1"),
        simulated: BOTH,
        figure: waiting,
        bounds: 0.25..=0.5,
        differs: Some((0.02..=0.12, "Recorded workers are woken without taking the processor at once; \
            what decides that is not found.")),
    }
    completed_to_ready_recorded completed_to_ready_simulated {
        what: "completed to ready, two guests, median us",
        recorded: Side::Of("two-vms/v1"),
        simulated: BOTH,
        figure: |trace| median_us(m::completed_to_ready(trace)),
        bounds: 5.0..=4000.0,
        differs: None,
    }
    every_fault_is_told_recorded every_fault_is_told_simulated {
        what: "exceptions of an announced fault, two guests",
        recorded: Side::Of("two-vms/v1"),
        simulated: BOTH,
        figure: |trace| m::ratio(trace, m::is_exception, m::is_not_present),
        bounds: 0.9..=1.0,
        differs: None,
    }
}
