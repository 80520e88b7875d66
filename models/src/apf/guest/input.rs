//! What can happen in the guest.

use crate::base::ids::{TaskId, Token, VcpuId};

/// What decides whether a task can be scheduled away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WaitContext {
    /// Whether it is the idle task of its vCPU.
    pub idle: bool,
    /// How deep the interrupted code was in atomic sections; 0 is preemptible. The kernel counts
    /// the lock that it holds while it looks, and so compares with 1.
    pub preempt_count: u32,
    /// Whether the interrupted code reads under RCU.
    pub rcu_reader: bool,
    /// Whether user mode was interrupted.
    pub user_mode: bool,
    /// Whether the kernel counts its atomic sections at all (`CONFIG_PREEMPT_COUNT`).
    pub counts_atomic: bool,
}

impl WaitContext {
    /// User mode of a kernel that counts its atomic sections.
    pub const USER: Self = Self {
        idle: false,
        preempt_count: 0,
        rcu_reader: false,
        user_mode: true,
        counts_atomic: true,
    };
}

/// How another kernel comes to use the memory of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Takeover {
    /// A restart without firmware (kexec): reboot notifiers run on every processor.
    Restart,
    /// The guest hibernates. The kernel that loads the image is overwritten by it.
    Hibernation,
    /// The kernel crashes, and the one that writes the dump runs in memory of its own.
    Crash,
}

/// Something that happens in the guest. Each is one atomic section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuestInput {
    /// A tracer of the #PF handler takes a page fault of its own, which overwrites CR2.
    TracerFault {
        /// The vCPU.
        vcpu: VcpuId,
        /// What CR2 holds then.
        address: Token,
    },
    /// A non-maskable interrupt comes before the #PF handler has read the word, and takes a page
    /// fault of its own, such as a profiler's that reads the stack of user mode.
    NmiFault {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// Entry of the #PF handler: the word is read and cleared (`kvm_read_and_reset_pf_reason`).
    PfEntry {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// Not present: the task looks for its token and links itself (`kvm_async_pf_task_wait`).
    WaitLink {
        /// The vCPU.
        vcpu: VcpuId,
        /// The task.
        task: TaskId,
        /// What CR2 said.
        token: Token,
    },
    /// The task looks whether it was woken, and sleeps if not.
    WaitTest {
        /// The vCPU.
        vcpu: VcpuId,
        /// The task.
        task: TaskId,
        /// What it waits for.
        token: Token,
        /// What it interrupted.
        ctx: WaitContext,
    },
    /// The task executes HLT after `OpenWindow`.
    WaitHlt {
        /// The vCPU.
        vcpu: VcpuId,
        /// The task.
        task: TaskId,
        /// What it waits for.
        token: Token,
    },
    /// Page ready: the sleeper of the token is woken (`kvm_async_pf_task_wake`).
    Wake {
        /// The vCPU.
        vcpu: VcpuId,
        /// What CR2 or the slot said.
        token: Token,
    },
    /// The same, when there is no memory for a dummy.
    WakeNoMemory {
        /// The vCPU.
        vcpu: VcpuId,
        /// What CR2 or the slot said.
        token: Token,
    },
    /// The same, with the memory of a dummy in hand.
    WakeInsert {
        /// The vCPU.
        vcpu: VcpuId,
        /// What CR2 or the slot said.
        token: Token,
    },
    /// The page ready interrupt's handler writes its end to the local APIC (EOI), first of all.
    ReadyEoi {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The handler reads the token.
    ReadyRead {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The handler frees the token slot; `WriteAck` comes next.
    ReadyClear {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The guest is about to switch notices on (`kvm_guest_cpu_init`): the registers are written
    /// next.
    BeforeEnable {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The guest's own note that this vCPU takes part, set after the registers are written.
    SetEnabled {
        /// The vCPU.
        vcpu: VcpuId,
        /// Whether it takes part from now on.
        on: bool,
    },
    /// A vCPU switches notices off before another kernel takes over, if its kernel does that.
    Teardown {
        /// The vCPU.
        vcpu: VcpuId,
        /// How the other kernel comes.
        takeover: Takeover,
    },
    /// A vCPU that goes offline wakes its sleepers itself.
    WakeOwn {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// Another kernel has taken over: it knows no sleepers, and uses all memory as it likes.
    Restart,
}
