//! Processors, guest kernels and swap devices as data files in which every number has its source.

mod cpus;
mod files;
mod host_kernels;
pub mod policies;
mod values;

use serde::Deserialize;
use sim_core::{Distribution, SimDuration};

pub use cpus::{Certainty, CpuPreset, SourcedValue, cpu, cpu_names, cpus};
pub use host_kernels::{
    HOST_KERNEL, HostKernelPreset, KernelValue, host_kernel, host_kernel_names, host_kernels,
};
pub use values::{PlainPreset, plain};

use self::files::{COMPRESSORS, DEVICES, GUEST_KERNELS, builtin};
use crate::config::{DeviceConfig, EevdfParams, FairParams, Preemption, SchedParams, StealClock};

/// A swap-device preset.
#[derive(Clone, Debug, Deserialize)]
pub struct DevicePreset {
    /// Name in scenario files.
    pub name: String,
    /// What it stands for, with the sources of its numbers.
    pub summary: String,
    /// The model.
    #[serde(flatten)]
    pub config: DeviceConfig,
}

/// A guest kernel preset.
#[derive(Clone, Debug)]
pub struct GuestKernelPreset {
    /// Name in scenario files.
    pub name: String,
    /// What it stands for, with the sources of its numbers.
    pub summary: String,
    /// Ticks a second.
    pub hz: u32,
    /// Ticks between two runs of the periodic load balancer on a busy vCPU.
    pub balance_ticks: u32,
    /// Whether it asks for notices at CPL 0 too.
    pub send_always: bool,
    /// Which stolen time is kept from the running task's account.
    pub steal_clock: StealClock,
    /// When its kernel lets another task run.
    pub preemption: Preemption,
    base: SchedFile,
}

impl GuestKernelPreset {
    /// The fair scheduler's parameters on `cpus` processors. Kernels multiply their base values by
    /// `1 + log2(processors)`, at most 8 processors counted (`update_sysctl`,
    /// `get_update_sysctl_factor`).
    pub fn sched(&self, cpus: u16) -> SchedParams {
        let factor = 1 + u64::from(cpus.clamp(1, 8).ilog2());
        let scaled = |text: &str| span(&self.name, text).times(factor);
        match &self.base {
            SchedFile::Cfs {
                latency,
                min_granularity,
                wakeup_granularity,
                wakeup_preemption,
                gentle_sleepers,
            } => {
                let latency = scaled(latency);
                SchedParams::Cfs(FairParams {
                    latency,
                    min_granularity: scaled(min_granularity),
                    wakeup_granularity: scaled(wakeup_granularity),
                    sleeper_credit: if *gentle_sleepers { latency.divided_by(2) } else { latency },
                    wakeup_preemption: *wakeup_preemption,
                })
            }
            SchedFile::Eevdf {
                base_slice,
                run_to_parity,
                place_lag,
                delay_dequeue,
                preempt_short,
                wakeup_preemption,
            } => SchedParams::Eevdf(EevdfParams {
                base_slice: scaled(base_slice),
                run_to_parity: *run_to_parity,
                place_lag: *place_lag,
                delay_dequeue: *delay_dequeue,
                preempt_short: *preempt_short,
                wakeup_preemption: *wakeup_preemption,
                tick: SimDuration::from_secs(1).divided_by(self.hz.into()),
            }),
        }
    }
}

fn span(what: &str, text: &str) -> SimDuration {
    builtin(what, text.parse::<SimDuration>())
}

/// All swap-device presets.
pub fn devices() -> Vec<DevicePreset> {
    builtin("devices", serde_json::from_str(DEVICES))
}

/// The swap-device preset of that name.
pub fn device(name: &str) -> Option<DevicePreset> {
    devices().into_iter().find(|preset| preset.name == name)
}

/// Names of the swap-device presets.
pub fn device_names() -> Vec<String> {
    devices().into_iter().map(|preset| preset.name).collect()
}

/// What compressing pages takes, as zswap does it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompressorPreset {
    /// Name in scenario files.
    pub name: String,
    /// What it stands for, with the sources of its numbers.
    pub summary: String,
    /// Processor time to bring a page from the pool, in picoseconds.
    pub load: Distribution,
    /// Processor time to compress a page and to store it.
    pub store: Distribution,
    /// Pages over the pages that hold them, in thousandths.
    pub ratio_milli: u32,
}

/// All compressors of zswap.
pub fn compressors() -> Vec<CompressorPreset> {
    builtin("compressors", serde_json::from_str(COMPRESSORS))
}

/// The compressor of that name.
pub fn compressor(name: &str) -> Option<CompressorPreset> {
    compressors().into_iter().find(|preset| preset.name == name)
}

/// Names of the compressors.
pub fn compressor_names() -> Vec<String> {
    compressors().into_iter().map(|preset| preset.name).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KernelFile {
    name: String,
    summary: String,
    hz: u32,
    balance_ticks: u32,
    send_always: bool,
    steal_clock: StealClock,
    #[serde(default)]
    preemption: Preemption,
    sched: SchedFile,
}

/// A scheduler on one processor.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "class", rename_all = "lowercase", deny_unknown_fields)]
enum SchedFile {
    Cfs {
        latency: String,
        min_granularity: String,
        wakeup_granularity: String,
        wakeup_preemption: bool,
        gentle_sleepers: bool,
    },
    Eevdf {
        base_slice: String,
        run_to_parity: bool,
        place_lag: bool,
        delay_dequeue: bool,
        preempt_short: bool,
        wakeup_preemption: bool,
    },
}

/// All guest kernel presets.
pub fn guest_kernels() -> Vec<GuestKernelPreset> {
    let files: Vec<KernelFile> = builtin("guest kernels", serde_json::from_str(GUEST_KERNELS));
    files
        .into_iter()
        .map(|file| GuestKernelPreset {
            base: file.sched,
            name: file.name,
            summary: file.summary,
            hz: file.hz,
            balance_ticks: file.balance_ticks,
            send_always: file.send_always,
            steal_clock: file.steal_clock,
            preemption: file.preemption,
        })
        .collect()
}

/// The guest kernel preset of that name.
pub fn guest_kernel(name: &str) -> Option<GuestKernelPreset> {
    guest_kernels().into_iter().find(|preset| preset.name == name)
}

/// Names of the guest kernel presets.
pub fn guest_kernel_names() -> Vec<String> {
    guest_kernels().into_iter().map(|preset| preset.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_loads() {
        assert!(!devices().is_empty() && !compressors().is_empty());
        assert!(!guest_kernels().is_empty());
    }

    #[test]
    fn cfs_of_2010_scales_with_the_number_of_processors() {
        let SchedParams::Cfs(sched) = guest_kernel("linux-2.6.36").unwrap().sched(4) else {
            panic!("it is CFS");
        };
        assert_eq!(sched.latency, SimDuration::from_ms(18));
        assert_eq!(sched.min_granularity, SimDuration::from_us(2250));
        assert_eq!(sched.wakeup_granularity, SimDuration::from_ms(3));
        assert_eq!(sched.sleeper_credit, SimDuration::from_ms(9));
    }
    #[test]
    fn eevdf_has_a_slice_of_three_quarters_of_a_millisecond_on_one_processor() {
        let kernel = guest_kernel("linux-6.12").unwrap();
        let slice = |cpus| match kernel.sched(cpus) {
            SchedParams::Eevdf(params) => (params.base_slice, params.tick),
            SchedParams::Cfs(_) => panic!("it is EEVDF"),
        };
        let tick = SimDuration::from_ms(4);
        assert_eq!(slice(1), (SimDuration::from_us(750), tick));
        assert_eq!(slice(8), (SimDuration::from_ms(3), tick));
    }
}
