//! Tasks that yield take turns at once, under both schedulers, and alone they lose nothing.

use super::kit::{assert_clean, closed_form, fair, for_time, group, ms, simulate, us};
use models::base::record::{Event, TaskRole};
use models::config::{EevdfParams, Op, SchedParams};
use models::machine::{RunOutput, RunSettings};

/// Equal tasks on one vCPU, each of which computes for 1 ms and then does `last`.
fn tasks(count: u32, sched: SchedParams, last: &[Op]) -> RunOutput {
    let mut config = closed_form(us(1), us(0), fair(ms(24), ms(1)));
    config.guest.sched = sched;
    let program = [&[Op::Compute { span: ms(1) }], last].concat();
    config.workload.tasks = vec![group("t", TaskRole::Worker, count, program)];
    let settings = RunSettings { keep_records: true, ..for_time(ms(300)) };
    let output = simulate(&config, "sync", &settings);
    assert_clean(&output);
    output
}

fn schedulers() -> [SchedParams; 2] {
    let eevdf = EevdfParams {
        base_slice: ms(3),
        run_to_parity: true,
        place_lag: true,
        delay_dequeue: true,
        preempt_short: true,
        wakeup_preemption: true,
        tick: ms(4),
    };
    [fair(ms(24), ms(1)).into(), eevdf.into()]
}

/// Switches from one task to another one.
fn switches(output: &RunOutput) -> usize {
    let between = |event: &Event| {
        matches!(event, Event::GuestSchedSwitch { prev: Some(_), next: Some(_), .. })
    };
    output.records.iter().flatten().filter(|record| between(&record.event)).count()
}

#[test]
fn who_yields_lets_the_other_one_run() {
    for sched in schedulers() {
        let without = switches(&tasks(2, sched.clone(), &[]));
        let with = switches(&tasks(2, sched.clone(), &[Op::Yield]));
        assert!(without <= 110, "{sched:?}: {without}");
        // Under CFS the first tasks differ by half a period (START_DEBIT), and as long as the next one is
        // ahead by more than the wake-up granularity, nobody is passed over: 8 ms here.
        assert!((290..=305).contains(&with), "{sched:?}: {with}, one a millisecond");
    }
}

#[test]
fn alone_a_task_goes_on() {
    for sched in schedulers() {
        let output = tasks(1, sched.clone(), &[Op::Yield]);
        assert_eq!(switches(&output), 0, "{sched:?}");
        assert!(super::kit::share(&output, "workers") > 0.99, "{sched:?}");
    }
}
