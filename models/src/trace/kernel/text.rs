//! From the meaning of an event to its text, in the form of current kernels.

use super::event::{KernelEvent, KernelExit};
use super::forms::{self, EXCEPTIONS, EventForms, Form, MAX_FIELDS, Value, Values};

/// What is printed with an event though nothing is concluded from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Details<'a> {
    /// Number of the vCPU, which is its APIC id too.
    pub vcpu: u32,
    /// Where the guest is.
    pub rip: u64,
    /// The two numbers that a processor gives with the reason of an exit.
    pub info: [u64; 2],
    /// Name of the thread that gives up the processor, or that submits a request.
    pub comm: &'a str,
    /// Name of the thread that gets the processor.
    pub next_comm: &'a str,
    /// What the thread that gives up the processor waits in (`S`, `D`, `I`).
    pub sleep: &'a str,
    /// The processor.
    pub cpu: u64,
    /// Sectors of a request that is complete.
    pub sectors: u64,
    /// Direction of a request.
    pub direction: &'a str,
}

impl Default for Details<'_> {
    fn default() -> Self {
        Self {
            vcpu: 0,
            rip: 0,
            info: [0; 2],
            comm: "vcpu0",
            next_comm: "vcpu0",
            sleep: "S",
            cpu: 0,
            sectors: 8,
            direction: "R",
        }
    }
}

/// Priority of a thread that has no other: nice 0.
const PRIORITY: u64 = 120;
/// `WORK_CPU_UNBOUND`, of kernels that are built for 8192 processors.
const ANY_CPU: u64 = 8192;
/// Bytes of a sector.
const SECTOR: u64 = 512;
/// Best effort, level 4: what a thread has that asked for nothing.
const IO_PRIORITY: &str = "be,0,4";
/// The worker function as the kernel prints its symbol.
const FUNCTION: &str = "async_pf_execute [kvm]";

/// Appends the fields of an event as a kernel prints them; [`super::parse_event`] reads them back.
pub fn write_event(event: &KernelEvent, with: &Details<'_>, out: &mut Vec<u8>) {
    let (forms, values) = values(event, with);
    let form: &Form = match event {
        KernelEvent::Completed { with_pfn: true, .. } | KernelEvent::Lookup { .. } => {
            &forms.forms[1]
        }
        KernelEvent::Exit { vcpu: None, .. } => &forms.forms[2],
        KernelEvent::InjException { error_code: None, .. } => &forms.forms[2],
        _ => forms.newest(),
    };
    if form.write(&values, out).is_err() {
        unreachable!("the values of {} do not fit its form", forms.name);
    }
}

fn values<'a>(event: &KernelEvent, with: &Details<'a>) -> (&'static EventForms, Values<'a>) {
    use KernelEvent as E;
    let number = |n: u64| Value::Number(n);
    let text = |t: &'a str| Value::Text(t.as_bytes());
    let again = |reinjected: bool| text(if reinjected { " [reinjected]" } else { "" });
    let vcpu = number(with.vcpu.into());
    let rip = number(with.rip);
    match *event {
        E::Try { gva, gfn } => (forms::TRY, fill([number(gva.0), number(gfn.0)])),
        E::Lookup { pfn } => (forms::TRY, fill([number(pfn)])),
        E::RepeatedFault { gva, gfn, old_name } => {
            let forms = if old_name { forms::DOUBLEFAULT } else { forms::REPEATED_FAULT };
            (forms, fill([number(gva.0), number(gfn.0)]))
        }
        E::NotPresent { token, gva } => {
            (forms::NOT_PRESENT, fill([number(token.0.into()), number(gva.0)]))
        }
        E::Ready { token, gva } => (forms::READY, fill([number(token.0.into()), number(gva.0)])),
        E::Completed { gva, address, .. } => {
            (forms::COMPLETED, fill([number(gva.0), number(address.0), number(0)]))
        }
        E::SendAsyncPf { token, gva, not_present } => {
            let kind = text(if not_present { "not present" } else { "ready" });
            (forms::SEND_ASYNC_PF, fill([number(token.0.into()), number(gva.0), kind]))
        }
        E::InjException { vector, error_code, reinjected } => {
            let name = EXCEPTIONS.get(usize::from(vector)).copied().unwrap_or("0xff");
            match error_code {
                Some(code) => {
                    let fields = [text(name), number(code.into()), again(reinjected)];
                    (forms::INJ_EXCEPTION, fill(fields))
                }
                None => (forms::INJ_EXCEPTION, fill([text(name), again(reinjected)])),
            }
        }
        E::InjVirq { vector, reinjected } => {
            (forms::INJ_VIRQ, fill([number(vector.into()), again(reinjected)]))
        }
        E::Entry { vcpu } => (forms::ENTRY, fill([number(vcpu.into()), rip])),
        E::Exit { vcpu, reason } => {
            let (reason, zero) = (text(exit(reason)), number(0));
            let [info1, info2] = with.info.map(number);
            let fields = match vcpu {
                Some(vcpu) => fill([number(vcpu.into()), reason, rip, info1, info2, zero, zero]),
                None => fill([reason, rip, info1, info2]),
            };
            (forms::EXIT, fields)
        }
        E::PageFault { address, error_code } => {
            (forms::PAGE_FAULT, fill([vcpu, rip, number(address.0), number(error_code)]))
        }
        E::Msr { write, ecx, data, failed } => {
            let way = text(if write { "write" } else { "read" });
            let failed = text(if failed { " (#GP)" } else { "" });
            (forms::MSR, fill([way, number(ecx.into()), number(data), failed]))
        }
        E::AcceptIrq { vector } => {
            let fields = [vcpu, number(vector.into()), text("Fixed"), text("edge")];
            (forms::APIC_ACCEPT_IRQ, fill(fields))
        }
        E::AcceptPosted { vector } => {
            let fields = [vcpu, number(vector.into()), text("Fixed"), text("edge")];
            (forms::APICV_ACCEPT_IRQ, fill(fields))
        }
        // None of ours is written.
        E::Nested => (forms::PAGE_FAULT, fill([vcpu, rip])),
        E::Eoi { vector } => (forms::EOI, fill([vcpu, number(vector.into())])),
        E::Hypercall { nr, target } => {
            let zero = number(0);
            (forms::HYPERCALL, fill([number(nr), zero, number(target), zero, zero]))
        }
        E::VcpuWakeup { ns, slept } => {
            let how = text(if slept { "wait" } else { "poll" });
            (forms::VCPU_WAKEUP, fill([how, number(ns), text("valid")]))
        }
        E::SchedSwitch { prev, sleeps, next } => {
            let state = text(if sleeps { with.sleep } else { "R" });
            let priority = number(PRIORITY);
            let prev = [text(with.comm), number(prev.into()), priority];
            let next = [text(with.next_comm), number(next.into()), priority];
            let fields = [prev[0], prev[1], prev[2], state, next[0], next[1], next[2]];
            (forms::SCHED_SWITCH, fill(fields))
        }
        E::BlockIssue { at: (device, sector), sectors, .. } => {
            let [major, minor] = numbers_of(device).map(number);
            let sectors = u64::from(sectors);
            let (way, size) = (text(with.direction), number(sectors * SECTOR));
            let (start, count) = (number(sector), number(sectors));
            let (priority, who) = (text(IO_PRIORITY), text(with.comm));
            let fields = [major, minor, way, size, text(""), start, count, priority, who];
            (forms::BLOCK_RQ_ISSUE, fill(fields))
        }
        E::BlockComplete { at: (device, sector), failed } => {
            let [major, minor] = numbers_of(device).map(number);
            let (start, count) = (number(sector), number(with.sectors));
            let (way, end) =
                (text(with.direction), text(if failed { "be,0,4 [-5]" } else { "be,0,4 [0]" }));
            let fields = [major, minor, way, text(""), start, count, end];
            (forms::BLOCK_RQ_COMPLETE, fill(fields))
        }
        E::QueueWork { work } => {
            let names = [text(FUNCTION), text("events")];
            let cpus = [number(ANY_CPU), number(with.cpu)];
            (forms::QUEUE_WORK, fill([number(work), names[0], names[1], cpus[0], cpus[1]]))
        }
        E::ExecuteStart { work } => (forms::EXECUTE_START, fill([number(work), text(FUNCTION)])),
        E::ExecuteEnd { work } => (forms::EXECUTE_END, fill([number(work), text(FUNCTION)])),
        // Of a machine that is not simulated.
        E::PfaultInit { .. } | E::PfaultDone { .. } => (forms::PAGE_FAULT, fill([vcpu, rip])),
    }
}

fn fill<const N: usize>(fields: [Value<'_>; N]) -> Values<'_> {
    let mut values = [Value::Number(0); MAX_FIELDS];
    values[..N].copy_from_slice(&fields);
    values
}

const fn numbers_of(device: u32) -> [u64; 2] {
    [(device >> 20) as u64, (device & 0xf_ffff) as u64]
}

/// Names as AMD's module prints them.
const fn exit(reason: KernelExit) -> &'static str {
    match reason {
        KernelExit::NestedFault => "npf",
        KernelExit::PageFault => "PF excp",
        KernelExit::Interrupt => "interrupt",
        KernelExit::Hlt => "hlt",
        KernelExit::Msr => "msr",
        KernelExit::Hypercall => "vmmcall",
        KernelExit::Rsm => "rsm",
        KernelExit::Window => "vintr",
        // Anything will do.
        KernelExit::Other => "pause",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse_event;
    use super::*;
    use crate::base::ids::{Gfn, Gva, Hva, Token};

    fn any_event() -> impl Strategy<Value = KernelEvent> {
        use KernelEvent as E;
        let exits = prop::sample::select(vec![
            KernelExit::NestedFault,
            KernelExit::PageFault,
            KernelExit::Interrupt,
            KernelExit::Hlt,
            KernelExit::Msr,
            KernelExit::Hypercall,
            KernelExit::Rsm,
            KernelExit::Window,
            KernelExit::Other,
        ]);
        let at = (0..4096_u32, 0..1_u32 << 20, any::<u64>())
            .prop_map(|(major, minor, sector)| ((major << 20) | minor, sector));
        let reads = any::<bool>();
        prop_oneof![
            (any::<u64>(), any::<u64>()).prop_map(|(a, g)| E::Try { gva: Gva(a), gfn: Gfn(g) }),
            any::<u64>().prop_map(|pfn| E::Lookup { pfn }),
            (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(a, g, old_name)| {
                E::RepeatedFault { gva: Gva(a), gfn: Gfn(g), old_name }
            }),
            (any::<u32>(), any::<u64>())
                .prop_map(|(t, a)| E::NotPresent { token: Token(t), gva: Gva(a) }),
            (any::<u32>(), any::<u64>())
                .prop_map(|(t, a)| E::Ready { token: Token(t), gva: Gva(a) }),
            (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(a, h, with_pfn)| {
                E::Completed { gva: Gva(a), address: Hva(h), with_pfn }
            }),
            (any::<u32>(), any::<u64>(), any::<bool>()).prop_map(|(t, a, not_present)| {
                E::SendAsyncPf { token: Token(t), gva: Gva(a), not_present }
            }),
            (0..15_u8, prop::option::of(any::<u32>()), any::<bool>()).prop_map(
                |(vector, error_code, reinjected)| {
                    E::InjException { vector, error_code, reinjected }
                }
            ),
            (any::<u8>(), any::<bool>())
                .prop_map(|(vector, reinjected)| E::InjVirq { vector, reinjected }),
            any::<u32>().prop_map(|vcpu| E::Entry { vcpu }),
            (prop::option::of(any::<u32>()), exits)
                .prop_map(|(vcpu, reason)| E::Exit { vcpu, reason }),
            (any::<u64>(), any::<u64>())
                .prop_map(|(a, error_code)| E::PageFault { address: Gva(a), error_code }),
            (any::<bool>(), any::<u32>(), any::<u64>(), any::<bool>())
                .prop_map(|(write, ecx, data, failed)| E::Msr { write, ecx, data, failed }),
            any::<u8>().prop_map(|vector| E::AcceptIrq { vector }),
            any::<u8>().prop_map(|vector| E::Eoi { vector }),
            (any::<u64>(), any::<u64>()).prop_map(|(nr, target)| E::Hypercall { nr, target }),
            (any::<u64>(), any::<bool>()).prop_map(|(ns, slept)| E::VcpuWakeup { ns, slept }),
            (any::<u32>(), any::<bool>(), any::<u32>())
                .prop_map(|(prev, sleeps, next)| E::SchedSwitch { prev, sleeps, next }),
            (reads, at.clone(), any::<u32>()).prop_map(|(read, at, sectors)| E::BlockIssue {
                read,
                at,
                sectors
            }),
            (at, any::<bool>()).prop_map(|(at, failed)| E::BlockComplete { at, failed }),
            any::<u64>().prop_map(|work| E::QueueWork { work }),
            any::<u64>().prop_map(|work| E::ExecuteStart { work }),
            any::<u64>().prop_map(|work| E::ExecuteEnd { work }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            event in any_event(),
            (rip, info) in (any::<u64>(), any::<[u64; 2]>()),
            vcpu in any::<u32>(),
        ) {
            let direction = match event {
                KernelEvent::BlockIssue { read: false, .. } => "W",
                _ => "R",
            };
            let with = Details { rip, info, vcpu, direction, ..Details::default() };
            let mut text = Vec::new();
            write_event(&event, &with, &mut text);
            let read = parse_event(event.name().as_bytes(), &text);
            prop_assert_eq!(read, Ok(Some(event)), "{}", String::from_utf8_lossy(&text));
        }
    }
}
