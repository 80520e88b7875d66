//! What all moves share: an input of the protocol, and where a vCPU thread goes after it.

use crate::apf::{Decision, Effect, Effects, HostInput, Input, VmmEffect};
use crate::base::ids::VcpuId;

use super::check::{self, Before, Log};
use super::outside::Outside;
use super::vmm_check;
use super::world::{At, Then, World};

impl World {
    /// One input of the protocol, with the checks that its effects allow.
    pub(super) fn input(&mut self, vcpu: VcpuId, input: Input, log: &mut Log) -> Effects {
        let before = Before::of(self, &input, vcpu);
        let mut effects = Effects::new();
        self.apf.step(input, &mut effects);
        check::step(self, (vcpu, &before), &effects, log);
        vmm_check::step(self, &effects, log);
        for effect in &effects {
            if let Effect::KickVcpu { vcpu } = *effect
                && self.cpu(vcpu).at == At::Guest
            {
                self.cpu_mut(vcpu).kicked = true;
            }
        }
        if let Some(steps) = &mut log.steps {
            steps.push((input, effects.clone()));
        }
        effects
    }

    pub(super) fn host(&mut self, vcpu: VcpuId, input: HostInput, log: &mut Log) -> Effects {
        self.input(vcpu, Input::Host(input), log)
    }

    pub(super) fn exit(&mut self, vcpu: VcpuId) {
        self.cpu_mut(vcpu).kicked = false;
        self.cpu_mut(vcpu).at = self.after_exit(vcpu);
    }

    /// The guest executes HLT.
    pub(super) fn hlt(&mut self, vcpu: VcpuId, log: &mut Log) {
        self.host(vcpu, HostInput::Hlt { vcpu }, log);
        self.exit(vcpu);
    }

    /// Where the thread goes after a section that may have more behind it.
    pub(super) fn follow(&mut self, vcpu: VcpuId, then: Then, effects: &Effects) {
        let waits = effects.iter().find_map(|effect| match *effect {
            Effect::WaitWorker { item } => Some(item),
            _ => None,
        });
        let exit = effects.iter().find_map(|effect| match *effect {
            Effect::Vmm(VmmEffect::Exit { gfn, plain, .. }) => Some((gfn, plain)),
            _ => None,
        });
        if let Some((gfn, plain)) = exit {
            // A page's frame has its number.
            self.cpu_mut(vcpu).at = At::Outside(gfn.0 as u8, Outside::Send { plain });
            return;
        }
        let continues = effects.last() == Some(&Effect::Decide(Decision::Continue));
        self.cpu_mut(vcpu).at = match waits {
            Some(item) => At::Wait(item, then),
            None if continues => At::Advance(then),
            None if effects.contains(&Effect::DrainMore) => At::Look(then),
            None if then == Then::Top => self.after_exit_once(vcpu, effects),
            None => then.at(),
        };
    }

    /// A thread that has delivered does not look again in the same turn, unless it drains.
    fn after_exit_once(&self, vcpu: VcpuId, effects: &Effects) -> At {
        let delivered = effects.iter().any(|effect| matches!(effect, Effect::ItemFreed { .. }));
        let cleared = effects.contains(&Effect::Decide(Decision::Retry));
        if delivered && !cleared { At::Top } else { self.after_exit(vcpu) }
    }
}

impl Then {
    pub(super) fn at(self) -> At {
        match self {
            Self::Top => At::Top,
            Self::Entry => At::Entry,
        }
    }
}
