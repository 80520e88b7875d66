//! The metrics that an expectation can name.

/// Whether the models give a metric of that name.
pub(crate) fn exists(name: &str) -> bool {
    METRICS.iter().any(|(known, _)| *known == name)
}

/// The names of all metrics.
pub(crate) fn names() -> Vec<&'static str> {
    METRICS.iter().map(|(name, _)| *name).collect()
}

/// Name and unit of every metric that the models give, in their order; a test compares.
pub(crate) const METRICS: [(&str, &str); 43] = [
    ("work_total", "units"),
    ("major_faults", "1"),
    ("async_faults", "1"),
    ("repeated_faults", "1"),
    ("sync_faults", "1"),
    ("minor_faults", "1"),
    ("doublefaults", "1"),
    ("sync_stall_time", "s"),
    ("halted_time", "s"),
    ("idle_time", "s"),
    ("lost_time_per_fault", "s"),
    ("not_present_injected", "1"),
    ("page_ready_delivered", "1"),
    ("fault_latency_mean", "s"),
    ("fault_latency_p50", "s"),
    ("fault_latency_p90", "s"),
    ("fault_latency_p99", "s"),
    ("fault_latency_max", "s"),
    ("worker_threads_peak", "1"),
    ("outstanding_peak", "1"),
    ("cpu_share_workers", "1"),
    ("cpu_share_faulters", "1"),
    ("cpu_share_main", "1"),
    ("cpu_share_kernel", "1"),
    ("cpu_share_guest_kernel", "1"),
    ("cpu_share_host", "1"),
    ("cpu_share_stalled", "1"),
    ("cpu_share_halted", "1"),
    ("cpu_share_idle", "1"),
    ("cpu_share_steal", "1"),
    ("swap_reads_pages", "pages"),
    ("swap_writes_pages", "pages"),
    ("swap_read_requests", "1"),
    ("swap_write_requests", "1"),
    ("device_busy", "1"),
    ("device_in_flight_mean", "1"),
    ("reclaim_scanned", "pages"),
    ("ept_unmaps", "1"),
    ("area_writes", "1"),
    ("area_translations", "1"),
    ("exits", "1"),
    ("guest_switches", "1"),
    ("events", "1"),
];
