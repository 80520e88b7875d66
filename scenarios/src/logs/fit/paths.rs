//! The paths that are measured, in logs of real kernels and of simulated ones alike, and which
//! costs of the machine each consists of.

/// A cost of the machine as paths add it up; some are differences of the costs of scenario files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// `exit_hw`
    ExitHw,
    /// `apf_detect`
    Detect,
    /// `kvm_fault` less `apf_detect`
    Map,
    /// `kvm_fault` less `prefault_saves`
    Prefault,
    /// `swap_in_prepare`
    Prepare,
    /// `block_submit`
    Submit,
    /// `block_copy`
    Copy,
    /// `apf_setup`
    Setup,
    /// `apf_queued`
    Queued,
    /// `apf_worker`
    Worker,
    /// `apf_ready`
    Ready,
    /// `device_interrupt`
    DeviceInterrupt,
    /// `block_complete`
    BlockComplete,
    /// `host_switch`
    HostSwitch,
    /// `host_wake_latency`
    WakeLatency,
    /// `exit_interrupt`
    ExitInterrupt,
    /// `inject_host`
    InjectHost,
    /// `timer_interrupt`
    TimerInterrupt,
    /// `exit_light` less `msr_return`
    MsrWrite,
    /// `msr_return`
    MsrReturn,
    /// `host_tick`
    HostTick,
    /// `inject_event`
    InjectEvent,
    /// `guest_exception`
    GuestException,
    /// `guest_ready`
    GuestReady,
    /// `guest_wakeup`
    GuestWakeup,
    /// `guest_tick`
    GuestTick,
    /// `reclaim_unmap_page`
    ReclaimUnmap,
    /// `reclaim_write_page`
    ReclaimWrite,
}

impl Part {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::ReclaimWrite as usize + 1;
}

macro_rules! paths {
    ($($(#[doc = $doc:literal])+ $id:ident = $name:literal, $title:literal, $readme:literal, [$($part:ident),*];)*) => {
        /// A way through the host or the guest between two events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum PathId { $($(#[doc = $doc])+ $id,)* }

        impl PathId {
            /// All, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$id),*];

            /// The name for programs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)* }
            }

            /// What it is.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$id => $title,)* }
            }

            /// Whether it is one of the paths by which a host is compared with another; the others
            /// are parts of them, or depend on the workload.
            pub const fn is_whole(self) -> bool {
                match self { $(Self::$id => $readme,)* }
            }

            /// What it costs; nothing for paths that are not made of costs alone.
            pub(crate) const fn parts(self) -> &'static [Part] {
                match self { $(Self::$id => &[$(Part::$part),*],)* }
            }
        }
    };
}

paths! {
    /// The vCPU thread reads at the fault.
    FaultRead = "fault_to_read", "fault exit to read issued", true,
        [ExitHw, Detect, Prepare, Submit];
    /// The copy of a device without DMA falls here.
    ReadTry = "read_to_try", "read issued to try", false, [Copy];
    /// Both.
    FaultTry = "fault_to_try", "fault exit to try", true,
        [ExitHw, Detect, Prepare, Submit, Copy];
    /// Where the worker brings the page.
    FaultTryWithoutRead = "fault_to_try_without_read", "fault exit to try, no read before", false,
        [ExitHw, Detect];
    /// The worker does not run before the entry.
    FaultTold = "fault_told", "fault exit to entry with #PF", true,
        [ExitHw, Detect, Prepare, Submit, Copy, Setup, Queued, InjectHost];
    /// The worker runs before the entry.
    FaultToldWorker = "fault_told_worker", "fault exit to entry with #PF, worker between", true,
        [ExitHw, Detect, Prepare, Submit, Copy, Setup, HostSwitch, Worker, HostSwitch, Queued, InjectHost];
    /// The worker gets the processor at once.
    TryWorker = "try_to_worker", "try to start of the worker", false, [Setup, HostSwitch];
    /// The vCPU is halted, its worker has run.
    FaultHalted = "fault_halted", "fault exit to sleep (halted), worker between", true,
        [ExitHw, Detect, Prepare, Submit, Copy, Setup, HostSwitch, Worker, HostSwitch, Queued];
    /// The vCPU thread waits for its read.
    FaultSleeps = "fault_sleeps", "fault exit to sleep (synchronous)", true,
        [ExitHw, Detect, Prepare, Submit, Copy];
    /// No I/O is needed.
    FaultMapped = "fault_mapped", "fault exit to entry, no I/O", true, [ExitHw, Detect, Map];
    /// On a processor that somebody has.
    DoneCompleted = "done_to_completed", "block completion to completed", true,
        [DeviceInterrupt, HostSwitch, BlockComplete];
    /// On a processor that nobody has.
    DoneCompletedIdle = "done_to_completed_idle", "block completion to completed, idle", true,
        [DeviceInterrupt, WakeLatency, HostSwitch, BlockComplete];
    /// The vCPU thread waited for its read.
    DoneEntry = "done_to_entry", "block completion to entry (synchronous)", true,
        [DeviceInterrupt, WakeLatency, HostSwitch, BlockComplete, Map];
    /// In the exit in which the page was completed.
    CompletedReady = "completed_to_ready", "completed to ready, vCPU running", true,
        [HostSwitch, ExitInterrupt, Prefault, Ready];
    /// The vCPU was halted.
    CompletedReadyHalted = "completed_to_ready_halted", "completed to ready, vCPU halted", true,
        [HostSwitch, Prefault, Ready];
    /// The whole of it.
    InterruptReady = "interrupt_ready", "interrupt exit: completed, ready, 0xf3", true,
        [DeviceInterrupt, HostSwitch, BlockComplete, HostSwitch, ExitInterrupt, Prefault, Ready, InjectHost];
    /// Its end.
    ReadyEntry = "ready_to_entry", "ready to entry with 0xf3", false, [InjectHost];
    /// Nothing else to do.
    AckNothing = "ack_nothing", "ACK exit, nothing pending", true, [MsrWrite, MsrReturn];
    /// Its end.
    MsrEntry = "msr_to_entry", "record of the ACK to entry", false, [MsrReturn];
    /// Another page is completed in it.
    AckReady = "ack_ready", "ACK exit with a further ready", true,
        [MsrWrite, MsrReturn, DeviceInterrupt, HostSwitch, BlockComplete, HostSwitch, Prefault, Ready];
    /// The guest's timer.
    TimerInterrupt = "timer_interrupt", "timer interrupt exit", true,
        [ExitInterrupt, TimerInterrupt, InjectHost];
    /// The guest arms it again.
    TimerDeadline = "timer_deadline", "TSC-deadline MSR exit", true, [MsrWrite, MsrReturn];
    /// The host's tick, most of the time.
    BareInterrupt = "bare_interrupt", "interrupt exit without any of these", false,
        [ExitInterrupt, HostTick];
    /// The guest's handler of page ready.
    GuestReady = "guest_ready", "guest: entry with 0xf3 to ACK exit", false,
        [InjectEvent, GuestException, GuestReady, GuestWakeup];
    /// The guest's handler of its tick.
    GuestTick = "guest_tick", "guest: entry with timer to deadline exit", false,
        [InjectEvent, GuestException, GuestTick];
    /// What the guest runs next depends on the workload.
    GuestNext = "guest_next_fault", "guest: entry with #PF to next fault exit", false, [];
    /// Neither does what a woken thread does.
    GuestNextWoken = "guest_next_fault_woken", "guest: entry after ACK to next fault exit", false, [];
    /// A page that direct reclaim writes.
    ReclaimPage = "reclaim_page", "direct reclaim, each page written", false,
        [Copy, ReclaimUnmap, ReclaimWrite];
    /// Device, worker and scheduler.
    NotPresentCompleted = "not_present_to_completed", "not present to completed", false, [];
    /// And the vCPU.
    NotPresentReady = "not_present_to_ready", "not present to ready", false, [];
    /// The device.
    Read = "read", "device: read", false, [];
    /// The device.
    Write = "write", "device: write", false, [];
}
