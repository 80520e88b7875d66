//! The state of a small world, and what may happen next in it.
//!
//! vCPU threads follow the run loop, guests follow their handlers, workers follow
//! `async_pf_execute`; which of them moves next is free. Every move is one section that is atomic
//! in the kernel, or one that nobody else could tell from two.

use crate::apf::guest::WaitContext;
use crate::apf::host::{Life, MmuMode};
use crate::apf::rules::Drain;
use crate::apf::{Apf, Defect, FaultMemory, VcpuView};
use crate::base::ids::{Gfn, ItemId, TaskId, Token, VcpuId};

use super::outside::{Outside, VmmMove};
use super::protection::{ProtectMove, Protection, Waits};
use super::script::{Script, Step};
use super::setup::{Budget, Disturbance, Scope, Setup};

/// What surrounds a task's access to a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Context {
    /// User mode, nothing special.
    #[default]
    User,
    /// Kernel mode that can be preempted.
    Kernel,
    /// Kernel mode with interrupts off.
    InterruptsOff,
    /// An atomic section of the kernel.
    Atomic,
    /// An RCU reader in the kernel.
    RcuReader,
    /// A guest of the guest runs.
    Nested,
    /// Another exception waits for injection.
    OtherException,
    /// User mode; the page is private, and in guest_memfd.
    Private,
}

impl Context {
    pub(super) const SPECIAL: [(Disturbance, Self); 7] = [
        (Disturbance::KernelMode, Self::Kernel),
        (Disturbance::InterruptsOff, Self::InterruptsOff),
        (Disturbance::Atomic, Self::Atomic),
        (Disturbance::RcuReader, Self::RcuReader),
        (Disturbance::Nested, Self::Nested),
        (Disturbance::OtherException, Self::OtherException),
        (Disturbance::PrivateMemory, Self::Private),
    ];

    /// Whether no other task can run on the vCPU meanwhile.
    pub(super) fn keeps_vcpu(self) -> bool {
        matches!(self, Self::InterruptsOff | Self::Atomic)
    }

    fn cpl(self) -> u8 {
        match self {
            Self::User | Self::Nested | Self::OtherException | Self::Private => 3,
            Self::Kernel | Self::InterruptsOff | Self::Atomic | Self::RcuReader => 0,
        }
    }

    /// What backs the page.
    pub(super) fn memory(self) -> FaultMemory {
        if self == Self::Private { FaultMemory::Private } else { FaultMemory::Vmm }
    }

    pub(super) fn wait(self) -> WaitContext {
        WaitContext {
            idle: false,
            preempt_count: u32::from(matches!(self, Self::Atomic | Self::InterruptsOff)),
            rcu_reader: self == Self::RcuReader,
            user_mode: self.cpl() > 0,
            counts_atomic: true,
        }
    }
}

/// A task of the guest. It touches every page once and is through then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Task {
    /// Pages that it has touched, a bit each.
    pub(super) touched: u8,
    /// The page on which it faulted and to which it comes back.
    pub(super) page: Option<u8>,
    /// What surrounds that access.
    pub(super) context: Context,
    /// Whether it is scheduled away.
    pub(super) sleeps: bool,
}

/// Where a vCPU thread goes after it has looked for completed items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Then {
    /// To the top of its loop.
    Top,
    /// Into the guest.
    Entry,
}

/// Where a vCPU thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// In guest mode.
    Guest,
    /// In an operation that has another section.
    Advance(Then),
    /// In one that waits for a worker.
    Wait(ItemId, Then),
    /// Before it looks for completed items.
    Look(Then),
    /// With an item popped.
    Popped(Then),
    /// At the top of its loop.
    Top,
    /// Before the entry.
    Entry,
    /// Out of the kernel, with a fault on this page.
    Outside(u8, Outside),
    /// Asleep.
    Blocked,
    /// Stopped for good, because the VM is given up.
    Stopped,
    /// Broken down: nothing follows.
    Dead,
}

/// Where the guest is in a handler. Interrupts are off in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Word,
    Link,
    Test,
    Wake,
    Insert,
    Eoi,
    Read,
    ReadyWake,
    ReadyInsert,
    Clear,
    Ack,
}

/// A handler that the guest is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Handler {
    pub(super) stage: Stage,
    pub(super) token: Token,
}

/// How far a task is that waits in HLT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Halting {
    /// Interrupts are on, and HLT comes next.
    Window,
    /// It is in HLT, or has just left it.
    InHlt,
}

/// A task that waits in HLT, below any handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    pub(super) task: u8,
    pub(super) token: Token,
    pub(super) halting: Halting,
}

/// A vCPU: its thread in the host and its half of the guest, as far as the protocol's own state
/// does not say it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cpu {
    pub(super) at: At,
    /// What surrounded the guest at its last exit.
    pub(super) context: Context,
    /// The task that faulted last, until the guest goes on.
    pub(super) task: Option<u8>,
    pub(super) handler: Option<Handler>,
    pub(super) frame: Option<Frame>,
    pub(super) script: Option<(Script, u8)>,
    /// Whether somebody wants the vCPU out of guest mode.
    pub(super) kicked: bool,
    pub(super) tasks: Vec<Task>,
    /// Workers that wait until they may write.
    pub(super) waits: Waits,
    pub(super) budget: Budget,
}

/// Something that may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Move {
    /// A task touches a page, in a context; the setup of an item may fail.
    Access { vcpu: VcpuId, task: u8, page: u8, context: Context, failure: bool },
    /// The vCPU's thread, or its guest, does its next section.
    Go(VcpuId),
    /// The pool refuses the work that is handed over.
    RefuseWork(VcpuId),
    /// The guest has nothing to do and executes HLT.
    Idle(VcpuId),
    /// The vCPU leaves guest mode because somebody wants it to, or for a reason of its own.
    Exit(VcpuId),
    /// A sleeping vCPU thread sees an interrupt.
    Interrupt(VcpuId),
    /// A worker begins an item.
    Start(ItemId),
    /// A worker has its page.
    Fetch(ItemId),
    /// A worker cannot have its page.
    Fail(ItemId),
    /// A worker does its next section.
    Work(ItemId),
    /// Something of a VMM that answers faults, for one vCPU.
    Vmm(VcpuId, VmmMove),
    /// The VMM takes a page back.
    Rearm(u8),
    /// Something about pages that are write-protected.
    Protect(ProtectMove),
    /// A disturbance of one vCPU.
    Disturb(VcpuId, Disturbance),
    /// The end of a disturbance that lasts.
    EndDisturb(VcpuId, Disturbance),
    /// A page is reclaimed.
    Evict(u8),
    /// A page comes, brought by a vCPU that is not followed.
    Arrive(u8),
    /// A disturbance of the VM.
    DisturbVm(Disturbance),
    /// A migration, and no memory for the wake-all of these vCPUs, a bit each.
    MigrateNoMemory(Disturbance, u8),
    /// The VMM goes on giving the VM up.
    GoOnDestroying,
}

/// The whole state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) apf: Apf,
    /// By vCPU. Those before the first that is followed do nothing.
    pub(super) cpus: Vec<Cpu>,
    pub(super) first: u16,
    /// Pages that are there, a bit each.
    pub(super) resident: u8,
    /// Pages for which the VMM answers, a bit each; they are not there.
    pub(super) bits: u8,
    /// Whether nobody installs pages for workers that sleep for them any more.
    pub(super) handler_gone: bool,
    /// Whether the VMM has taken a page back.
    pub(super) taken_back: bool,
    /// Pages that the VMM write-protects.
    pub(super) protection: Protection,
    pub(super) budget: Budget,
    /// The worker for whom the VMM waits.
    pub(super) vmm_waits: Option<ItemId>,
    /// Whether the VMM waits to change its memory map.
    pub(super) map_writer: bool,
}

impl World {
    pub(super) fn new(setup: &Setup) -> Self {
        let followed = setup.followed();
        let mut apf = Apf::new(followed.end, setup.rules, setup.defects);
        for vcpu in 0..followed.end {
            let input =
                crate::apf::HostInput::SetIrqchip { vcpu: VcpuId(vcpu), in_kernel: setup.irqchip };
            apf.host_step(input, &mut Vec::new());
            apf.host.vcpus[usize::from(vcpu)].next_id = setup.first_counter;
        }
        let scoped = |scope| {
            let all = setup.budget.iter().filter(|(disturbance, _)| disturbance.scope() == scope);
            all.fold(Budget::default(), |budget, (disturbance, times)| {
                budget.with(disturbance, times)
            })
        };
        let cpu = Cpu {
            at: At::Guest,
            context: Context::User,
            task: None,
            handler: None,
            frame: None,
            script: setup.notices.then_some((Script::Boot, 0)),
            kicked: false,
            tasks: vec![Task::default(); usize::from(setup.tasks)],
            waits: Waits::default(),
            budget: scoped(Scope::Vcpu),
        };
        Self {
            apf,
            cpus: vec![cpu; usize::from(followed.end)],
            first: followed.start,
            resident: 0,
            bits: if setup.by_vmm() { pages_mask(setup.pages) } else { 0 },
            handler_gone: false,
            taken_back: false,
            protection: Protection::default(),
            budget: scoped(Scope::Vm),
            vmm_waits: None,
            map_writer: false,
        }
    }

    pub(super) fn cpu(&self, vcpu: VcpuId) -> &Cpu {
        &self.cpus[vcpu.index()]
    }

    pub(super) fn cpu_mut(&mut self, vcpu: VcpuId) -> &mut Cpu {
        &mut self.cpus[vcpu.index()]
    }

    pub(super) fn vcpus(&self) -> impl Iterator<Item = VcpuId> + use<> {
        (self.first..self.apf.vcpus()).map(VcpuId)
    }

    pub(super) fn is_resident(&self, page: u8) -> bool {
        self.resident & (1 << page) != 0
    }

    /// The vCPU of an item's worker.
    pub(super) fn vcpu_of(&self, item: ItemId) -> Option<VcpuId> {
        self.apf.host.items.work(item).map(|work| work.vcpu)
    }

    /// The page of an item.
    pub(super) fn page_of(&self, item: ItemId) -> Option<u8> {
        // A worker keeps its address when the item is freed.
        let gva = self.apf.host.items.work(item)?.gva;
        u8::try_from(gva.page()).ok()
    }

    /// What the protocol sees of a vCPU.
    pub(super) fn view(&self, vcpu: VcpuId, setup: &Setup) -> VcpuView {
        let cpu = self.cpu(vcpu);
        let context = cpu.context;
        let mmu = match (setup.shadow && self.apf.vcpu(vcpu).paging, cpu.task) {
            (false, _) => MmuMode::Direct,
            (true, task) => MmuMode::Shadow { cr3: task.map_or(0, |task| u64::from(task) + 1) },
        };
        VcpuView {
            cpl: if cpu.handler.is_some() || cpu.frame.is_some() { 0 } else { context.cpl() },
            interrupts_on: self.interrupts_on(vcpu),
            nested: context == Context::Nested,
            exception: context == Context::OtherException,
            mmu,
            ..VcpuView::USER
        }
    }

    /// The step of a script that a guest does next.
    pub(super) fn script_step(&self, vcpu: VcpuId) -> Option<Step> {
        let cpu = self.cpu(vcpu);
        let outer = cpu.handler.is_none() && cpu.frame.is_none() && !self.apf.vcpu(vcpu).smm;
        let (script, at) = cpu.script.filter(|_| outer && cpu.at == At::Guest)?;
        script.steps().get(usize::from(at)).copied()
    }

    pub(super) fn interrupts_on(&self, vcpu: VcpuId) -> bool {
        let cpu = self.cpu(vcpu);
        cpu.handler.is_none()
            && cpu.script.is_none_or(|(script, at)| self.leaves_interrupts_on(script, at))
            && cpu.context != Context::InterruptsOff
            && !self.apf.vcpu(vcpu).smm
    }

    /// Scripts run with interrupts off, but for where they let them in, and for a mistake.
    fn leaves_interrupts_on(&self, script: Script, at: u8) -> bool {
        let lets_in = |step: &Step| match *step {
            Step::Interrupts(on) => Some(on),
            _ => None,
        };
        let done = &script.steps()[..usize::from(at)];
        let mistake =
            script == Script::Boot && self.apf.defects.has(Defect::EnableWithInterruptsOn);
        done.iter().rev().find_map(lets_in).unwrap_or(mistake)
    }

    /// Whether no page can be read.
    pub(super) fn reads_fail(&self) -> bool {
        self.budget.left(Disturbance::ReadError) > 0
    }

    /// Whether nothing more will happen on a vCPU by itself, and nothing is left to do.
    pub(super) fn is_quiet(&self, vcpu: VcpuId, setup: &Setup) -> bool {
        let (cpu, state) = (self.cpu(vcpu), self.apf.vcpu(vcpu));
        let all = pages_mask(setup.pages);
        cpu.tasks.iter().all(|task| task.touched == all)
            && matches!(cpu.at, At::Guest | At::Blocked)
            && (cpu.handler.is_none() && cpu.frame.is_none() && cpu.script.is_none())
            && !cpu.kicked
            && !state.smm
            && state.queue.is_empty()
            && state.done.is_empty()
            && state.pending.is_empty()
            // A request with nothing completed asks for nothing.
            && self.apf.ready_interrupt(vcpu).is_none()
            && !self.apf.host.items.works().any(|(_, work)| work.vcpu == vcpu)
            && self.is_vmm_quiet(vcpu)
    }

    /// Whether the VMM has nothing to do for a vCPU any more.
    fn is_vmm_quiet(&self, vcpu: VcpuId) -> bool {
        if !self.apf.rules.vmm_answers() {
            return true;
        }
        let (vmm, state) = (self.apf.vmm(vcpu), self.apf.vcpu(vcpu));
        let page = &self.apf.pages[vcpu.index()];
        vmm.requests.is_empty()
            && vmm.stores.is_empty()
            && state.stores.is_empty()
            && page.notify.head == vmm.tail
            // Nobody reads rings that are not registered any more.
            && (page.complete.is_empty() || !state.registered)
            && !self.apf.may_complete(vcpu)
    }

    /// Whether everybody is through.
    pub(super) fn is_final(&self, setup: &Setup) -> bool {
        match self.apf.host.life {
            Life::Used => self.vcpus().all(|vcpu| self.is_quiet(vcpu, setup)),
            Life::Destroyed => self.apf.host.items.works().next().is_none(),
            _ => false,
        }
    }

    /// After an exit that needs nothing more.
    pub(super) fn after_exit(&self, vcpu: VcpuId) -> At {
        match self.apf.rules.drain {
            Drain::OnePerTurn | Drain::AllAtEachTurn if self.apf.may_check_completion(vcpu) => {
                At::Look(Then::Top)
            }
            _ => At::Top,
        }
    }

    /// The guest's own name of a task, unlike that of any other task.
    pub(super) fn task_id(vcpu: VcpuId, task: u8) -> TaskId {
        TaskId(u32::from(vcpu.0) * 256 + u32::from(task))
    }

    /// The task of that name, if it is one of the vCPU.
    pub(super) fn task_of(vcpu: VcpuId, id: TaskId) -> Option<u8> {
        let first = u32::from(vcpu.0) * 256;
        id.0.checked_sub(first).and_then(|task| u8::try_from(task).ok())
    }
}

impl Setup {
    /// Whether it matters that work has begun: it may be taken back before, or locks what somebody
    /// else wants.
    pub(super) fn beginning_matters(&self) -> bool {
        use Disturbance::{
            Destroy, MapWrite, MsrRewrite, OfflineRollback, PagingOff, Reset, Smi, VmmReset,
        };
        let matter =
            [MsrRewrite, Reset, OfflineRollback, Smi, PagingOff, Destroy, MapWrite, VmmReset];
        matter.iter().any(|&which| self.may(which))
    }
}

/// All pages.
pub(super) const fn pages_mask(pages: u8) -> u8 {
    ((1_u16 << pages) - 1) as u8
}

/// The frame of a page.
pub(super) const fn frame_of(page: u8) -> Gfn {
    Gfn(page as u64)
}
