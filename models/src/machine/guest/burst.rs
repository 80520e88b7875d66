//! Tasks and their programs of operations, in user mode and in system calls: bursts that run ahead
//! of the event queue.
//!
//! A burst executes operations until one needs somebody else (a fault, a sleep); only its end is
//! queued. Whoever changes what a burst may have used takes the vCPU out of guest mode, or cuts
//! the burst, first: operations that begin after that instant are taken back from the journal. An
//! access takes effect when it begins; the rest of its time is plain computing. With skipping
//! off a burst is one operation long, and nothing else differs.

use sim_core::{Cycles, EventQueue, SimDuration};

use crate::base::ids::{Gfn, Gva, RegionId, TaskId, VcpuId};
use crate::base::record::{Event, ExitReason};
use crate::config::{Op, Pattern};
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::host::scheduler::Flow;
use crate::machine::world::{BurstOp, GuestThen, Program, Running, TaskState, Then};
use crate::parts::mmu::{TlbLevel, Translation};

/// Operations in a burst at most: few enough that the journal stays in the first-level cache.
const BURST_OPS: usize = 256;

/// The page of an access, and whether the task's list of chosen pages has it.
#[derive(Clone, Copy)]
enum Choice {
    Kept(u64),
    Fresh(u64),
}

/// An access whose page is chosen and looked up.
#[derive(Clone, Copy)]
struct Access {
    page: Choice,
    gva: Gva,
    translation: Translation,
    /// The frame that a walk found.
    walked: Option<Gfn>,
}

/// What became of an operation that was to begin now.
enum Begin {
    /// It takes so long.
    Takes(BurstOp),
    /// It counts until something interrupts it.
    Counts,
    /// It has gone elsewhere.
    Left(Flow),
}

impl Access {
    fn misses(&self) -> bool {
        matches!(self.translation, Translation::GuestFault | Translation::EptViolation(_))
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Runs the current task's program from the vCPU's position on: the operation that begins now,
    /// and as many of the following ones as can run ahead.
    pub(crate) fn user_run(&mut self, vcpu: VcpuId, task: TaskId) -> Flow {
        let now = self.now();
        // A task that is to be switched away looks for the occasion after each operation.
        let ahead = self.w.skip && !self.w.vcpus[vcpu.index()].need_resched;
        let most = if ahead { BURST_OPS } else { 1 };
        let state = &mut self.w.vcpus[vcpu.index()];
        state.user_since.get_or_insert(now);
        state.burst.clear();
        state.tlb.start_journal();
        let begin = state.cycles;
        // Nothing beyond the next tick can survive it.
        let horizon =
            state.timer.map(|(_, at)| begin + self.frequency.cycles_in(at.saturating_since(now)));
        let first = match self.begin_op(vcpu, task, begin) {
            Begin::Takes(op) => op,
            Begin::Counts => {
                self.w.vcpus[vcpu.index()].running = Running::User;
                return Flow::Stopped;
            }
            Begin::Left(flow) => return flow,
        };
        let mut at = begin + first.len;
        self.w.vcpus[vcpu.index()].burst.push(first);
        while self.w.vcpus[vcpu.index()].burst.len() < most
            && horizon.is_none_or(|horizon| at <= horizon)
            && let Some(op) = self.run_ahead(vcpu, task, at)
        {
            at += op.len;
            self.w.vcpus[vcpu.index()].burst.push(op);
        }
        self.start_guest_stretch(vcpu, at.saturating_sub(begin), Running::User);
        Flow::Stopped
    }

    /// An operation of the task's program at a position of the vCPU.
    fn op_at(&self, vcpu: VcpuId, task: TaskId, at: Cycles) -> BurstOp {
        BurstOp {
            start: at,
            len: Cycles::ZERO,
            pc: self.w.tasks[task.index()].pc,
            tlb: self.w.vcpus[vcpu.index()].tlb.mark(),
            page: None,
            walked: None,
        }
    }

    /// The task's next operation if it can begin later than now, at a position of the vCPU.
    ///
    /// It has not begun: something may come between. So this changes nothing but what
    /// [`Self::take_back`] undoes: the position in the program and the TLB; and the choice of a
    /// page, which stays. What else an operation does when it begins is [`Self::begin_op`]'s alone,
    /// and one that needs that, or needs somebody else, ends the burst before it.
    fn run_ahead(&mut self, vcpu: VcpuId, task: TaskId, at: Cycles) -> Option<BurstOp> {
        if matches!(self.w.tasks[task.index()].program, Program::Fill { .. }) {
            // Its next page was never touched: the access exits.
            return None;
        }
        let op = self.op_at(vcpu, task, at);
        match self.current_op(task)? {
            Op::Compute { span } => Some(self.compute(task, span, op)),
            Op::Access { region, pattern, cost, .. } => {
                let access = self.look_up(vcpu, task, region, pattern);
                self.hit(task, access, cost, op)
            }
            // Where the mode changes a burst ends, so that each is in one mode.
            Op::SyscallEnter { .. }
            | Op::SyscallExit
            | Op::SectionEnter { .. }
            | Op::SectionExit { .. }
            | Op::Sleep { .. }
            | Op::Count { .. }
            | Op::CallAll => None,
        }
    }

    /// Begins the task's next operation, or goes on with the rest of the one before it. The
    /// vCPU's position is now.
    fn begin_op(&mut self, vcpu: VcpuId, task: TaskId, at: Cycles) -> Begin {
        let mut op = self.op_at(vcpu, task, at);
        let state = &mut self.w.tasks[task.index()];
        op.len = std::mem::take(&mut state.busy);
        if op.len > Cycles::ZERO {
            return Begin::Takes(op);
        }
        let Some(next) = self.current_op(task) else {
            self.w.prefill_done = true;
            return Begin::Left(self.sleep_current(vcpu, task));
        };
        match next {
            Op::Count { .. } => return Begin::Counts,
            Op::Compute { span } => return Begin::Takes(self.compute(task, span, op)),
            Op::Access { region, pattern, write, cost } => {
                let access = self.look_up(vcpu, task, region, pattern);
                return self.begin_access(vcpu, task, access, (write, cost), op);
            }
            Op::Sleep { .. }
            | Op::CallAll
            | Op::SyscallEnter { .. }
            | Op::SyscallExit
            | Op::SectionEnter { .. }
            | Op::SectionExit { .. } => self.w.tasks[task.index()].pc += 1,
        }
        match next {
            Op::Sleep { span } => {
                self.vcpu_gets_on(vcpu);
                let event = MachineEvent::TaskTimer(task);
                self.schedule(self.now() + span, event);
                Begin::Left(self.sleep_current(vcpu, task))
            }
            Op::CallAll => Begin::Left(self.call_all(vcpu)),
            Op::SyscallEnter { cost } => {
                self.enter_syscall(vcpu, task);
                op.len = Cycles(self.frequency.cycles_in(cost).0.max(1));
                Begin::Takes(op)
            }
            change => {
                self.change_kernel_mode(vcpu, task, change);
                Begin::Left(self.guest_run(vcpu))
            }
        }
    }

    fn compute(&mut self, task: TaskId, span: SimDuration, mut op: BurstOp) -> BurstOp {
        self.w.tasks[task.index()].pc += 1;
        op.len = Cycles(self.frequency.cycles_in(span).0.max(1));
        op
    }

    fn current_op(&mut self, task: TaskId) -> Option<Op> {
        let state = &mut self.w.tasks[task.index()];
        match &mut state.program {
            Program::Loop { ops } => {
                if state.pc as usize >= ops.len() {
                    state.pc = 0;
                }
                Some(ops[state.pc as usize])
            }
            Program::Fill { regions, at, page } => {
                let &(region, pages) = regions.get(*at)?;
                if *page == pages {
                    (*at, *page) = (*at + 1, 0);
                    return self.current_op(task);
                }
                let cost = self.w.prices.zero_page.time;
                Some(Op::Access { region, pattern: Pattern::Sequential, write: true, cost })
            }
        }
    }

    /// The page of the task's next access: one that was chosen before, or a fresh choice.
    fn choose_page(&mut self, task: TaskId, region: RegionId, pattern: Pattern) -> Choice {
        let state = &mut self.w.tasks[task.index()];
        if let Program::Fill { page, .. } = state.program {
            return Choice::Kept(page);
        }
        if let Some(&page) = state.chosen.front() {
            return Choice::Kept(page);
        }
        let pages = self.w.tables.region_pages(region);
        Choice::Fresh(match pattern {
            Pattern::Uniform | Pattern::Shared => state.draws.below(pages),
            Pattern::Sequential => {
                // Regions of different sizes share the count.
                let next = state.next_page;
                let page = if next < pages { next } else { next % pages };
                state.next_page = if page + 1 == pages { 0 } else { page + 1 };
                page
            }
        })
    }

    /// Chooses the page of the task's next access and looks it up. The choice stays until the
    /// access goes through.
    fn look_up(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        region: RegionId,
        pattern: Pattern,
    ) -> Access {
        let choice = self.choose_page(task, region, pattern);
        let (Choice::Kept(page) | Choice::Fresh(page)) = choice;
        let gva = self.w.tables.gva(region, page);
        let (translation, walked) = self.translate(vcpu, gva);
        let access = Access { page: choice, gva, translation, walked };
        if access.misses() && matches!(choice, Choice::Fresh(_)) {
            self.w.tasks[task.index()].chosen.push_front(page);
        }
        access
    }

    /// An access that goes through, and the position in the program behind it. None: it exits.
    fn hit(
        &mut self,
        task: TaskId,
        access: Access,
        cost: SimDuration,
        mut op: BurstOp,
    ) -> Option<BurstOp> {
        let walk = match access.translation {
            Translation::Hit(TlbLevel::L1) => Cycles::ZERO,
            Translation::Hit(TlbLevel::Stlb) => self.w.prices.stlb_hit.cycles,
            Translation::Walked => self.w.prices.page_walk.cycles,
            Translation::GuestFault | Translation::EptViolation(_) => return None,
        };
        // The instruction itself takes a cycle at least, so that no program stands still.
        op.len = Cycles((self.frequency.cycles_in(cost) + walk).0.max(1));
        let (Choice::Kept(page) | Choice::Fresh(page)) = access.page;
        (op.page, op.walked) = (Some(page), access.walked);
        let state = &mut self.w.tasks[task.index()];
        match &mut state.program {
            Program::Fill { page, .. } => *page += 1,
            Program::Loop { .. } => {
                if matches!(access.page, Choice::Kept(_)) {
                    state.chosen.pop_front();
                }
                state.pc += 1;
            }
        }
        Some(op)
    }

    fn begin_access(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        access: Access,
        (write, cost): (bool, SimDuration),
        op: BurstOp,
    ) -> Begin {
        let kernel = &mut self.w.tasks[task.index()].kernel;
        let syscall = kernel.syscall;
        kernel.mid_access = syscall && access.misses();
        match access.translation {
            Translation::GuestFault => {
                self.end_user(vcpu);
                let prices = &self.w.prices;
                let cost = prices.guest_exception.cycles + prices.guest_minor_fault.cycles;
                self.push_frame(vcpu, cost, GuestThen::FirstTouch { gva: access.gva });
                return Begin::Left(self.guest_run(vcpu));
            }
            Translation::EptViolation(gfn) => {
                let cpl = if syscall { 0 } else { 3 };
                return Begin::Left(self.ept_violation(vcpu, gfn, write, cpl));
            }
            Translation::Hit(_) | Translation::Walked => {}
        }
        self.retire_major(vcpu, task);
        match self.hit(task, access, cost, op) {
            Some(op) => Begin::Takes(op),
            None => unreachable!("the translation is there"),
        }
    }

    /// Looks up a translation; a walk fills the TLB. The frame that a walk found is returned too,
    /// so that its accessed bit can be set once the burst is final.
    fn translate(&mut self, vcpu: VcpuId, gva: Gva) -> (Translation, Option<Gfn>) {
        let tlb = &mut self.w.vcpus[vcpu.index()].tlb;
        if let Some(level) = tlb.lookup(gva) {
            return (Translation::Hit(level), None);
        }
        let Some(gfn) = self.w.tables.translate(gva) else {
            return (Translation::GuestFault, None);
        };
        if !self.w.memory.page(gfn).ept_mapped {
            return (Translation::EptViolation(gfn), None);
        }
        tlb.insert(gva);
        (Translation::Walked, Some(gfn))
    }

    /// The access that was waiting for its page has gone through.
    fn retire_major(&mut self, vcpu: VcpuId, task: TaskId) {
        if let Some(gfn) = self.w.tasks[task.index()].major.take() {
            self.emit(Event::MajorFaultEnd { vcpu, task, gfn });
        }
    }

    /// The burst is final: nothing is left to take back.
    pub(crate) fn finish_burst(&mut self, vcpu: VcpuId) {
        self.vcpu_gets_on(vcpu);
        self.set_accessed_bits(vcpu);
        let state = &mut self.w.vcpus[vcpu.index()];
        state.burst.clear();
        state.tlb.drop_journal();
    }

    /// Sets the second-stage accessed bits of the walks of a burst, once each.
    fn set_accessed_bits(&mut self, vcpu: VcpuId) {
        if self.w.config.cpu.ept_accessed_dirty {
            for op in &mut self.w.vcpus[vcpu.index()].burst {
                if let Some(gfn) = op.walked.take() {
                    self.w.memory.page_mut(gfn).young = true;
                }
            }
        }
    }

    /// Cuts the current burst at this event: operations that have not begun are taken back, and
    /// the one under way keeps the rest of its time.
    pub(crate) fn cut_burst(&mut self, vcpu: VcpuId) {
        let position = self.guest_cycles(vcpu);
        self.take_back(vcpu);
        let state = &mut self.w.vcpus[vcpu.index()];
        let Some(current) = state.queue.current else { return };
        let task = &mut self.w.tasks[current as usize];
        match state.burst.last() {
            Some(op) => task.busy = (op.start + op.len).saturating_sub(position),
            // An empty burst is counted work.
            None => task.counted += position.saturating_sub(state.cycles),
        }
        state.cycles = position;
        self.finish_burst(vcpu);
    }

    /// Undoes the operations of a burst that begin after this event in the total order.
    fn take_back(&mut self, vcpu: VcpuId) {
        let state = &mut self.w.vcpus[vcpu.index()];
        let Some(current) = state.queue.current else { return };
        let task = &mut self.w.tasks[current as usize];
        let step = MachineEvent::ThreadStep(state.thread);
        while state.burst.len() > 1 {
            let Some(op) = state.burst.last() else { break };
            let begins = state.epoch + self.frequency.time_of(op.start);
            if step.key(begins) < self.key {
                break;
            }
            let op = *op;
            state.burst.pop();
            state.tlb.undo_to(op.tlb);
            task.pc = op.pc;
            if let Some(page) = op.page {
                task.chosen.push_front(page);
            }
        }
    }

    /// Makes memory what it is at this instant, before somebody looks at accessed bits or removes
    /// second-stage entries: bursts that ran ahead are cut, but their vCPUs stay in guest mode.
    pub(crate) fn cut_all_bursts(&mut self) {
        for v in 0..self.w.vcpus.len() {
            let vcpu = VcpuId(v as u16);
            if self.w.vcpus[v].running != Running::User {
                continue;
            }
            if self.w.vcpus[v].burst.len() > 1 {
                self.take_back(vcpu);
                let state = &self.w.vcpus[v];
                let Some(op) = state.burst.last() else { continue };
                let len = (op.start + op.len).saturating_sub(state.cycles);
                let thread = state.thread;
                self.cancel_stretch(thread);
                self.start_guest_stretch(vcpu, len, Running::User);
            }
            self.set_accessed_bits(vcpu);
        }
    }

    /// Reports the counted work of a task that is not reported yet.
    pub(crate) fn report_work(&mut self, task: TaskId) {
        let hz = u128::from(self.frequency.hz());
        let state = &mut self.w.tasks[task.index()];
        let Program::Loop { ops } = &state.program else { return };
        let Some(Op::Count { units_per_sec }) = ops.get(state.pc as usize % ops.len()) else {
            return;
        };
        let units = u128::from(state.counted.0) * u128::from(*units_per_sec) / hz;
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        let fresh = units - state.reported;
        if fresh > 0 {
            state.reported = units;
            self.emit(Event::TaskWork { task, units: fresh });
        }
    }

    /// Reports user time and work up to now without disturbing what runs.
    pub(crate) fn checkpoint(&mut self, vcpu: VcpuId) {
        let now = self.now();
        let state = &mut self.w.vcpus[vcpu.index()];
        if state.running != Running::User {
            return;
        }
        if state.burst.is_empty() {
            // Counted work: move the vCPU's position up to now.
            let position = self.guest_cycles(vcpu);
            let state = &mut self.w.vcpus[vcpu.index()];
            if let Some(current) = state.queue.current {
                self.w.tasks[current as usize].counted += position.saturating_sub(state.cycles);
            }
            state.cycles = position;
        }
        self.end_user(vcpu);
        self.w.vcpus[vcpu.index()].user_since = Some(now);
    }

    /// The current task sleeps until something wakes it.
    fn sleep_current(&mut self, vcpu: VcpuId, task: TaskId) -> Flow {
        self.end_user(vcpu);
        self.w.tasks[task.index()].state = TaskState::Sleeping;
        self.w.vcpus[vcpu.index()].need_resched = true;
        self.guest_run(vcpu)
    }

    /// The vCPU leaves guest mode because the second-stage tables lack an entry.
    pub(crate) fn ept_violation(&mut self, vcpu: VcpuId, gfn: Gfn, write: bool, cpl: u8) -> Flow {
        let interrupts_on = self.interrupts_on(vcpu);
        self.w.vcpus[vcpu.index()].fault =
            Some(crate::machine::world::Fault { gfn, cpl, interrupts_on });
        let cost = self.w.prices.exit_hw.time + self.w.prices.apf_detect.time;
        let flow = self.leave_guest(vcpu, ExitReason::EptViolation, cost, Then::FaultLookup);
        // Bit 1 of the error code is "write", as in the architecture's page-fault error code.
        let error_code = if write { 2 } else { 0 };
        self.emit(Event::KvmPageFault { vcpu, address: gfn.gpa(), error_code, cpl });
        flow
    }
}
