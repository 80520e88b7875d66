//! Lines of a trace: who hit an event, on which processor, when.

use sim_core::SimTime;

use super::super::event::KernelEvent;
use super::super::probes::Probe;
use super::super::text::{Details, write_event};
use super::super::threads::{Context, Threads};
use crate::base::ids::{PAGE_SECTORS, PcpuId};
use crate::base::record::IoKind;

/// Writes lines: who hit an event follows from who runs where.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    pub(super) threads: Threads,
    /// Times are printed in nanoseconds, as `perf script --ns` does, not in microseconds.
    pub(super) nanoseconds: bool,
}

impl Lines {
    pub(super) fn request(
        &self,
        time: SimTime,
        context: Context,
        event: &KernelEvent,
        (op, pages): (IoKind, u32),
        out: &mut Vec<u8>,
    ) {
        let (thread, cpu) = self.threads.place(context);
        let comm = self.threads.comm_at(thread, cpu, true);
        let sectors = u64::from(pages) * u64::from(PAGE_SECTORS);
        let details = Details { direction: op.name(), sectors, comm: &comm, ..Details::default() };
        self.line(time, context, event, &details, out);
    }

    pub(super) fn probe(&self, time: SimTime, probe: &Probe, out: &mut Vec<u8>) {
        let vcpu = self.threads.is_vcpu(probe.thread);
        self.head(time, Context::Thread(probe.thread), probe.name(), out);
        out.extend_from_slice(probe.fields(vcpu).as_bytes());
        out.push(b'\n');
    }

    pub(super) fn line(
        &self,
        time: SimTime,
        context: Context,
        event: &KernelEvent,
        details: &Details<'_>,
        out: &mut Vec<u8>,
    ) {
        let cpu = self.head(time, context, event.name(), out);
        write_event(event, &Details { cpu: cpu.0.into(), ..*details }, out);
        out.push(b'\n');
    }

    /// What precedes the fields of an event; the processor that hit it.
    pub(super) fn head(
        &self,
        time: SimTime,
        context: Context,
        name: &str,
        out: &mut Vec<u8>,
    ) -> PcpuId {
        let (head, cpu) = self.threads.columns(context);
        let ns = time.as_ps() / 1000;
        let time = match self.nanoseconds {
            true => format!("{:>5}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000),
            false => {
                // `ns2usecs`
                let us = (ns + 500) / 1000;
                format!("{:>5}.{:06}", us / 1_000_000, us % 1_000_000)
            }
        };
        out.extend_from_slice(format!("{head} {time}: {name}: ").as_bytes());
        cpu
    }
}
