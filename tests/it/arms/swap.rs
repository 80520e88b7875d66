//! Faults of swapped-out pages.

use models::trace::kernel::KernelEvent as E;

use super::fact::{Fact, Side, facts};
use super::measure::{self as m, median_us, ratio, share};
use super::trace::{Run, Trace};

const fn run(scenario: &'static str, policy: &'static str) -> Side<Run> {
    Side::Of(Run { scenario, policy, traced: false, settled: false, set: &[] })
}

const fn traced(scenario: &'static str, policy: &'static str) -> Side<Run> {
    Side::Of(Run { scenario, policy, traced: true, settled: true, set: &[] })
}

const PV: &str = "apf-v6.12";
const HALT: &str = "halt-v6.12";
const FOUR: &str = "lab-500us-4f4w";
const NO_LOG: Side<&str> = Side::None("no log at hand");

fn by_vcpu(trace: &Trace, is: fn(&E) -> bool) -> (usize, usize) {
    let all = trace.events().filter(|(_, event)| is(event));
    let (mut vcpus, mut others) = (0, 0);
    for (entry, _) in all {
        match m::is_vcpu(&entry.comm) {
            true => vcpus += 1,
            false => others += 1,
        }
    }
    (vcpus, others)
}

fn is_read(event: &E) -> bool {
    matches!(event, E::BlockIssue { read: true, .. })
}

fn tokens_that_name_their_vcpu(trace: &Trace) -> f64 {
    let (mut named, mut all) = (0, 0);
    for (entry, event) in trace.events() {
        if let E::NotPresent { token, .. } = event {
            let vcpu: u32 =
                entry.comm.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
            all += 1;
            named += usize::from(token.0 & 0xfff == vcpu);
        }
    }
    share(named, all)
}

fn pages_on_two_vcpus(trace: &Trace) -> f64 {
    let mut open: Vec<(u32, u64, u32)> = Vec::new();
    let (mut both, mut all) = (0, 0);
    for (entry, event) in trace.events() {
        match event {
            E::NotPresent { gva, token } => {
                all += 1;
                let elsewhere = |&(pid, page, other): &(u32, u64, u32)| {
                    page == gva.0 && pid != entry.pid && other != token.0
                };
                both += usize::from(open.iter().any(elsewhere));
                open.push((entry.pid, gva.0, token.0));
            }
            E::Ready { token, .. } => {
                open.retain(|&(pid, _, other)| pid != entry.pid || other != token.0);
            }
            _ => {}
        }
    }
    share(both, all)
}

facts! {
    read_before_try_recorded read_before_try_simulated {
        what: "from the read that the vCPU thread submits to the try, median us (fact 1)",
        recorded: Side::Of("logs/tr11"),
        simulated: traced(FOUR, PV),
        figure: |trace| {
            let reads = m::since_exit(trace, is_read);
            let tries = m::since_exit(trace, m::is_try);
            median_us(tries) - median_us(reads)
        },
        bounds: 3.0..=7.0,
        differs: None,
    }
    workers_read_nothing_recorded workers_read_nothing_simulated {
        what: "reads that workers submit (fact 1)",
        recorded: Side::Of("logs/tr11"),
        simulated: traced(FOUR, PV),
        figure: |trace| by_vcpu(trace, is_read).1 as f64,
        bounds: 0.0..=0.0,
        differs: None,
    }
    latency_and_ten_recorded latency_and_ten_simulated {
        what: "not present to completed, of a device of 500 us, median us (fact 1)",
        recorded: Side::Of("logs/tr01"),
        simulated: run(FOUR, PV),
        figure: |trace| median_us(m::not_present_to_completed(trace)),
        bounds: 500.0..=520.0,
        differs: None,
    }
    halted_are_announced_recorded halted_are_announced_simulated {
        what: "halted faults that are announced and ready, of those announced (fact 2)",
        recorded: Side::Of("logs/tr12"),
        simulated: traced(FOUR, HALT),
        // One that was announced before the trace begins may be ready in it.
        figure: |trace| ratio(trace, m::is_ready, m::is_not_present),
        bounds: 0.95..=1.01,
        differs: None,
    }
    halted_are_not_told_recorded halted_are_not_told_simulated {
        what: "exceptions and page ready interrupts of halted faults (fact 2)",
        recorded: Side::Of("logs/tr12"),
        simulated: traced(FOUR, HALT),
        figure: |trace| {
            (trace.count(m::is_exception) + trace.count(m::is_ready_interrupt)) as f64
        },
        bounds: 0.0..=0.0,
        differs: None,
    }
    user_mode_is_told_recorded user_mode_is_told_simulated {
        what: "exceptions of an announced fault in user mode (fact 3)",
        recorded: Side::Of("logs/tr01"),
        simulated: run(FOUR, PV),
        figure: |trace| ratio(trace, m::is_exception, m::is_not_present),
        bounds: 0.999..=1.001,
        differs: None,
    }
    kernel_mode_is_not_told_recorded kernel_mode_is_not_told_simulated {
        what: "exceptions of an announced fault in the guest's kernel (fact 3)",
        recorded: Side::Of("logs/tr05"),
        simulated: run("lab-500us-4f4w-syscall", PV),
        figure: |trace| ratio(trace, m::is_exception, m::is_not_present),
        bounds: 0.0..=0.0,
        differs: None,
    }
    tries_are_announced_or_repeated_recorded tries_are_announced_or_repeated_simulated {
        what: "tries that are neither announced nor repeated, below the cap (fact 4)",
        recorded: Side::Of("logs/tr06"),
        simulated: run("lab-500us-8f4w-shared", PV),
        figure: m::tries_without_item,
        bounds: 0.0..=0.0,
        differs: None,
    }
    none the_cap_is_reached_simulated {
        what: "most items of a vCPU at once, with more tasks than the cap (fact 4)",
        recorded: NO_LOG,
        simulated: run("lab-cap", PV),
        figure: m::most_outstanding,
        bounds: 64.0..=64.0,
        differs: None,
    }
    shared_pages_repeat_recorded shared_pages_repeat_simulated {
        what: "repeated faults of an announced one, of tasks that want the same pages (fact 5)",
        recorded: Side::Of("logs/tr06"),
        simulated: run("lab-500us-8f4w-shared", PV),
        figure: |trace| ratio(trace, m::is_repeated, m::is_not_present),
        bounds: 0.85..=1.15,
        differs: None,
    }
    the_tick_repeats_faults_recorded the_tick_repeats_faults_simulated {
        what: "repeated faults of a try, halted, 500 us (fact 5)",
        recorded: Side::Of("logs/tr02"),
        simulated: run(FOUR, HALT),
        figure: |trace| ratio(trace, m::is_repeated, m::is_try),
        bounds: 0.02..=0.10,
        differs: None,
    }
    kernel_mode_repeats_recorded kernel_mode_repeats_simulated {
        what: "repeated faults of a try, in the guest's kernel, 500 us (fact 5)",
        recorded: Side::Of("logs/tr05"),
        simulated: run("lab-500us-4f4w-syscall", PV),
        figure: |trace| ratio(trace, m::is_repeated, m::is_try),
        bounds: 0.08..=0.15,
        differs: None,
    }
    none slow_devices_repeat_faults_simulated {
        what: "repeated faults of a try, halted, 5 ms (fact 5)",
        recorded: NO_LOG,
        simulated: run("lab-5ms-4f4w", HALT),
        figure: |trace| ratio(trace, m::is_repeated, m::is_try),
        bounds: 0.3..=0.6,
        differs: None,
    }
    no_fault_after_ready_recorded no_fault_after_ready_simulated {
        what: "repeated faults of a page that was ready (fact 6)",
        recorded: Side::Of("logs/tr02"),
        simulated: run("lab-5ms-4f4w", HALT),
        figure: m::repeated_after_ready,
        bounds: 0.0..=0.0,
        differs: None,
    }
    boot_spins_recorded boot_spins_simulated {
        what: "between two repeated faults of a vCPU that cannot halt, median us (fact 7)",
        recorded: Side::Of("logs/tr16"),
        simulated: run("lab-boot-under-limit", PV),
        figure: |trace| median_us(m::spins(trace).1),
        bounds: 4.5..=6.5,
        differs: Some((3.0..=5.5, "The log has two records of 0.7 us in each turn.")),
    }
    boot_spins_long_recorded boot_spins_long_simulated {
        what: "pages for which it spins more than 80 times, of those repeated (fact 7)",
        recorded: Side::Of("logs/tr16"),
        simulated: run("lab-boot-under-limit", PV),
        figure: |trace| {
            let pages = m::spins(trace).0;
            share(pages.iter().filter(|&&faults| faults > 80).count(), pages.len())
        },
        bounds: 0.9..=1.0,
        differs: None,
    }
    one_wake_all_recorded one_wake_all_simulated {
        what: "wake-alls of a vCPU that enables notifications once (fact 8)",
        recorded: Side::Of("logs/tr16"),
        simulated: run("lab-boot-under-limit", PV),
        figure: |trace| trace.count(m::is_wake_all) as f64,
        bounds: 1.0..=1.0,
        differs: None,
    }
    ready_in_order_recorded ready_in_order_simulated {
        what: "pages ready before one that was completed earlier (fact 9)",
        recorded: Side::Of("logs/tr01"),
        simulated: run(FOUR, PV),
        figure: m::inversions,
        bounds: 0.0..=0.0,
        differs: None,
    }
    ready_in_order_of_two_recorded ready_in_order_of_two_simulated {
        what: "the same of two vCPUs (fact 9)",
        recorded: Side::Of("logs/tr20"),
        simulated: run("lab-500us-4f4w-4vcpu", PV),
        figure: m::inversions,
        bounds: 0.0..=0.0,
        differs: None,
    }
    overtaken_recorded overtaken_simulated {
        what: "requests that a later one overtakes, one vCPU (fact 9)",
        recorded: Side::Of("logs/tr01"),
        simulated: run(FOUR, PV),
        figure: m::overtaken,
        bounds: 0.002..=0.03,
        differs: None,
    }
    none overtaken_of_four_simulated {
        what: "requests that a later one overtakes, four vCPUs (fact 9; recorded: 0.4)",
        recorded: NO_LOG,
        simulated: run("lab-500us-4f4w-4vcpu", PV),
        figure: m::overtaken,
        bounds: 0.25..=0.5,
        differs: None,
    }
    others_are_ready_first_recorded others_are_ready_first_simulated {
        what: "exceptions before which another page was ready since the announcement (fact 10)",
        recorded: Side::Of("logs/tr01"),
        simulated: run(FOUR, PV),
        figure: |trace| m::ready_before_injection(trace).0,
        bounds: 0.05..=0.35,
        differs: None,
    }
    own_is_never_ready_first_recorded own_is_never_ready_first_simulated {
        what: "exceptions whose own page was ready since, one vCPU (fact 10)",
        recorded: Side::Of("logs/tr01"),
        simulated: run(FOUR, PV),
        figure: |trace| m::ready_before_injection(trace).1,
        bounds: 0.0..=0.0,
        differs: None,
    }
    own_is_ready_first_recorded own_is_ready_first_simulated {
        what: "the same where vCPUs wait for a processor (fact 10)",
        recorded: Side::Of("logs/tr20"),
        simulated: run("lab-500us-4f4w-4vcpu", PV),
        figure: |trace| m::ready_before_injection(trace).1,
        bounds: 0.0..=0.08,
        differs: None,
    }
    ready_inside_the_ack_recorded ready_inside_the_ack_simulated {
        what: "acknowledgements in whose exit a further page is ready (fact 11)",
        recorded: Side::Of("logs/tr11"),
        simulated: traced(FOUR, PV),
        figure: |trace| m::acknowledgements(trace).0,
        bounds: 0.05..=0.5,
        differs: None,
    }
    an_interrupt_a_page_recorded an_interrupt_a_page_simulated {
        what: "page ready interrupts of a page that is ready (fact 11)",
        recorded: Side::Of("logs/tr11"),
        simulated: traced(FOUR, PV),
        figure: |trace| ratio(trace, m::is_ready_interrupt, m::is_ready),
        bounds: 0.98..=1.02,
        differs: None,
    }
    one_page_on_two_vcpus_recorded one_page_on_two_vcpus_simulated {
        what: "announcements of a page that another vCPU has outstanding by another token (fact 12)",
        recorded: Side::Of("logs/tr22"),
        simulated: run("lab-500us-8f4w-2vcpu-shared", PV),
        figure: pages_on_two_vcpus,
        bounds: 0.05..=0.6,
        differs: None,
    }
    tokens_name_vcpus_recorded tokens_name_vcpus_simulated {
        what: "tokens whose lower twelve bits are the vCPU's number (fact 12)",
        recorded: Side::Of("logs/tr22"),
        simulated: run("lab-500us-8f4w-2vcpu-shared", PV),
        figure: tokens_that_name_their_vcpu,
        bounds: 1.0..=1.0,
        differs: None,
    }
    sync_shows_nothing_recorded sync_shows_nothing_simulated {
        what: "asynchronous events where HLT exits are disabled (fact 13)",
        recorded: Side::Of("logs/tr13"),
        simulated: traced(FOUR, "sync"),
        figure: |trace| trace.count(m::is_asynchronous) as f64,
        bounds: 0.0..=0.0,
        differs: None,
    }
    polled_reads_show_nothing_recorded polled_reads_show_nothing_simulated {
        what: "asynchronous events on 6.1, whose lookup polls for the page",
        recorded: Side::Of("logs/tr44"),
        simulated: run("lab-500us-4f4w-linux-6.1", "apf-v5.17"),
        figure: |trace| trace.count(m::is_asynchronous) as f64,
        bounds: 0.0..=0.0,
        differs: None,
    }
    exit_to_read_recorded exit_to_read_simulated {
        what: "exit to the read of the vCPU thread, median us (path)",
        recorded: Side::Of("logs/tr11"),
        simulated: traced(FOUR, PV),
        figure: |trace| median_us(m::since_exit(trace, is_read)),
        bounds: 8.0..=13.0,
        differs: None,
    }
    exit_to_try_recorded exit_to_try_simulated {
        what: "exit to try, median us (path)",
        recorded: Side::Of("logs/tr11"),
        simulated: traced(FOUR, PV),
        figure: |trace| median_us(m::since_exit(trace, m::is_try)),
        bounds: 12.0..=18.0,
        differs: None,
    }
    exit_to_entry_recorded exit_to_entry_simulated {
        what: "exit to entry with #PF, median us (path)",
        recorded: Side::Of("logs/tr11"),
        simulated: traced(FOUR, PV),
        figure: |trace| median_us(m::told(trace)),
        bounds: 27.0..=38.0,
        differs: None,
    }
    bare_acknowledgement_recorded bare_acknowledgement_simulated {
        what: "exit of an acknowledgement after which nothing is ready, median us (path)",
        recorded: Side::Of("logs/tr11"),
        simulated: traced(FOUR, PV),
        figure: |trace| median_us(m::acknowledgements(trace).1),
        bounds: 4.0..=6.0,
        differs: None,
    }
    device_to_completed_recorded device_to_completed_simulated {
        what: "completion of the read to completed, median us (path)",
        recorded: Side::Of("logs/tr11"),
        simulated: traced(FOUR, PV),
        figure: |trace| median_us(m::device_to_completed(trace)),
        bounds: 12.0..=18.0,
        differs: None,
    }
    completed_to_ready_recorded completed_to_ready_simulated {
        what: "completed to ready, median us (path)",
        recorded: Side::Of("logs/tr11"),
        simulated: traced(FOUR, PV),
        figure: |trace| median_us(m::completed_to_ready(trace)),
        bounds: 5.5..=9.0,
        differs: None,
    }
}
