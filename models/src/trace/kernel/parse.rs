//! From the text of an event to its meaning.

use super::event::{EventError, KernelEvent};
use super::exits;
use super::fields::{RawText, event_of_fields, moved_sectors};
use super::forms::{self, EventForms, Value, Values, WORKER_FUNCTION};
use crate::base::ids::{Gfn, Gva, Hva, Token};

/// What the text of an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The event; nothing for those that nothing is concluded from.
    pub event: Option<KernelEvent>,
    /// All of the text has a known form, so that nothing of it can be missing.
    pub whole: bool,
}

/// Reads an event. Nothing for events that nothing is concluded from.
///
/// # Errors
/// When the fields have none of the known forms.
pub fn parse_event(name: &[u8], fields: &[u8]) -> Result<Option<KernelEvent>, EventError> {
    read_event(name, fields).map(|parsed| parsed.event)
}

/// Reads an event, and says whether all of its text was understood.
///
/// # Errors
/// As [`parse_event`].
pub fn read_event(name: &[u8], fields: &[u8]) -> Result<Parsed, EventError> {
    let Some(event) = lookup(name) else {
        let nested = name.starts_with(b"kvm_nested_").then_some(KernelEvent::Nested);
        return Ok(Parsed { event: nested, whole: false });
    };
    let wrong = EventError::Fields(event.name);
    let fields = fields.trim_ascii();
    if event.name == forms::SCHED_SWITCH.name
        && let Some(switch) = short_switch(fields)
    {
        return Ok(Parsed { event: Some(switch), whole: true });
    }
    // A switch begins like a list of fields in its usual form, too.
    if let Some(raw) = RawText::of(fields)
        && !(event.name == forms::SCHED_SWITCH.name && contains(fields, b" ==> "))
    {
        return event_of_fields(name, &raw).map(|event| Parsed { event, whole: true });
    }
    let Ok((form, values, rest)) = event.read(fields) else { return Err(wrong) };
    let meant = meaning(event, form, &values).ok_or(wrong)?;
    let whole = rest.is_empty() && ends(event, form, &values);
    Ok(Parsed { event: meant, whole })
}

/// The event of a name. Most lines of a log are of a few events, so these are asked for first.
fn lookup(name: &[u8]) -> Option<&'static EventForms> {
    // The names differ in length, but for some that differ in their tenth byte.
    match name {
        b"sched_wakeup" | b"kvm_halt_poll_ns" | b"sched_waking" => None,
        b"kvm_entry" => Some(forms::ENTRY),
        b"kvm_exit" => Some(forms::EXIT),
        b"sched_switch" => Some(forms::SCHED_SWITCH),
        _ => forms::forms_of(name),
    }
}

/// Whether the end of a completion's line, `be,0,4 [-5]`, has an error.
fn has_error(text: &[u8]) -> bool {
    let inside = text.strip_suffix(b"]").and_then(|text| text.rsplit(|&byte| byte == b'[').next());
    // Where it is no number it is the name of a command, as at other events of requests.
    let error =
        inside.and_then(|text| std::str::from_utf8(text.trim_ascii()).ok()?.parse::<i64>().ok());
    error.is_some_and(|error| error != 0)
}

/// The event with these values; nothing inside nothing for a value out of range.
fn meaning(event: &EventForms, form: usize, v: &Values<'_>) -> Option<Option<KernelEvent>> {
    let number = |at: usize| v[at].number();
    let text = |at: usize| match v[at] {
        Value::Text(text) => text,
        Value::Number(_) => b"",
    };
    let small = |at: usize| u32::try_from(number(at)).ok();
    let byte = |at: usize| u8::try_from(number(at)).ok();
    let (gva, gfn) = (Gva(number(0)), Gfn(number(1)));
    let meant = match event.name {
        "kvm_try_async_get_page" if form == 1 => KernelEvent::Lookup { pfn: number(0) },
        "kvm_try_async_get_page" => KernelEvent::Try { gva, gfn },
        "kvm_async_pf_repeated_fault" => KernelEvent::RepeatedFault { gva, gfn, old_name: false },
        "kvm_async_pf_doublefault" => KernelEvent::RepeatedFault { gva, gfn, old_name: true },
        "kvm_async_pf_not_present" => {
            KernelEvent::NotPresent { token: Token(small(0)?), gva: Gva(number(1)) }
        }
        "kvm_async_pf_ready" => KernelEvent::Ready { token: Token(small(0)?), gva: Gva(number(1)) },
        "kvm_async_pf_completed" => {
            KernelEvent::Completed { gva, address: Hva(number(1)), with_pfn: form > 0 }
        }
        "kvm_send_async_pf" => KernelEvent::SendAsyncPf {
            token: Token(small(0)?),
            gva: Gva(number(1)),
            not_present: text(2).starts_with(b"not"),
        },
        "kvm_inj_exception" => KernelEvent::InjException {
            vector: vector_of(text(0))?,
            error_code: if form < 2 { Some(small(1)?) } else { None },
            reinjected: again(text(if form < 2 { 2 } else { 1 }))?,
        },
        // INT n of the guest, which no interrupt controller sends.
        "kvm_inj_virq" if form == 3 => return again(text(1)).map(|_| None),
        "kvm_inj_virq" => KernelEvent::InjVirq { vector: byte(0)?, reinjected: again(text(1))? },
        // Arm prints no vCPU, and has no asynchronous faults.
        "kvm_entry" if form == 2 => return Some(None),
        "kvm_exit" if form == 5 || form == 6 => return Some(None),
        "kvm_page_fault" if form > 1 => return Some(None),
        "kvm_entry" => KernelEvent::Entry { vcpu: small(0)? },
        "kvm_exit" => {
            let old = form == 2 || form == 4;
            let reason = exits::by_name(text(usize::from(!old)));
            KernelEvent::Exit { vcpu: if old { None } else { Some(small(0)?) }, reason }
        }
        "kvm_page_fault" => {
            let at = if form == 0 { 2 } else { 0 };
            KernelEvent::PageFault { address: Gva(number(at)), error_code: number(at + 1) }
        }
        "kvm_msr" => KernelEvent::Msr {
            write: text(0) == b"write",
            ecx: small(1)?,
            data: number(2),
            failed: suffix(text(3), b"(#GP)")?,
        },
        "kvm_apic_accept_irq" => KernelEvent::AcceptIrq { vector: byte(1)? },
        "kvm_apicv_accept_irq" => KernelEvent::AcceptPosted { vector: byte(1)? },
        "kvm_eoi" => KernelEvent::Eoi { vector: byte(1)? },
        "kvm_hypercall" => KernelEvent::Hypercall { nr: number(0), target: number(2) },
        "kvm_vcpu_wakeup" => KernelEvent::VcpuWakeup { ns: number(1), slept: text(0) == b"wait" },
        "sched_switch" => KernelEvent::SchedSwitch {
            prev: small(1)?,
            sleeps: !text(3).starts_with(b"R"),
            next: small(5)?,
        },
        "block_rq_issue" => KernelEvent::BlockIssue {
            read: text(2).starts_with(b"R"),
            at: (device(small(0)?, small(1)?), number(5)),
            sectors: moved_sectors(text(2), small(6)?),
        },
        "block_rq_complete" => {
            let at = (device(small(0)?, small(1)?), number(4));
            KernelEvent::BlockComplete { at, failed: has_error(text(6)) }
        }
        "workqueue_queue_work" | "workqueue_execute_start" | "workqueue_execute_end" => {
            if !text(1).starts_with(WORKER_FUNCTION) {
                return Some(None);
            }
            let work = number(0);
            match event.name {
                "workqueue_queue_work" => KernelEvent::QueueWork { work },
                "workqueue_execute_start" => KernelEvent::ExecuteStart { work },
                _ => KernelEvent::ExecuteEnd { work },
            }
        }
        "kvm_s390_pfault_init" => KernelEvent::PfaultInit { token: signed(text(3))? },
        "kvm_s390_pfault_done" => KernelEvent::PfaultDone { token: signed(text(3))? },
        _ => return Some(None),
    };
    Some(Some(meant))
}

/// Whether a text field at the end of a form has taken no more than belongs to it.
fn ends(event: &EventForms, form: usize, values: &Values<'_>) -> bool {
    if !event.forms[form].template.ends_with("{s}") {
        return true;
    }
    let last = values.iter().rev().find_map(|value| match value {
        Value::Text(text) => Some(*text),
        Value::Number(_) => None,
    });
    let text = last.unwrap_or(b"").trim_ascii();
    !text.contains(&b' ') || text.ends_with(b"]")
}

/// Whether a text is the mark that an event happens once more; nothing if it is something else.
fn again(text: &[u8]) -> Option<bool> {
    suffix(text, b"[reinjected]")
}

/// Whether a text at the end of an event is this one, or missing; nothing if it is another.
fn suffix(text: &[u8], known: &[u8]) -> Option<bool> {
    match text.trim_ascii() {
        b"" => Some(false),
        text => (text == known).then_some(true),
    }
}

fn signed(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?;
    text.parse().ok().or_else(|| text.parse::<i64>().ok().map(i64::cast_unsigned))
}

/// A switch as perf and trace-cmd print it: `comm:12 [120] S ==> comm:34 [120]`. The name of a thread
/// may have colons and brackets itself.
fn short_switch(fields: &[u8]) -> Option<KernelEvent> {
    if fields.starts_with(b"prev_comm=") {
        return None;
    }
    let text = str::from_utf8(fields).ok()?;
    let (before, after) = text.rsplit_once(" ==> ")?;
    let pid = |side: &str| side.rsplit_once(':')?.1.trim().parse().ok();
    let (prev, rest) = before.rsplit_once(" [")?;
    let (_, state) = rest.split_once("] ")?;
    let (next, _) = after.rsplit_once(" [")?;
    let sleeps = !state.starts_with('R');
    Some(KernelEvent::SchedSwitch { prev: pid(prev)?, sleeps, next: pid(next)? })
}

const fn device(major: u32, minor: u32) -> u32 {
    (major << 20) | (minor & 0xf_ffff)
}

/// The vector of an exception's name, or of the number of one that the kernel has no name for.
fn vector_of(name: &[u8]) -> Option<u8> {
    let known = |known: &&str| !known.is_empty() && known.as_bytes() == name;
    if let Some(place) = forms::EXCEPTIONS.iter().position(known) {
        return u8::try_from(place).ok();
    }
    let digits = str::from_utf8(name).ok()?.strip_prefix("0x")?;
    u8::from_str_radix(digits, 16).ok()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::super::event::KernelExit;
    use super::*;

    fn parsed(name: &str, fields: &str) -> Option<KernelEvent> {
        parse_event(name.as_bytes(), fields.as_bytes()).expect(fields)
    }

    #[test]
    fn events_of_several_kernels() {
        let pf = |error_code, reinjected| KernelEvent::InjException {
            vector: 14,
            error_code,
            reinjected,
        };
        let cases = [
            (
                "kvm_try_async_get_page",
                "gva = 0x2bdc000, gfn = 0x2bdc",
                KernelEvent::Try { gva: Gva(0x2bd_c000), gfn: Gfn(0x2bdc) },
            ),
            (
                "kvm_async_pf_doublefault",
                "gva = 0x1000, gfn = 0x1",
                KernelEvent::RepeatedFault { gva: Gva(0x1000), gfn: Gfn(1), old_name: true },
            ),
            (
                "kvm_async_pf_ready",
                "token 0xffffffff gva 0x0",
                KernelEvent::Ready { token: Token::WAKE_ALL, gva: Gva(0) },
            ),
            (
                "kvm_async_pf_ready",
                "token 0xffffffff gva 0",
                KernelEvent::Ready { token: Token::WAKE_ALL, gva: Gva(0) },
            ),
            (
                "kvm_async_pf_completed",
                "gva 0x1000 address 0x7f10 pfn 0x33",
                KernelEvent::Completed { gva: Gva(0x1000), address: Hva(0x7f10), with_pfn: true },
            ),
            ("kvm_inj_exception", "#PF (0x0)", pf(Some(0), false)),
            ("kvm_inj_exception", "#PF (0x0) [reinjected]", pf(Some(0), true)),
            (
                "kvm_inj_exception",
                "#UD",
                KernelEvent::InjException { vector: 6, error_code: None, reinjected: false },
            ),
            (
                "kvm_exit",
                "reason EPT_VIOLATION rip 0xfffff802987d6169 info 181 0",
                KernelEvent::Exit { vcpu: None, reason: KernelExit::NestedFault },
            ),
            (
                "kvm_exit",
                "vcpu 3 reason EPT_VIOLATION rip 0x1 info1 0x0000000000000181 info2 0x0000000080000301 intr_info 0x00000000 error_code 0x00000000 requests 0x0000000000000000",
                KernelEvent::Exit { vcpu: Some(3), reason: KernelExit::NestedFault },
            ),
            (
                "kvm_exit",
                "reason EXTERNAL_INTERRUPT rip 0xffffffff81036706 info1 0",
                KernelEvent::Exit { vcpu: None, reason: KernelExit::Interrupt },
            ),
            ("kvm_entry", "vcpu 0 rip 0xffffffff815cf36e", KernelEvent::Entry { vcpu: 0 }),
            (
                "kvm_nested_vmexit",
                "vcpu 0 reason EPT_VIOLATION rip 0x1 info1 0x0000000000000181",
                KernelEvent::Nested,
            ),
            (
                "kvm_apicv_accept_irq",
                "apicid 0 vec 236 (Fixed|edge)",
                KernelEvent::AcceptPosted { vector: 236 },
            ),
            ("kvm_inj_virq", "IRQ 0xf3", KernelEvent::InjVirq { vector: 0xf3, reinjected: false }),
            ("kvm_inj_virq", "irq 243", KernelEvent::InjVirq { vector: 0xf3, reinjected: false }),
            ("kvm_entry", "vcpu 0", KernelEvent::Entry { vcpu: 0 }),
            ("kvm_entry", "vcpu 0, rip 0x402aff", KernelEvent::Entry { vcpu: 0 }),
            (
                "kvm_entry",
                "vcpu 2, rip 0x1 intr_info 0x00000000 error_code 0x00000000",
                KernelEvent::Entry { vcpu: 2 },
            ),
            (
                "kvm_exit",
                "reason EPT_VIOLATION rip 0xffffffff info 182 0",
                KernelEvent::Exit { vcpu: None, reason: KernelExit::NestedFault },
            ),
            (
                "kvm_page_fault",
                "address 8322000 error_code 6",
                KernelEvent::PageFault { address: Gva(0x832_2000), error_code: 6 },
            ),
            (
                "kvm_msr",
                "msr_write 4b564d07 = 0x1",
                KernelEvent::Msr { write: true, ecx: 0x4b56_4d07, data: 1, failed: false },
            ),
            (
                "kvm_msr",
                "msr_write 4b564d02 = 0x31 (#GP)",
                KernelEvent::Msr { write: true, ecx: 0x4b56_4d02, data: 0x31, failed: true },
            ),
            (
                "sched_switch",
                "prev_comm=CPU 0/KVM prev_pid=301 prev_prio=120 prev_state=D ==> next_comm=swapper/0 next_pid=0 next_prio=120",
                KernelEvent::SchedSwitch { prev: 301, sleeps: true, next: 0 },
            ),
            (
                "sched_switch",
                "vcpu0:301 [120] R ==> swapper/0:0 [120]",
                KernelEvent::SchedSwitch { prev: 301, sleeps: false, next: 0 },
            ),
            (
                "sched_switch",
                "CPU 0/KVM:301 [120] S ==> kworker/1:3:208 [120]",
                KernelEvent::SchedSwitch { prev: 301, sleeps: true, next: 208 },
            ),
            (
                "workqueue_queue_work",
                "work struct=00000000bc667218 function=async_pf_execute [kvm] workqueue=events req_cpu=8192 cpu=0",
                KernelEvent::QueueWork { work: 0xbc66_7218 },
            ),
            (
                "block_rq_issue",
                "254,0 R 4096 () 1141328 + 8 be,0,4 [vcpu0]",
                KernelEvent::BlockIssue { read: true, at: (device(254, 0), 1_141_328), sectors: 8 },
            ),
            (
                "block_rq_complete",
                "254,0 R () 1141328 + 8 [0]",
                KernelEvent::BlockComplete { at: (device(254, 0), 1_141_328), failed: false },
            ),
            (
                "block_rq_complete",
                "254,0 R () 1141328 + 8 be,0,4 [-5]",
                KernelEvent::BlockComplete { at: (device(254, 0), 1_141_328), failed: true },
            ),
            (
                "block_rq_issue",
                "254,0 DS 4096 () 1141328 + 8 [kworker/0:1H]",
                KernelEvent::BlockIssue {
                    read: false,
                    at: (device(254, 0), 1_141_328),
                    sectors: 0,
                },
            ),
            (
                "block_rq_issue",
                "254,0 FWFS 4096 () 1141328 + 8 [fio]",
                KernelEvent::BlockIssue {
                    read: false,
                    at: (device(254, 0), 1_141_328),
                    sectors: 8,
                },
            ),
            (
                "kvm_vcpu_wakeup",
                "wait time 496822 ns, polling valid",
                KernelEvent::VcpuWakeup { ns: 496_822, slept: true },
            ),
        ];
        for (name, fields, expected) in cases {
            assert_eq!(parsed(name, fields), Some(expected), "{name}: {fields}");
            assert_eq!(expected.name(), name);
        }
        assert_eq!(
            parsed("workqueue_execute_start", "work struct 0000000012ab: function wq_barrier_func"),
            None
        );
        assert_eq!(parsed("kvm_fpu", "load"), None);
        // Arm's events of these names, and a page fault of another kernel.
        assert_eq!(parsed("kvm_entry", "PC: 0xffff8000100e4a38"), None);
        assert_eq!(
            parsed("kvm_exit", "TRAP: HSR_EC: 0x0024 (DABT_LOW), PC: 0xffff80001065b4d8"),
            None
        );
        assert_eq!(parsed("kvm_page_fault", "gfn=12 error_code=4"), None);
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for (name, fields) in [
            ("kvm_async_pf_ready", "token 0x1ffffffff gva 0x0"),
            ("kvm_async_pf_ready", "token 0x1000 gva"),
            ("kvm_async_pf_ready", ""),
            ("kvm_inj_virq", "IRQ 0x1f3"),
            ("kvm_entry", "vcpu 99999999999999999999999"),
        ] {
            assert!(parse_event(name.as_bytes(), fields.as_bytes()).is_err(), "{name}: {fields}");
        }
    }
}
