//! The lines of the writer: who hit an event, on which processor, when.

use sim_core::SimTime;

use super::super::event::KernelEvent;
use super::super::probes::Probe;
use super::super::text::{Details, write_event};
use super::super::threads::{Context, thread_of};
use super::{KernelWriter, PAGE_SECTORS, Work};
use crate::base::ids::{PcpuId, ThreadId, VcpuId, WorkerId};
use crate::base::record::IoKind;

/// Stands for the hashed address that the kernel prints for the lock of the second-stage tables.
const MMU_LOCK: &str = "000000005d3c1a7e";
/// Where the guest is: in a user program, or in its kernel.
const USER_RIP: u64 = 0x40_1d85;
const KERNEL_RIP: u64 = 0xffff_ffff_8109_d6e8;

impl KernelWriter {
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

    pub(super) fn of_vcpu(
        &mut self,
        time: SimTime,
        vcpu: VcpuId,
        off: bool,
        event: &KernelEvent,
        out: &mut Vec<u8>,
    ) {
        let thread = thread_of(vcpu);
        self.actor = Context::Thread(thread);
        let context = if off { Context::Off(thread) } else { Context::Thread(thread) };
        self.line(time, context, event, &self.details(vcpu), out);
    }

    pub(super) fn of_worker(
        &mut self,
        time: SimTime,
        worker: WorkerId,
        event: &KernelEvent,
        out: &mut Vec<u8>,
    ) {
        self.actor = self.threads.context_of(worker, VcpuId(0));
        self.line(time, self.actor, event, &Details::default(), out);
    }

    pub(super) fn at_work(&mut self, worker: WorkerId, work: Work) {
        self.workers.insert(worker, work);
    }

    pub(super) fn details(&self, vcpu: VcpuId) -> Details<'static> {
        let rip = if self.vcpus[vcpu.index()].in_kernel { KERNEL_RIP } else { USER_RIP };
        Details { vcpu: vcpu.0.into(), rip, ..Details::default() }
    }

    /// An event of the lock of the second-stage tables, which nothing is concluded from when a log is
    /// read (`lock:contention_begin`, `lock:contention_end` of include/trace/events/lock.h, 6.1.192).
    pub(super) fn spin(
        &mut self,
        time: SimTime,
        thread: ThreadId,
        name: &str,
        fields: &str,
        out: &mut Vec<u8>,
    ) {
        self.actor = Context::Thread(thread);
        self.head(time, self.actor, name, out);
        out.extend_from_slice(format!("{MMU_LOCK} {fields}\n").as_bytes());
    }

    /// A probe of userfaultfd: its thread is at work from here on.
    pub(super) fn vmm(&mut self, time: SimTime, probe: Probe, out: &mut Vec<u8>) {
        self.actor = Context::Thread(probe.thread);
        if self.handlers.notes(time, &probe) {
            self.probe(time, &probe, out);
        }
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
