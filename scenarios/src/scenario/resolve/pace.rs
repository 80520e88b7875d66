//! How many operations programs may take in a run, and whether a run of so many would ever end.

use models::base::ids::LawId;
use models::config::{Arrivals, Law, MachineConfig, Op, TaskGroup};
use sim_core::SimDuration;

use super::arrivals;
use super::at::{At, MAX_DURATION};
use crate::syntax::error::ScenarioError;

/// An operation takes a real processor some nanoseconds at best (`apfsim run` of four tasks that compute for a
/// cycle each: 4 ns), so that these take five days.
const MAX_OPERATIONS: f64 = 1e14;

/// What a stretch of a program has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pace {
    operations: f64,
    /// Picoseconds of a vCPU.
    busy: f64,
    /// Picoseconds asleep.
    asleep: f64,
}

impl Pace {
    fn plus(self, other: Self, times: f64) -> Self {
        Self {
            operations: self.operations + times * other.operations,
            busy: self.busy + times * other.busy,
            asleep: self.asleep + times * other.asleep,
        }
    }
}

/// What times and laws are.
struct Means<'a> {
    laws: &'a [Law],
    /// The shortest stretch of guest mode.
    cycle: f64,
    /// What a switch of tasks takes.
    switch: f64,
}

fn ps(span: SimDuration) -> f64 {
    span.as_ps() as f64
}

impl Means<'_> {
    fn law(&self, law: LawId) -> f64 {
        arrivals::mean(&self.laws[law.index()]) as f64
    }

    /// The operations of a stretch, bodies as often as they are repeated.
    fn of(&self, ops: &[Op]) -> Pace {
        let mut pace = Pace::default();
        let mut at = 0;
        while let Some(&op) = ops.get(at) {
            let body = |skip: u32| {
                let end = (at + skip as usize).min(ops.len());
                self.of(ops.get(at + 1..end).unwrap_or_default())
            };
            let mut next = at + 1;
            match op {
                Op::Repeat { times, skip, .. } => {
                    pace = pace.plus(body(skip), times as f64);
                    next = at + skip as usize;
                }
                Op::RepeatDrawn { law, skip, .. } => {
                    pace = pace.plus(body(skip), self.law(law));
                    next = at + skip as usize;
                }
                // It happens once, and passes are many.
                Op::Once { skip, .. } => next = at + skip as usize,
                Op::Branch { part, whole, skip } => {
                    // The branch ends with a jump behind all of them.
                    let own = body(skip.saturating_sub(1));
                    let share = f64::from(part) / f64::from(whole.max(1));
                    let end = at + skip as usize;
                    let others = match ops.get(end - 1) {
                        Some(Op::Jump { skip }) => end - 1 + *skip as usize,
                        _ => end,
                    };
                    let rest = self.of(ops.get(end..others.min(ops.len())).unwrap_or_default());
                    pace = pace.plus(own, share).plus(rest, 1.0 - share);
                    next = others;
                }
                Op::Until { at: until, back } => {
                    let begin = at.saturating_sub(back as usize);
                    let body = self.of(&ops[begin..at]);
                    let took = (body.busy + body.asleep).max(self.cycle);
                    // It was counted once.
                    pace = pace.plus(body, (ps(until) / took - 1.0).max(0.0));
                }
                _ => pace = pace.plus(self.one(op), 1.0),
            }
            at = next.max(at + 1);
        }
        pace
    }

    fn one(&self, op: Op) -> Pace {
        let (busy, asleep) = match op {
            Op::Compute { span } | Op::SyscallEnter { cost: span } => {
                (ps(span).max(self.cycle), 0.0)
            }
            Op::ComputeDrawn { law } => (self.law(law).max(self.cycle), 0.0),
            Op::Access { cost, .. } | Op::AccessBy { cost, .. } => (ps(cost), 0.0),
            Op::Replay { instruction, .. } => (ps(instruction).max(self.cycle), 0.0),
            Op::Sleep { span } => (self.switch, ps(span)),
            Op::SleepDrawn { law } => (self.switch, self.law(law)),
            Op::Yield => (self.switch, 0.0),
            // It has no end.
            Op::Count { .. } => (ps(MAX_DURATION), 0.0),
            _ => (0.0, 0.0),
        };
        Pace { operations: 1.0, busy, asleep }
    }

    /// Operations of a group within `end` on so many vCPUs, where nothing is waited for but sleep.
    fn of_group(&self, group: &TaskGroup, vcpus: u16, end: SimDuration) -> f64 {
        let pass = self.of(&group.program);
        let (tasks, end) = (f64::from(group.count), ps(end));
        let alone = tasks * end / (pass.busy + pass.asleep).max(1.0);
        let together = f64::from(vcpus) * end / pass.busy.max(1.0);
        let mut passes = alone.min(together);
        if let Some(Op::EndPass { passes: most }) = group.program.last() {
            passes = passes.min(tasks * *most as f64);
        }
        if let Some(Arrivals::Law { gap, .. }) = &group.arrivals {
            passes = passes.min(end / self.law(*gap).max(1.0));
        }
        passes * pass.operations
    }
}

fn means(machine: &MachineConfig) -> Means<'_> {
    let costs = &machine.cpu.costs;
    Means {
        laws: &machine.workload.laws,
        cycle: 1e12 / machine.cpu.frequency.hz() as f64,
        switch: ps(costs.guest_switch.time(machine.cpu.frequency)),
    }
}

/// Operations that each group of tasks may take within a time, where no page is missing and no lock is taken.
fn of_groups(machine: &MachineConfig, end: SimDuration) -> Vec<f64> {
    let means = means(machine);
    let mut all = Vec::new();
    for vm in machine.vm_ids() {
        let vcpus = machine.guest_of(vm).vcpus;
        let own = &machine.workload.tasks[machine.groups_of(vm)];
        all.extend(own.iter().map(|group| means.of_group(group, vcpus, end)));
    }
    all
}

/// Operations that all programs may take within a time, where no page is missing and no lock is taken: real
/// runs take fewer.
pub(crate) fn operations(machine: &MachineConfig, end: SimDuration) -> f64 {
    of_groups(machine, end).into_iter().sum()
}

/// Refuses programs that are so fast that a run would take days for their operations.
pub(super) fn fit(
    places: &[At<'_>],
    machine: &MachineConfig,
    end: SimDuration,
) -> Result<(), ScenarioError> {
    let of = of_groups(machine, end);
    let mut of = of.into_iter().zip(places);
    let Some((operations, at)) = of.find(|(operations, _)| *operations > MAX_OPERATIONS) else {
        return Ok(());
    };
    let message = format!("about {operations:.0e} operations would be carried out in {end}");
    let help = format!(
        "at most {MAX_OPERATIONS:e} in a run: give operations more time, or a shorter `duration` and `warmup`"
    );
    Err(at.fail(message, help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::resolve::Scenario;

    const SECOND: SimDuration = SimDuration::from_secs(1);

    /// A scenario of two vCPUs whose only tasks have this program.
    fn read(program: &str, more: &str) -> Result<Scenario, String> {
        let text = format!(
            r#"{{ "format": 1, "name": "n", "title": "t",
            "host": {{ "cpu": "westmere-2010", "cpus": 2, "memory_limit": "24MiB",
                      "swap": {{ "device": "nvme-tlc-gen3" }} }},
            "guest": {{ "kernel": "linux-2.6.36", "vcpus": 2, "memory": "64MiB" }},
            "workload": {{ "regions": [{{ "name": "r", "size": "16MiB" }}],
                          "tasks": [{{ "name": "a", "role": "worker", "count": 3, {more} "program": [{program}] }}] }},
            "policies": ["sync"], "duration": "86400s" }}"#
        );
        Scenario::from_str("f", &text).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn in_a_second(program: &str, more: &str, expect: f64) {
        let scenario = read(program, more).expect("valid");
        let found = operations(&scenario.machine, SECOND);
        assert!((found / expect - 1.0).abs() < 0.01, "{program}: {found} and not {expect}");
    }

    const MICRO: &str = r#"{ "op": "compute", "span": "1us" }"#;

    #[test]
    fn operations_are_counted_as_often_as_they_are_carried_out() {
        // Three tasks on two vCPUs.
        in_a_second(MICRO, "", 2e6);
        in_a_second(r#"{ "op": "sleep", "span": "1ms" }"#, "", 3e3);
        in_a_second(MICRO, r#""passes": 10,"#, 60.0);
        let repeat =
            |body: &str| format!(r#"{{ "op": "repeat", "times": 1000, "body": [{body}] }}"#);
        // Going back is no operation of its own here.
        in_a_second(&repeat(&repeat(MICRO)), "", 4e6);
        let once = format!(r#"{{ "op": "once", "body": [{}] }}, {MICRO}"#, repeat(MICRO));
        in_a_second(&once, "", 2e6);
        let slow = r#"{ "op": "compute", "span": "3us" }"#;
        let choose = format!(
            r#"{{ "op": "choose", "of": [{{ "weight": 1, "body": [{MICRO}] }}, {{ "weight": 1, "body": [{slow}] }}] }}"#
        );
        in_a_second(&choose, "", 1e6);
    }

    #[test]
    fn programs_whose_runs_would_never_end_are_refused() {
        let fast = r#"{ "op": "compute", "span": "1ps" }"#;
        let told = read(fast, "").expect_err("a cycle each for a day");
        assert!(told.contains("`workload.tasks[0].program`: about 5e14 operations"), "{told}");
        assert!(told.contains("at most 1e14 in a run"), "{told}");
        let hidden =
            format!(r#"{{ "op": "repeat", "times": 1000000000, "body": [{fast}] }}, {MICRO}"#);
        assert!(read(&hidden, "").is_err());
        assert!(read(fast, r#""passes": 1000,"#).is_ok());
        assert!(read(MICRO, "").is_ok());
    }
}
