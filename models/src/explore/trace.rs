//! The way to a finding, as lines of who does what.

use crate::apf::{Effect, GuestInput, HostInput, Input};
use crate::base::ids::{ItemId, VcpuId};
use crate::base::record::{Event, ExitReason};

use super::actor::Actor;
use super::check::Log;
use super::protect;
use super::protection::ProtectMove;
use super::script::Step;
use super::search::all_moves;
use super::setup::Setup;
use super::vmm_trace;
use super::world::{At, Context, Move, World};

/// Moves after the last one of a way, for the sake of what they print.
const MORE: usize = 60;
/// The same where lists are not what the kernel takes them for.
const MORE_AT_END: usize = 2;

/// One step of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who does it.
    pub actor: Actor,
    /// What is done and what comes of it.
    pub text: String,
}

/// A way through a world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Moves, each of one or more lines.
    pub moves: usize,
    /// The steps.
    pub lines: Vec<Line>,
    /// What tracepoints would show of them, and of some moves more: what is wrong in a state is
    /// often printed later.
    pub events: Vec<Event>,
}

impl Trace {
    /// Goes the way again, and says what happens.
    /// Undisturbed moves follow for the sake of the events; where nothing that follows means
    /// anything, only the rest of what the vCPU threads are at.
    pub(super) fn replay(setup: &Setup, way: &[u16], is_end: bool) -> Self {
        let mut world = World::new(setup);
        let (mut lines, mut events) = (Vec::new(), Vec::new());
        for &index in way {
            let Some(&chosen) = all_moves(&world, setup).get(usize::from(index)) else { break };
            let mut log = Log { steps: Some(Vec::new()), ..Log::default() };
            let actor = actor(&world, chosen);
            let title = title(&world, chosen);
            world.make(chosen, setup, &mut log);
            let steps = log.steps.unwrap_or_default();
            let said: Vec<String> = steps.iter().flat_map(words).collect();
            steps.iter().for_each(|step| show(step, &mut events));
            let text = match (title, said.is_empty()) {
                (Some(title), true) => title,
                (Some(title), false) => {
                    format!("{}: {}", title.trim_end_matches('.'), said.join("; "))
                }
                (None, false) => said.join("; "),
                (None, true) => "goes on".to_owned(),
            };
            lines.push(Line { actor, text });
        }
        for number in 0..if is_end { MORE_AT_END } else { MORE } {
            let natural = |chosen: &&Move| match chosen {
                Move::Go(vcpu) => !is_end || world.cpu(*vcpu).at != At::Guest,
                other => !is_end && is_natural(**other),
            };
            let moves = all_moves(&world, setup);
            let count = moves.iter().filter(natural).count();
            // In turn, so that everybody comes along.
            let Some(&chosen) = moves.iter().filter(natural).nth(number % count.max(1)) else {
                break;
            };
            let mut log = Log { steps: Some(Vec::new()), ..Log::default() };
            world.make(chosen, setup, &mut log);
            log.steps.iter().flatten().for_each(|step| show(step, &mut events));
        }
        Self { moves: way.len(), lines, events }
    }

    /// The trace as a chart: a column for each who takes part, a line a step.
    pub fn chart(&self, width: usize) -> String {
        let mut actors: Vec<Actor> = self.lines.iter().map(|line| line.actor).collect();
        actors.sort_unstable();
        actors.dedup();
        let names: Vec<String> = actors.iter().map(|actor| actor.name()).collect();
        let heads: Vec<String> = names.iter().map(|name| format!("{name:>3}")).collect();
        let mut text = format!("     {}\n", heads.join(" "));
        let left = 5 + 4 * actors.len() + 1;
        for (number, line) in self.lines.iter().enumerate() {
            let marks = actors.iter().map(|&actor| if actor == line.actor { "  *" } else { "  |" });
            let marks: Vec<&str> = marks.collect();
            let quiet = vec!["  |"; actors.len()].join(" ");
            let mut first = format!("{:>4} {}  ", number + 1, marks.join(" "));
            for part in wrap(&line.text, width.saturating_sub(left + 1).max(20)) {
                text.push_str(&first);
                text.push_str(&part);
                text.push('\n');
                first = format!("     {quiet}  ");
            }
        }
        text
    }
}

/// A move that nobody from outside makes, and that does not fail.
fn is_natural(chosen: Move) -> bool {
    match chosen {
        Move::Access { failure, .. } => !failure,
        Move::Go(_)
        | Move::Work(_)
        | Move::Start(_)
        | Move::Fetch(_)
        | Move::Exit(_)
        | Move::Interrupt(_)
        | Move::Idle(_) => true,
        Move::Vmm(_, chosen) => !chosen.is_disturbance(),
        _ => false,
    }
}

/// Appends what tracepoints show of a step: what it emits, and the exit and entry around it.
pub(super) fn show((input, effects): &(Input, Vec<Effect>), events: &mut Vec<Event>) {
    let exit = match *input {
        Input::Host(HostInput::Try { vcpu, .. } | HostInput::UserFault { vcpu, .. }) => {
            Some((vcpu, ExitReason::EptViolation))
        }
        Input::Host(
            HostInput::WriteEn { vcpu, .. }
            | HostInput::WriteEnNoMemory { vcpu, .. }
            | HostInput::WriteInt { vcpu, .. }
            | HostInput::WriteAck { vcpu, .. },
        ) => Some((vcpu, ExitReason::MsrWrite)),
        Input::Host(HostInput::Hlt { vcpu }) => Some((vcpu, ExitReason::Hlt)),
        Input::Host(HostInput::LeaveSmm { vcpu, .. }) => Some((vcpu, ExitReason::Rsm)),
        _ => None,
    };
    events.extend(exit.map(|(vcpu, reason)| Event::KvmExit { vcpu, reason }));
    let emitted = |effect: &Effect| match *effect {
        Effect::Emit(event) => Some(event),
        _ => None,
    };
    events.extend(effects.iter().filter_map(emitted));
    if let Input::Host(HostInput::Inject { vcpu } | HostInput::InjectInterrupt { vcpu }) = *input
        && !effects.contains(&Effect::Halted)
    {
        events.push(Event::KvmEntry { vcpu });
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].chars().count() + 1 + word.chars().count() > width
        {
            lines.push(format!("  {word}"));
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

fn actor(world: &World, chosen: Move) -> Actor {
    match chosen {
        Move::Access { vcpu, .. } | Move::Idle(vcpu) => Actor::Guest(vcpu),
        Move::Go(vcpu) if world.cpu(vcpu).at == At::Guest => Actor::Guest(vcpu),
        Move::Go(vcpu) | Move::RefuseWork(vcpu) | Move::Exit(vcpu) | Move::Interrupt(vcpu) => {
            Actor::Thread(vcpu)
        }
        Move::Vmm(vcpu, chosen) => vmm_trace::actor(vcpu, chosen),
        Move::Start(_) | Move::Fetch(_) | Move::Fail(_) | Move::Work(_) => Actor::Worker,
        Move::Protect(ProtectMove::Find(_) | ProtectMove::Link(_) | ProtectMove::Sleep(_)) => {
            Actor::Worker
        }
        Move::Disturb(..)
        | Move::EndDisturb(..)
        | Move::Evict(_)
        | Move::Rearm(_)
        | Move::Arrive(_)
        | Move::Protect(ProtectMove::Take(_) | ProtectMove::Act)
        | Move::DisturbVm(_)
        | Move::MigrateNoMemory(..)
        | Move::GoOnDestroying => Actor::Outside,
    }
}

fn title(world: &World, chosen: Move) -> Option<String> {
    let item_of = |item: ItemId| match world.page_of(item) {
        Some(page) => format!("{item} (page {page})"),
        None => format!("{item}"),
    };
    Some(match chosen {
        Move::Access { task, page, context, failure, .. } => {
            let how = match context {
                Context::User => "",
                Context::Kernel => " at CPL 0",
                Context::InterruptsOff => " at CPL 0 with interrupts off",
                Context::Atomic => " in an atomic section",
                Context::RcuReader => " as RCU reader",
                Context::Nested => " while its own guest runs",
                Context::OtherException => " with another exception pending",
                Context::Private => " as private memory",
            };
            let there = match (world.is_resident(page), world.may_write(page)) {
                (_, true) => "",
                (true, false) => ", which is protected",
                (false, false) => ", which is not there",
            };
            let failure = if failure { ", and there is no memory for an item" } else { "" };
            format!("task {task} touches page {page}{how}{there}{failure}")
        }
        Move::Exit(_) => "leaves guest mode".to_owned(),
        Move::Interrupt(_) => "an interrupt comes".to_owned(),
        Move::Idle(_) => "nothing to do".to_owned(),
        Move::Start(item) => format!("begins {}", item_of(item)),
        Move::Fetch(item) => format!("has the page of {}", item_of(item)),
        Move::Fail(item) => format!("cannot have the page of {}", item_of(item)),
        Move::Go(vcpu) => return step_title(world, vcpu),
        Move::Work(_) => return None,
        Move::RefuseWork(_) => "the pool refuses the work".to_owned(),
        Move::Disturb(vcpu, which) => format!("{vcpu}: {}", which.describes()),
        Move::EndDisturb(vcpu, which) => format!("{vcpu}: the end of {which}"),
        Move::Vmm(vcpu, chosen) => return vmm_trace::title(world, vcpu, chosen),
        Move::Protect(chosen) => return protect::title(world, chosen),
        Move::Rearm(page) => format!("the VMM takes page {page} back"),
        Move::Evict(page) => format!("page {page} is reclaimed"),
        Move::Arrive(page) => format!("another vCPU brings page {page}"),
        Move::DisturbVm(which) => which.describes().to_owned(),
        Move::MigrateNoMemory(which, _) => {
            format!("{} There is no memory for a wake-all.", which.describes())
        }
        Move::GoOnDestroying => "the VMM goes on".to_owned(),
    })
}

/// A step of a script that is no input of the protocol.
fn step_title(world: &World, vcpu: VcpuId) -> Option<String> {
    match world.script_step(vcpu)? {
        Step::Interrupts(true) => Some("lets interrupts in".to_owned()),
        Step::Interrupts(false) => Some("interrupts off".to_owned()),
        Step::Restart => Some("another kernel runs".to_owned()),
        _ => None,
    }
}

/// What one input did, in a few words.
pub(super) fn words((input, effects): &(Input, Vec<Effect>)) -> Vec<String> {
    let mut said: Vec<String> = beginning(input).into_iter().collect();
    said.extend(effects.iter().filter_map(|&effect| of_effect(effect)));
    said
}

fn beginning(input: &Input) -> Option<String> {
    let text = match *input {
        Input::Host(input) => match input {
            HostInput::Hlt { .. } => "HLT".to_owned(),
            HostInput::WriteEn { value, .. } => format!("writes EN {value:#x}"),
            HostInput::WriteEnNoMemory { value, .. } => {
                format!("writes EN {value:#x}, no memory for a wake-all")
            }
            HostInput::WriteInt { value, .. } => format!("writes INT {value:#x}"),
            HostInput::WriteAck { .. } => "writes ACK".to_owned(),
            HostInput::SetPaging { on, .. } => format!("paging {}", on_off(on)),
            HostInput::SetLapic { enabled, .. } => format!("local APIC {}", on_off(enabled)),
            HostInput::Reset { .. } => "reset".to_owned(),
            HostInput::VmmReset { .. } => "registers of power-on".to_owned(),
            HostInput::EnterSmm { .. } => "enters SMM".to_owned(),
            HostInput::LeaveSmm { .. } => "RSM".to_owned(),
            HostInput::Block { .. } => "must it sleep?".to_owned(),
            HostInput::Requests { .. } => "requests".to_owned(),
            HostInput::CheckCompletion { .. } => "completed items?".to_owned(),
            HostInput::Inject { .. } => "entry".to_owned(),
            _ => return None,
        },
        Input::Guest(input) => match input {
            GuestInput::PfEntry { .. } => "#PF handler".to_owned(),
            GuestInput::WaitLink { task, token, .. } => {
                format!("task {} waits for token {token}", task.0 % 256)
            }
            GuestInput::WaitTest { .. } => "woken already?".to_owned(),
            GuestInput::Wake { token, .. } => format!("wakes token {token}"),
            GuestInput::WakeNoMemory { token, .. } => format!("wakes token {token}, no memory"),
            GuestInput::WakeInsert { token, .. } => format!("dummy for token {token}"),
            GuestInput::ReadyEoi { .. } => "page ready handler: EOI".to_owned(),
            GuestInput::ReadyRead { .. } => "reads the slot".to_owned(),
            GuestInput::ReadyClear { .. } => "clears the slot".to_owned(),
            GuestInput::SetEnabled { on, .. } => format!("notes notices {}", on_off(on)),
            GuestInput::WakeOwn { .. } => "wakes its sleepers".to_owned(),
            _ => return None,
        },
        Input::Vmm(_) => return None,
    };
    Some(text)
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn of_effect(effect: Effect) -> Option<String> {
    use crate::apf::Decision;
    Some(match effect {
        Effect::Emit(event) => return of_event(event),
        Effect::Decide(Decision::Sync) => "fetched synchronously".to_owned(),
        Effect::QueueWork { item } => format!("{item} queued"),
        Effect::Vmm(effect) => return vmm_trace::words(effect),
        Effect::CancelWork { item } => format!("{item} taken back"),
        Effect::WaitWorker { item } => format!("waits for the worker of {item}"),
        Effect::WorkerDone { item } => format!("worker of {item} ends"),
        Effect::Popped { item } => format!("{item} popped"),
        Effect::NothingToDeliver => "nothing to deliver".to_owned(),
        Effect::ItemFreed { item, .. } => format!("{item} freed"),
        Effect::KickVcpu { .. } => "kicks".to_owned(),
        Effect::Blocked => "sleeps".to_owned(),
        Effect::Runnable => "does not sleep".to_owned(),
        Effect::WakeVcpu { .. } => "wakes the thread".to_owned(),
        Effect::Injected { token, reason, .. } => format!("#PF {reason:?}, token {token}"),
        Effect::InterruptInjected { .. } => "page ready interrupt".to_owned(),
        Effect::Raised { .. } => "interrupt raised".to_owned(),
        Effect::Word(reason) => format!("word says {reason:?}"),
        Effect::Slot(token) => format!("token {token}"),
        Effect::Linked => "linked".to_owned(),
        Effect::NoSleep => "no need to sleep".to_owned(),
        Effect::Sleep => "sleeps".to_owned(),
        Effect::HaltGuest => "waits in HLT".to_owned(),
        Effect::OpenWindow => "interrupts on".to_owned(),
        Effect::WaitDone => "goes on".to_owned(),
        Effect::WakeTask { task, .. } => format!("task {} runs again", task.0 % 256),
        Effect::Ignored => "ignored".to_owned(),
        Effect::GpFault => "#GP".to_owned(),
        Effect::Destroyed => "the VM is gone".to_owned(),
        Effect::InterruptRefused { vector, .. } => {
            format!("interrupt {vector:#x} is refused by the local APIC")
        }
        Effect::WordTaken { .. } => "the word is gone, and the guest panics".to_owned(),
        Effect::GuestPanic { .. } => "the guest panics".to_owned(),
        Effect::AllocateDummy => "nobody waits, memory for a dummy".to_owned(),
        Effect::WritesEn { .. } => "switches notices off".to_owned(),
        Effect::ForeignWrite { .. } => "writes to memory of the next kernel".to_owned(),
        Effect::Decide(_)
        | Effect::Fetch { .. }
        | Effect::Prefault { .. }
        | Effect::Scan
        | Effect::DrainMore
        | Effect::Halted
        | Effect::Cr2(_) => return None,
        other => format!("{other:?}"),
    })
}

fn of_event(event: Event) -> Option<String> {
    Some(match event {
        Event::KvmAsyncPfDoublefault { gfn, .. } => format!("repeated fault on {gfn}"),
        Event::NotPresentQueued { token, .. } => format!("not present queued, token {token}"),
        Event::PageReadyQueued { token, .. } => format!("page ready, token {token}"),
        Event::KvmAsyncPfCompleted { .. } => "traces".to_owned(),
        Event::ItemDone { token, .. } => format!("token {token} completed"),
        Event::ApfHalt { .. } => "halted".to_owned(),
        Event::ApfUnhalt { .. } => "halt ends".to_owned(),
        Event::ApfDummy { action, .. } => format!("dummy {action:?}").to_lowercase(),
        _ => return None,
    })
}
