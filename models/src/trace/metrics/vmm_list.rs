//! Metrics of notices that are for nothing, and of faults that the VMM answers. A run without such has none.

use super::kind::{Better, MetricKind, Unit};
use super::totals::Totals;

/// A count of a run in which the VMM answers faults.
fn answered(run: &Totals<'_>, count: u64) -> Option<f64> {
    let any = run.counts.user_exits + run.counts.ring_requests > 0;
    any.then_some(count as f64)
}

/// A number of a run in which memory is given back that a handler serves.
fn removal(run: &Totals<'_>, value: f64) -> Option<f64> {
    (run.counts.remove_events > 0).then_some(value)
}

/// A number of a run in which memory is write-protected.
fn protection(run: &Totals<'_>, value: f64) -> Option<f64> {
    (run.counts.protected_pages > 0).then_some(value)
}

pub(super) const OF_VMM: &[MetricKind] = &[
    MetricKind {
        name: "needless_notices",
        better: Better::Less,
        label: "needless notices",
        meaning: "Not-present notifications that reached the guest when their page was there already: a pair \
                  of notices for nothing",
        value: |run| {
            let told = run.counts.not_present_injected > 0;
            told.then_some(run.counts.needless_notices as f64)
        },
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "needless_share",
        unit: Unit::Share,
        better: Better::Less,
        label: "of all",
        meaning: "The same, as a share of the not-present notifications that reached the guest",
        value: |run| {
            let told = run.counts.not_present_injected;
            (told > 0).then(|| run.counts.needless_notices as f64 / told as f64)
        },
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "user_exits",
        better: Better::Less,
        label: "exits to user space",
        meaning: "Exits to user space with a fault that the VMM answers",
        value: |run| answered(run, run.counts.user_exits),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "user_waits",
        better: Better::Less,
        label: "that wait",
        meaning: "Of these, those that leave nothing in the kernel: the vCPU thread waits for the answer, or brings the page itself",
        value: |run| answered(run, run.counts.user_waits),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "ring_requests",
        label: "faults in rings",
        meaning: "Faults of which the VMM was told by an entry in a ring (kvm_async_pf_exitless_notify)",
        value: |run| answered(run, run.counts.ring_requests),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "ring_signals",
        better: Better::Less,
        label: "signals for them",
        meaning: "Signals of an eventfd by which KVM told the VMM of entries in rings",
        value: |run| answered(run, run.counts.ring_signals),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "handler_wakeups",
        better: Better::Less,
        label: "wake-ups of its threads",
        meaning: "How often threads of the VMM that answer faults were back from a wait for something to do",
        value: |run| answered(run, run.counts.handler_wakeups),
        by_vm: false,
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "lost_pages",
        better: Better::Less,
        label: "pages lost",
        meaning: "Pages of stores that the guest got zeros for, as the descriptor of their handler was closed",
        value: |run| (run.counts.lost_pages > 0).then_some(run.counts.lost_pages as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "remove_events",
        label: "events of memory given back",
        meaning: "Events of memory that is given back and that a handler serves (UFFD_EVENT_REMOVE)",
        value: |run| removal(run, run.counts.remove_events as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "remove_wait",
        unit: Unit::Seconds,
        better: Better::Less,
        label: "waited for each",
        meaning: "Mean time from such an event to the end of the memory, for which the caller of madvise sleeps until the \
                  event is read",
        value: |run| {
            let mean = run.counts.remove_wait_ps as f64 * 1e-12 / run.counts.remove_events as f64;
            removal(run, mean)
        },
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "uffd_again",
        better: Better::Less,
        label: "calls in vain",
        meaning: "Calls that could install no page, as memory was being given back (EAGAIN)",
        value: |run| removal(run, run.counts.uffd_again as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "protected_pages",
        label: "pages protected",
        meaning: "Pages of guests that their VMMs write-protected (UFFDIO_WRITEPROTECT)",
        value: |run| protection(run, run.counts.protected_pages as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "write_messages",
        better: Better::Less,
        label: "messages about writes",
        meaning: "Messages of threads that wanted to write to such a page, and waited until the VMM let them",
        value: |run| protection(run, run.counts.write_messages as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "saved_pages",
        label: "pages saved",
        meaning: "Pages of snapshots whose write to the sink is over; they are part of what is written to devices",
        value: |run| protection(run, run.counts.saved_pages as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "stopped_time",
        unit: Unit::Seconds,
        better: Better::Less,
        label: "stopped for it",
        meaning: "For how long virtual machines were stopped until their memory was protected, summed over them",
        value: |run| protection(run, run.counts.stopped_ps as f64 * 1e-12),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "snapshot_time",
        unit: Unit::Seconds,
        better: Better::Less,
        label: "until all was saved",
        meaning: "Longest time from the protection of a virtual machine's memory until its last page was saved; given \
                  where one was completed",
        value: |run| run.counts.snapshot_ps.map(|ps| ps as f64 * 1e-12),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "poisoned_pages",
        better: Better::Less,
        label: "pages poisoned",
        meaning: "Pages in place of which handlers installed a marker (UFFDIO_POISON), as their stores do not give them",
        value: |run| (run.counts.poisoned_pages > 0).then_some(run.counts.poisoned_pages as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "vmm_lifetime",
        unit: Unit::Seconds,
        better: Better::More,
        label: "lifetime of the VMM",
        meaning: "Time from the beginning of the measured phase to the end of the first VMM that got SIGBUS at a poisoned \
                  page",
        value: |run| run.counts.vmm_lived_ps.map(|ps| ps as f64 * 1e-12),
        ..MetricKind::COUNT
    },
];
