//! The protocol's state, and what was found wrong with it.

use std::sync::Arc;

use super::tokens::Tokens;
use crate::apf::{Apf, Defects, Effect, Effects, Rules};
use crate::base::ids::{ItemId, VcpuId, VmId};
use crate::base::record::Event;
use crate::config::Policy;
use crate::machine::promises::known_violations;
use crate::machine::world::StateViolation;
use crate::monitors::{Finding, Verdict, Witness};

/// The protocol of one virtual machine. It has room for the vCPUs of all, since these are numbered over all
/// of them; those of others stay as they are at power-on.
#[derive(Clone, Debug)]
pub(super) struct OfVm {
    pub apf: Apf,
    /// The tokens of its linked items.
    pub tokens: Tokens,
    /// State invariants that did not hold, each with its first occurrence.
    pub broken: Vec<StateViolation>,
}

/// The protocol of each virtual machine.
///
/// Outside, items are numbered over all of them: those of `n` virtual machines take turns, so that the
/// number says whose it is.
#[derive(Clone, Debug)]
pub(in crate::machine) struct Protocol {
    pub(super) of: Vec<OfVm>,
    /// The virtual machine of each vCPU.
    vms: Vec<VmId>,
    /// A reused buffer; empty between steps.
    pub(super) effects: Effects,
}

impl Protocol {
    /// At power-on.
    pub(in crate::machine) fn new(vms: Vec<VmId>, rules: Rules) -> Self {
        let count = vms.last().map_or(1, |last| last.index() + 1);
        let apf = Apf::new(vms.len() as u16, rules, Defects::none());
        Self {
            of: vec![OfVm { apf, tokens: Tokens::default(), broken: Vec::new() }; count],
            vms,
            effects: Vec::new(),
        }
    }

    /// The rules of the policies take effect, and mistakes besides theirs.
    pub(in crate::machine) fn adopt(&mut self, policies: &[Arc<Policy>], defects: Defects) {
        for (of, policy) in self.of.iter_mut().zip(policies) {
            of.apf.adopt(policy.rules, defects.and(policy.defects));
        }
    }

    /// The virtual machine of a vCPU.
    pub(super) fn vm(&self, vcpu: VcpuId) -> VmId {
        self.vms[vcpu.index()]
    }

    /// The state of a vCPU's virtual machine, to ask it.
    pub(in crate::machine) fn apf(&self, vcpu: VcpuId) -> &Apf {
        &self.of[self.vm(vcpu).index()].apf
    }

    /// The virtual machine of an item, and the item's number there.
    pub(super) fn within(&self, item: ItemId) -> (VmId, ItemId) {
        let count = self.of.len() as u32;
        (VmId((item.0 % count) as u16), ItemId(item.0 / count))
    }

    /// The number that an item of a virtual machine has outside.
    pub(super) fn outside(&self, vm: VmId, item: ItemId) -> ItemId {
        ItemId(item.0 * self.of.len() as u32 + u32::from(vm.0))
    }

    /// An effect of a virtual machine with the numbers that items have outside.
    pub(super) fn effect_outside(&self, vm: VmId, mut effect: Effect) -> Effect {
        if self.of.len() == 1 {
            return effect;
        }
        match &mut effect {
            Effect::QueueWork { item }
            | Effect::CancelWork { item }
            | Effect::WaitWorker { item }
            | Effect::WorkerDone { item }
            | Effect::ItemFreed { item, .. }
            | Effect::Emit(Event::WorkqueueQueueWork { item }) => *item = self.outside(vm, *item),
            _ => {}
        }
        effect
    }

    /// The vCPU that an item belongs to.
    pub(in crate::machine) fn vcpu_of(&self, item: ItemId) -> VcpuId {
        let (vm, item) = self.within(item);
        self.of[vm.index()].apf.host.items.item(item).vcpu
    }

    /// What the generation at hand does in a vCPU's virtual machine.
    pub(in crate::machine) fn rules(&self, vcpu: VcpuId) -> &Rules {
        &self.apf(vcpu).rules
    }

    /// What the generation at hand does in a virtual machine.
    pub(in crate::machine) fn rules_of(&self, vm: VmId) -> &Rules {
        &self.of[vm.index()].apf.rules
    }

    /// The state invariants that were broken, as findings.
    pub(in crate::machine) fn findings(&self) -> Vec<Finding> {
        self.of.iter().flat_map(OfVm::findings).collect()
    }
}

impl OfVm {
    fn findings(&self) -> Vec<Finding> {
        let known = known_violations(&self.apf.rules);
        let finding = |broken: &StateViolation| {
            let StateViolation { id, time, message, count, story } = broken.clone();
            let first = Some(Witness { time, message, story });
            let known = known.contains(&id);
            let verdict = if known { Verdict::of_known(id) } else { Verdict::Violation };
            Finding { id, verdict, count, first }
        };
        self.broken.iter().map(finding).collect()
    }
}
