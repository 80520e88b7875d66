//! What a world must not do: checks of a step by its effects, and of a state.

use crate::apf::guest::WaitContext;
use crate::apf::host::{CompleteStage, HostVcpu, Life, Operation};
use crate::apf::item::WorkStage;
use crate::apf::rules::{Kick, Tell};
use crate::apf::{Apf, Decision, Effect, HostInput, Input, invariants};
use crate::base::ids::{Token, VcpuId};
use crate::base::invariant::{InvariantId, Severity};
use crate::base::record::{ApfReason, Event};

use super::setup::Setup;
use super::world::{At, World};

/// What was found: the same kind of finding has the same kind in every state that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// How bad it is.
    pub severity: Severity,
    /// The number of the invariant.
    pub id: InvariantId,
    /// What is wrong, in words that name nobody.
    pub what: &'static str,
}

impl Kind {
    /// A violation.
    pub(super) const fn violation(id: InvariantId, what: &'static str) -> Self {
        Self { severity: Severity::Violation, id, what }
    }

    /// A weakness.
    pub(super) const fn weakness(id: InvariantId, what: &'static str) -> Self {
        Self { severity: Severity::Weakness, id, what }
    }

    /// Whether it is a violation of that invariant.
    pub(super) fn violates(self, id: InvariantId) -> bool {
        self.severity == Severity::Violation && self.id == id
    }

    /// Whether nothing that follows means anything: lists, counts or memory are not what the
    /// kernel takes them for, or the guest is gone.
    pub(super) fn is_end(self) -> bool {
        const CORRUPT: [InvariantId; 10] = [
            InvariantId(1),
            InvariantId(2),
            InvariantId(5),
            InvariantId(6),
            InvariantId(11),
            InvariantId(24),
            InvariantId(25),
            InvariantId(26),
            InvariantId(27),
            InvariantId(43),
        ];
        let corrupt = self.severity == Severity::Violation && CORRUPT.contains(&self.id);
        corrupt || self == kinds::TAKEN
    }
}

/// A finding in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) detail: String,
}

/// What a step did, and what was wrong with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) found: Vec<Found>,
    /// Inputs and their effects, if they are wanted.
    pub(super) steps: Option<Vec<(Input, Vec<Effect>)>>,
}

impl Log {
    pub(super) fn find(&mut self, kind: Kind, detail: impl FnOnce() -> String) {
        if self.found.iter().all(|found| found.kind != kind) {
            self.found.push(Found { kind, detail: detail() });
        }
    }
}

/// What is known before an input and needed after it.
pub(super) struct Before {
    en: u64,
    /// Whether the guest switches notices off.
    disables: bool,
    /// Whether it must be possible to handle this fault asynchronously.
    eligible: bool,
    /// Whether it is a fault that must read the memory map of the VMM, which waits to change it.
    behind_writer: bool,
    /// The token of an item that is about to be delivered although its fault was never told.
    untold: Option<Token>,
}

impl Before {
    pub(super) fn of(world: &World, input: &Input, vcpu: VcpuId) -> Self {
        let apf = &world.apf;
        let state = apf.vcpu(vcpu);
        let untold = match (input, state.operation) {
            (Input::Host(HostInput::Deliver { .. }), Some(Operation::Delivery { item, .. })) => {
                let item = apf.host.items.get(item);
                item.filter(|item| !item.told && item.fault.is_some()).map(|item| item.token)
            }
            _ => None,
        };
        let disables = matches!(input, Input::Host(HostInput::WriteEn { value: 0, .. }));
        let faults = matches!(input, Input::Host(HostInput::Try { .. }));
        let behind_writer = faults && world.map_writer;
        Self { en: state.en, disables, eligible: is_eligible(apf, input), behind_writer, untold }
    }
}

/// Checks one step by its effects.
pub(super) fn step(
    world: &World,
    (vcpu, before): (VcpuId, &Before),
    effects: &[Effect],
    log: &mut Log,
) {
    if before.behind_writer {
        log.find(kinds::CONVOY, || format!("{vcpu} waits for the VMM, and that for a worker"));
    }
    for effect in effects {
        if let Some(kind) = forbidden(*effect) {
            log.find(kind, || format!("{effect:?}"));
        }
        match *effect {
            Effect::Emit(event) => event_of(world, (event, before), effects, log),
            Effect::Prefault { item, mmu, .. } => {
                let then = world.apf.host.items.get(item).and_then(|item| item.fault);
                if then.is_some_and(|fault| fault.mmu != mmu) {
                    log.find(kinds::PREFAULT, || format!("{vcpu}: {item}"));
                }
            }
            Effect::GpFault if before.disables => {
                log.find(kinds::KEPT_ON, || format!("{vcpu}: zero was written to EN"));
            }
            Effect::Decide(Decision::Sync) if before.eligible => {
                log.find(kinds::SLEEPS, || format!("{vcpu} sleeps for a page"));
            }
            Effect::GpFault if world.apf.vcpu(vcpu).en != before.en => {
                log.find(kinds::REFUSED, || format!("{vcpu}: the write to EN was refused"));
            }
            Effect::Halted if world.apf.vcpu(vcpu).hlt => {
                log.find(kinds::MP_STATE, || format!("{vcpu} is in HLT and never executed it"));
            }
            _ => {}
        }
    }
}

fn event_of(world: &World, (event, before): (Event, &Before), effects: &[Effect], log: &mut Log) {
    match event {
        Event::KvmAsyncPfNotPresent { vcpu, token, .. } if world.apf.notices_on(vcpu) => {
            let tells = |effect: &Effect| {
                matches!(effect, Effect::Emit(Event::NotPresentQueued { token: told, .. })
                    if *told == token)
            };
            let halts = world.apf.vcpu(vcpu).halt_request.is_some();
            if !halts && !effects.iter().any(tells) {
                log.find(kinds::UNANNOUNCED, || format!("{vcpu}: token {token}"));
            }
        }
        Event::NotPresentQueued { vcpu, token, cpl, interrupts_on, send_always } => {
            if !interrupts_on || (cpl == 0 && !send_always) {
                log.find(kinds::TOLD, || format!("{vcpu}: CPL {cpl}, IF {interrupts_on}"));
            }
            let same = |s: &crate::apf::guest::Sleeper| s.token == token && s.task.is_some();
            if world.apf.guest.sleepers.iter().any(same) {
                log.find(kinds::REUSED, || format!("{vcpu}: a task sleeps for token {token}"));
            }
            let looks = world.apf.rules.tell >= Tell::AlsoPaging;
            if looks && !world.apf.vcpu(vcpu).paging {
                log.find(kinds::PAGING, || format!("{vcpu}: token {token}"));
            }
        }
        Event::PageReadyQueued { vcpu, token } if before.untold == Some(token) => {
            log.find(kinds::UNTOLD, || format!("{vcpu}: token {token}"));
        }
        Event::SharedWordWrite { vcpu, old, reason }
            if old != ApfReason::None
                && reason != ApfReason::None
                && !effects.contains(&Effect::SlotOverwritten { vcpu }) =>
        {
            log.find(kinds::WORD, || format!("{vcpu}: {old:?} is overwritten by {reason:?}"));
        }
        _ => {}
    }
}

/// Whether nothing speaks against handling a fault asynchronously: notices are on, the guest is in
/// user mode with nothing else going on, and there is room and memory for an item.
fn is_eligible(apf: &Apf, input: &Input) -> bool {
    let Input::Host(HostInput::Try { vcpu, view, failure: None, gfn, .. }) = *input else {
        return false;
    };
    let state = apf.vcpu(vcpu);
    let quiet = !view.nested && !view.exception && !view.reinjecting && state.pending.is_empty();
    let user = view.cpl == 3 && view.interrupts_on && quiet;
    // A wake-all takes a place too.
    let room = state.queued < apf.rules.cap;
    user && apf.notices_on(vcpu) && room && !state.error_gfns.contains(&gfn)
}

/// The token that the handler goes on with must be that of its exception.
pub(super) fn cr2(injected: Option<Token>, effects: &[Effect], log: &mut Log) {
    for effect in effects {
        if let Effect::Cr2(read) = *effect
            && injected.is_some_and(|token| token != read)
        {
            log.find(kinds::CR2, || format!("CR2 held another address: {read}"));
        }
    }
}

/// A task is scheduled away in this context.
pub(super) fn sleep(vcpu: VcpuId, context: WaitContext, log: &mut Log) {
    if context.preempt_count > 0 {
        log.find(kinds::ATOMIC, || format!("{vcpu}"));
    }
    if context.rcu_reader {
        log.find(kinds::RCU, || format!("{vcpu}"));
    }
}

/// Checks a state.
pub(super) fn state(world: &World, setup: &Setup, log: &mut Log) {
    let given_up = world.apf.host.life != Life::Used;
    for violation in invariants::violations(&world.apf) {
        if given_up && !matches!(violation.id, InvariantId(24) | InvariantId(25)) {
            // Of a VM that is taken apart only what outlives it matters.
            continue;
        }
        log.find(Kind::violation(violation.id, violation.sentence), || violation.detail.clone());
    }
    for weakness in invariants::weaknesses_of(&world.apf) {
        log.find(Kind::weakness(weakness.id, weakness.sentence), || weakness.detail.clone());
    }
    for vcpu in world.vcpus() {
        if misses_kick(world, vcpu) {
            log.find(kinds::KICK, || format!("{vcpu} runs on in guest mode"));
        }
    }
    if world.is_final(setup)
        && !given_up
        && let Some(dummy) = world.apf.guest.sleepers.iter().find(|s| s.task.is_none())
    {
        log.find(kinds::DUMMY, || format!("a dummy for token {} is left", dummy.token));
    }
}

/// A request is set, the vCPU is in guest mode, and nobody takes it out or acknowledges.
fn misses_kick(world: &World, vcpu: VcpuId) -> bool {
    let (cpu, state): (_, &HostVcpu) = (world.cpu(vcpu), world.apf.vcpu(vcpu));
    let about_to = |stage| matches!(stage, WorkStage::Published | WorkStage::Requested);
    let mut works = world.apf.host.items.works();
    world.apf.rules.kick == Kick::RequestAndKick
        && cpu.at == At::Guest
        && state.ready_request
        && !state.unacknowledged
        && !cpu.kicked
        && !works.any(|(_, work)| work.vcpu == vcpu && about_to(work.stage))
        && state.complete.stage == CompleteStage::Idle
}

/// What a single effect must not be.
fn forbidden(effect: Effect) -> Option<Kind> {
    Some(match effect {
        Effect::ReachesNested { .. } => kinds::NESTED,
        Effect::SlotOverwritten { .. } => kinds::SLOT,
        Effect::DoubleFault { .. } => kinds::DOUBLE,
        Effect::InterruptRefused { .. } => kinds::INTERRUPT,
        Effect::NullLapic { .. } => kinds::LAPIC,
        Effect::ForeignWrite { .. } => kinds::FOREIGN,
        Effect::StaleWrite { .. } => kinds::STALE,
        Effect::GarbagePage { .. } => kinds::GARBAGE,
        Effect::UseAfterFree { .. } => kinds::FREED,
        Effect::StackNodeFreed { .. } => kinds::STACK,
        Effect::WakeUpLost { .. } => kinds::LOST,
        Effect::GuestPanic { .. } => kinds::PANIC,
        Effect::WordTaken { .. } => kinds::TAKEN,
        Effect::HostSpins { .. } => kinds::SPINS,
        _ => return None,
    })
}

/// The numbers of the invariants that a search checks besides those of a state.
pub const fn checked() -> &'static [InvariantId] {
    &[
        InvariantId(7),
        InvariantId(8),
        InvariantId(9),
        InvariantId(10),
        InvariantId(12),
        InvariantId(15),
        InvariantId(18),
        InvariantId(19),
        InvariantId(21),
        InvariantId(22),
        InvariantId(23),
        InvariantId(27),
        InvariantId(28),
        InvariantId(29),
        InvariantId(30),
        InvariantId(31),
        InvariantId(32),
        InvariantId(33),
        InvariantId(36),
        InvariantId(37),
        InvariantId(38),
        InvariantId(39),
        InvariantId(40),
        InvariantId(42),
        InvariantId(45),
        InvariantId(46),
        InvariantId(47),
    ]
}

/// What there is to find besides the state invariants.
pub(super) mod kinds {
    use super::{InvariantId, Kind};

    pub(crate) const TOLD: Kind = Kind::violation(
        InvariantId(7),
        "not present is queued for a guest that does not expect it: at CPL 0 without asking, or \
         with interrupts off",
    );
    pub(crate) const PANIC: Kind =
        Kind::violation(InvariantId(7), "the guest is told not present where it cannot but panic");
    pub(crate) const NESTED: Kind = Kind::violation(
        InvariantId(8),
        "a notice reaches a guest of the guest, whose hypervisor did not ask for that",
    );
    pub(crate) const PAGING: Kind =
        Kind::violation(InvariantId(8), "not present is queued for a guest with paging off");
    pub(crate) const WORD: Kind =
        Kind::violation(InvariantId(9), "the shared word is written before the guest has read it");
    pub(crate) const SLOT: Kind =
        Kind::violation(InvariantId(10), "the token slot is written before the guest has read it");
    pub(crate) const DOUBLE: Kind = Kind::violation(InvariantId(11), "two exceptions at one entry");
    pub(crate) const UNTOLD: Kind =
        Kind::violation(InvariantId(12), "page ready is told although not present was not");
    pub(crate) const ACK: Kind =
        Kind::violation(InvariantId(15), "the acknowledgement of page ready is refused");
    pub(crate) const KICK: Kind = Kind::violation(
        InvariantId(18),
        "a vCPU in guest mode has a request, and nobody kicks it or acknowledges",
    );
    pub(crate) const SPIN: Kind = Kind::weakness(
        InvariantId(19),
        "a halt ends at once although nothing can be delivered, and will be entered again",
    );
    pub(crate) const INTERRUPT: Kind =
        Kind::violation(InvariantId(21), "the local APIC refuses the page ready interrupt");
    pub(crate) const LAPIC: Kind = Kind::violation(
        InvariantId(21),
        "page ready is raised in a local APIC that does not exist",
    );
    pub(crate) const FOREIGN: Kind =
        Kind::violation(InvariantId(22), "the host writes into memory that has another use now");
    pub(crate) const KEPT_ON: Kind = Kind::violation(
        InvariantId(22),
        "the guest cannot switch notices off: the write is refused",
    );
    pub(crate) const STALE: Kind =
        Kind::violation(InvariantId(23), "the host writes to where the shared area was before");
    pub(crate) const REFUSED: Kind =
        Kind::violation(InvariantId(23), "a write to EN that is refused changes the register");
    pub(crate) const GARBAGE: Kind =
        Kind::violation(InvariantId(24), "the host releases a page that it never had");
    pub(crate) const FREED: Kind =
        Kind::violation(InvariantId(24), "a worker uses an item that is freed");
    pub(crate) const STACK: Kind = Kind::violation(
        InvariantId(27),
        "the entry of a task that still sleeps is unlinked and freed like a dummy",
    );
    pub(crate) const DUMMY: Kind =
        Kind::violation(InvariantId(28), "a dummy is left for which no wait will come");
    pub(crate) const ATOMIC: Kind =
        Kind::violation(InvariantId(29), "a task in an atomic section is scheduled away");
    pub(crate) const RCU: Kind =
        Kind::violation(InvariantId(29), "a task that reads under RCU is scheduled away");
    pub(crate) const LOST: Kind =
        Kind::violation(InvariantId(30), "a task that was woken goes into HLT");
    pub(crate) const ORDINARY: Kind = Kind::violation(
        InvariantId(31),
        "a notice finds its word empty and is taken for an ordinary page fault",
    );
    pub(crate) const TAKEN: Kind = Kind::violation(
        InvariantId(31),
        "a page fault inside an NMI takes the word of the notice that the NMI interrupted",
    );
    pub(crate) const CR2: Kind = Kind::violation(
        InvariantId(32),
        "the handler goes on with a CR2 that is not its exception's",
    );
    pub(crate) const EOI: Kind = Kind::violation(
        InvariantId(33),
        "the page ready handler frees the slot while its interrupt is still in service",
    );
    pub(crate) const PREFAULT: Kind = Kind::violation(
        InvariantId(36),
        "a page is mapped in another address space than that of its fault",
    );
    pub(crate) const VANISHED: Kind =
        Kind::violation(InvariantId(37), "a fault vanishes: no page, no item, no halt");
    pub(crate) const UNANNOUNCED: Kind = Kind::violation(
        InvariantId(37),
        "the guest is neither told of an item nor halted, and will fault again at once",
    );
    pub(crate) const SLEEPS: Kind = Kind::violation(
        InvariantId(40),
        "a vCPU thread sleeps for the page of a fault that could have gone asynchronous",
    );
    pub(crate) const CONVOY: Kind = Kind::violation(
        InvariantId(40),
        "a vCPU thread sleeps behind the VMM, which waits for a worker's read",
    );
    pub(crate) const SPINS: Kind =
        Kind::violation(InvariantId(37), "a vCPU thread never comes back");
    pub(crate) const REUSED: Kind =
        Kind::violation(InvariantId(38), "not present has the token of a task that sleeps already");
    pub(crate) const MP_STATE: Kind =
        Kind::violation(InvariantId(39), "the artificial halt is kept where HLT is");
}
