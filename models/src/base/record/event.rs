//! The events, with their fields.

use sim_core::{SimDuration, SimTime};

use super::field::Field;
use super::names::{
    ApfReason, BlockReason, DisturbanceName, DummyAction, ExitReason, FaultPath, IoKind, MemcgFile,
    Phase, TaskRole, TlbFlushReason,
};
use crate::base::ids::{
    Gfn, Gpa, GroupId, GuestPage, Gva, Hva, ItemId, PcpuId, Pfn, RequestId, SwapSlot, SyncId,
    TaskId, ThreadId, Token, VcpuId, VmId, WorkerId,
};

/// One tracepoint hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// When it was hit.
    pub time: SimTime,
    /// What was hit.
    pub event: Event,
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $text:literal { $($(#[$fdoc:meta])* $field:ident: $ty:ty,)* })*) => {
        /// What a tracepoint says. The variants are the complete output of the models.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Event { $($(#[$doc])* $variant { $($(#[$fdoc])* $field: $ty,)* },)* }

        #[derive(Clone, Copy)]
        #[repr(u8)]
        enum Tag { $($variant,)* }

        impl Event {
            /// The name of the tracepoint, as the kernel prints it where the kernel has it.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $text,)* }
            }

            /// Calls `visit` with the name and value of every field, in declaration order.
            pub fn visit_fields(&self, mut visit: impl FnMut(&'static str, u64)) {
                match self { $(Self::$variant { $($field,)* } => { $(visit(stringify!($field), $field.as_u64());)* })* }
            }

            /// Name and value of every field in words, in declaration order.
            pub fn texts(&self) -> Vec<(&'static str, String)> {
                match self { $(Self::$variant { $($field,)* } => vec![$((stringify!($field), $field.text()),)*],)* }
            }

            /// Bytes of the longest byte form.
            pub const LONGEST: usize = 1 + 8 * 8;

            /// Writes the event's stable byte form to the beginning of `out`, which has room for
            /// [`Self::LONGEST`] bytes: a tag, then each field as 8 bytes, little-endian. Digests are made
            /// over this form. Returns its length.
            #[inline(always)]
            pub fn encode(&self, out: &mut [u8]) -> usize {
                match self { $(Self::$variant { $($field,)* } => {
                    const LENGTH: usize = 1 + 8 * <[&str]>::len(&[$(stringify!($field),)*]);
                    const { assert!(LENGTH <= Event::LONGEST) };
                    let fields: &[u64] = &[$($field.as_u64(),)*];
                    let out = &mut out[..LENGTH];
                    out[0] = Tag::$variant as u8;
                    for (bytes, field) in out[1..].chunks_exact_mut(8).zip(fields) {
                        bytes.copy_from_slice(&field.to_le_bytes());
                    }
                    LENGTH
                })* }
            }
        }
    };
}

events! {
    /// A part of the run begins (ours).
    PhaseBegin = "phase_begin" { /// Which part.
        phase: Phase, }
    /// A guest task comes into being (ours).
    TaskNew = "task_new" { /// The task.
        task: TaskId, /// What it is for.
        role: TaskRole, /// The vCPU it is placed on.
        vcpu: VcpuId, }

    /// The vCPU enters guest mode.
    KvmEntry = "kvm_entry" { /// The vCPU.
        vcpu: VcpuId, }
    /// The vCPU leaves guest mode.
    KvmExit = "kvm_exit" { /// The vCPU.
        vcpu: VcpuId, /// Why.
        reason: ExitReason, }
    /// The host begins to handle a second-stage fault.
    KvmPageFault = "kvm_page_fault" { /// The vCPU.
        vcpu: VcpuId, /// The faulting guest physical address.
        address: Gpa, /// Bit 1: write. Bit 33: in a walk, at a table of the guest's.
        error_code: u64, /// Privilege level of the guest at the fault.
        cpl: u8, }
    /// An asynchronous fault is tried, because the page needs I/O and the gate is open.
    KvmTryAsyncGetPage = "kvm_try_async_get_page" { /// The vCPU.
        vcpu: VcpuId, /// Fault address (a gpa under direct paging).
        gva: Gva, /// The frame.
        gfn: Gfn, }
    /// The frame is outstanding on this vCPU already; the vCPU is going to be halted.
    KvmAsyncPfDoublefault = "kvm_async_pf_doublefault" { /// The vCPU.
        vcpu: VcpuId, /// Fault address.
        gva: Gva, /// The frame.
        gfn: Gfn, }
    /// A work item is announced, to the guest or only by a halt.
    KvmAsyncPfNotPresent = "kvm_async_pf_not_present" { /// The vCPU.
        vcpu: VcpuId, /// Names the item.
        token: Token, /// Fault address.
        gva: Gva, }
    /// A completed item is dequeued, told to the guest or not.
    KvmAsyncPfReady = "kvm_async_pf_ready" { /// The vCPU.
        vcpu: VcpuId, /// Names the item; all ones for wake-all.
        token: Token, /// Fault address; 0 for wake-all.
        gva: Gva, }
    /// A worker has fetched the page of an item and published it.
    KvmAsyncPfCompleted = "kvm_async_pf_completed" { /// The worker.
        worker: WorkerId, /// The vCPU that owns the item (not printed by the kernel).
        vcpu: VcpuId, /// Fault address.
        gva: Gva, /// Host virtual address of the page.
        address: Hva, }
    /// An exception is injected at entry.
    KvmInjException = "kvm_inj_exception" { /// The vCPU.
        vcpu: VcpuId, /// 14 is #PF.
        vector: u8, /// Pushed on the guest's stack.
        error_code: u32, /// CR2: the token of an asynchronous fault.
        cr2: u64, }
    /// A virtual interrupt is injected at entry.
    KvmInjVirq = "kvm_inj_virq" { /// The vCPU.
        vcpu: VcpuId, /// The vector.
        vector: u8, }
    /// The guest writes a model-specific register.
    KvmMsrWrite = "kvm_msr" { /// The vCPU.
        vcpu: VcpuId, /// Register number.
        ecx: u32, /// Value.
        data: u64, }

    /// A vCPU thread goes to sleep in the host (ours).
    VcpuBlock = "vcpu_block" { /// The vCPU.
        vcpu: VcpuId, /// Why.
        reason: BlockReason, }
    /// A vCPU thread stops sleeping in the host (ours; the kernel has `kvm_vcpu_wakeup`).
    VcpuUnblock = "vcpu_unblock" { /// The vCPU.
        vcpu: VcpuId, /// Why it slept.
        reason: BlockReason, }

    /// An item is linked into the vCPU's queue of outstanding items (ours).
    ItemLink = "item_link" { /// The vCPU.
        vcpu: VcpuId, /// Names the item.
        token: Token, /// The frame.
        gfn: Gfn, }
    /// An item is linked into the vCPU's list of completed items (ours).
    ItemDone = "item_done" { /// The vCPU.
        vcpu: VcpuId, /// Names the item; all ones for wake-all, which was never in the queue.
        token: Token, }
    /// An item leaves all lists and is freed (ours).
    ItemUnlink = "item_unlink" { /// The vCPU.
        vcpu: VcpuId, /// Names the item.
        token: Token, }
    /// The artificial halt is set (ours).
    ApfHalt = "apf_halt" { /// The vCPU.
        vcpu: VcpuId, /// The frame that the vCPU waits for.
        gfn: Gfn, }
    /// The artificial halt is cleared (ours).
    ApfUnhalt = "apf_unhalt" { /// The vCPU.
        vcpu: VcpuId, }
    /// Page not present is queued for injection (ours: says what the gate saw).
    NotPresentQueued = "not_present_queued" { /// The vCPU.
        vcpu: VcpuId, /// Names the item.
        token: Token, /// Privilege level of the guest.
        cpl: u8, /// Whether the guest had interrupts on.
        interrupts_on: bool, /// Whether the guest asked for notices at CPL 0 too.
        send_always: bool, }
    /// Page ready is queued for injection (ours).
    PageReadyQueued = "page_ready_queued" { /// The vCPU.
        vcpu: VcpuId, /// Names the item; all ones for wake-all.
        token: Token, }
    /// The host writes the shared word (ours).
    SharedWordWrite = "shared_word_write" { /// The vCPU.
        vcpu: VcpuId, /// What the word held before.
        old: ApfReason, /// What is written.
        reason: ApfReason, }
    /// The guest reads and clears the shared word (ours).
    SharedWordRead = "shared_word_read" { /// The vCPU.
        vcpu: VcpuId, /// What was read.
        reason: ApfReason, }
    /// A guest task links itself as sleeper of a token (ours).
    ApfWait = "apf_wait" { /// The vCPU.
        vcpu: VcpuId, /// The task.
        task: TaskId, /// The token.
        token: Token, }
    /// A sleeper is unlinked and its task made runnable (ours).
    ApfWake = "apf_wake" { /// The vCPU that runs the handler.
        vcpu: VcpuId, /// The task.
        task: TaskId, /// The sleeper's token.
        token: Token, }
    /// A wake that came before its wait is remembered, or the memory used (ours).
    ApfDummy = "apf_dummy" { /// The vCPU.
        vcpu: VcpuId, /// The token.
        token: Token, /// What happened.
        action: DummyAction, }

    /// A work item is handed to the worker pool.
    WorkqueueQueueWork = "workqueue_queue_work" { /// The item.
        item: ItemId, }
    /// A worker begins an item.
    WorkqueueExecuteStart = "workqueue_execute_start" { /// The worker.
        worker: WorkerId, /// The item.
        item: ItemId, }
    /// A worker has ended an item.
    WorkqueueExecuteEnd = "workqueue_execute_end" { /// The worker.
        worker: WorkerId, /// The item.
        item: ItemId, }

    /// A second-stage entry is made (ours).
    EptMap = "ept_map" { /// The vCPU whose fault or completion made it.
        vcpu: VcpuId, /// The guest frame.
        gfn: Gfn, /// The host frame.
        pfn: Pfn, }
    /// A second-stage entry is removed by the host (ours).
    EptUnmap = "ept_unmap" { /// The page.
        page: GuestPage, }
    /// An access needs device I/O for the first time (ours): a major fault begins.
    MajorFaultBegin = "major_fault_begin" { /// The vCPU.
        vcpu: VcpuId, /// The task whose access it is.
        task: TaskId, /// The frame.
        gfn: Gfn, /// How the host handles it.
        path: FaultPath, }
    /// The access of a major fault retires (ours).
    MajorFaultEnd = "major_fault_end" { /// The vCPU.
        vcpu: VcpuId, /// The task.
        task: TaskId, /// The frame.
        gfn: Gfn, }

    /// Direct reclaim begins.
    MemcgReclaimBegin = "mm_vmscan_memcg_reclaim_begin" { /// The thread that pays for it.
        thread: ThreadId, }
    /// Direct reclaim ends.
    MemcgReclaimEnd = "mm_vmscan_memcg_reclaim_end" { /// The thread.
        thread: ThreadId, /// Pages scanned.
        scanned: u32, /// Pages freed at once.
        freed: u32, /// Pages whose write-back was begun.
        written: u32, }
    /// A request goes to the swap device's driver.
    BlockRqIssue = "block_rq_issue" { /// The request.
        request: RequestId, /// Direction.
        op: IoKind, /// First slot.
        slot: SwapSlot, /// Pages.
        pages: u32, }
    /// The swap device has completed a request.
    BlockRqComplete = "block_rq_complete" { /// The request.
        request: RequestId, }
    /// The host's scheduler gives a physical processor to another thread.
    HostSchedSwitch = "sched_switch" { /// The processor.
        pcpu: PcpuId, /// Who ran; nobody when idle.
        prev: Option<ThreadId>, /// Who runs now; nobody when idle.
        next: Option<ThreadId>, }

    /// The guest's scheduler gives the vCPU to another task (ours: the guest's own `sched_switch`).
    GuestSchedSwitch = "guest_sched_switch" { /// The vCPU.
        vcpu: VcpuId, /// Who ran; nobody when idle.
        prev: Option<TaskId>, /// Who runs now; nobody when idle.
        next: Option<TaskId>, }
    /// A guest task becomes runnable (ours: the guest's own `sched_wakeup`).
    GuestSchedWakeup = "guest_sched_wakeup" { /// The task.
        task: TaskId, /// Where it is queued.
        vcpu: VcpuId, }
    /// A guest task changes vCPU (ours: the guest's own `sched_migrate_task`).
    GuestMigrateTask = "guest_sched_migrate_task" { /// The task.
        task: TaskId, /// From.
        from: VcpuId, /// To.
        to: VcpuId, }
    /// The guest handles its timer tick (ours).
    GuestTick = "guest_tick" { /// The vCPU.
        vcpu: VcpuId, /// Tick periods since the last tick handled on this vCPU, at least 1.
        periods: u32, }
    /// A guest task has run in user mode without interruption (ours).
    TaskRun = "task_run" { /// The vCPU.
        vcpu: VcpuId, /// The task.
        task: TaskId, /// User time of the stretch.
        span: SimDuration, }
    /// A guest task has done counted work (ours); reported with the stretch that did it.
    TaskWork = "task_work" { /// The task.
        task: TaskId, /// Units of work, the 2010 benchmark's increments.
        units: u64, }
    /// A guest task has run in the kernel on its own behalf, in a system call, without
    /// interruption (ours).
    TaskKernelRun = "task_kernel_run" { /// The vCPU.
        vcpu: VcpuId, /// The task.
        task: TaskId, /// Kernel time of the stretch.
        span: SimDuration, }
    /// A disturbance that the scenario asks for (ours).
    Disturbed = "disturbed" { /// The vCPU.
        vcpu: VcpuId, /// What happens to it.
        kind: DisturbanceName, }
    /// A vCPU has left the guest's set of online processors (ours).
    GuestCpuOffline = "guest_cpu_offline" { /// The vCPU.
        vcpu: VcpuId, }
    /// A vCPU starts again, reset (ours).
    GuestCpuOnline = "guest_cpu_online" { /// The vCPU.
        vcpu: VcpuId, }
    /// Somebody has to wait for the lock of the VMM's memory map. Kernels trace every attempt.
    MmapLockStartLocking = "mmap_lock_start_locking" { /// Who; nobody: a thread outside the machine.
        thread: Option<ThreadId>, /// For writing.
        write: bool, }
    /// Somebody has the lock of the VMM's memory map.
    MmapLockAcquired = "mmap_lock_acquire_returned" { /// Who; nobody: a thread outside the machine.
        thread: Option<ThreadId>, /// For writing.
        write: bool, }
    /// Somebody lets go of the lock of the VMM's memory map.
    MmapLockReleased = "mmap_lock_released" { /// Who; nobody: a thread outside the machine.
        thread: Option<ThreadId>, /// For writing.
        write: bool, }
    /// Before a write the host looks up anew where a shared area lies in the VMM (ours).
    AreaTranslated = "area_translated" { /// The vCPU whose area it is.
        vcpu: VcpuId, }
    /// Write-back throttling has changed how many writes may be in flight.
    WbtStep = "wbt_step" { /// For background writes while reads are near.
        background: u32, /// For others.
        normal: u32, /// For those that must not wait.
        max: u32, }
    /// A vCPU thread will poll for longer or shorter in the guest's next HLT.
    KvmHaltPollNs = "kvm_halt_poll_ns" { /// The vCPU.
        vcpu: VcpuId, /// Longer.
        grow: bool, /// How long.
        new: SimDuration, /// Previous interval.
        old: SimDuration, }
    /// A second-stage entry is not made, because the host has taken pages away meanwhile; the guest
    /// faults again (ours).
    MmuNotifierRetry = "mmu_notifier_retry" { /// The vCPU.
        vcpu: VcpuId, /// The frame that was to be mapped.
        gfn: Gfn, }
    /// The guest has made a page table (ours).
    GuestTableNew = "guest_table_new" { /// The vCPU.
        vcpu: VcpuId, /// The frame that it lies in.
        gfn: Gfn, /// Its level; 1 has the entries of pages of 4 KiB.
        level: u8, }
    /// An exception or interrupt whose delivery did not come to its end is injected again (ours;
    /// kernels print `kvm_inj_exception` or `kvm_inj_virq` with `[reinjected]`).
    KvmReinject = "kvm_reinject" { /// The vCPU.
        vcpu: VcpuId, /// The vector; 14 is #PF.
        vector: u8, }
    /// The guest handles the expired timer of a sleeping task (ours: the guest's own
    /// `hrtimer_expire_entry` or `timer_expire_entry`).
    GuestTimerExpire = "guest_timer_expire" { /// The vCPU.
        vcpu: VcpuId, /// The task.
        task: TaskId, }
    /// A lookup through the open gate found its page, where the series of 2010 shows that too (its
    /// `kvm_try_async_get_page`, with a frame).
    LookupFound = "lookup_found" { /// The vCPU.
        vcpu: VcpuId, /// The frame of the host.
        pfn: Pfn, }
    /// A thread begins to spin for the lock of the second-stage tables. Kernels since 5.19 print the
    /// lock's address.
    ContentionBegin = "contention_begin" { /// Who.
        thread: ThreadId, /// For writing, or alone.
        write: bool, }
    /// It has the lock.
    ContentionEnd = "contention_end" { /// Who.
        thread: ThreadId, }
    /// A task begins a request that its program marks (ours).
    RequestBegin = "request_begin" { /// The vCPU.
        vcpu: VcpuId, /// The task.
        task: TaskId, /// The task's group.
        group: GroupId, /// How long it has waited for a task since it arrived; nothing in a closed loop.
        waited: SimDuration, }
    /// A task is through with its request (ours).
    RequestEnd = "request_end" { /// The vCPU.
        vcpu: VcpuId, /// The task.
        task: TaskId, /// The task's group.
        group: GroupId, }
    /// A guest task that comes into being will end (ours).
    TaskPasses = "task_passes" { /// The task.
        task: TaskId, /// How many passes its program makes.
        passes: u64, }
    /// The program of a guest task is at its end (ours).
    TaskEnd = "task_end" { /// The vCPU.
        vcpu: VcpuId, /// The task.
        task: TaskId, }
    /// A request arrives and waits for a task of its group (ours).
    RequestArrive = "request_arrive" { /// The group.
        group: GroupId, }
    /// A task goes to sleep for a lock, a barrier or a signal of another task (ours).
    GuestSyncWait = "guest_sync_wait" { /// The vCPU.
        vcpu: VcpuId, /// The task.
        task: TaskId, /// What it waits for.
        on: SyncId, }
    /// A thread begins to decompress pages that it reads from compressed memory, or to compress pages that
    /// reclaim writes there (ours: what probes of `zcomp_decompress` and `zcomp_compress` show; a
    /// device without a queue of requests has no `block_rq_issue`).
    SwapCompute = "swap_compute" { /// The thread.
        thread: ThreadId, /// A read decompresses.
        op: IoKind, /// Pages.
        pages: u32, /// Processor time that it takes.
        span: SimDuration, }
    /// The host begins to handle a #PF of the guest under shadow paging (`kvm_page_fault`).
    ShadowFault = "shadow_fault" { /// The vCPU.
        vcpu: VcpuId, /// The faulting address.
        address: Gva, /// Bit 0: there is an entry, bit 1: write, bit 2: user mode.
        error_code: u64, /// Privilege level of the guest at the fault.
        cpl: u8, }
    /// The host has walked the guest's tables and goes on with the frame that it found (ours).
    ShadowWalk = "shadow_walk" { /// The vCPU.
        vcpu: VcpuId, /// The frame.
        gfn: Gfn, }
    /// The host has read a table of the guest's for which an access was waiting (ours).
    ShadowTable = "shadow_table" { /// The vCPU.
        vcpu: VcpuId, /// The table.
        gfn: Gfn, }
    /// The host carries out a write of the guest's to a table that is mirrored (ours).
    ShadowEmulate = "shadow_emulate" { /// The vCPU.
        vcpu: VcpuId, /// The table.
        gfn: Gfn, }
    /// The guest wrote CR3, and the host has brought its mirror up to date (ours).
    ShadowSync = "shadow_sync" { /// The vCPU.
        vcpu: VcpuId, /// Tables that had been written.
        tables: u32, }
    /// The VMM has a huge page of fresh memory (ours; `thp_fault_alloc` counts them).
    HostHugePage = "host_huge_page" { /// Its first page.
        page: GuestPage, }
    /// Reclaim takes a huge page, which is no more (ours; `thp_split_page` and `thp_swpout` count them).
    HostHugeSplit = "host_huge_split" { /// Its first page.
        page: GuestPage, }
    /// A thread links a message about a missing page, for the VMM to read (ours, as the next ones: what probes
    /// of `handle_userfault`, `userfaultfd_ctx_read` and `mfill_atomic_copy` show). Of faults that the VMM
    /// answers: a vCPU thread that has left the kernel sends it a request.
    UffdMessage = "uffd_message" { /// Who is going to sleep for it.
        thread: ThreadId, /// The page.
        page: GuestPage, }
    /// A thread of the VMM has read a message, a request, or an entry of a ring (ours).
    UffdRead = "uffd_read" { /// The thread.
        thread: ThreadId, /// The page.
        page: GuestPage, }
    /// A thread of the VMM begins to install a page (ours).
    UffdCopy = "uffd_copy" { /// The thread.
        thread: ThreadId, /// The page.
        page: GuestPage, }
    /// It is through, and is about to wake who sleeps for the page (ours).
    UffdCopied = "uffd_copied" { /// The thread.
        thread: ThreadId, /// The page.
        page: GuestPage, /// Whether the page was missing; otherwise it gets EEXIST.
        installed: bool, }
    /// The thread of a vCPU, which was runnable, has a processor again: what its guest sees as steal. Only
    /// where a scenario names its virtual machines.
    SchedStatWait = "sched_stat_wait" { /// The vCPU.
        vcpu: VcpuId, /// How long it waited for the processor.
        span: SimDuration, }
    /// A thread begins to decompress a page of zswap's pool, to write it to the swap device (ours; `zswpwb` of
    /// `/proc/vmstat` counts them).
    ZswapWriteback = "zswap_writeback" { /// The thread.
        thread: ThreadId, /// The page.
        page: GuestPage, /// Processor time that decompressing takes.
        span: SimDuration, }
    /// Reclaim takes a page that zswap's pool, being full, refuses: it goes to the swap device (ours;
    /// `pool_limit_hit` counts some of them).
    ZswapRefuse = "zswap_refuse" { /// The page.
        page: GuestPage, }
    /// A thread begins to write a file of a memory container (ours).
    MemcgWrite = "memcg_write" { /// The thread.
        thread: ThreadId, /// The first virtual machine of the container.
        vm: VmId, /// Which file.
        file: MemcgFile, /// The value, in pages.
        pages: u64, }
    /// That write returns (ours).
    MemcgWritten = "memcg_written" { /// The thread.
        thread: ThreadId, /// The first virtual machine of the container.
        vm: VmId, /// Which file.
        file: MemcgFile, /// Whether all was done that was asked for.
        done: bool, }
    /// A pass of reclaim is over, where the host's memory is controlled during the run (ours).
    MemcgReclaimed = "memcg_reclaimed" { /// The thread.
        thread: ThreadId, /// Pages in use that it took away: each counts when it goes first.
        pages: u32, }
    /// So little of the host's memory is free that its kernel's thread is woken.
    KswapdWake = "mm_vmscan_kswapd_wake" { /// The thread.
        thread: ThreadId, }
    /// Enough is free, or nothing can be taken.
    KswapdSleep = "mm_vmscan_kswapd_sleep" { /// The thread.
        thread: ThreadId, }
    /// A thread is held to account for a batch of pages: the container holds more than its `memory.high` (ours).
    MemcgOverHigh = "memcg_over_high" { /// The thread.
        thread: ThreadId, /// Pages that it has charged, for itself and in advance.
        pages: u32, }
    /// What a memory container may hold, at the start barrier and whenever it changes, where that is controlled
    /// during the run (ours).
    MemcgLimit = "memcg_limit" { /// The first virtual machine of the container.
        vm: VmId, /// Which limit.
        file: MemcgFile, /// What it may hold, in pages.
        pages: u64, }
    /// The thread of a vCPU leaves the kernel with a fault that the VMM answers (KVM_EXIT_MEMORY_FAULT).
    KvmUserspaceExit = "kvm_userspace_exit" { /// The vCPU.
        vcpu: VcpuId, /// The frame.
        gfn: Gfn, /// Whether nothing of the fault is left in the kernel: the VMM answers before it runs the vCPU
        /// again.
        plain: bool, }
    /// KVM puts a fault that the VMM answers into the ring of its vCPU.
    KvmAsyncPfExitlessNotify = "kvm_async_pf_exitless_notify" { /// The vCPU.
        vcpu: VcpuId, /// The frame.
        gfn: Gfn, }
    /// KVM signals the VMM that there is an entry in a ring, as it was asked to (ours: a probe of
    /// `eventfd_signal_mask` shows it).
    VmmSignal = "vmm_signal" { /// The vCPU.
        vcpu: VcpuId, }
    /// A thread of the VMM that answers faults is back from its wait (ours).
    VmmAwake = "vmm_awake" { /// The thread.
        thread: ThreadId, }
    /// A thread of the VMM answers a fault: by READY, by an entry in the ring of answers, or by a reply to the
    /// vCPU thread that waits (ours).
    VmmAnswer = "vmm_answer" { /// The thread.
        thread: ThreadId, /// The vCPU.
        vcpu: VcpuId, /// The frame.
        gfn: Gfn, }
    /// A lookup that must not wait finds a page missing that the VMM brings: no message is linked (ours: a probe of
    /// `handle_userfault` shows it, with `FAULT_FLAG_RETRY_NOWAIT` among its flags).
    UffdLookup = "uffd_lookup" { /// Whose lookup it is.
        thread: ThreadId, /// The page.
        page: GuestPage, }
    /// A page that a VMM was to bring gets zeros, as its descriptor of userfaultfd is closed: what its store has of
    /// it is lost to the guest (ours).
    UffdLost = "uffd_lost" { /// Who wants it.
        thread: ThreadId, /// The page.
        page: GuestPage, }
    /// The guest's kernel drops translations of a vCPU, or has another one do so.
    TlbFlush = "tlb_flush" { /// The vCPU.
        vcpu: VcpuId, /// Pages of the range; 2^64 - 1 where everything of the address space goes (-1 in the kernel).
        pages: u64, /// Why.
        reason: TlbFlushReason, }
    /// A program has given pages back to the guest's kernel (ours).
    GuestDiscard = "guest_discard" { /// The vCPU.
        vcpu: VcpuId, /// The task.
        task: TaskId, /// Pages that it had.
        pages: u64, }
    /// A task that waited for a frame finds that its page is another one meanwhile: somebody gave it back. The end of
    /// its fault follows (ours).
    MajorFaultMoved = "major_fault_moved" { /// The vCPU.
        vcpu: VcpuId, /// The task.
        task: TaskId, /// The frame.
        gfn: Gfn, }
    /// The VMM sets the size of a balloon (ours).
    BalloonTarget = "balloon_target" { /// Whose.
        vm: VmId, /// The size, in pages.
        pages: u64, }
    /// The guest's driver tells the VMM which size the balloon has (ours).
    BalloonSize = "balloon_size" { /// Whose.
        vm: VmId, /// The size, in pages.
        pages: u64, }
    /// A thread of the VMM gives pages back to the host's kernel (ours: what a probe of `madvise_dontneed_free` shows).
    MadviseDontneed = "madvise_dontneed" { /// The thread.
        thread: ThreadId, /// The first page.
        page: GuestPage, /// How many.
        pages: u32, /// Frames that are free now.
        frames: u32, /// Swap slots that are.
        slots: u32, }
    /// A thread begins to spin for a lock of a userfaultfd descriptor (ours: kernels since 5.19 print
    /// `contention_begin` with the lock's address).
    UffdLockWait = "uffd_lock_wait" { /// Who.
        thread: ThreadId, /// That of the queue of readers (`fd_wqh`); otherwise of messages (`fault_pending_wqh`).
        readers: bool, }
    /// It has the lock (`contention_end`).
    UffdLockTaken = "uffd_lock_taken" { /// Who.
        thread: ThreadId, }
    /// A thread of the VMM has put a marker in place of a page that its store does not give (`UFFDIO_POISON`; ours:
    /// what a probe of `mfill_atomic_poison` shows).
    UffdPoisoned = "uffd_poisoned" { /// The thread.
        thread: ThreadId, /// The page.
        page: GuestPage, }
    /// KVM sends SIGBUS to the thread of a vCPU, as such a marker is in place of a page that it wants
    /// (`kvm_send_hwpoison_signal`).
    SignalGenerate = "signal_generate" { /// The vCPU.
        vcpu: VcpuId, /// The frame.
        gfn: Gfn, }
    /// The process of a VMM ends (ours).
    VmmEnd = "vmm_end" { /// Whose.
        vm: VmId, }
    /// The thread of a vCPU ends with it.
    SchedProcessExit = "sched_process_exit" { /// The vCPU.
        vcpu: VcpuId, }
    /// A thread of the VMM is about to give memory back that userfaultfd watches, links an event of it and sleeps
    /// until that is read (`userfaultfd_remove`; ours, as the next two).
    UffdRemove = "uffd_remove" { /// The thread.
        thread: ThreadId, /// The first page.
        page: GuestPage, /// How many.
        pages: u32, }
    /// A thread of the VMM reads such an event, which wakes who sleeps.
    UffdRemoveRead = "uffd_remove_read" { /// The thread.
        thread: ThreadId, /// The first page.
        page: GuestPage, /// How many.
        pages: u32, }
    /// A page cannot be installed, as memory is being given back (EAGAIN).
    UffdAgain = "uffd_again" { /// The thread.
        thread: ThreadId, /// The page.
        page: GuestPage, }
    /// A VMM stops the vCPUs of its virtual machine (ours, as all that follow).
    VmStop = "vm_stop" { /// Whose.
        vm: VmId, }
    /// They run again.
    VmResume = "vm_resume" { /// Whose.
        vm: VmId, }
    /// A thread of the VMM has write-protected the memory of a virtual machine (`UFFDIO_WRITEPROTECT`).
    UffdProtect = "uffd_protect" { /// The thread.
        thread: ThreadId, /// Whose.
        vm: VmId, /// Pages that are protected.
        pages: u64, }
    /// A thread that wants to write to a protected page links a message (`handle_userfault` with VM_UFFD_WP).
    UffdWpMessage = "uffd_wp_message" { /// The thread.
        thread: ThreadId, /// The page.
        page: GuestPage, }
    /// A thread of the VMM reads it.
    UffdWpRead = "uffd_wp_read" { /// The thread.
        thread: ThreadId, /// The page.
        page: GuestPage, }
    /// A thread of the VMM submits the write of a protected page to the sink of a snapshot.
    UffdSave = "uffd_save" { /// The thread.
        thread: ThreadId, /// The page.
        page: GuestPage, }
    /// The sink has it.
    UffdSaved = "uffd_saved" { /// The page.
        page: GuestPage, /// Pages that it does not have yet.
        left: u64, }
    /// A thread of the VMM has lifted the protection of a page.
    UffdLift = "uffd_lift" { /// The thread.
        thread: ThreadId, /// The page.
        page: GuestPage, }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_tells_events_and_fields_apart() {
        let mut forms = std::collections::BTreeSet::new();
        let vcpu = VcpuId(1);
        for event in [
            Event::KvmEntry { vcpu },
            Event::KvmEntry { vcpu: VcpuId(2) },
            Event::KvmExit { vcpu, reason: ExitReason::Hlt },
            Event::KvmExit { vcpu, reason: ExitReason::Kick },
            Event::GuestSchedSwitch { vcpu, prev: None, next: Some(TaskId(0)) },
            Event::GuestSchedSwitch { vcpu, prev: Some(TaskId(0)), next: None },
        ] {
            let mut bytes = [0; Event::LONGEST];
            let length = event.encode(&mut bytes);
            assert!(forms.insert(bytes[..length].to_vec()), "{event:?} is not distinct");
        }
    }

    #[test]
    fn records_stay_small() {
        assert!(size_of::<Record>() <= 48, "{} bytes", size_of::<Record>());
    }
}
