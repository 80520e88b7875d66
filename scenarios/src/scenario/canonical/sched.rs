//! Schedulers of hosts and guests.

use models::config::{EevdfParams, FairParams, SchedParams};

use super::form::Form;

pub(super) fn sched(form: &mut Form, whose: &str, params: &SchedParams) {
    match params {
        SchedParams::Cfs(params) => fair(form, whose, params),
        SchedParams::Eevdf(params) => eevdf(form, whose, params),
    }
}

fn eevdf(form: &mut Form, whose: &str, params: &EevdfParams) {
    let EevdfParams {
        base_slice,
        run_to_parity,
        place_lag,
        delay_dequeue,
        preempt_short,
        wakeup_preemption,
        tick,
    } = params;
    form.time(&format!("{whose}.sched.base_slice"), *base_slice);
    form.line(&format!("{whose}.sched.run_to_parity"), run_to_parity);
    form.line(&format!("{whose}.sched.place_lag"), place_lag);
    form.line(&format!("{whose}.sched.delay_dequeue"), delay_dequeue);
    form.line(&format!("{whose}.sched.preempt_short"), preempt_short);
    form.line(&format!("{whose}.sched.wakeup_preemption"), wakeup_preemption);
    form.time(&format!("{whose}.sched.tick"), *tick);
}

fn fair(form: &mut Form, whose: &str, params: &FairParams) {
    let FairParams {
        latency,
        min_granularity,
        wakeup_granularity,
        sleeper_credit,
        wakeup_preemption,
    } = params;
    form.time(&format!("{whose}.sched.latency"), *latency);
    form.time(&format!("{whose}.sched.min_granularity"), *min_granularity);
    form.time(&format!("{whose}.sched.wakeup_granularity"), *wakeup_granularity);
    form.time(&format!("{whose}.sched.sleeper_credit"), *sleeper_credit);
    form.line(&format!("{whose}.sched.wakeup_preemption"), wakeup_preemption);
}
