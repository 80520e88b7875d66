//! Kernels of hosts: one name for scheduler, reclaim, read-ahead, workers and what becomes of pages
//! that the guest only reads. The scheduler is that of the kernel preset of the same name.

use serde::Deserialize;
use sim_core::SimDuration;

use super::files::builtin;
use super::span;
use crate::config::{
    Cgroup, DeviceConfig, DirectReclaim, FileWindows, HostKernel, Lru, MmapMiss, MmuRetry,
    ReadAhead, ReadFaults, SecondStageLock, SwapWriteLimit, WrittenPages, ZswapKernel,
};

const FILE: &str = include_str!("data/host-kernels.json");

/// The kernel that a host has unless a scenario says another one.
pub const HOST_KERNEL: &str = "linux-2.6.36";

/// A value with its source, as the data file holds it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sourced<T> {
    value: T,
    source: String,
}

/// One documented value of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelValue {
    /// Name of the field.
    pub name: String,
    /// Value as text, with its unit.
    pub value: String,
    /// Where it comes from, or that it is an assumption.
    pub source: String,
}

/// A host kernel preset.
#[derive(Clone, Debug)]
pub struct HostKernelPreset {
    /// Name in scenario files.
    pub name: String,
    /// What it stands for.
    pub summary: String,
    /// The generation of the protocol that the release has.
    pub protocol: String,
    /// The largest request that the block layer makes of neighbouring pages (`queue/max_sectors_kb`).
    pub max_write_pages: u32,
    /// Every value with its source.
    pub sources: Vec<KernelValue>,
    /// With a swap device that does not rotate.
    kernel: HostKernel,
    /// What differs where the swap device rotates.
    read_ahead_rotating: ReadAhead,
    writeback_throttling_rotating: Option<SimDuration>,
}

impl HostKernelPreset {
    /// How the kernel works with a swap device. Read-ahead and write-back throttling depend on whether
    /// it rotates.
    pub fn with(&self, device: &DeviceConfig) -> HostKernel {
        match device.rotates() {
            false => self.kernel,
            true => HostKernel {
                read_ahead: self.read_ahead_rotating,
                writeback_throttling: self.writeback_throttling_rotating,
                ..self.kernel
            },
        }
    }

    /// How it works with a swap device that does not rotate.
    pub fn kernel(&self) -> HostKernel {
        self.kernel
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    summary: String,
    protocol: Sourced<String>,
    slow_work_threads: Sourced<u32>,
    workqueue_max_active: Sourced<u32>,
    lru: Sourced<Lru>,
    cgroup: Sourced<Cgroup>,
    direct_reclaim: Sourced<DirectReclaim>,
    written_pages: Sourced<WrittenPages>,
    read_ahead: Sourced<ReadAhead>,
    read_ahead_rotating: Sourced<ReadAhead>,
    polled_reads: Sourced<bool>,
    writeback_throttling: Sourced<String>,
    writeback_throttling_rotating: Sourced<String>,
    swap_write_limit: Sourced<SwapWriteLimit>,
    max_sectors_kb: Sourced<u32>,
    halt_poll: Sourced<String>,
    halt_poll_shrink: Sourced<u32>,
    mmu_retry: Sourced<MmuRetry>,
    read_faults: Sourced<ReadFaults>,
    second_stage_lock: Sourced<SecondStageLock>,
    zswap: Sourced<ZswapKernel>,
    fault_around_kb: Sourced<u32>,
    mmap_miss: Sourced<MmapMiss>,
    file_windows: Sourced<FileWindows>,
}

/// The values of a preset as text, each with its source.
fn sources(file: &File) -> Vec<KernelValue> {
    fn value<T>(name: &str, of: &Sourced<T>, text: impl ToString) -> KernelValue {
        KernelValue { name: name.into(), value: text.to_string(), source: of.source.clone() }
    }
    let f = file;
    vec![
        value("protocol", &f.protocol, &f.protocol.value),
        value("slow_work_threads", &f.slow_work_threads, f.slow_work_threads.value),
        value("workqueue_max_active", &f.workqueue_max_active, f.workqueue_max_active.value),
        value("lru", &f.lru, f.lru.value.name()),
        value("cgroup", &f.cgroup, f.cgroup.value.name()),
        value("direct_reclaim", &f.direct_reclaim, f.direct_reclaim.value.name()),
        value("written_pages", &f.written_pages, f.written_pages.value.name()),
        value("read_ahead", &f.read_ahead, f.read_ahead.value.name()),
        value("read_ahead (rotating)", &f.read_ahead_rotating, f.read_ahead_rotating.value.name()),
        value("polled_reads", &f.polled_reads, f.polled_reads.value),
        value("writeback_throttling", &f.writeback_throttling, &f.writeback_throttling.value),
        value(
            "writeback_throttling (rotating)",
            &f.writeback_throttling_rotating,
            &f.writeback_throttling_rotating.value,
        ),
        value("swap_write_limit", &f.swap_write_limit, f.swap_write_limit.value.name()),
        value("max_sectors_kb", &f.max_sectors_kb, f.max_sectors_kb.value),
        value("halt_poll", &f.halt_poll, &f.halt_poll.value),
        value("halt_poll_shrink", &f.halt_poll_shrink, f.halt_poll_shrink.value),
        value("mmu_retry", &f.mmu_retry, f.mmu_retry.value.name()),
        value("read_faults", &f.read_faults, f.read_faults.value.name()),
        value("second_stage_lock", &f.second_stage_lock, f.second_stage_lock.value.name()),
        value("zswap", &f.zswap, f.zswap.value.name()),
        value("fault_around", &f.fault_around_kb, format!("{}KiB", f.fault_around_kb.value)),
        value("mmap_miss", &f.mmap_miss, f.mmap_miss.value.name()),
        value("file_windows", &f.file_windows, f.file_windows.value.name()),
    ]
}

fn from_file(file: File) -> HostKernelPreset {
    let sources = sources(&file);
    // Zero is a kernel that never throttles.
    let throttling = |text: &str| Some(span(&file.name, text)).filter(|target| !target.is_zero());
    HostKernelPreset {
        kernel: HostKernel {
            slow_work_threads: file.slow_work_threads.value,
            workqueue_max_active: file.workqueue_max_active.value,
            lru: file.lru.value,
            cgroup: file.cgroup.value,
            direct_reclaim: file.direct_reclaim.value,
            written_pages: file.written_pages.value,
            read_ahead: file.read_ahead.value,
            polled_reads: file.polled_reads.value,
            writeback_throttling: throttling(&file.writeback_throttling.value),
            swap_write_limit: file.swap_write_limit.value,
            halt_poll: span(&file.name, &file.halt_poll.value),
            halt_poll_shrink: file.halt_poll_shrink.value,
            mmu_retry: file.mmu_retry.value,
            read_faults: file.read_faults.value,
            second_stage_lock: file.second_stage_lock.value,
            zswap: file.zswap.value,
            fault_around_pages: file.fault_around_kb.value / 4,
            mmap_miss: file.mmap_miss.value,
            file_windows: file.file_windows.value,
        },
        read_ahead_rotating: file.read_ahead_rotating.value,
        writeback_throttling_rotating: throttling(&file.writeback_throttling_rotating.value),
        name: file.name,
        summary: file.summary,
        protocol: file.protocol.value,
        max_write_pages: file.max_sectors_kb.value / 4,
        sources,
    }
}

/// All host kernel presets, oldest first.
pub fn host_kernels() -> Vec<HostKernelPreset> {
    let files: Vec<File> = builtin("host kernels", serde_json::from_str(FILE));
    files.into_iter().map(from_file).collect()
}

/// The host kernel preset of that name.
pub fn host_kernel(name: &str) -> Option<HostKernelPreset> {
    host_kernels().into_iter().find(|preset| preset.name == name)
}

/// Names of the host kernel presets.
pub fn host_kernel_names() -> Vec<String> {
    host_kernels().into_iter().map(|preset| preset.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apf::rules::named_generation;
    use crate::presets::guest_kernel;

    #[test]
    fn every_host_kernel_loads_and_every_value_has_a_source() {
        let presets = host_kernels();
        assert!(presets.iter().any(|preset| preset.name == HOST_KERNEL));
        for preset in presets {
            assert!(guest_kernel(&preset.name).is_some(), "{} has no scheduler", preset.name);
            assert!(named_generation(&preset.protocol).is_some(), "{}", preset.protocol);
            for value in &preset.sources {
                assert!(value.source.len() > 10, "{} of {}", value.name, preset.name);
            }
        }
    }

    #[test]
    fn what_depends_on_the_device_follows_it() {
        let hdd = crate::presets::device("hdd-7200").unwrap().config;
        let flash = crate::presets::device("nvme-tlc-gen3").unwrap().config;
        let kernel = host_kernel("linux-6.12").unwrap();
        assert_eq!(kernel.with(&flash), kernel.kernel());
        let rotating = kernel.with(&hdd);
        assert_eq!(rotating.read_ahead, ReadAhead::Adaptive);
        assert_eq!(rotating.writeback_throttling, Some(SimDuration::from_ms(75)));
        assert_eq!(
            HostKernel {
                read_ahead: kernel.kernel.read_ahead,
                writeback_throttling: kernel.kernel.writeback_throttling,
                ..rotating
            },
            kernel.kernel()
        );
    }

    /// Hosts before 2.6.38 asked for writing; those that asked for what the guest does kept pages
    /// that were only read clean until 6.11.
    #[test]
    fn read_pages_stay_clean_on_hosts_in_between() {
        let clean = |name: &str| host_kernel(name).unwrap().kernel().read_faults.maps_read_only();
        let names = host_kernel_names();
        let clean: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| clean(name)).collect();
        assert_eq!(clean, ["linux-4.19", "linux-5.10", "linux-5.15", "linux-6.1", "linux-6.6"]);
    }
}
