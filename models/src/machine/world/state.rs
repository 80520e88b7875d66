//! All that changes during a run, in halves whose fields are their rooms' own. A clone is a snapshot.

use std::sync::Arc;

use sim_core::{Frequency, SimDuration, SimTime};

use super::failure::Failure;
use super::next_steps::Steps;
use super::watchdog::Watchdog;
use crate::apf::rules::Workers;
use crate::base::ids::{Gfn, GuestPage, VcpuId, VmId};
use crate::config::costs::Prices;
use crate::config::{GuestConfig, HostPaging, MachineConfig, Policy};
use crate::machine::guest::Guest;
use crate::machine::host::Host;
use crate::machine::protocol::Protocol;
use crate::machine::settings::Stop;
use crate::machine::sink::TraceSink;
use crate::machine::vcpu::VcpuThreads;

/// What a run is given, and what does not change after the start barrier.
#[derive(Clone, Debug)]
pub(in crate::machine) struct Setup {
    pub config: Arc<MachineConfig>,
    pub prices: Arc<Prices>,
    /// Whether vCPUs run ahead of the event queue.
    pub skip: bool,
    /// The policy that is compared, from the start barrier on.
    pub policy: Option<Arc<Policy>>,
    /// That of each virtual machine, which may have its own.
    pub policies: Vec<Arc<Policy>>,
    pub warmup: SimDuration,
    pub duration: SimDuration,
    /// The virtual machine of each vCPU.
    pub vms: Vec<VmId>,
}

impl Setup {
    /// The virtual machine of a vCPU.
    #[inline]
    pub(in crate::machine) fn vm(&self, vcpu: VcpuId) -> VmId {
        self.vms[vcpu.index()]
    }

    /// The guest of a vCPU.
    #[inline]
    pub(in crate::machine) fn guest(&self, vcpu: VcpuId) -> &GuestConfig {
        self.config.guest_of(self.vm(vcpu))
    }

    /// The vCPUs of a virtual machine.
    pub(in crate::machine) fn vcpus_of(&self, vm: VmId) -> impl Iterator<Item = VcpuId> + use<> {
        self.config.vcpus_of(vm)
    }

    /// The page of a frame of a vCPU's virtual machine.
    #[inline]
    pub(in crate::machine) fn page(&self, vcpu: VcpuId, gfn: Gfn) -> GuestPage {
        GuestPage::new(self.vm(vcpu), gfn)
    }

    /// The policy of a virtual machine, from the start barrier on.
    pub(in crate::machine) fn policy_of(&self, vm: VmId) -> Option<&Arc<Policy>> {
        self.policies.get(vm.index())
    }

    /// Whether the VMM of a virtual machine answers faults on pages that it brings.
    pub(in crate::machine) fn answers_faults(&self, vm: VmId) -> bool {
        self.policy_of(vm).is_some_and(|policy| policy.rules.vmm_answers())
    }

    /// Who brings pages. The host has one kernel, so that all virtual machines with asynchronous page faults
    /// agree in it.
    pub(in crate::machine) fn workers(&self) -> Workers {
        let asks = self.policies.iter().find(|policy| policy.host_async);
        asks.or(self.policy.as_ref()).map_or(Workers::Workqueue, |policy| policy.rules.workers)
    }

    /// The policies take effect: the one that is compared, and those of virtual machines that have one.
    pub(in crate::machine) fn adopt(&mut self, compared: &Policy) {
        let of = |vm| Arc::new(self.config.policy_of(vm, compared).clone());
        self.policies = self.config.vm_ids().map(of).collect();
        self.policy = Some(Arc::new(compared.clone()));
    }

    /// Whether the tables that the processor walks for the guest's memory have accessed bits. Ordinary
    /// tables always had, and so has the mirror of shadow paging.
    pub(in crate::machine) fn has_accessed_bits(&self) -> bool {
        self.config.cpu.ept_accessed_dirty || self.is_shadow()
    }

    /// Whether the host mirrors the guest's tables, or has none of the processor's for its memory.
    pub(in crate::machine) fn is_shadow(&self) -> bool {
        self.config.host.paging == HostPaging::Shadow
    }

    /// Rate of the processors.
    pub(in crate::machine) fn frequency(&self) -> Frequency {
        self.config.cpu.frequency
    }
}

/// Everything that changes during a run, besides the event queue.
#[derive(Clone, Debug)]
pub struct World {
    pub(in crate::machine) setup: Setup,
    /// Threads on processors, memory, the swap device.
    pub(in crate::machine) host: Host,
    /// KVM's side of the virtual processors.
    pub(in crate::machine) kvm: VcpuThreads,
    /// Tasks, the guest's kernel, and its side of the virtual processors.
    pub(in crate::machine) guest: Guest,
    /// Asynchronous page faults, both sides.
    pub(in crate::machine) protocol: Protocol,
    pub(in crate::machine) steps: Steps,
    pub(in crate::machine) watchdog: Watchdog,
    /// The time that the machine has reached; the engine's clock stands at the event that began
    /// the last run of steps.
    pub(in crate::machine) reached: SimTime,
    /// Main tasks that fill memory.
    pub(in crate::machine) filling: u16,
    pub(in crate::machine) prefill_done: bool,
    pub(in crate::machine) finished: bool,
    pub(in crate::machine) failure: Option<Failure>,
    pub(in crate::machine) trace: TraceSink,
    /// What ends the run from outside; shared by clones, and no part of what is simulated.
    pub(in crate::machine) stop: Option<Stop>,
}

impl World {
    /// Whether every page is filled and the tasks wait at the start barrier.
    pub(in crate::machine) fn at_barrier(&self) -> bool {
        self.prefill_done
    }

    /// Whether the run is over or cannot go on.
    pub(in crate::machine) fn is_over(&self) -> bool {
        self.finished || self.failure.is_some() || self.is_stopped()
    }

    /// Whether whoever asked for the run wants no more of it.
    #[inline]
    pub(in crate::machine) fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(Stop::is_asked)
    }

    /// Whether nothing may happen before the driver has been asked: at the start barrier, where
    /// policies part, at the end, and when somebody waits for the records.
    pub(in crate::machine) fn must_stop(&self) -> bool {
        let at_barrier = self.prefill_done && self.setup.policy.is_none();
        self.is_over() || at_barrier || self.trace.tap_is_full()
    }

    /// Makes clones cheap from here on.
    pub(in crate::machine) fn freeze(&mut self) {
        self.host.freeze();
        self.guest.freeze();
    }
}
