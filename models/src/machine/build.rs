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
use crate::trace::series::Series;

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
        let vcpus = config.guest.vcpus;
        let mut trace = TraceSink::new().with_digest().with_metrics(Metrics::new(vcpus));
        if settings.keep_records {
            trace = trace.keeping_records();
        }
        if settings.series {
            trace = trace.with_series(Series::new(vcpus, settings.duration));
        }
        let setup = Setup {
            config: Arc::new(config.clone()),
            prices: Arc::new(config.cpu.costs.at(config.cpu.frequency)),
            skip: settings.skip,
            policy: None,
            warmup: settings.warmup,
            duration: settings.duration,
            // A scenario describes one.
            vms: vec![VmId(0); vcpus.into()],
        };
        Ok(Self {
            setup,
            host: Host::new(config, &streams).map_err(RunError::Distribution)?,
            kvm: VcpuThreads::new(vcpus, &streams),
            guest: Guest::new(config, streams).map_err(RunError::Law)?,
            protocol: Protocol::new(vcpus, rules_at_power_on()?),
            steps: Steps::default(),
            watchdog: Watchdog::default(),
            reached: SimTime::ZERO,
            prefill_done: false,
            finished: false,
            failure: None,
            trace,
        })
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    fn vcpus(&self) -> impl Iterator<Item = VcpuId> + use<Q> {
        (0..self.w.setup.config.guest.vcpus).map(VcpuId)
    }

    /// Power-on: the vCPUs run, the first one with the main task if memory is to be filled.
    pub(super) fn power_on(&mut self) {
        self.emit(Event::PhaseBegin { phase: Phase::Prefill });
        if self.w.setup.config.guest.paging == GuestPaging::Off {
            for vcpu in self.vcpus() {
                self.set_paging(vcpu);
            }
        }
        self.lay_out_stored_regions();
        if !self.start_main_task() {
            self.w.prefill_done = true;
        }
        for vcpu in self.vcpus() {
            self.wake_thread(thread_of(vcpu));
        }
    }

    /// The start barrier: the policy takes effect, the tasks start, the phases are set.
    pub(super) fn barrier(&mut self) {
        let now = self.now();
        self.begin_disturbances();
        if self.w.setup.policy.as_ref().is_some_and(|policy| policy.guest_enabled) {
            self.enable_notices();
        }
        let config = self.w.setup.config.clone();
        self.note_start();
        for (id, group) in (0..).map(GroupId).zip(&config.workload.tasks) {
            self.start_group(id, group);
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
