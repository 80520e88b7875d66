//! The metrics of requests, and of programs with an end.

use super::kind::{Better, Block, MetricKind, Unit};
use crate::trace::requests::RequestPart;

/// What a time of requests is.
const REQUEST: MetricKind = MetricKind {
    name: "",
    unit: Unit::Seconds,
    better: Better::Less,
    label: "",
    meaning: "",
    block: Block::Requests,
    ratio: true,
    by_group: true,
    by_vm: true,
    value: |_| None,
};
const MILESTONE: MetricKind = MetricKind { block: Block::None, ..REQUEST };
const PART: MetricKind = MetricKind { block: Block::RequestParts, ratio: false, ..REQUEST };

/// They stand behind the work in all lists.
pub(super) const REQUESTS: &[MetricKind] = &[
    MetricKind {
        name: "requests",
        unit: Unit::Count,
        better: Better::More,
        label: "requests",
        meaning: "Requests that ended in the measured phase: passes of programs or of their \
                  marked parts",
        value: |run| Some(run.requests?.ended as f64),
        ..REQUEST
    },
    MetricKind {
        name: "request_rate",
        unit: Unit::Rate,
        better: Better::More,
        label: "requests a second",
        meaning: "The same, by second of the measured phase",
        value: |run| run.request_rate(),
        ..REQUEST
    },
    MetricKind {
        name: "request_arrivals",
        unit: Unit::Count,
        better: Better::Neither,
        label: "arrivals",
        meaning: "Requests that arrived from outside in the measured phase",
        ratio: false,
        value: |run| Some(run.requests?.arrived as f64).filter(|arrived| *arrived > 0.0),
        ..REQUEST
    },
    MetricKind {
        name: "request_latency_mean",
        label: "latency mean",
        meaning: "Mean time from the arrival of a request, or from its begin where tasks do not \
                  wait for it, to its end, of the requests that ended in the measured phase",
        value: |run| run.request_mean(),
        ..REQUEST
    },
    MetricKind {
        name: "request_latency_p50",
        label: "latency p50",
        meaning: "Median of the same times",
        value: |run| run.request_quantile(0.5),
        ..REQUEST
    },
    MetricKind {
        name: "request_latency_p90",
        label: "latency p90",
        meaning: "Time that 90 % of those requests did not exceed",
        value: |run| run.request_quantile(0.9),
        ..REQUEST
    },
    MetricKind {
        name: "request_latency_p99",
        label: "latency p99",
        meaning: "Time that 99 % of those requests did not exceed",
        value: |run| run.request_quantile(0.99),
        ..REQUEST
    },
    MetricKind {
        name: "request_latency_p999",
        label: "latency p99.9",
        meaning: "Time that 99.9 % of those requests did not exceed",
        value: |run| run.request_quantile(0.999),
        ..REQUEST
    },
    MetricKind {
        name: "request_latency_max",
        label: "latency max",
        meaning: "The longest of the same times",
        value: |run| run.request_max(),
        ..REQUEST
    },
    MetricKind {
        name: "requests_in_system",
        unit: Unit::Number,
        better: Better::Neither,
        label: "requests at a time",
        meaning: "Requests that had arrived or begun and not ended, as a mean over time",
        value: |run| run.requests_in_system(),
        ..REQUEST
    },
    MetricKind {
        name: "request_time_1",
        label: "time to the first request",
        meaning: "Time from the beginning of the measured phase to the end of the first request \
                  after it",
        value: |run| run.request_milestone(0),
        ..MILESTONE
    },
    MetricKind {
        name: "request_time_10",
        label: "time to the 10th request",
        meaning: "Time from the beginning of the measured phase to the end of the 10th request \
                  after it",
        value: |run| run.request_milestone(1),
        ..MILESTONE
    },
    MetricKind {
        name: "request_time_100",
        label: "time to the 100th request",
        meaning: "Time from the beginning of the measured phase to the end of the 100th request \
                  after it",
        value: |run| run.request_milestone(2),
        ..MILESTONE
    },
    MetricKind {
        name: "request_time_1000",
        label: "time to the 1000th request",
        meaning: "Time from the beginning of the measured phase to the end of the 1000th request \
                  after it",
        value: |run| run.request_milestone(3),
        ..MILESTONE
    },
    MetricKind {
        name: "request_time_10000",
        label: "time to the 10000th request",
        meaning: "Time from the beginning of the measured phase to the end of the 10000th \
                  request after it",
        value: |run| run.request_milestone(4),
        ..MILESTONE
    },
    MetricKind {
        name: "request_time_100000",
        label: "time to the 100000th request",
        meaning: "Time from the beginning of the measured phase to the end of the 100000th \
                  request after it",
        value: |run| run.request_milestone(5),
        ..MILESTONE
    },
    MetricKind {
        name: "request_time_1000000",
        label: "time to the 1000000th request",
        meaning: "Time from the beginning of the measured phase to the end of the 1000000th \
                  request after it",
        value: |run| run.request_milestone(6),
        ..MILESTONE
    },
    MetricKind {
        name: "request_part_queue",
        label: "waiting for a server",
        meaning: "Part of the mean latency between the arrival of a request and its begin: all \
                  servers are busy, or the one that was woken does not run yet",
        value: |run| run.request_part(RequestPart::Queue),
        ..PART
    },
    MetricKind {
        name: "request_part_cpu",
        better: Better::Neither,
        label: "own processor time",
        meaning: "Part in which the program of its task ran",
        value: |run| run.request_part(RequestPart::Cpu),
        ..PART
    },
    MetricKind {
        name: "request_part_kernel",
        label: "guest kernel",
        meaning: "Part in which the guest's kernel had the vCPU while its task was the current \
                  one",
        value: |run| run.request_part(RequestPart::Kernel),
        ..PART
    },
    MetricKind {
        name: "request_part_host",
        label: "host",
        meaning: "Part in which the vCPU thread worked in the host while its task was the \
                  current one",
        value: |run| run.request_part(RequestPart::Host),
        ..PART
    },
    MetricKind {
        name: "request_part_run_queue",
        label: "guest run queue",
        meaning: "Part in which its task was runnable and the vCPU ran others",
        value: |run| run.request_part(RequestPart::RunQueue),
        ..PART
    },
    MetricKind {
        name: "request_part_device",
        label: "own pages (device)",
        meaning: "Part in which it waited for a page of its own: its task slept for page ready, \
                  or kept its vCPU stalled in a fetch or halted",
        value: |run| run.request_part(RequestPart::Device),
        ..PART
    },
    MetricKind {
        name: "request_part_stall",
        label: "vCPU stalled for others",
        meaning: "Part in which its task was runnable and the vCPU was stalled in a fetch for \
                  another task",
        value: |run| run.request_part(RequestPart::Stall),
        ..PART
    },
    MetricKind {
        name: "request_part_halt",
        label: "vCPU halted for others",
        meaning: "Part in which its task was runnable and the vCPU was halted by the host for a \
                  page of another task",
        value: |run| run.request_part(RequestPart::Halt),
        ..PART
    },
    MetricKind {
        name: "request_part_reclaim",
        label: "reclaim",
        meaning: "Part in which the thread of its vCPU waited in direct reclaim",
        value: |run| run.request_part(RequestPart::Reclaim),
        ..PART
    },
    MetricKind {
        name: "request_part_lock",
        label: "locks",
        meaning: "Part in which its task slept for another one (lock, barrier, wait), or the \
                  thread of its vCPU waited for the lock of the memory map of the VMM or of the \
                  second-stage tables",
        value: |run| run.request_part(RequestPart::Lock),
        ..PART
    },
    MetricKind {
        name: "request_part_steal",
        label: "waiting for a CPU",
        meaning: "Part in which the thread of its vCPU was runnable without a physical processor",
        value: |run| run.request_part(RequestPart::Steal),
        ..PART
    },
    MetricKind {
        name: "request_part_sleep",
        better: Better::Neither,
        label: "sleep",
        meaning: "Part in which its task slept because its program says so; the parts add up to \
                  the mean latency",
        value: |run| run.request_part(RequestPart::Sleep),
        ..PART
    },
    MetricKind {
        name: "completion_time",
        by_group: false,
        label: "completion time",
        meaning: "Time from the beginning of the measured phase to the end of the last task \
                  whose program has one",
        value: |run| run.completion_time(),
        ..REQUEST
    },
];
