//! From the text of an event to the fields of its record.

use models::trace::kernel::{Value, forms_of};

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datum<'a> {
    /// A number of any size.
    Number(u64),
    /// A text.
    Text(&'a [u8]),
}

use Datum::{Number, Text};

type Fields<'a> = Vec<(&'static str, Datum<'a>)>;

/// Numbers of exits on AMD (arch/x86/include/uapi/asm/svm.h, 6.12).
const EXITS: [(&[u8], u64); 9] = [
    (b"PF excp", 0x4e),
    (b"npf", 0x400),
    (b"interrupt", 0x60),
    (b"vintr", 0x64),
    (b"rsm", 0x73),
    (b"pause", 0x77),
    (b"hlt", 0x78),
    (b"msr", 0x7c),
    (b"vmmcall", 0x81),
];
/// `isa` of an exit on AMD (arch/x86/kvm/trace.h).
const SVM: u64 = 2;
/// #PF, and the only exception that is injected with a name that matters.
const EXCEPTIONS: [(&[u8], u64); 3] = [(b"#PF", 14), (b"#GP", 13), (b"#DF", 8)];
/// States of a thread (include/linux/sched.h): what it sleeps in.
const STATES: [(&[u8], u64); 4] = [(b"R", 0), (b"S", 1), (b"D", 2), (b"I", 0x80)];
/// Best effort, level 4, as `be,0,4` is stored.
const IO_PRIORITY: u64 = 2 << 13 | 4;
/// Where the function of work items lies, as the symbols of the file say.
const WORKER_FUNCTION: u64 = 0xffff_ffff_c0a1_b000;
/// Flags of a wait for a lock (include/trace/events/lock.h).
const LOCK_FLAGS: [(&[u8], u64); 6] = [
    (b"SPIN", 1 << 0),
    (b"READ", 1 << 1),
    (b"WRITE", 1 << 2),
    (b"RT", 1 << 3),
    (b"PERCPU", 1 << 4),
    (b"MUTEX", 1 << 5),
];
/// Where functions lie that are probed, or that probed ones return to, as the symbols of the file say.
const VFS_READ: u64 = 0xffff_ffff_8143_0000;
const HANDLE_USERFAULT: u64 = 0xffff_ffff_8150_0000;
const USERFAULTFD_READ_ITER: u64 = 0xffff_ffff_8150_1000;
const USERFAULTFD_IOCTL: u64 = 0xffff_ffff_8150_2000;
const MFILL_ATOMIC_COPY: u64 = 0xffff_ffff_8155_0000;
/// Where the kernel's direct map may begin: hashed addresses become ones of it.
const DIRECT_MAP: u64 = 0xffff_8880_0000_0000;

/// The fields of an event by its name, from its text. None of an event that has no layout here.
pub(super) fn values<'a>(name: &[u8], text: &'a [u8]) -> Option<Fields<'a>> {
    let Some(forms) = forms_of(name) else { return beside(name, text) };
    let (form, values, _) = forms.read(text.trim_ascii()).ok()?;
    let number = |at: usize| Number(values[at].number());
    let text = |at: usize| match values[at] {
        Value::Text(text) => text,
        Value::Number(_) => b"".as_slice(),
    };
    let device = || Number(values[0].number() << 20 | values[1].number());
    let work = || ("work", Number(DIRECT_MAP | values[0].number()));
    let function = ("function", Number(WORKER_FUNCTION));
    let again = |at: usize| ("reinjected", Number((!text(at).is_empty()).into()));
    // Other forms are those of other kernels.
    let newest = form == 0;
    let fields: Fields<'a> = match forms.name {
        "kvm_entry" if newest => {
            vec![("vcpu_id", number(0)), ("rip", number(1)), ("immediate_exit", Number(0))]
        }
        "kvm_exit" if newest => vec![
            ("vcpu_id", number(0)),
            ("exit_reason", Number(known(&EXITS, text(1))?)),
            ("guest_rip", number(2)),
            ("isa", Number(SVM)),
            ("info1", number(3)),
            ("info2", number(4)),
            ("intr_info", number(5)),
            ("error_code", number(6)),
        ],
        "kvm_page_fault" if newest => vec![
            ("vcpu_id", number(0)),
            ("guest_rip", number(1)),
            ("fault_address", number(2)),
            ("error_code", number(3)),
        ],
        "kvm_inj_exception" => {
            let (coded, again) = if newest { (1, again(2)) } else { (0, again(1)) };
            let code = if newest { number(1) } else { Number(0) };
            let vector = Number(known(&EXCEPTIONS, text(0))?);
            vec![("exception", vector), ("has_error", Number(coded)), ("error_code", code), again]
        }
        "kvm_inj_virq" if newest => {
            vec![("vector", number(0)), ("soft", Number(0)), again(1)]
        }
        "kvm_try_async_get_page" | "kvm_async_pf_repeated_fault" if newest => {
            vec![("gva", number(0)), ("gfn", number(1))]
        }
        "kvm_async_pf_not_present" | "kvm_async_pf_ready" => {
            vec![("token", number(0)), ("gva", number(1))]
        }
        "kvm_async_pf_completed" if newest => {
            vec![("gva", number(0)), ("address", number(1))]
        }
        "kvm_apic_accept_irq" => {
            vec![("apicid", number(0)), ("vec", number(1)), ("dm", Number(0)), ("tm", Number(0))]
        }
        "kvm_msr" => vec![
            ("write", Number((text(0) == b"write").into())),
            ("ecx", number(1)),
            ("data", number(2)),
            ("exception", Number((!text(3).is_empty()).into())),
        ],
        "kvm_vcpu_wakeup" if newest => vec![
            ("ns", number(1)),
            ("waited", Number((text(0) == b"wait").into())),
            ("valid", Number((text(2) == b"valid").into())),
        ],
        "sched_switch" => vec![
            ("prev_comm", Text(text(0))),
            ("prev_pid", number(1)),
            ("prev_prio", number(2)),
            ("prev_state", Number(known(&STATES, text(3))?)),
            ("next_comm", Text(text(4))),
            ("next_pid", number(5)),
            ("next_prio", number(6)),
        ],
        "block_rq_issue" if newest => vec![
            ("dev", device()),
            ("rwbs", Text(text(2))),
            ("bytes", number(3)),
            ("cmd", Text(text(4))),
            ("sector", number(5)),
            ("nr_sector", number(6)),
            ("ioprio", Number(IO_PRIORITY)),
            ("comm", Text(text(8))),
        ],
        "block_rq_complete" => vec![
            ("dev", device()),
            ("rwbs", Text(text(2))),
            ("cmd", Text(text(3))),
            ("sector", number(4)),
            ("nr_sector", number(5)),
            ("ioprio", Number(IO_PRIORITY)),
            ("error", Number(0)),
        ],
        "workqueue_queue_work" => vec![
            work(),
            function,
            ("workqueue", Text(text(2))),
            ("req_cpu", number(3)),
            ("cpu", number(4)),
        ],
        "workqueue_execute_start" | "workqueue_execute_end" => vec![work(), function],
        _ => return None,
    };
    Some(fields)
}

/// Events that nobody judges: waits for a lock, and probes of userfaultfd.
fn beside<'a>(name: &[u8], text: &'a [u8]) -> Option<Fields<'a>> {
    let text = str::from_utf8(text).ok()?.trim();
    let value = |key: &str| {
        let end = text.find(key)? + key.len();
        text[end..].split([' ', ')']).next()
    };
    let hex = |digits: &str| {
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        u64::from_str_radix(digits, 16).ok().map(Number)
    };
    let lock = || Some(("lock_addr", hex(text.split(' ').next()?)?));
    let returned = || Some(("ret", Number(value("ret=")?.parse::<i64>().ok()?.cast_unsigned())));
    let stands = |at| ("__probe_ip", Number(at));
    let returns = |from, to| {
        Some(vec![("__probe_func", Number(from)), ("__probe_ret_ip", Number(to)), returned()?])
    };
    match name {
        b"contention_begin" => {
            let flag = |name: &str| known(&LOCK_FLAGS, name.as_bytes());
            let flags = value("flags=")?.split('|').map(flag).sum::<Option<u64>>()?;
            Some(vec![lock()?, ("flags", Number(flags))])
        }
        b"contention_end" => Some(vec![lock()?, returned()?]),
        b"uffd_fault" => {
            let (addr, flags) = (hex(value("addr=")?)?, hex(value("flags=")?)?);
            Some(vec![stands(HANDLE_USERFAULT), ("addr", addr), ("flags", flags)])
        }
        b"uffd_copy" => Some(vec![stands(MFILL_ATOMIC_COPY), ("addr", hex(value("addr=")?)?)]),
        b"uffd_read" => returns(USERFAULTFD_READ_ITER, VFS_READ),
        b"uffd_copied" => returns(MFILL_ATOMIC_COPY, USERFAULTFD_IOCTL),
        _ => None,
    }
}

fn known(list: &[(&[u8], u64)], name: &[u8]) -> Option<u64> {
    list.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}
