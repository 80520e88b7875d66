//! Faults that the VMM answers, in every order: the tables of docs/vmm-faults.md against what
//! exploring finds.

use models::apf::rules::{Rules, Setting, Stores, TokenSpent, generation};
use models::apf::{Defect, Defects};
use models::base::invariant::InvariantId;
use models::explore::{Disturbance, Finding, Setup};

use super::{all, violated};

/// A series as posted, but for the tokens that repeated faults spend: a counter of two bits comes
/// round after three of them, and nothing behind that would be seen.
fn world(name: &str, (vcpus, tasks, pages): (u16, u8, u8)) -> Setup {
    let mut rules = generation(name).expect("a known generation");
    Setting::TokenSpent(TokenSpent::BySetup).apply(&mut rules);
    let setup = Setup::new(rules, Defects::none(), 2);
    Setup { vcpus, tasks, pages, ..setup }
}

fn with(setup: Setup, disturbance: Disturbance) -> Setup {
    Setup { budget: setup.budget.with(disturbance, 1), ..setup }
}

fn ring(setup: Setup, ring: u32) -> Setup {
    Setup { rules: Rules { ring, ..setup.rules }, ..setup }
}

fn documented() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/vmm-faults.md");
    std::fs::read_to_string(path).expect("docs/vmm-faults.md")
}

/// The row of a world in docs/vmm-faults.md.
fn row(what: &str, setup: &Setup) -> String {
    let explored = all(setup);
    let of = |finding: &Finding| {
        let (id, severity) = (finding.kind.id, finding.kind.severity.name());
        format!("{id} ({severity}, {} moves)", finding.trace.moves)
    };
    let mut found: Vec<String> = explored.findings.iter().map(of).collect();
    found.dedup();
    let found = if found.is_empty() { "nothing found".to_owned() } else { found.join(", ") };
    let vm = explored.product.map_or("-".to_owned(), |product| product.states.to_string());
    let (rules, states, depth) = (setup.rules.name, explored.states, explored.depth);
    format!("| {rules} | {what} | {states} | {vm} | {depth} | {found} |")
}

fn hold(rows: &[String]) {
    let documented = documented();
    let missing: Vec<&String> = rows.iter().filter(|row| !documented.contains(*row)).collect();
    assert!(missing.is_empty(), "docs/vmm-faults.md does not have these rows:\n{missing:#?}");
}

/// What concerns the VMM of both series.
const OF_BOTH: [Disturbance; 6] = [
    Disturbance::VmmOrder,
    Disturbance::VmmTwice,
    Disturbance::VmmDies,
    Disturbance::Rearm,
    Disturbance::Evict,
    Disturbance::Migration,
];

/// What takes an exit, or more states than a ring allows.
const OF_EXITS: [Disturbance; 4] = [
    Disturbance::VmmSendFails,
    Disturbance::VmmIgnores,
    Disturbance::VmmWaits,
    Disturbance::MsrRewrite,
];

const SMALL: (u16, u8, u8) = (2, 2, 2);

#[test]
fn documented_worlds_of_the_exit_protocol() {
    use Disturbance::{VmmOrder, VmmSendFails, VmmTwice, VmmWaits};
    let setup = world("user-exit", SMALL);
    let alone = [VmmOrder, VmmSendFails, VmmTwice, VmmWaits];
    let mut rows = vec![row("none", &setup)];
    rows.extend(alone.map(|which| row(&format!("`{which}`"), &with(setup, which))));
    hold(&rows);
}

#[test]
#[ignore = "minutes, both series, each disturbance alone, rings of 1, 2 and 4: cargo test --release -p models --test it explore::vmm -- --ignored"]
fn documented_worlds_of_both_series() {
    let mut rows = Vec::new();
    for name in ["user-exit", "user-exitless"] {
        let setup = world(name, SMALL);
        rows.push(row("none", &setup));
        rows.extend(OF_BOTH.map(|which| row(&format!("`{which}`"), &with(setup, which))));
    }
    let setup = world("user-exit", SMALL);
    rows.extend(OF_EXITS.map(|which| row(&format!("`{which}`"), &with(setup, which))));
    let setup = world("user-exitless", SMALL);
    for size in [1, 4] {
        rows.push(row(&format!("none, ring of {size}"), &ring(setup, size)));
    }
    let cleared = with(world("user-exitless", (2, 1, 1)), Disturbance::MsrRewrite);
    rows.push(row("`msr-rewrite`, one task, one page", &cleared));
    let one_vcpu = world("user-exitless", (1, 2, 2));
    rows.push(row("`ring-abuse`, one vCPU", &with(one_vcpu, Disturbance::RingAbuse)));
    rows.push(row("none, stores in any order", &any_order(world("user-exitless", (2, 1, 2)))));
    hold(&rows);
}

fn any_order(setup: Setup) -> Setup {
    Setup { rules: Rules { stores: Stores::AnyOrder, ..setup.rules }, ..setup }
}

#[test]
fn the_ring_keeps_every_invariant_in_small_worlds() {
    for size in [1, 2, 4] {
        for tasks in [1, 2] {
            let setup = ring(world("user-exitless", (2, tasks, 1)), size);
            assert_eq!(violated(&setup), [], "ring of {size}, {tasks} tasks");
        }
    }
    assert_eq!(violated(&any_order(world("user-exitless", (2, 1, 1)))), []);
}

/// The kernel of a VMM that abuses its page: nothing of the kernel's own state is wrong. That the
/// guest's tasks are not served is the VMM's affair.
#[test]
fn a_kernel_bears_an_abused_ring() {
    let setup = with(world("user-exitless", (1, 1, 1)), Disturbance::RingAbuse);
    assert_eq!(violated(&setup), [InvariantId(13)]);
}

#[test]
fn a_dead_vmm_leaves_tasks_and_breaks_nothing_else() {
    for name in ["user-exit", "user-exitless"] {
        let setup = with(world(name, (1, 1, 1)), Disturbance::VmmDies);
        assert_eq!(violated(&setup), [InvariantId(13)], "{name}");
    }
}

/// The way to a lost wake-up, drawn.
fn lost_wake(defect: Defect, stores: Stores) -> String {
    let setup = world("user-exitless", (1, 1, 1));
    let rules = Rules { stores, ..setup.rules };
    let setup = Setup { defects: Defects::none().with(defect), rules, ..setup };
    let explored = all(&setup);
    let wanted = |found: &&Finding| found.kind.id == InvariantId(44);
    let found = explored.findings.iter().find(wanted).expect("the lost wake-up is found");
    from_the_fault(&found.trace.chart(78))
}

/// A chart without the guest's boot: who takes part, and the steps from the first access on.
fn from_the_fault(chart: &str) -> String {
    let mut lines = chart.lines();
    let mut kept: Vec<&str> = lines.next().into_iter().collect();
    kept.extend(lines.skip_while(|line| !line.contains("touches page")));
    kept.join("\n")
}

#[test]
fn a_broken_discipline_loses_a_wake_up() {
    for (defect, stores) in [
        (Defect::NoSecondLook, Stores::InOrder),
        (Defect::NoNotifyBarrier, Stores::InOrder),
        (Defect::NoArmFence, Stores::AnyOrder),
    ] {
        let chart = lost_wake(defect, stores);
        let documented = documented();
        assert!(documented.contains(&chart), "docs/vmm-faults.md does not draw {defect}:\n{chart}");
    }
}

/// No completion at re-entry: what a VMM answered at once waits for an answer for ever.
#[test]
fn without_completion_at_re_entry_a_task_is_not_woken() {
    let mut setup = with(world("user-exit", (1, 1, 1)), Disturbance::VmmWaits);
    assert_eq!(violated(&setup), []);
    setup.rules.set("pending_at_run", "kept").expect("a valid setting");
    assert_eq!(violated(&setup), [InvariantId(13), InvariantId(42)]);
}

/// A ring as long as the cap is full only when a clear has left entries in it.
#[test]
fn a_ring_of_the_cap_is_full_only_after_a_clear() {
    use models::apf::{Effect, Effects, Input, VmmEffect};
    use models::explore::witness;
    let full = |_: &models::apf::Apf, _: &Input, effects: &Effects| {
        effects.iter().any(|effect| matches!(effect, Effect::Vmm(VmmEffect::RingFull { .. })))
    };
    let setup = world("user-exitless", (1, 1, 1));
    let setup = ring(Setup { rules: Rules { cap: 1, ..setup.rules }, ..setup }, 1);
    assert!(witness(&setup, full).expect("small").is_none());
    let cleared = with(setup, Disturbance::MsrRewrite);
    assert!(witness(&cleared, full).expect("small").is_some());
}
