//! A line of a log with its place.

use std::fmt;

use crate::trace::kernel::{KernelEvent, KernelExit, Thread};

/// An event in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// Number of the line, from 1.
    pub line: u64,
    /// Time by the log's clock.
    pub ns: u64,
    /// Processor.
    pub cpu: u32,
    /// Thread.
    pub thread: Thread,
    /// What happened.
    pub event: KernelEvent,
}

/// A reason as hosts of AMD and of Intel print it.
const fn printed(reason: KernelExit) -> &'static str {
    match reason {
        KernelExit::NestedFault => "npf or EPT_VIOLATION",
        KernelExit::PageFault => "PF excp or EXCEPTION_NMI",
        KernelExit::Interrupt => "interrupt or EXTERNAL_INTERRUPT",
        KernelExit::Hlt => "hlt or HLT",
        KernelExit::Msr => "msr or MSR_WRITE",
        KernelExit::Hypercall => "vmmcall or VMCALL",
        KernelExit::Rsm => "rsm or RSM",
        KernelExit::Window => "vintr or INTERRUPT_WINDOW",
        KernelExit::Other => "(another)",
    }
}

/// The event as tracefs prints it, as far as it is kept.
impl fmt::Display for KernelEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Try { gva, gfn } | Self::RepeatedFault { gva, gfn, .. } => {
                write!(f, "{name}: gva = {gva}, gfn = {gfn}")
            }
            Self::Lookup { pfn } => write!(f, "{name}: pfn {pfn:#x}"),
            Self::NotPresent { token, gva }
            | Self::Ready { token, gva }
            | Self::SendAsyncPf { token, gva, .. } => write!(f, "{name}: token {token} gva {gva}"),
            Self::Completed { gva, address, .. } => {
                write!(f, "{name}: gva {gva} address {address}")
            }
            Self::InjException { vector, error_code, reinjected } => {
                let again = if *reinjected { " [reinjected]" } else { "" };
                match vector {
                    14 => write!(f, "{name}: #PF ({:#x}){again}", error_code.unwrap_or(0)),
                    _ => write!(f, "{name}: vector {vector}{again}"),
                }
            }
            Self::InjVirq { vector, reinjected } => {
                let again = if *reinjected { " [reinjected]" } else { "" };
                write!(f, "{name}: IRQ {vector:#x}{again}")
            }
            Self::Entry { vcpu } => write!(f, "{name}: vcpu {vcpu}"),
            Self::Exit { reason, .. } => write!(f, "{name}: reason {}", printed(*reason)),
            Self::PageFault { address, error_code } => {
                write!(f, "{name}: address {address} error_code {error_code:#x}")
            }
            Self::Msr { write, ecx, data, .. } => {
                let way = if *write { "write" } else { "read" };
                write!(f, "{name}: msr_{way} {ecx:x} = {data:#x}")
            }
            Self::AcceptIrq { vector } | Self::AcceptPosted { vector } => {
                write!(f, "{name}: vec {vector}")
            }
            Self::Eoi { vector } => write!(f, "{name}: vector {vector}"),
            Self::Hypercall { nr, target } => write!(f, "{name}: nr {nr:#x} a1 {target:#x}"),
            Self::VcpuWakeup { ns, slept } => {
                write!(f, "{name}: {} time {ns} ns", if *slept { "wait" } else { "poll" })
            }
            Self::SchedSwitch { .. }
            | Self::Nested
            | Self::BlockIssue { .. }
            | Self::BlockComplete { .. }
            | Self::QueueWork { .. }
            | Self::ExecuteStart { .. }
            | Self::ExecuteEnd { .. } => f.write_str(name),
            Self::PfaultInit { token } | Self::PfaultDone { token } => {
                write!(f, "{name}: pfault token {token}")
            }
        }
    }
}
