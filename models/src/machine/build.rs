//! A machine at power-on, and the workload's start at the barrier.

use std::sync::Arc;

use sim_core::{EventQueue, RandomStreams, SimTime};

use super::error::RunError;
use super::guest::Guest;
use super::host::Host;
use super::protocol::Protocol;
use super::settings::RunSettings;
use super::sink::TraceSink;
use super::vcpu::VcpuThreads;
use super::world::watchdog::Watchdog;
use super::world::{Cx, MachineEvent, Setup, Steps, World, thread_of};
use crate::apf::Rules;
use crate::base::ids::{GroupId, VcpuId, VmId};
use crate::base::record::{Event, Phase};
use crate::config::{GuestPaging, MachineConfig};
use crate::presets::policies;
use crate::trace::metrics::Metrics;
use crate::trace::owners::Owners;
use crate::trace::series::{Follow, Series};

fn rules_at_power_on() -> Result<Rules, RunError> {
    policies::policy("sync").map(|p| p.rules).ok_or(RunError::Internal("no policy named sync"))
}

impl World {
    /// A machine at power-on whose vCPUs are idle.
    pub(super) fn new(
        config: &MachineConfig,
        seed: u64,
        settings: &RunSettings,
    ) -> Result<Self, RunError> {
        let streams = RandomStreams::new(seed);
        let vcpus = config.vcpus();
        let metrics = Metrics::new(vcpus).by_vm(Owners::new(config));
        let mut trace = TraceSink::new().with_digest().with_metrics(metrics);
        if settings.keep_records {
            trace = trace.keeping_records();
        }
        let series = Series::new(vcpus, settings.duration);
        match settings.series {
            Follow::Nothing => {}
            Follow::Counts => trace = trace.with_series(series.of_counts()),
            Follow::Everything => trace = trace.with_series(series),
        }
        let setup = Setup {
            config: Arc::new(config.clone()),
            prices: Arc::new(config.cpu.costs.at(config.cpu.frequency)),
            skip: settings.skip,
            policy: None,
            policies: Vec::new(),
            warmup: settings.warmup,
            duration: settings.duration,
            vms: config.vm_of_each_vcpu(),
        };
        Ok(Self {
            setup,
            host: Host::new(config, &streams).map_err(RunError::Distribution)?,
            kvm: VcpuThreads::new(vcpus, &streams),
            guest: Guest::new(config, streams).map_err(RunError::Law)?,
            protocol: Protocol::new(config.vm_of_each_vcpu(), rules_at_power_on()?),
            steps: Steps::default(),
            watchdog: Watchdog::default(),
            reached: SimTime::ZERO,
            filling: 0,
            prefill_done: false,
            finished: false,
            failure: None,
            trace,
            stop: settings.stop.clone(),
        })
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    fn vcpus(&self) -> impl Iterator<Item = VcpuId> + use<Q> {
        (0..self.w.setup.vms.len() as u16).map(VcpuId)
    }

    /// Power-on: the vCPUs run, one of each virtual machine with the main task if memory is to be filled.
    pub(super) fn power_on(&mut self) {
        self.emit(Event::PhaseBegin { phase: Phase::Prefill });
        for vcpu in self.vcpus() {
            if self.w.setup.guest(vcpu).paging == GuestPaging::Off {
                self.set_paging(vcpu);
            }
        }
        self.lay_out_stored_regions();
        for vm in self.w.setup.config.vm_ids() {
            self.w.filling += u16::from(self.start_main_task(vm));
        }
        self.w.prefill_done = self.w.filling == 0;
        for vcpu in self.vcpus() {
            self.wake_thread(thread_of(vcpu));
        }
    }

    /// The start barrier: the policy takes effect, the tasks start, the phases are set.
    pub(super) fn barrier(&mut self) {
        let now = self.now();
        self.arm_rings();
        self.begin_disturbances();
        self.begin_reclaimers();
        self.enable_notices();
        self.note_start();
        self.begin_prefetches();
        for vm in self.w.setup.config.vm_ids().filter(|vm| self.may_start(*vm)).collect::<Vec<_>>()
        {
            self.start_groups(vm);
        }
        let measure = now + self.w.setup.warmup;
        let end = measure + self.w.setup.duration;
        if self.w.setup.warmup.is_zero() {
            self.phase(Phase::Measure);
        } else {
            self.phase(Phase::Warmup);
            self.schedule(measure, MachineEvent::Phase(Phase::Measure));
        }
        self.schedule(end, MachineEvent::Phase(Phase::End));
    }

    /// The tasks of a virtual machine start.
    pub(super) fn start_groups(&mut self, vm: VmId) {
        let config = self.w.setup.config.clone();
        for place in config.groups_of(vm) {
            self.start_group(vm, GroupId(place as u16), &config.workload.tasks[place]);
        }
    }

    /// A part of the run begins: what ran before is reported as part of the one before.
    pub(super) fn phase(&mut self, phase: Phase) {
        for vcpu in self.vcpus() {
            self.checkpoint(vcpu);
        }
        self.emit(Event::PhaseBegin { phase });
        if phase == Phase::End {
            self.w.finished = true;
        }
    }
}
