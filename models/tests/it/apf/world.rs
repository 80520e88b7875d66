//! A small world that drives the protocol through legal schedules only: vCPU threads follow the
//! run loop of `__vcpu_run`, guests follow the handlers of the synthetic #PF, workers follow
//! `async_pf_execute`. What happens next among the legal moves is the test's choice.

use models::apf::host::Operation;
use models::apf::invariants;
use models::apf::item::WorkStage;
use models::apf::{
    Apf, Decision, Defects, Effect, Effects, GuestInput, HostInput, Input, Rules, VcpuView,
    WaitContext,
};
use models::base::ids::{Gfn, Gva, Hva, ItemId, TaskId, Token, VcpuId, WorkerId};
use models::base::invariant::InvariantId;
use models::base::record::{ApfReason, Event};

/// What the world consists of.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) rules: Rules,
    pub(crate) defects: Defects,
    pub(crate) vcpus: u16,
    /// What each guest writes to the EN register at first; nothing when none.
    pub(crate) en: Option<u64>,
    /// Faults that may happen in all.
    pub(crate) faults: u16,
    pub(crate) gfns: Vec<Gfn>,
    /// Privilege level and interrupt flag at a fault.
    pub(crate) contexts: Vec<(u8, bool)>,
    /// Whether guests execute HLT, and interrupts end it.
    pub(crate) idle: bool,
}

/// Where a vCPU thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum At {
    Guest,
    Handler(Stage),
    Setup,
    TurnEnd,
    Popped,
    Top,
    Entry,
    Blocked,
    Dead,
}

/// Where the guest is in its #PF handler; interrupts are off there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    ReadWord,
    Link,
    Test,
    Wake,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cpu {
    pub(crate) at: At,
    cpl: u8,
    interrupts_on: bool,
    /// The handler that an exit interrupted.
    handler: Option<Stage>,
    token: Token,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// The guest touches a page that needs I/O.
    Fault(VcpuId, Gfn, (u8, bool)),
    /// The guest leaves guest mode for a reason that is none of the protocol's.
    Exit(VcpuId),
    Hlt(VcpuId),
    /// The vCPU thread or its guest does its next section.
    Go(VcpuId),
    /// A sleeping vCPU thread sees an interrupt.
    Interrupt(VcpuId),
    /// A worker fetches the page.
    Fetch(ItemId),
    /// A worker does its next section.
    Work(ItemId),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) apf: Apf,
    pub(crate) cpus: Vec<Cpu>,
    pub(crate) faults: u16,
}

impl World {
    pub(crate) fn new(setup: &Setup) -> Self {
        let mut apf = Apf::new(setup.vcpus, setup.rules, setup.defects);
        let at = if setup.en.is_some() { At::TurnEnd } else { At::Guest };
        for vcpu in (0..setup.vcpus).map(VcpuId) {
            if let Some(value) = setup.en {
                let mut effects = Effects::new();
                apf.host_step(HostInput::WriteEn { vcpu, value }, &mut effects);
                while effects.last() == Some(&Effect::Decide(Decision::Continue)) {
                    effects.clear();
                    apf.host_step(HostInput::Advance { vcpu, view: VcpuView::USER }, &mut effects);
                }
            }
        }
        let cpu = Cpu { at, cpl: 3, interrupts_on: true, handler: None, token: Token(0) };
        Self { apf, cpus: vec![cpu; usize::from(setup.vcpus)], faults: setup.faults }
    }

    pub(crate) fn moves(&self, setup: &Setup) -> Vec<Move> {
        let mut moves = Vec::new();
        for vcpu in (0..setup.vcpus).map(VcpuId) {
            self.moves_of(vcpu, setup, &mut moves);
        }
        for (item, work) in self.apf.host.items.works() {
            match work.stage {
                WorkStage::Queued | WorkStage::Fetching => moves.push(Move::Fetch(item)),
                _ => moves.push(Move::Work(item)),
            }
        }
        moves
    }

    fn moves_of(&self, vcpu: VcpuId, setup: &Setup, moves: &mut Vec<Move>) {
        let cpu = &self.cpus[vcpu.index()];
        match cpu.at {
            At::Dead => {}
            At::Guest => {
                if self.faults > 0 {
                    for &gfn in &setup.gfns {
                        moves.extend(setup.contexts.iter().map(|&c| Move::Fault(vcpu, gfn, c)));
                    }
                }
                if self.apf.may_check_completion(vcpu) {
                    moves.push(Move::Exit(vcpu));
                }
                if setup.idle {
                    moves.push(Move::Hlt(vcpu));
                }
            }
            At::Handler(_) => {
                moves.push(Move::Go(vcpu));
                if self.apf.may_check_completion(vcpu) {
                    moves.push(Move::Exit(vcpu));
                }
            }
            At::Blocked => {
                if self.apf.vcpu(vcpu).woken {
                    moves.push(Move::Go(vcpu));
                }
                if setup.idle {
                    moves.push(Move::Interrupt(vcpu));
                }
            }
            _ => moves.push(Move::Go(vcpu)),
        }
    }

    /// Makes a move; gives the invariants that it showed to be broken, and why.
    pub(crate) fn make(&mut self, chosen: Move) -> Vec<(InvariantId, String)> {
        let mut wrong = Vec::new();
        match chosen {
            Move::Fault(vcpu, gfn, (cpl, interrupts_on)) => {
                self.faults -= 1;
                let cpu = &mut self.cpus[vcpu.index()];
                (cpu.cpl, cpu.interrupts_on) = (cpl, interrupts_on);
                self.fault(vcpu, gfn, &mut wrong);
            }
            Move::Exit(vcpu) => self.exit(vcpu),
            Move::Hlt(vcpu) => {
                let cpu = &mut self.cpus[vcpu.index()];
                (cpu.cpl, cpu.interrupts_on) = (0, true);
                self.host(HostInput::Hlt { vcpu }, &mut wrong);
                self.exit(vcpu);
            }
            Move::Go(vcpu) => self.go(vcpu, &mut wrong),
            Move::Interrupt(vcpu) => self.unblock(vcpu, true, &mut wrong),
            Move::Fetch(item) => {
                let worker = WorkerId(item.0);
                self.host(HostInput::WorkerStart { item, worker }, &mut wrong);
                self.host(HostInput::WorkerFetched { item }, &mut wrong);
            }
            Move::Work(item) => {
                self.host(HostInput::WorkerAdvance { item }, &mut wrong);
            }
        }
        let found = invariants::violations(&self.apf);
        wrong.extend(found.into_iter().map(|violation| (violation.id, violation.detail)));
        wrong
    }

    pub(crate) fn view(&self, vcpu: VcpuId) -> VcpuView {
        let Cpu { cpl, interrupts_on, handler, .. } = self.cpus[vcpu.index()];
        let interrupts_on = interrupts_on && handler.is_none();
        VcpuView { cpl, interrupts_on, ..VcpuView::USER }
    }

    fn exit(&mut self, vcpu: VcpuId) {
        let cpu = &mut self.cpus[vcpu.index()];
        if let At::Handler(stage) = cpu.at {
            cpu.handler = Some(stage);
        }
        cpu.at = At::TurnEnd;
    }

    fn fault(&mut self, vcpu: VcpuId, gfn: Gfn, wrong: &mut Vec<(InvariantId, String)>) {
        let view = self.view(vcpu);
        let (gva, hva) = (Gva(gfn.gpa().0), Hva(gfn.gpa().0));
        let effects = self.host(HostInput::Try { vcpu, view, gva, gfn, hva, failure: None }, wrong);
        let decision = decision(&effects);
        let handled =
            self.apf.vcpu(vcpu).halt_request.is_some() || self.apf.host.items.has_frame(vcpu, gfn);
        if decision != Decision::Sync && !handled {
            wrong.push((InvariantId(37), format!("{vcpu}: the fault on gfn {gfn} vanishes")));
        }
        let at = if decision == Decision::Continue { At::Setup } else { At::TurnEnd };
        self.cpus[vcpu.index()].at = at;
    }

    fn go(&mut self, vcpu: VcpuId, wrong: &mut Vec<(InvariantId, String)>) {
        let view = self.view(vcpu);
        let next = match self.cpus[vcpu.index()].at {
            At::Setup => {
                let effects = self.host(HostInput::Advance { vcpu, view }, wrong);
                match decision(&effects) {
                    Decision::Continue => At::Setup,
                    _ => At::TurnEnd,
                }
            }
            At::TurnEnd => {
                let effects = self.host(HostInput::CheckCompletion { vcpu, view }, wrong);
                let popped = effects.iter().any(|e| matches!(e, Effect::Popped { .. }));
                if popped { At::Popped } else { At::Top }
            }
            At::Popped => {
                let effects = self.host(HostInput::Deliver { vcpu, view }, wrong);
                if effects.contains(&Effect::DrainMore) { At::TurnEnd } else { At::Top }
            }
            At::Top if self.apf.must_block(vcpu) => {
                let interrupt = false;
                let effects = self.host(HostInput::Block { vcpu, view, interrupt }, wrong);
                if effects.contains(&Effect::Blocked) { At::Blocked } else { At::TurnEnd }
            }
            At::Top => {
                let effects = self.host(HostInput::Requests { vcpu }, wrong);
                if effects.contains(&Effect::Halted) { At::TurnEnd } else { At::Entry }
            }
            At::Entry => self.enter(vcpu, wrong),
            At::Handler(stage) => self.handle(vcpu, stage, wrong),
            At::Blocked => return self.unblock(vcpu, false, wrong),
            At::Guest | At::Dead => unreachable!("{vcpu} has no next section"),
        };
        self.cpus[vcpu.index()].at = next;
    }

    fn unblock(&mut self, vcpu: VcpuId, interrupt: bool, wrong: &mut Vec<(InvariantId, String)>) {
        let view = self.view(vcpu);
        let effects = self.host(HostInput::Unblock { vcpu, view, interrupt }, wrong);
        if effects.contains(&Effect::Runnable) {
            self.cpus[vcpu.index()].at = At::TurnEnd;
        }
    }

    fn enter(&mut self, vcpu: VcpuId, wrong: &mut Vec<(InvariantId, String)>) -> At {
        let effects = self.host(HostInput::Inject { vcpu }, wrong);
        let cpu = &mut self.cpus[vcpu.index()];
        let interrupted = cpu.handler.take();
        for effect in effects {
            match effect {
                // A #PF inside the handler would lose the frame of the first; so would two at once.
                Effect::DoubleFault { .. } => return At::Dead,
                Effect::Injected { .. } if interrupted.is_some() => return At::Dead,
                Effect::Injected { token, .. } => {
                    cpu.token = token;
                    return At::Handler(Stage::ReadWord);
                }
                _ => {}
            }
        }
        interrupted.map_or(At::Guest, At::Handler)
    }

    fn handle(&mut self, vcpu: VcpuId, stage: Stage, wrong: &mut Vec<(InvariantId, String)>) -> At {
        let token = self.cpus[vcpu.index()].token;
        let task = TaskId(token.0);
        let ctx = WaitContext::USER;
        let input = match stage {
            Stage::ReadWord => GuestInput::PfEntry { vcpu },
            Stage::Link => GuestInput::WaitLink { vcpu, task, token },
            Stage::Test => GuestInput::WaitTest { vcpu, task, token, ctx },
            Stage::Wake => GuestInput::Wake { vcpu, token },
        };
        let mut effects = Effects::new();
        self.apf.step(Input::Guest(input), &mut effects);
        observe(&effects, wrong);
        for effect in effects {
            match effect {
                Effect::Word(ApfReason::NotPresent) => return At::Handler(Stage::Link),
                Effect::Word(ApfReason::Ready) => return At::Handler(Stage::Wake),
                Effect::Linked => return At::Handler(Stage::Test),
                _ => {}
            }
        }
        // Forgotten, so that equal states are equal.
        self.cpus[vcpu.index()].token = Token(0);
        At::Guest
    }

    fn host(&mut self, input: HostInput, wrong: &mut Vec<(InvariantId, String)>) -> Effects {
        let must_pop = match input {
            HostInput::CheckCompletion { vcpu, view } => {
                let state = self.apf.vcpu(vcpu);
                !state.done.is_empty() && view.interrupts_on && state.pending.is_empty()
            }
            _ => false,
        };
        let untold = match input {
            HostInput::Deliver { vcpu, .. } => match self.apf.vcpu(vcpu).operation {
                Some(Operation::Delivery { item, .. }) => {
                    self.apf.host.items.get(item).is_some_and(|i| !i.told && i.fault.is_some())
                }
                _ => false,
            },
            _ => false,
        };
        let mut effects = Effects::new();
        self.apf.step(Input::Host(input), &mut effects);
        observe(&effects, wrong);
        let ready = |e: &Effect| matches!(e, Effect::Emit(Event::PageReadyQueued { .. }));
        if untold && effects.iter().any(ready) {
            wrong.push((InvariantId(12), "page ready for an item that was never told".to_owned()));
        }
        if must_pop && effects.contains(&Effect::NothingToDeliver) {
            wrong.push((InvariantId(15), "a completed item is not dequeued".to_owned()));
        }
        effects
    }
}

/// INV-07, from what the record of the notice says.
fn observe(effects: &Effects, wrong: &mut Vec<(InvariantId, String)>) {
    for effect in effects {
        if let Effect::Emit(Event::NotPresentQueued { cpl, interrupts_on, send_always, .. }) =
            *effect
            && (!interrupts_on || (cpl == 0 && !send_always))
        {
            wrong.push((InvariantId(7), format!("not present at cpl {cpl}, IF {interrupts_on}")));
        }
    }
}

fn decision(effects: &Effects) -> Decision {
    let mut decisions = effects.iter().filter_map(|effect| match effect {
        Effect::Decide(decision) => Some(*decision),
        _ => None,
    });
    decisions.next_back().expect("the fault path decides")
}
