//! The built-in scenarios and sweeps. Their files are documentation: each says in comments which question it
//! answers, what to expect, and where its numbers come from.

use std::sync::OnceLock;

use crate::syntax::tree::{Document, NodeValue};

/// A built-in scenario or sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryEntry {
    /// Name by which it is run.
    pub name: &'static str,
    /// The file, comments included.
    pub text: &'static str,
    /// The question it answers.
    pub title: String,
}

const FILES: [(&str, &str); 60] = [
    ("natapov-2010", include_str!("../../library/natapov-2010.json")),
    ("natapov-nvme", include_str!("../../library/natapov-nvme.json")),
    ("lab-100us-1f1w", include_str!("../../library/lab-100us-1f1w.json")),
    ("lab-100us-4f4w", include_str!("../../library/lab-100us-4f4w.json")),
    ("lab-500us-1f1w", include_str!("../../library/lab-500us-1f1w.json")),
    ("lab-500us-4f4w", include_str!("../../library/lab-500us-4f4w.json")),
    ("lab-2ms-4f4w", include_str!("../../library/lab-2ms-4f4w.json")),
    ("lab-500us-4f4w-syscall", include_str!("../../library/lab-500us-4f4w-syscall.json")),
    ("lab-50us-4f4w-reads", include_str!("../../library/lab-50us-4f4w-reads.json")),
    ("lab-500us-4f-idle", include_str!("../../library/lab-500us-4f-idle.json")),
    ("lab-5ms-4f4w", include_str!("../../library/lab-5ms-4f4w.json")),
    ("lab-500us-8f4w-shared", include_str!("../../library/lab-500us-8f4w-shared.json")),
    ("lab-500us-8f4w-2vcpu-shared", include_str!("../../library/lab-500us-8f4w-2vcpu-shared.json")),
    ("lab-500us-4f4w-4vcpu", include_str!("../../library/lab-500us-4f4w-4vcpu.json")),
    ("lab-cap", include_str!("../../library/lab-cap.json")),
    ("lab-boot-under-limit", include_str!("../../library/lab-boot-under-limit.json")),
    ("lab-stray-kicks", include_str!("../../library/lab-stray-kicks.json")),
    ("lab-500us-4f4w-linux-6.1", include_str!("../../library/lab-500us-4f4w-linux-6.1.json")),
    ("lab-requests-4f", include_str!("../../library/lab-requests-4f.json")),
    ("lab-requests-8f4w", include_str!("../../library/lab-requests-8f4w.json")),
    ("lab-zram-lz4-4f4w", include_str!("../../library/lab-zram-lz4-4f4w.json")),
    ("lab-zswap-lzo-4f4w", include_str!("../../library/lab-zswap-lzo-4f4w.json")),
    ("lab-uffd-100us-4f4w", include_str!("../../library/lab-uffd-100us-4f4w.json")),
    ("snapshot-restore", include_str!("../../library/snapshot-restore.json")),
    ("vmm-answered", include_str!("../../library/vmm-answered.json")),
    ("post-copy", include_str!("../../library/post-copy.json")),
    ("live-snapshot", include_str!("../../library/live-snapshot.json")),
    ("clone-8", include_str!("../../library/clone-8.json")),
    ("lab-two-vms", include_str!("../../library/lab-two-vms.json")),
    ("neighbour-vms", include_str!("../../library/neighbour-vms.json")),
    ("zram-laptop", include_str!("../../library/zram-laptop.json")),
    ("shrinking-limit", include_str!("../../library/shrinking-limit.json")),
    ("memory-high", include_str!("../../library/memory-high.json")),
    ("proactive-reclaim", include_str!("../../library/proactive-reclaim.json")),
    ("balloon-or-limit", include_str!("../../library/balloon-or-limit.json")),
    ("zswap-before-nvme", include_str!("../../library/zswap-before-nvme.json")),
    ("cxl-swap", include_str!("../../library/cxl-swap.json")),
    ("cloud-volume", include_str!("../../library/cloud-volume.json")),
    ("closed-form", include_str!("../../library/closed-form.json")),
    ("faulting-pair", include_str!("../../library/faulting-pair.json")),
    ("kv-tail", include_str!("../../library/kv-tail.json")),
    ("database-scans", include_str!("../../library/database-scans.json")),
    ("compile", include_str!("../../library/compile.json")),
    ("heap-sweep", include_str!("../../library/heap-sweep.json")),
    ("rdma-cache", include_str!("../../library/rdma-cache.json")),
    ("bursty-web", include_str!("../../library/bursty-web.json")),
    ("batch-beside-latency", include_str!("../../library/batch-beside-latency.json")),
    ("far-memory-latency", include_str!("../../library/far-memory-latency.json")),
    ("lock-convoy", include_str!("../../library/lock-convoy.json")),
    ("barrier-steps", include_str!("../../library/barrier-steps.json")),
    ("moving-working-set", include_str!("../../library/moving-working-set.json")),
    ("pipeline", include_str!("../../library/pipeline.json")),
    ("vcpus-64", include_str!("../../library/vcpus-64.json")),
    ("page-cluster-zero", include_str!("../../library/page-cluster-zero.json")),
    ("read-only-guest", include_str!("../../library/read-only-guest.json")),
    ("sixteen-vcpus", include_str!("../../library/sixteen-vcpus.json")),
    ("first-touch-arm64", include_str!("../../library/first-touch-arm64.json")),
    ("first-touch-x86", include_str!("../../library/first-touch-x86.json")),
    ("token-wrap", include_str!("../../library/token-wrap.json")),
    ("smoke", include_str!("../../library/smoke.json")),
];

const SWEEPS: [(&str, &str); 20] = [
    ("device-latency", include_str!("../../library/sweeps/device-latency.json")),
    ("what-it-hangs-on", include_str!("../../library/sweeps/what-it-hangs-on.json")),
    ("restore-strategies", include_str!("../../library/sweeps/restore-strategies.json")),
    ("restore-mapped", include_str!("../../library/sweeps/restore-mapped.json")),
    ("exitless-service-time", include_str!("../../library/sweeps/exitless-service-time.json")),
    ("handler-threads", include_str!("../../library/sweeps/handler-threads.json")),
    ("vmm-answered-vcpus", include_str!("../../library/sweeps/vmm-answered-vcpus.json")),
    ("vmm-answered-costs", include_str!("../../library/sweeps/vmm-answered-costs.json")),
    (
        "natapov-2010-sensitivity",
        include_str!("../../library/sweeps/natapov-2010-sensitivity.json"),
    ),
    ("lab-mixes", include_str!("../../library/sweeps/lab-mixes.json")),
    ("lab-logs", include_str!("../../library/sweeps/lab-logs.json")),
    ("natapov-2010-halt", include_str!("../../library/sweeps/natapov-2010-halt.json")),
    ("cap-vcpus", include_str!("../../library/sweeps/cap-vcpus.json")),
    ("cap-workers", include_str!("../../library/sweeps/cap-workers.json")),
    ("second-stage-lock-arm64", include_str!("../../library/sweeps/second-stage-lock-arm64.json")),
    ("second-stage-lock-x86", include_str!("../../library/sweeps/second-stage-lock-x86.json")),
    ("without-threads", include_str!("../../library/sweeps/without-threads.json")),
    ("kernel-faults", include_str!("../../library/sweeps/kernel-faults.json")),
    ("allocation-failure", include_str!("../../library/sweeps/allocation-failure.json")),
    ("memslot-cache", include_str!("../../library/sweeps/memslot-cache.json")),
];

/// All built-in scenarios, the most telling first.
pub fn all() -> &'static [LibraryEntry] {
    static ENTRIES: OnceLock<Vec<LibraryEntry>> = OnceLock::new();
    ENTRIES.get_or_init(|| FILES.into_iter().map(entry).collect())
}

/// All built-in sweeps.
pub fn sweeps() -> &'static [LibraryEntry] {
    static ENTRIES: OnceLock<Vec<LibraryEntry>> = OnceLock::new();
    ENTRIES.get_or_init(|| SWEEPS.into_iter().map(entry).collect())
}

fn entry((name, text): (&'static str, &'static str)) -> LibraryEntry {
    LibraryEntry { name, text, title: title(name, text) }
}

/// The built-in scenario of that name.
pub fn find(name: &str) -> Option<&'static LibraryEntry> {
    all().iter().find(|entry| entry.name == name)
}

/// The built-in sweep of that name.
pub fn find_sweep(name: &str) -> Option<&'static LibraryEntry> {
    sweeps().iter().find(|entry| entry.name == name)
}

/// A test holds that every file has one.
fn title(name: &str, text: &str) -> String {
    let doc = Document::parse(name, text).ok();
    let value = doc.and_then(|doc| doc.root.get("title").map(|node| node.value.clone()));
    match value {
        Some(NodeValue::String(title)) => title,
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::resolve::Scenario;

    #[test]
    fn every_file_is_a_valid_scenario_of_its_own_name() {
        for entry in all() {
            let scenario = Scenario::from_str(entry.name, entry.text)
                .unwrap_or_else(|error| panic!("{}", error.render()));
            assert_eq!(scenario.name, entry.name);
            assert_eq!(scenario.title, entry.title);
            assert_eq!(Scenario::load(entry.name).expect("loads by name"), scenario);
        }
    }

    #[test]
    fn every_file_in_the_directory_is_built_in_and_commented() {
        for (folder, entries) in [("library", all()), ("library/sweeps", sweeps())] {
            let dir = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
            let mut names: Vec<String> = std::fs::read_dir(dir)
                .expect("the library is part of the crate")
                .map(|file| file.expect("readable").path())
                .filter(|path| path.is_file())
                .map(|path| path.file_stem().expect("named").to_string_lossy().into_owned())
                .collect();
            names.sort();
            let mut built_in: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
            built_in.sort_unstable();
            assert_eq!(names, built_in);
            for entry in entries {
                assert!(entry.text.starts_with("// "), "{} says nothing of itself", entry.name);
                assert!(entry.text.contains("What to expect"), "{}", entry.name);
            }
        }
    }
}
