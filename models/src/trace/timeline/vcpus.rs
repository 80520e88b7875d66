//! The tracks of vCPUs: what the thread does, which task it runs, what the guest is told.

use sim_core::SimTime;

use super::board::Board;
use super::cast::Cast;
use super::flows::Flows;
use super::lane::Lane;
use super::mark::{Label, Slice, TrackId};
use crate::base::abi::{CALLBACK, MSR_ASYNC_PF_INT, PAGE_FAULT};
use crate::base::ids::{TaskId, ThreadId, Token, VcpuId};
use crate::base::record::{Event, ExitReason};
use crate::trace::metrics::clock::{State, VcpuClocks};

/// One vCPU.
#[derive(Clone, Debug)]
struct Vcpu {
    /// What its thread does.
    thread: Lane,
    /// Which task the guest runs on it.
    task: Lane,
    /// Instants: notifications, disturbances.
    notices: TrackId,
    /// A record has named it, so that its state is known.
    known: bool,
    /// Why it left guest mode last.
    exit: Option<ExitReason>,
    /// Notices that wait for their injection.
    not_present: Option<Token>,
    page_ready: Option<Token>,
    ready_vector: u8,
}

impl Vcpu {
    /// Which notification reaches the guest, if one does. One that is queued is kept until then.
    fn told(&mut self, event: &Event) -> Option<(&'static str, Token)> {
        match *event {
            Event::NotPresentQueued { token, .. } => self.not_present = Some(token),
            Event::PageReadyQueued { token, .. } => self.page_ready = Some(token),
            Event::KvmInjException { vector: PAGE_FAULT, cr2, .. } => {
                let is = |token: Option<Token>| token.is_some_and(|it| u64::from(it.0) == cr2);
                // With equal tokens not present was queued first.
                if is(self.not_present) {
                    return self.not_present.take().map(|token| ("not present", token));
                }
                if is(self.page_ready) {
                    return self.page_ready.take().map(|token| ("page ready", token));
                }
            }
            Event::KvmInjVirq { vector, .. } if vector == self.ready_vector => {
                return self.page_ready.take().map(|token| ("page ready", token));
            }
            _ => {}
        }
        None
    }
}

/// All vCPUs.
#[derive(Clone, Debug)]
pub(super) struct Vcpus {
    clocks: VcpuClocks,
    vcpus: Vec<Vcpu>,
}

impl Vcpus {
    /// Their tracks, each with the one under which all of its own stand.
    pub(super) fn new(
        board: &mut Board,
        cast: &Cast,
        vms: &[TrackId],
        begin: SimTime,
    ) -> (Self, Vec<TrackId>) {
        let count = u16::try_from(cast.vcpus.len()).unwrap_or(u16::MAX);
        let mut clocks = VcpuClocks::in_guest(count, begin);
        for thread in (0..u32::from(count)).map(ThreadId) {
            if !cast.running.contains(&Some(thread)) {
                let (pcpu, prev, next) = (Default::default(), Some(thread), None);
                clocks.observe(begin, Event::HostSchedSwitch { pcpu, prev, next });
            }
        }
        let mut vcpus = Vec::with_capacity(cast.vcpus.len());
        for (number, vm) in (0..).zip(&cast.vcpus) {
            let name = Label::made(VcpuId(number).to_string());
            let own = board.slices(vms[vm.index()], name, number.into());
            vcpus.push(Vcpu {
                thread: Lane::new(own),
                task: Lane::new(board.slices(own, "task", 0)),
                notices: board.slices(own, "notifications", 1),
                known: false,
                exit: None,
                not_present: None,
                page_ready: None,
                ready_vector: CALLBACK,
            });
        }
        let tracks = vcpus.iter().map(|vcpu| vcpu.thread.track).collect();
        (Self { clocks, vcpus }, tracks)
    }

    pub(super) fn observe(&mut self, board: &mut Board, now: SimTime, event: &Event) {
        self.clocks.observe(now, *event);
        match *event {
            Event::KvmExit { vcpu, reason } => self.exits(board, now, vcpu, Some(reason)),
            Event::KvmEntry { vcpu } => self.exits(board, now, vcpu, None),
            Event::VcpuBlock { vcpu, .. } | Event::VcpuUnblock { vcpu, .. } => {
                self.show(board, now, vcpu);
            }
            Event::HostSchedSwitch { prev, next, .. } => {
                for thread in [prev, next].into_iter().flatten() {
                    self.show_thread(board, now, thread);
                }
            }
            Event::ContentionBegin { thread, .. }
            | Event::ContentionEnd { thread }
            | Event::UffdLockWait { thread, .. }
            | Event::UffdLockTaken { thread } => {
                self.show_thread(board, now, thread);
            }
            Event::Disturbed { vcpu, kind } => {
                let slice = Slice::new("disturbance").text("kind", kind.name());
                self.note(board, now, vcpu, slice);
            }
            Event::GuestCpuOffline { vcpu } => self.note(board, now, vcpu, Slice::new("offline")),
            Event::GuestCpuOnline { vcpu } => self.note(board, now, vcpu, Slice::new("online")),
            Event::KvmMsrWrite { vcpu, ecx: MSR_ASYNC_PF_INT, data } => {
                if let Some(vcpu) = self.vcpus.get_mut(vcpu.index()) {
                    vcpu.ready_vector = data.to_le_bytes()[0];
                }
            }
            _ => {}
        }
    }

    /// What the guest is told.
    pub(super) fn notices(
        &mut self,
        board: &mut Board,
        flows: &Flows,
        now: SimTime,
        event: &Event,
    ) {
        let (Event::NotPresentQueued { vcpu: number, .. }
        | Event::PageReadyQueued { vcpu: number, .. }
        | Event::KvmInjException { vcpu: number, .. }
        | Event::KvmInjVirq { vcpu: number, .. }) = *event
        else {
            return;
        };
        let Some(vcpu) = self.vcpus.get_mut(number.index()) else { return };
        let Some((name, token)) = vcpu.told(event) else { return };
        let slice = match token {
            Token::WAKE_ALL => Slice::new("wake all"),
            token => Slice::new(name).hex("token", token.0).on(flows.at(number, token)),
        };
        board.instant(vcpu.notices, now, slice);
    }

    /// The guest gives a vCPU to another task, if to any.
    pub(super) fn switch(
        &mut self,
        board: &mut Board,
        now: SimTime,
        vcpu: VcpuId,
        task: Option<(TaskId, Label)>,
    ) {
        let Some(vcpu) = self.vcpus.get_mut(vcpu.index()) else { return };
        match task {
            Some((task, name)) => {
                vcpu.task.begin(board, now, Slice::new(name).number("task", task.0));
            }
            None => vcpu.task.begin(board, now, Slice::new("idle")),
        }
    }

    pub(super) fn close(&mut self, board: &mut Board, now: SimTime) {
        for vcpu in &mut self.vcpus {
            vcpu.thread.end(board, now);
            vcpu.task.end(board, now);
        }
    }

    fn note(&self, board: &mut Board, now: SimTime, vcpu: VcpuId, slice: Slice) {
        if let Some(vcpu) = self.vcpus.get(vcpu.index()) {
            board.instant(vcpu.notices, now, slice);
        }
    }

    fn exits(&mut self, board: &mut Board, now: SimTime, vcpu: VcpuId, reason: Option<ExitReason>) {
        if let Some(vcpu) = self.vcpus.get_mut(vcpu.index()) {
            vcpu.exit = reason;
        }
        self.show(board, now, vcpu);
    }

    fn show_thread(&mut self, board: &mut Board, now: SimTime, thread: ThreadId) {
        // The threads of vCPUs have the numbers of their vCPUs.
        if thread.index() < self.vcpus.len()
            && let Ok(vcpu) = u16::try_from(thread.0)
            && self.vcpus[thread.index()].known
        {
            self.show(board, now, VcpuId(vcpu));
        }
    }

    fn show(&mut self, board: &mut Board, now: SimTime, vcpu: VcpuId) {
        let Some(state) = self.clocks.state(vcpu) else { return };
        let vcpu = &mut self.vcpus[vcpu.index()];
        vcpu.known = true;
        let mut slice = Slice::new(name_of(state));
        if let (State::Host, Some(exit)) = (state, vcpu.exit) {
            slice = slice.text("exit", exit.name());
        }
        vcpu.thread.change(board, now, slice);
    }
}

/// What the thread of a vCPU does.
fn name_of(state: State) -> &'static str {
    match state {
        State::Guest => "guest mode",
        State::Host => "host",
        State::SpinLock => "spins for a lock",
        State::Steal => "waits for a processor",
        State::Fetch => "stalled in a fetch",
        State::MapLock => "stalled at the memory map's lock",
        State::Reclaim => "stalled in reclaim",
        State::High => "throttled by memory.high",
        State::ApfHalt => "halted by the host",
        State::Hlt => "idle (HLT)",
    }
}
