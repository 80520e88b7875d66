//! The state of the protocol, and what a driver may ask it.

use crate::apf::defect::{Defect, Defects};
use crate::apf::gfn_table::{GfnTable, MAX_SLOTS};
use crate::apf::guest::GuestHalf;
use crate::apf::host::{HostHalf, HostVcpu, Operation};
use crate::apf::notice::{Notice, SharedArea};
use crate::apf::ring::RingPage;
use crate::apf::rules::{Drain, ResolvedBy, Rules};
use crate::apf::vmm::VmmVcpu;
use crate::base::ids::VcpuId;

/// The protocol state of one VM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Apf {
    /// What this kernel does.
    pub rules: Rules,
    /// What it does wrong.
    pub defects: Defects,
    /// State of the host.
    pub host: HostHalf,
    /// State of the guest.
    pub guest: GuestHalf,
    /// The shared areas, by vCPU.
    pub areas: Vec<SharedArea>,
    /// The pages that vCPUs share with the VMM, by vCPU, where it answers faults through rings.
    pub pages: Vec<RingPage>,
    /// State of the VMM, by vCPU, where it answers faults.
    pub vmm: Vec<VmmVcpu>,
}

impl Apf {
    /// A VM of `vcpus` processors at power-on: no notices are enabled and nothing is outstanding.
    pub fn new(vcpus: u16, rules: Rules, defects: Defects) -> Self {
        let mut apf = Self {
            rules,
            defects,
            host: HostHalf::new(vcpus, &rules),
            guest: GuestHalf::new(vcpus),
            areas: vec![SharedArea::FREE; usize::from(vcpus)],
            pages: Vec::new(),
            vmm: Vec::new(),
        };
        apf.renew_vmm();
        apf
    }

    /// A VMM that has just begun, if it answers faults.
    pub(super) fn renew_vmm(&mut self) {
        let (vcpus, answers) = (usize::from(self.vcpus()), self.rules.vmm_answers());
        let count = if answers { vcpus } else { 0 };
        self.pages = vec![RingPage::new(self.rules.ring); count];
        self.vmm = vec![VmmVcpu::new(); count];
    }

    /// The same VM under other rules, as if it had been started under them.
    ///
    /// # Panics
    ///
    /// When notices are enabled or an item is outstanding: those belong to the old rules.
    pub fn adopt(&mut self, rules: Rules, defects: Defects) {
        for vcpu in self.vcpu_ids() {
            let state = self.vcpu_mut(vcpu);
            assert!(!state.enabled() && state.queued == 0, "{vcpu} is in the middle of something");
            state.gfns = GfnTable::new(rules.cap.min(MAX_SLOTS));
            state.registered = rules.resolved_by == ResolvedBy::Ring;
        }
        self.rules = rules;
        self.defects = defects;
        self.renew_vmm();
    }

    /// The number of vCPUs.
    pub fn vcpus(&self) -> u16 {
        // Made from a u16 and never resized.
        self.areas.len() as u16
    }

    pub(super) fn has(&self, defect: Defect) -> bool {
        self.defects.has(defect)
    }

    pub(super) fn vcpu_ids(&self) -> impl Iterator<Item = VcpuId> + use<> {
        (0..self.vcpus()).map(VcpuId)
    }

    /// What the host keeps for a vCPU.
    pub fn vcpu(&self, vcpu: VcpuId) -> &HostVcpu {
        &self.host.vcpus[vcpu.index()]
    }

    pub(super) fn vcpu_mut(&mut self, vcpu: VcpuId) -> &mut HostVcpu {
        &mut self.host.vcpus[vcpu.index()]
    }

    /// Whether the artificial halt is set.
    pub fn is_halted(&self, vcpu: VcpuId) -> bool {
        self.vcpu(vcpu).halted.is_some()
    }

    /// Whether the run loop blocks instead of entering: the artificial halt, or HLT if the driver
    /// reports it.
    pub fn must_block(&self, vcpu: VcpuId) -> bool {
        let vcpu = self.vcpu(vcpu);
        vcpu.halted.is_some() || vcpu.hlt
    }

    /// Items outstanding, as the kernel counts them.
    pub fn outstanding(&self, vcpu: VcpuId) -> u32 {
        self.vcpu(vcpu).queued
    }

    /// Completed items that wait to be dequeued.
    pub fn done_len(&self, vcpu: VcpuId) -> usize {
        self.vcpu(vcpu).done.len()
    }

    /// The synthetic exception that the next entry injects.
    pub fn pending_exception(&self, vcpu: VcpuId) -> Option<Notice> {
        self.vcpu(vcpu).pending.first().copied()
    }

    /// The vector of the page ready interrupt that an entry can inject once the guest lets
    /// interrupts in.
    pub fn ready_interrupt(&self, vcpu: VcpuId) -> Option<u8> {
        let lapic = self.vcpu(vcpu).lapic;
        lapic.requested.filter(|_| lapic.in_service.is_none() && lapic.enabled)
    }

    /// Whether the host would look for completed items now: `CheckCompletion` may follow. The gate
    /// may still be closed.
    pub fn may_check_completion(&self, vcpu: VcpuId) -> bool {
        let vcpu = self.vcpu(vcpu);
        match self.rules.drain {
            Drain::OneAtEntry => !vcpu.done.is_empty() || vcpu.deferred.is_some(),
            Drain::OnePerTurn | Drain::AllAtEachTurn => !vcpu.done.is_empty(),
            Drain::AllOnRequestAndAck => matches!(vcpu.operation, Some(Operation::Scan(_))),
        }
    }
}
