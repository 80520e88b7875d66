//! Fields of events that name one of a few things.

use super::field::Field;
use crate::base::named::named;

macro_rules! field_enum {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The word used in traces, tables and legends.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl Field for $name {
            fn as_u64(&self) -> u64 { *self as u64 }

            fn text(&self) -> String { self.name().into() }
        }
    )*};
}

field_enum! {
    /// Why a vCPU left guest mode.
    ExitReason {
        /// The second-stage walk found no usable entry.
        EptViolation => "EPT_VIOLATION",
        /// A host interrupt arrived, the timer of the vCPU among them.
        ExternalInterrupt => "EXTERNAL_INTERRUPT",
        /// The guest executed HLT.
        Hlt => "HLT",
        /// The guest wrote a model-specific register.
        MsrWrite => "MSR_WRITE",
        /// Another host thread asked the vCPU to leave guest mode (TLB flush, reschedule).
        Kick => "KICK",
        /// The guest wrote a register of its local APIC, to send an interrupt or to end one.
        ApicAccess => "APIC_ACCESS",
        /// The guest left system management mode.
        Rsm => "RSM",
        /// The guest lets interrupts in, for which one had waited.
        InterruptWindow => "INTERRUPT_WINDOW",
        /// The guest called the host.
        Hypercall => "VMCALL",
        /// The guest took a #PF, which the host keeps for itself under shadow paging.
        PageFault => "EXCEPTION_NMI",
        /// The guest wrote CR3, which the host keeps to itself under shadow paging.
        CrAccess => "CR_ACCESS",
        /// The guest wrote a register of a device.
        EptMisconfig => "EPT_MISCONFIG",
    }

    /// Why translations of a vCPU go (`TLB_FLUSH_REASON`).
    TlbFlushReason {
        /// It was idle when others were asked to, and goes on with a task.
        TaskSwitch => "flush on task switch",
        /// Another vCPU has asked for it.
        Remote => "remote shootdown",
        /// It has changed the tables itself.
        LocalMm => "local MM shootdown",
        /// It asks others to.
        SendIpi => "remote IPI send",
    }

    /// Why a vCPU thread sleeps in the host.
    BlockReason {
        /// The guest executed HLT and nothing is pending.
        Hlt => "hlt",
        /// The artificial halt: the host waits for a page on the guest's behalf.
        ApfHalt => "halt",
        /// A synchronous fetch waits for the device (a stall).
        Fetch => "fetch",
        /// Direct reclaim waits for write-back (a stall).
        Reclaim => "reclaim",
        /// A fetch waits for the lock of the VMM's memory map (a stall).
        MapLock => "map_lock",
        /// Direct reclaim waits until the block layer takes its next write (a stall).
        Throttle => "throttle",
        /// The thread has charged pages beyond `memory.high`.
        High => "high",
        /// The VMM has stopped the virtual machine.
        Stopped => "stopped",
    }

    /// The `reason` half of the shared word (`KVM_PV_REASON_*`).
    ApfReason {
        /// The word is free.
        None => "none",
        /// Page not present.
        NotPresent => "not_present",
        /// Page ready.
        Ready => "ready",
    }

    /// What happened to a dummy sleeper (a wake that came before its wait).
    DummyAction {
        /// A page ready found no sleeper and left a dummy.
        Added => "added",
        /// A wait found the dummy and did not sleep.
        Consumed => "consumed",
        /// A wake-all removed it.
        Dropped => "dropped",
    }

    /// Direction of a swap-device request.
    IoKind {
        /// Swap-in.
        Read => "R",
        /// Swap-out.
        Write => "W",
    }

    /// A file of a memory container that is written during a run.
    MemcgFile {
        /// The limit.
        Max => "memory.max",
        /// The limit beyond which threads pay for what they charge.
        High => "memory.high",
        /// Asks for so many pages to be reclaimed.
        Reclaim => "memory.reclaim",
    }

    /// How an access that needed device I/O was first handled by the host.
    FaultPath {
        /// In the vCPU thread, which slept for the page.
        Sync => "sync",
        /// By a work item, the guest being told or the vCPU halted.
        Async => "async",
        /// The gfn was outstanding on this vCPU already.
        Repeated => "repeated",
    }

    /// The parts of a run.
    Phase {
        /// The workload fills its memory; nothing is measured.
        Prefill => "prefill",
        /// The workload runs; nothing is measured yet.
        Warmup => "warmup",
        /// Metrics count from here on.
        Measure => "measure",
        /// The run is over.
        End => "end",
    }


}

named! {
    /// What can happen to a vCPU.
    DisturbanceName {
        /// The guest takes it offline: notices off, sleepers woken, tasks elsewhere.
        Offline => "offline",
        /// The guest starts it again; it enables notices.
        Online => "online",
        /// A system management interrupt: paging is off in its handler.
        Smi => "smi",
        /// Another vCPU kicks it (KICK_CPU), whether or not it is in HLT.
        Kick => "kick",
        /// The VMM changes its memory slots; the shared area of the vCPU moves in the VMM.
        MemslotChange => "memslot_change",
        /// The guest switches its local APIC off, or has not switched it on yet.
        LapicOff => "lapic_off",
        /// The guest switches its local APIC on.
        LapicOn => "lapic_on",
        /// Another thread of the VMM changes its memory map, whose lock it holds for writing.
        MapWrite => "map_write",
        /// The guest writes EN with an address at which it has no memory; the write is refused.
        RefusedEn => "refused_en",
        /// There is no memory for the wake-all of the vCPU's next write of EN.
        WakeAllFails => "wake_all_fails",
        /// The process of the handlers of the VM's memory ends; the VMM keeps their descriptors open.
        HandlerDies => "handler_dies",
        /// A new one takes over the descriptors that the VMM has kept, and wakes all who sleep.
        HandlerRestarts => "handler_restarts",
        /// The last reference to these descriptors is closed, with the process that had it.
        DescriptorCloses => "descriptor_closes",
    }

    /// What a task is for, as metrics group it.
    TaskRole {
        /// Sets up the workload; no scenario names it.
        #[serde(skip)]
        Main => "main",
        /// Touches memory that may be swapped out.
        Faulter => "faulter",
        /// Does the work that is counted.
        Worker => "worker",
    }
}

macro_rules! field_by_place {
    ($($t:ty),*) => {$(
        impl Field for $t {
            fn as_u64(&self) -> u64 { *self as u64 }

            fn text(&self) -> String { self.name().into() }
        }
    )*};
}
field_by_place!(DisturbanceName, TaskRole);

impl ExitReason {
    /// Whether the guest touched something that the host's tables do not map.
    pub const fn is_fault(self) -> bool {
        matches!(self, Self::EptViolation | Self::PageFault)
    }
}
