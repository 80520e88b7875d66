//! Lines beside those of a real kernel.

use super::*;
use crate::base::abi::MSR_ASYNC_PF_ACK;
use crate::base::abi::PF_WRITE;
use crate::base::ids::{Gfn, Gpa, GuestPage, Hva, ItemId, Token, VmId};
use crate::trace::kernel::{Line, parse_event, split};

const V0: VcpuId = VcpuId(0);
const VCPU: Option<ThreadId> = Some(ThreadId(0));
const WORKER: Option<ThreadId> = Some(ThreadId(1));

/// The life of a fault under interrupt page ready, and a halt.
fn fault() -> Vec<Event> {
    let (vcpu, token, gva, gfn) = (V0, Token(0x1000), Gva(0xb6a_f000), Gfn(0xb6af));
    let (item, worker, request) = (ItemId(0), WorkerId(0), RequestId(3));
    let address = Hva(0x7f00_0b6a_f000);
    let pcpu = PcpuId(0);
    let switch = |prev, next| Event::HostSchedSwitch { pcpu, prev, next };
    let (op, slot, reason) = (IoKind::Read, SwapSlot(28_478), ExitReason::EptViolation);
    vec![
        Event::KvmExit { vcpu, reason },
        Event::KvmPageFault { vcpu, address: Gpa(gva.0), error_code: PF_WRITE.into(), cpl: 3 },
        Event::BlockRqIssue { request, op, slot, pages: 1 },
        Event::KvmTryAsyncGetPage { vcpu, gva, gfn },
        Event::KvmAsyncPfDoublefault { vcpu, gva, gfn },
        Event::KvmAsyncPfNotPresent { vcpu, token, gva },
        Event::ItemLink { vcpu, token, gfn },
        Event::WorkqueueQueueWork { item },
        switch(VCPU, WORKER),
        Event::WorkqueueExecuteStart { worker, item },
        switch(WORKER, VCPU),
        Event::KvmInjException { vcpu, vector: PAGE_FAULT, error_code: 0, cr2: 0x1000 },
        Event::KvmEntry { vcpu },
        Event::KvmExit { vcpu, reason: ExitReason::ExternalInterrupt },
        Event::BlockRqComplete { request },
        switch(VCPU, WORKER),
        Event::KvmAsyncPfCompleted { worker, vcpu, gva, address },
        Event::WorkqueueExecuteEnd { worker, item },
        switch(WORKER, VCPU),
        Event::KvmAsyncPfReady { vcpu, token, gva },
        Event::PageReadyQueued { vcpu, token },
        Event::KvmInjVirq { vcpu, vector: CALLBACK },
        Event::KvmEntry { vcpu },
        Event::KvmExit { vcpu, reason: ExitReason::MsrWrite },
        Event::KvmMsrWrite { vcpu, ecx: MSR_ASYNC_PF_ACK, data: 1 },
        Event::VcpuBlock { vcpu, reason: BlockReason::ApfHalt },
        switch(VCPU, None),
        switch(None, VCPU),
        Event::VcpuUnblock { vcpu, reason: BlockReason::ApfHalt },
    ]
}

fn written(events: &[Event]) -> String {
    let setting = Setting { vcpus: 1, handlers: 0, running: vec![VCPU], ready_by_interrupt: true };
    let mut writer = KernelWriter::new(setting);
    let mut out = Vec::new();
    for (at, &event) in events.iter().enumerate() {
        let time = SimTime::from_ps(61_431_178_000_000 + 1_500_000 * at as u64);
        writer.record(&Record { time, event }, &mut out);
    }
    String::from_utf8(out).expect("text")
}

/// A line with all numbers made equal, but for the lengths of those that are padded.
fn shape(line: &str) -> String {
    let (head, fields) = line.split_once(": ").expect("a time");
    let (thread, context) = head.split_once('[').expect("a processor");
    let words = fields.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let words = words.map(|word| {
        let number = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let end = &word[number.len()..];
        let digits = number.strip_prefix("0x").unwrap_or(number);
        let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        if !hex || !number.bytes().any(|b| b.is_ascii_digit()) {
            word.to_owned()
        } else if digits.len() >= 8 && !digits.starts_with("ffff") {
            format!("{}{end}", "#".repeat(digits.len()))
        } else {
            format!("#{end}")
        }
    });
    // `vcpu0-301` is a name and a number, `kworker/0:3-157` as well.
    let comm = thread.trim().trim_end_matches(|c: char| !c.is_alphabetic() && c != '>');
    let (flags, columns) = (&context[5..10], (thread.len(), head.len()));
    format!("{columns:?} {comm} {flags} {}", words.collect::<String>())
}

#[test]
fn lines_look_like_those_of_a_kernel() {
    // A line of each event, of a host that ran Linux 6.12.
    let real: Vec<_> = include_str!("../linux-6.12.txt").lines().map(shape).collect();
    let ours = written(&fault());
    for line in ours.lines() {
        assert!(real.contains(&shape(line)), "{line}\n{}\n{real:#?}", shape(line));
    }
    for real in &real {
        assert!(ours.lines().any(|line| shape(line) == *real), "{real}\n{ours}");
    }
}

#[test]
fn lines_are_read_back() {
    let text = written(&fault());
    for line in text.lines() {
        let Line::Event(header, fields) = split(line.as_bytes()) else { panic!("{line}") };
        assert!(matches!(parse_event(header.name, fields), Ok(Some(_))), "{line}");
    }
    let first = text.lines().next().expect("a line");
    assert!(first.ends_with(
        "kvm_exit: vcpu 0 reason npf rip 0x401d85 info1 0x0000000100000006 \
         info2 0x000000000b6af000 intr_info 0x00000000 error_code 0x00000000"
    ));
    // The last record tells the length of the halt, from VcpuBlock on.
    assert!(text.ends_with("kvm_vcpu_wakeup: wait time 4500 ns, polling valid\n"), "{text}");
}

#[test]
fn an_interrupt_instead_of_a_worker_completes_in_its_context() {
    let worker = WorkerId(u32::MAX - 1);
    let (gva, address) = (Gva(0x1000), Hva(0x7f00_0000_1000));
    let text = written(&[Event::KvmAsyncPfCompleted { worker, vcpu: V0, gva, address }]);
    assert!(text.starts_with("           vcpu0-1000    [000] d.h1.    61.431178: "), "{text}");
}

#[test]
fn a_vmm_that_ends_by_a_signal_is_printed_as_the_kernel_does() {
    let at = |us: u64, event| Record { time: SimTime::from_ps(us * 1_000_000), event };
    let (vcpu, pcpu) = (thread_of(V0), PcpuId(0));
    let setting = Setting { vcpus: 1, handlers: 0, running: vec![VCPU], ready_by_interrupt: true };
    let mut writer = KernelWriter::new(setting);
    let mut out = Vec::new();
    for record in [
        at(1, Event::SignalGenerate { vcpu: V0, gfn: Gfn(2) }),
        at(2, Event::VmmEnd { vm: VmId(0) }),
        at(3, Event::SchedProcessExit { vcpu: V0 }),
        at(4, Event::HostSchedSwitch { pcpu, prev: Some(vcpu), next: None }),
    ] {
        writer.record(&record, &mut out);
    }
    let text = String::from_utf8(out).expect("text");
    let fields: Vec<_> =
        text.lines().map(|line| line.split_once(": ").expect("a time").1).collect();
    assert_eq!(
        &fields[..2],
        [
            "signal_generate: sig=7 errno=0 code=4 comm=vcpu0 pid=1000 grp=0 res=0",
            "sched_process_exit: comm=vcpu0 pid=1000 prio=120",
        ]
    );
    assert!(fields[2].contains("prev_state=X"), "{text}");
}

#[test]
fn probes_of_userfaultfd_are_printed_as_the_kernels() {
    let page = |gfn| GuestPage::new(VmId(0), Gfn(gfn));
    let (vcpu, reader, worker) = (thread_of(V0), ThreadId(1), ThreadId(2));
    let at = |us: u64, event| Record { time: SimTime::from_ps(us * 1_000_000), event };
    let setting = Setting { vcpus: 1, handlers: 1, running: vec![VCPU], ready_by_interrupt: true };
    let mut writer = KernelWriter::new(setting);
    let mut out = Vec::new();
    let pcpu = PcpuId(0);
    for record in [
        at(1, Event::UffdLookup { thread: vcpu, page: page(2) }),
        at(2, Event::UffdMessage { thread: worker, page: page(2) }),
        at(3, Event::UffdMessage { thread: vcpu, page: page(3) }),
        at(4, Event::VcpuBlock { vcpu: V0, reason: BlockReason::Fetch }),
        at(5, Event::HostSchedSwitch { pcpu, prev: Some(vcpu), next: Some(reader) }),
        // One read takes both.
        at(6, Event::UffdRead { thread: reader, page: page(2) }),
        at(6, Event::UffdRead { thread: reader, page: page(3) }),
        at(7, Event::UffdCopy { thread: reader, page: page(2) }),
        at(8, Event::UffdCopied { thread: reader, page: page(2), installed: true }),
        at(9, Event::UffdCopied { thread: reader, page: page(3), installed: false }),
        at(10, Event::HostSchedSwitch { pcpu, prev: Some(reader), next: None }),
    ] {
        writer.record(&record, &mut out);
    }
    let text = String::from_utf8(out).expect("text");
    let shown = |line: &str| {
        let (head, fields) = line.split_once(": ").expect("a time");
        let thread = head.split_whitespace().next().expect("a thread");
        format!("{thread} {fields}")
    };
    let lines: Vec<String> = text.lines().map(shown).collect();
    let states = [&lines[3], &lines[8]].map(|line| line.contains("prev_state=S"));
    assert_eq!(states, [true, true], "{text}");
    let probes: Vec<&String> = lines.iter().filter(|line| line.contains("uffd_")).collect();
    assert_eq!(
        probes,
        [
            "vcpu0-1000 uffd_fault: (handle_userfault+0x4/0x920) addr=0x7f0000002000 flags=0x81d",
            "kworker/0:1-100001 uffd_fault: (handle_userfault+0x4/0x920) addr=0x7f0000002000 flags=0x895",
            "vcpu0-1000 uffd_fault: (handle_userfault+0x4/0x920) addr=0x7f0000003000 flags=0xa15",
            "handler0-100000 uffd_read: (vfs_read+0x244/0x370 <- userfaultfd_read_iter) ret=64",
            "handler0-100000 uffd_copy: (mfill_atomic_copy+0x4/0xb40) addr=0x7f0000002000",
            "handler0-100000 uffd_copied: (userfaultfd_ioctl+0x9b9/0xe70 <- mfill_atomic_copy) ret=4096",
            "handler0-100000 uffd_copied: (userfaultfd_ioctl+0x9b9/0xe70 <- mfill_atomic_copy) ret=-17",
        ]
    );
}

/// One call installs pages that lie side by side, and returns with all their bytes.
#[test]
fn a_call_that_installs_several_pages_is_printed_once() {
    let page = |gfn| GuestPage::new(VmId(0), Gfn(gfn));
    let thread = ThreadId(1);
    let at = |us: u64, event| Record { time: SimTime::from_ps(us * 1_000_000), event };
    let copy = |us, gfn| at(us, Event::UffdCopy { thread, page: page(gfn) });
    let copied =
        |us, gfn, installed| at(us, Event::UffdCopied { thread, page: page(gfn), installed });
    let setting = Setting { vcpus: 1, handlers: 1, running: vec![VCPU], ready_by_interrupt: true };
    let mut writer = KernelWriter::new(setting);
    let mut out = Vec::new();
    for record in [
        copy(1, 2),
        copied(2, 2, true),
        copy(2, 3),
        copied(3, 3, true),
        copy(3, 4),
        // It is there already: the call ends with what it has installed.
        copied(4, 4, false),
        // The next one begins with a page that is there.
        copy(4, 5),
        copied(5, 5, false),
        copy(6, 9),
        copied(7, 9, true),
        // A page that is not the next one is another call's.
        copy(7, 20),
        at(8, Event::UffdPoisoned { thread, page: page(20) }),
        copied(8, 20, true),
        // Nor does one that puts a marker go on with contents.
        copy(8, 21),
        copied(9, 21, true),
        at(10, Event::HostSchedSwitch { pcpu: PcpuId(0), prev: Some(thread), next: None }),
    ] {
        writer.record(&record, &mut out);
    }
    let text = String::from_utf8(out).expect("text");
    let shown = |line: &str| {
        let (head, fields) = line.split_once(": uffd_")?;
        let (_, value) = fields.rsplit_once(' ')?;
        Some(format!("{} {value}", head.rsplit_once(' ')?.1))
    };
    let calls: Vec<String> = text.lines().filter_map(shown).collect();
    assert_eq!(
        calls,
        [
            "0.000001 addr=0x7f0000002000",
            "0.000004 ret=8192",
            "0.000004 addr=0x7f0000005000",
            "0.000005 ret=-17",
            "0.000006 addr=0x7f0000009000",
            "0.000007 ret=4096",
            "0.000007 addr=0x7f0000014000",
            "0.000008 ret=4096",
            "0.000008 addr=0x7f0000015000",
            "0.000009 ret=4096",
        ]
    );
}

#[test]
fn waiting_for_a_lock_of_userfaultfd_is_printed_with_its_address() {
    let thread = thread_of(V0);
    for (readers, lock) in [(false, "00000000a11f0c40"), (true, "00000000a11f0c70")] {
        let text =
            written(&[Event::UffdLockWait { thread, readers }, Event::UffdLockTaken { thread }]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with(&format!("contention_begin: {lock} (flags=SPIN)")), "{text}");
        assert!(lines[1].ends_with(&format!("contention_end: {lock} (ret=0)")), "{text}");
    }
}

#[test]
fn waiting_for_the_second_stage_lock_is_printed_with_its_thread() {
    let thread = thread_of(V0);
    for (write, how) in [(true, "WRITE"), (false, "READ")] {
        let text =
            written(&[Event::ContentionBegin { thread, write }, Event::ContentionEnd { thread }]);
        let lines: Vec<&str> = text.lines().collect();
        let begin = format!("contention_begin: 000000005d3c1a7e (flags=SPIN|{how})");
        assert!(lines[0].ends_with(&begin) && lines[0].contains("vcpu0-1000"), "{text}");
        assert!(lines[1].ends_with("contention_end: 000000005d3c1a7e (ret=0)"), "{text}");
    }
}
