//! From the fields of an event, by name, to its meaning.
//!
//! Binary files have the fields themselves, and their formats say where. Programs that cannot
//! follow the print format of an event print its fields, too: libtraceevent marks them
//! `[FAILED TO PARSE]`, and `trace-cmd report -R` and tracefs with the option `fields` do so on
//! demand. All of them come here, so that no print format stands between.

use super::event::{EventError, KernelEvent};
use super::exits;
use super::forms::{self, WORKER_FUNCTION};
use crate::base::ids::{Gfn, Gva, Hva, Token};

/// The fields of an event by their names.
pub trait Fields {
    /// A field that is a number; nothing if there is none of that name, or it is no number.
    fn number(&self, name: &str) -> Option<u64>;

    /// The same of a field that some programs print as hexadecimal digits without `0x`. Nothing if
    /// it cannot be said which number it is.
    fn hexadecimal(&self, name: &str) -> Option<u64> {
        self.number(name)
    }

    /// A field that is text: an array of characters, or the symbol of an address.
    fn text(&self, name: &str) -> Option<&[u8]>;
}

/// Bits of the state of a thread that leaves the processor which say that it sleeps; above them is
/// the mark of a preempted one. (`TASK_REPORT` of all kernels, less the bits of the freezer.)
const SLEEPS: u64 = 0xff;

/// The event with these fields. Nothing for events that nothing is concluded from.
///
/// # Errors
/// When a field is missing, or out of range.
pub fn event_of_fields(
    name: &[u8],
    fields: &impl Fields,
) -> Result<Option<KernelEvent>, EventError> {
    let Some(event) = forms::forms_of(name) else {
        return Ok(name.starts_with(b"kvm_nested_").then_some(KernelEvent::Nested));
    };
    // Arm's events of these names.
    if fields.number("vcpu_pc").is_some() {
        return Ok(None);
    }
    let meant = match event.system {
        "kvm" => of_kvm(event.name, fields),
        "sched" => switch(fields).map(Some),
        "block" => block(event.name, fields).map(Some),
        _ => work(event.name, fields),
    };
    meant.ok_or(EventError::Fields(event.name))
}

fn of_kvm(name: &str, f: &impl Fields) -> Option<Option<KernelEvent>> {
    use KernelEvent as E;
    let number = |name: &str| f.number(name);
    let flag = |name: &str| f.number(name).unwrap_or(0) != 0;
    let gva = || number("gva").map(Gva);
    let token = || number("token").and_then(|token| u32::try_from(token).ok()).map(Token);
    let vector = |name: &str| number(name).and_then(|vector| u8::try_from(vector).ok());
    let small = |name: &str| number(name).and_then(|number| u32::try_from(number).ok());
    let meant = match name {
        "kvm_try_async_get_page" if number("gfn").is_none() => E::Lookup { pfn: number("pfn")? },
        "kvm_try_async_get_page" => E::Try { gva: gva()?, gfn: Gfn(number("gfn")?) },
        "kvm_async_pf_repeated_fault" | "kvm_async_pf_doublefault" => {
            let old_name = name == "kvm_async_pf_doublefault";
            E::RepeatedFault { gva: gva()?, gfn: Gfn(number("gfn")?), old_name }
        }
        "kvm_async_pf_not_present" => E::NotPresent { token: token()?, gva: gva()? },
        "kvm_async_pf_ready" => E::Ready { token: token()?, gva: gva()? },
        "kvm_async_pf_completed" => {
            let with_pfn = number("pfn").is_some();
            E::Completed { gva: gva()?, address: Hva(number("address")?), with_pfn }
        }
        "kvm_inj_exception" => {
            let has_error = number("has_error")? != 0;
            let error_code = if has_error { Some(small("error_code")?) } else { None };
            let reinjected = flag("reinjected");
            E::InjException { vector: vector("exception")?, error_code, reinjected }
        }
        // INT n of the guest, which no interrupt controller sends.
        "kvm_inj_virq" if flag("soft") => return Some(None),
        "kvm_inj_virq" => {
            let vector = vector("vector").or_else(|| vector("irq"))?;
            E::InjVirq { vector, reinjected: flag("reinjected") }
        }
        "kvm_entry" => E::Entry { vcpu: small("vcpu_id")? },
        "kvm_exit" => {
            let reason = exits::by_number(number("exit_reason")?, number("isa"));
            E::Exit { vcpu: small("vcpu_id"), reason }
        }
        // Other kinds of processors have other fields under this name.
        "kvm_page_fault" if f.hexadecimal("fault_address").is_none() => {
            return number("fault_address").is_none().then_some(None);
        }
        "kvm_page_fault" => E::PageFault {
            address: Gva(f.hexadecimal("fault_address")?),
            error_code: f.hexadecimal("error_code")?,
        },
        "kvm_msr" => E::Msr {
            write: number("write")? != 0,
            ecx: u32::try_from(f.hexadecimal("ecx")?).ok()?,
            data: number("data")?,
            failed: flag("exception"),
        },
        "kvm_apic_accept_irq" => E::AcceptIrq { vector: vector("vec")? },
        "kvm_apicv_accept_irq" => E::AcceptPosted { vector: vector("vec")? },
        "kvm_eoi" => E::Eoi { vector: vector("vector")? },
        "kvm_hypercall" => E::Hypercall { nr: number("nr")?, target: number("a1")? },
        "kvm_vcpu_wakeup" => E::VcpuWakeup { ns: number("ns")?, slept: flag("waited") },
        "kvm_s390_pfault_init" => E::PfaultInit { token: number("pfault_token")? },
        "kvm_s390_pfault_done" => E::PfaultDone { token: number("pfault_token")? },
        // The series of 2010 prints more than its fields are named for.
        _ => return None,
    };
    Some(Some(meant))
}

fn switch(f: &impl Fields) -> Option<KernelEvent> {
    let pid = |name: &str| f.number(name).and_then(|pid| u32::try_from(pid).ok());
    let sleeps = match (f.number("prev_state"), f.text("prev_state")) {
        (Some(state), _) => state & SLEEPS != 0,
        (None, Some(state)) => !state.starts_with(b"R"),
        (None, None) => return None,
    };
    Some(KernelEvent::SchedSwitch { prev: pid("prev_pid")?, sleeps, next: pid("next_pid")? })
}

/// Sectors whose data a request moves: a discard (`D`), a secure erase (`DE`), a flush (`FF`) and what has
/// no letter (`N`) move none. An `F` in front asks for a flush before it.
pub(super) fn moved_sectors(rwbs: &[u8], sectors: u32) -> u32 {
    let moves = matches!(rwbs.strip_prefix(b"F").unwrap_or(rwbs), [b'R' | b'W', ..]);
    if moves { sectors } else { 0 }
}

fn block(name: &str, f: &impl Fields) -> Option<KernelEvent> {
    let device = u32::try_from(f.number("dev")?).ok()?;
    let at = (device, f.number("sector")?);
    if name == forms::BLOCK_RQ_COMPLETE.name {
        // Older kernels call it `errors`.
        let failed = f.number("error").or(f.number("errors")).is_some_and(|error| error != 0);
        return Some(KernelEvent::BlockComplete { at, failed });
    }
    let rwbs = f.text("rwbs")?;
    let sectors = moved_sectors(rwbs, u32::try_from(f.number("nr_sector")?).ok()?);
    Some(KernelEvent::BlockIssue { read: rwbs.starts_with(b"R"), at, sectors })
}

fn work(name: &str, f: &impl Fields) -> Option<Option<KernelEvent>> {
    // Kernels before 5.6 do not say whose the work is that ends.
    if name == forms::EXECUTE_END.name && f.text("function").is_none() {
        return Some(None);
    }
    if !f.text("function")?.starts_with(WORKER_FUNCTION) {
        return Some(None);
    }
    let work = f.number("work")?;
    Some(Some(match name {
        "workqueue_queue_work" => KernelEvent::QueueWork { work },
        "workqueue_execute_start" => KernelEvent::ExecuteStart { work },
        _ => KernelEvent::ExecuteEnd { work },
    }))
}

/// Fields as a program prints them: `exception=14 has_error=1 error_code=0x0 (0)`.
#[derive(Clone, Copy, Debug)]
pub struct RawText<'a>(&'a [u8]);

impl<'a> RawText<'a> {
    /// The fields, if the text is a list of them.
    pub fn of(text: &'a [u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let marked = text.strip_prefix(b"[FAILED TO PARSE]").map(<[u8]>::trim_ascii);
        let text = marked.unwrap_or(text);
        name_at(text).map(|_| Self(text))
    }

    fn value(self, name: &str) -> Option<&'a [u8]> {
        let mut rest = self.0;
        loop {
            let (found, after) = name_at(rest)?;
            let end = next_name(after);
            if found == name.as_bytes() {
                return Some(after[..end].trim_ascii());
            }
            rest = after[end..].trim_ascii_start();
        }
    }
}

/// The name of the field that a text begins with, and what follows its `=`.
fn name_at(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let end = text.iter().position(|&b| !plain(b))?;
    (end > 0 && text[end] == b'=').then(|| (&text[..end], &text[end + 1..]))
}

/// Where the next field begins: names of threads have spaces, too.
fn next_name(text: &[u8]) -> usize {
    let mut from = 0;
    while let Some(space) = text[from..].iter().position(|&b| b == b' ') {
        let at = from + space;
        if name_at(&text[at + 1..]).is_some() {
            return at;
        }
        from = at + 1;
    }
    text.len()
}

/// A value without what tracefs prints behind it in parentheses.
fn first_word(value: &[u8]) -> Option<&str> {
    let word = value.split(|&b| b == b' ' || b == b',').next()?;
    str::from_utf8(word).ok()
}

impl Fields for RawText<'_> {
    fn number(&self, name: &str) -> Option<u64> {
        let word = first_word(self.value(name)?)?;
        match word.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None if word.starts_with('-') => word.parse::<i64>().ok().map(i64::cast_unsigned),
            None => word.parse().ok(),
        }
    }

    fn hexadecimal(&self, name: &str) -> Option<u64> {
        let word = first_word(self.value(name)?)?;
        if let Some(digits) = word.strip_prefix("0x") {
            return u64::from_str_radix(digits, 16).ok();
        }
        let (decimal, hexadecimal) = (word.parse::<u64>(), u64::from_str_radix(word, 16));
        match (decimal, hexadecimal) {
            (Ok(one), Ok(other)) if one == other => Some(one),
            // Registers have 32 bits: what is more as hexadecimal is none.
            (Ok(one), Ok(other)) if name == "ecx" && other > u64::from(u32::MAX) => Some(one),
            // Newer libtraceevent takes the base from the print format, which has no `0x` here.
            (Ok(_), Ok(other)) if name == "ecx" => Some(other),
            (Err(_), Ok(other)) => Some(other),
            _ => None,
        }
    }

    fn text(&self, name: &str) -> Option<&[u8]> {
        self.value(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(name: &str, text: &str) -> Result<Option<KernelEvent>, EventError> {
        let fields = RawText::of(text.as_bytes()).expect(text);
        event_of_fields(name.as_bytes(), &fields)
    }

    #[test]
    fn fields_of_programs_that_print_them() {
        use KernelEvent as E;
        let pf = E::InjException { vector: 14, error_code: Some(0), reinjected: false };
        let wrote = |ecx| E::Msr { write: true, ecx, data: 1, failed: false };
        for (name, text, expected) in [
            (
                "kvm_inj_exception",
                "[FAILED TO PARSE] exception=14 has_error=1 error_code=0 reinjected=0",
                pf,
            ),
            ("kvm_inj_exception", " exception=14 has_error=1 error_code=0x0 reinjected=0", pf),
            (
                "kvm_inj_exception",
                "exception=0xe (14) has_error=0x1 (1) error_code=0x0 (0) reinjected=0x0 (0)",
                pf,
            ),
            (
                "kvm_inj_exception",
                "exception=6 has_error=0 error_code=7 reinjected=1",
                E::InjException { vector: 6, error_code: None, reinjected: true },
            ),
            ("kvm_msr", "write=1 ecx=4b564d07 data=0x1 exception=0", wrote(0x4b56_4d07)),
            ("kvm_msr", "write=1 ecx=1263947015 data=1 exception=0", wrote(0x4b56_4d07)),
            ("kvm_msr", "write=1 ecx=832 data=1 exception=0", wrote(0x832)),
            (
                "kvm_exit",
                "exit_reason=1024 guest_rip=0x401d85 isa=2 info1=0x182 info2=0 vcpu_id=3",
                E::Exit { vcpu: Some(3), reason: crate::trace::kernel::KernelExit::NestedFault },
            ),
            (
                "sched_switch",
                "prev_comm=CPU 0/KVM prev_pid=301 prev_prio=120 prev_state=256 next_comm=a=b c next_pid=18 next_prio=120",
                E::SchedSwitch { prev: 301, sleeps: false, next: 18 },
            ),
            (
                "sched_switch",
                "prev_comm=x prev_pid=1 prev_prio=120 prev_state=1026 next_comm=y next_pid=2 next_prio=0",
                E::SchedSwitch { prev: 1, sleeps: true, next: 2 },
            ),
            (
                "block_rq_issue",
                "dev=266338304 sector=1141328 nr_sector=8 bytes=4096 ioprio=16388 rwbs=R comm=vcpu0 cmd=",
                E::BlockIssue { read: true, at: (254 << 20, 1_141_328), sectors: 8 },
            ),
            (
                "workqueue_execute_start",
                "work=0xffff8880bc667218 function=async_pf_execute",
                E::ExecuteStart { work: 0xffff_8880_bc66_7218 },
            ),
        ] {
            assert_eq!(raw(name, text), Ok(Some(expected)), "{name}: {text}");
        }
    }

    #[test]
    fn what_is_missing_or_may_mean_two_things_is_refused() {
        for (name, text) in [
            ("kvm_inj_exception", "has_error=1 error_code=0"),
            ("kvm_inj_exception", "exception=14 has_error=1"),
            ("kvm_inj_exception", "exception=300 has_error=0"),
            // Decimal by one version of libtraceevent, hexadecimal by another.
            ("kvm_page_fault", "fault_address=5000000 error_code=182"),
            ("kvm_msr", "write=1 data=1"),
            ("workqueue_execute_start", "work=0xffff8880bc667218"),
        ] {
            assert!(raw(name, text).is_err(), "{name}: {text}");
        }
        assert!(RawText::of(b"#PF (0x0)").is_none());
        assert!(RawText::of(b"gva = 0x5000, gfn = 0x5").is_none());
        assert!(RawText::of(b"").is_none());
    }
}
