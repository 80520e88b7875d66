//! The protocol's state, and what was found wrong with it.

use crate::apf::{Apf, Defects, Effects, Rules};
use crate::base::ids::{ItemId, VcpuId};
use crate::machine::promises::known_violations;
use crate::machine::world::StateViolation;
use crate::monitors::{Finding, Verdict, Witness};

/// The protocol of the machine's VM.
#[derive(Clone, Debug)]
pub(in crate::machine) struct Protocol {
    pub(super) apf: Apf,
    /// State invariants that did not hold, each with its first occurrence.
    pub(super) broken: Vec<StateViolation>,
    /// A reused buffer; empty between steps.
    pub(super) effects: Effects,
}

impl Protocol {
    /// At power-on.
    pub(in crate::machine) fn new(vcpus: u16, rules: Rules) -> Self {
        let apf = Apf::new(vcpus, rules, Defects::none());
        Self { apf, broken: Vec::new(), effects: Vec::new() }
    }

    /// The rules of the policy take effect.
    pub(in crate::machine) fn adopt(&mut self, rules: Rules, defects: Defects) {
        self.apf.adopt(rules, defects);
    }

    /// The state, to ask it.
    pub(in crate::machine) fn apf(&self) -> &Apf {
        &self.apf
    }

    /// The vCPU that an item belongs to.
    pub(in crate::machine) fn vcpu_of(&self, item: ItemId) -> VcpuId {
        self.apf.host.items.item(item).vcpu
    }

    /// What the generation at hand does.
    pub(in crate::machine) fn rules(&self) -> &Rules {
        &self.apf.rules
    }

    /// The state invariants that were broken, as findings.
    pub(in crate::machine) fn findings(&self) -> Vec<Finding> {
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
