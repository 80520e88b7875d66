#!/usr/bin/env python3
"""Writes the events of a tracefs text log as trace.dat (version 6 or 7) or perf.data.

    mkdat.py LOG OUT [--vendor amd|intel] [--kind dat6|dat7|perf|perf-stream]
             [--compression none|zlib] [--endian little|big] [--instance NAME] [--lose CPU:N]
             [and OUT ...]

Records and print formats are those of Linux 6.12, so that the real programs print them as they
print a recording of such a host. Only what the tests need: events that are not in FORMATS are left
out, and said to be. --lose takes N events out of the middle of a processor's and marks the loss as
the kernel does.
"""

import argparse
import re
import struct
import sys
import zlib

PAGE = 4096
# Order of bytes: "<" little, ">" big endian.
ORDER = "<"
COMMON = [
    ("unsigned short common_type", 0, 2, 0),
    ("unsigned char common_flags", 2, 1, 0),
    ("unsigned char common_preempt_count", 3, 1, 0),
    ("int common_pid", 4, 4, 1),
]
# Kinds of fields: C type, size, signed, struct code.
TYPES = {
    "u8": ("u8", 1, 0, "B"),
    "u16": ("unsigned short", 2, 0, "H"),
    "u32": ("unsigned int", 4, 0, "I"),
    "int": ("int", 4, 1, "i"),
    "u64": ("u64", 8, 0, "Q"),
    "s64": ("s64", 8, 1, "q"),
    "ulong": ("unsigned long", 8, 0, "Q"),
    "long": ("long", 8, 1, "q"),
    "pointer": ("void *", 8, 0, "Q"),
    "dev": ("dev_t", 4, 0, "I"),
    "sector": ("sector_t", 8, 0, "Q"),
}
VECTORS = {
    "DE": 0, "DB": 1, "BP": 3, "OF": 4, "BR": 5, "UD": 6, "NM": 7, "DF": 8, "TS": 10, "NP": 11,
    "SS": 12, "GP": 13, "PF": 14, "MF": 16, "AC": 17, "MC": 18,
}
# Kernel's name on AMD, number there, kernel's name on Intel, number there.
EXITS = [
    ("npf", 0x400, "EPT_VIOLATION", 48),
    ("interrupt", 0x60, "EXTERNAL_INTERRUPT", 1),
    ("vintr", 0x64, "INTERRUPT_WINDOW", 7),
    ("rsm", 0x73, "RSM", 17),
    ("pause", 0x77, "PAUSE_INSTRUCTION", 40),
    ("hlt", 0x78, "HLT", 12),
    ("io", 0x7B, "IO_INSTRUCTION", 30),
    ("msr", 0x7C, "MSR_WRITE", 32),
    ("vmmcall", 0x81, "VMCALL", 18),
]


def symbols(pairs):
    return ", ".join(f"{{ {number:#x}, {name} }}" for number, name in pairs)


EXCEPTIONS = symbols((number, f'"#" "{name}"') for name, number in VECTORS.items())
VMX = symbols((intel, f'"{name}"') for _, _, name, intel in EXITS)
SVM = symbols((amd, f'"{name}"') for name, amd, _, _ in EXITS)
IO_CLASSES = symbols([(0, '"none"'), (1, '"rt"'), (2, '"be"'), (3, '"idle"')])
DELIVERY = symbols([(0, '"Fixed"'), (1, '"LowPrio"'), (2, '"SMI"'), (4, '"NMI"'), (5, '"INIT"')])
STATE_MAX = "0x00000100"
STATES = symbols([(1, '"S"'), (2, '"D"'), (4, '"T"'), (8, '"t"'), (0x10, '"X"'), (0x20, '"Z"'),
                  (0x40, '"P"'), (0x80, '"I"')])
PRIORITY = (f"__print_symbolic((((REC->ioprio) >> 13) & (8 - 1)), {IO_CLASSES}), "
            "(((REC->ioprio) >> 3) & ((1 << 10) - 1)), ((REC->ioprio) & ((1 << 3) - 1))")
DEVICE = "((unsigned int) ((REC->dev) >> 20)), ((unsigned int) ((REC->dev) & ((1U << 20) - 1)))"
GVA_GFN = ("gva:u64 gfn:u64", '"gva = %#llx, gfn = %#llx", REC->gva, REC->gfn')
TOKEN = ("token:u64 gva:u64", '"token %#llx gva %#llx", REC->token, REC->gva')
# As trace_probe.c makes them of the probes in docs/check-a-real-host.md.
RETURNS = ("__probe_func:ulong __probe_ret_ip:ulong ret:s64",
           '"(%lx <- %lx) ret=%Ld", REC->__probe_func, REC->__probe_ret_ip, REC->ret')
WORK = ("work:pointer function:pointer",
        '"work struct %p: function %ps", REC->work, REC->function')
ACCEPT = ("apicid:u32 dm:u16 tm:u16 vec:u8",
          '"apicid %x vec %u (%s|%s)", REC->apicid, REC->vec, '
          f'__print_symbolic((REC->dm >> 8 & 0x7), {DELIVERY}), REC->tm ? "level" : "edge"')

# System, event, fields, print format.
FORMATS = [
    ("kvm", "kvm_entry", "vcpu_id:u32 rip:ulong immediate_exit:u8",
     '"vcpu %u, rip 0x%lx%s", REC->vcpu_id, REC->rip, REC->immediate_exit ? "[immediate exit]" : ""'),
    ("kvm", "kvm_exit",
     "exit_reason:u32 guest_rip:ulong isa:u32 info1:u64 info2:u64 intr_info:u32 error_code:u32 vcpu_id:u32",
     '"vcpu %u reason %s%s%s rip 0x%lx info1 0x%016llx info2 0x%016llx intr_info 0x%08x error_code 0x%08x", '
     f'REC->vcpu_id, (REC->isa == 1) ? __print_symbolic(REC->exit_reason & 0xffff, {VMX}) : '
     f'__print_symbolic(REC->exit_reason, {SVM}), (REC->isa == 1 && REC->exit_reason & ~0xffff) ? " " : "", '
     '(REC->isa == 1) ? __print_flags(REC->exit_reason & ~0xffff, " ", { 0x80000000, "FAILED_VMENTRY" }) : "", '
     'REC->guest_rip, REC->info1, REC->info2, REC->intr_info, REC->error_code'),
    ("kvm", "kvm_page_fault", "vcpu_id:u32 guest_rip:ulong fault_address:u64 error_code:u64",
     '"vcpu %u rip 0x%lx address 0x%016llx error_code 0x%llx", REC->vcpu_id, REC->guest_rip, '
     'REC->fault_address, REC->error_code'),
    # The empty list is the kernel's, since 6.0: libtraceevent cannot follow it.
    ("kvm", "kvm_inj_exception", "exception:u8 has_error:u8 error_code:u32 reinjected:u8",
     f'"%s%s%s%s%s", __print_symbolic(REC->exception, {EXCEPTIONS}), !REC->has_error ? "" : " (", '
     '!REC->has_error ? "" : __print_symbolic(REC->error_code, { }), !REC->has_error ? "" : ")", '
     'REC->reinjected ? " [reinjected]" : ""'),
    ("kvm", "kvm_try_async_get_page", *GVA_GFN),
    ("kvm", "kvm_async_pf_repeated_fault", *GVA_GFN),
    ("kvm", "kvm_async_pf_not_present", *TOKEN),
    ("kvm", "kvm_async_pf_ready", *TOKEN),
    ("kvm", "kvm_async_pf_completed", "address:ulong gva:u64",
     '"gva %#llx address %#lx", REC->gva, REC->address'),
    ("kvm", "kvm_apic_accept_irq", *ACCEPT),
    ("kvm", "kvm_apicv_accept_irq", *ACCEPT),
    ("kvm", "kvm_inj_virq", "vector:u32 soft:u8 reinjected:u8",
     '"%s 0x%x%s", REC->soft ? "Soft/INTn" : "IRQ", REC->vector, REC->reinjected ? " [reinjected]" : ""'),
    ("kvm", "kvm_msr", "write:u32 ecx:u32 data:u64 exception:u8",
     '"msr_%s %x = 0x%llx%s", REC->write ? "write" : "read", REC->ecx, REC->data, '
     'REC->exception ? " (#GP)" : ""'),
    ("kvm", "kvm_eoi", "apicid:u32 vector:int", '"apicid %x vector %d", REC->apicid, REC->vector'),
    ("kvm", "kvm_hypercall", "nr:ulong a0:ulong a1:ulong a2:ulong a3:ulong",
     '"nr 0x%lx a0 0x%lx a1 0x%lx a2 0x%lx a3 0x%lx", REC->nr, REC->a0, REC->a1, REC->a2, REC->a3'),
    ("kvm", "kvm_vcpu_wakeup", "ns:u64 waited:u8 valid:u8",
     '"%s time %lld ns, polling %s", REC->waited ? "wait" : "poll", REC->ns, '
     'REC->valid ? "valid" : "invalid"'),
    ("sched", "sched_switch",
     "prev_comm:c16 prev_pid:int prev_prio:int prev_state:long next_comm:c16 next_pid:int next_prio:int",
     '"prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%s%s ==> next_comm=%s next_pid=%d next_prio=%d", '
     f'REC->prev_comm, REC->prev_pid, REC->prev_prio, (REC->prev_state & ({STATE_MAX} - 1)) ? '
     f'__print_flags(REC->prev_state & ({STATE_MAX} - 1), "|", {STATES}) : "R", '
     f'REC->prev_state & {STATE_MAX} ? "+" : "", REC->next_comm, REC->next_pid, REC->next_prio'),
    ("sched", "sched_wakeup", "comm:c16 pid:int prio:int target_cpu:int",
     '"comm=%s pid=%d prio=%d target_cpu=%03d", REC->comm, REC->pid, REC->prio, REC->target_cpu'),
    ("sched", "sched_migrate_task", "comm:c16 pid:int prio:int orig_cpu:int dest_cpu:int",
     '"comm=%s pid=%d prio=%d orig_cpu=%d dest_cpu=%d", REC->comm, REC->pid, REC->prio, '
     'REC->orig_cpu, REC->dest_cpu'),
    ("block", "block_rq_issue",
     "dev:dev sector:sector nr_sector:u32 bytes:u32 ioprio:u16 rwbs:c10 comm:c16 cmd:text",
     f'"%d,%d %s %u (%s) %llu + %u %s,%u,%u [%s]", {DEVICE}, REC->rwbs, REC->bytes, __get_str(cmd), '
     f'(unsigned long long)REC->sector, REC->nr_sector, {PRIORITY}, REC->comm'),
    ("block", "block_rq_complete",
     "dev:dev sector:sector nr_sector:u32 error:int ioprio:u16 rwbs:c10 cmd:text",
     f'"%d,%d %s (%s) %llu + %u %s,%u,%u [%d]", {DEVICE}, REC->rwbs, __get_str(cmd), '
     f'(unsigned long long)REC->sector, REC->nr_sector, {PRIORITY}, REC->error'),
    ("workqueue", "workqueue_queue_work",
     "work:pointer function:pointer workqueue:text req_cpu:int cpu:int",
     '"work struct=%p function=%ps workqueue=%s req_cpu=%d cpu=%d", REC->work, REC->function, '
     '__get_str(workqueue), REC->req_cpu, REC->cpu'),
    ("workqueue", "workqueue_execute_start", *WORK),
    ("workqueue", "workqueue_execute_end", *WORK),
    ("kprobes", "uffd_fault", "__probe_ip:ulong addr:u64 flags:u32",
     '"(%lx) addr=0x%Lx flags=0x%x", REC->__probe_ip, REC->addr, REC->flags'),
    ("kprobes", "uffd_copy", "__probe_ip:ulong addr:u64", '"(%lx) addr=0x%Lx", REC->__probe_ip, REC->addr'),
    ("kprobes", "uffd_fault_ret", *RETURNS),
    ("kprobes", "uffd_read", *RETURNS),
    ("kprobes", "uffd_copied", *RETURNS),
]
WORKER, OTHER = 0xFFFFFFFFC0A1B000, 0xFFFFFFFF81123000
PROBED, RETURNED = 0xFFFFFFFF81523004, 0xFFFFFFFF815431C9
KALLSYMS = (f"{OTHER:016x} t vmstat_update\n{OTHER + 0x400:016x} t vmstat_end\n"
            f"{WORKER:016x} t async_pf_execute\t[kvm]\n{WORKER + 0x400:016x} t async_pf_end\t[kvm]\n")
HEADER_PAGE = (
    "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
    "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
    "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
    f"\tfield: char data;\toffset:16;\tsize:{PAGE - 16};\tsigned:1;\n").encode()
HEADER_EVENT = (b"# compressed entry header\n\ttype_len    :    5 bits\n\ttime_delta  :   27 bits\n"
                b"\tarray       :   32 bits\n\n\tpadding     : type == 29\n\ttime_extend : type == 30\n"
                b"\ttime_stamp : type == 31\n\tdata max type_len  == 28\n")


def pack(form, *numbers):
    return struct.pack(ORDER + form, *numbers)


def pack_into(form, *rest):
    struct.pack_into(ORDER + form, *rest)


class Event:
    """An event with the layout of its record."""

    def __init__(self, number, system, name, fields, form):
        self.system, self.name, self.id = system, name, 300 + number
        self.layout, at, lines = [], 8, []
        for field in fields.split():
            label, kind = field.split(":")
            if kind.startswith("c"):
                size = int(kind[1:])
                lines.append((f"char {label}[{size}]", at, size, 0))
                self.layout.append((at, f"{size}s"))
            elif kind == "text":
                at, size = (at + 3) & ~3, 4
                lines.append((f"__data_loc char[] {label}", at, 4, 0))
                self.layout.append((at, "text"))
            else:
                declared, size, signed, code = TYPES[kind]
                at = (at + size - 1) // size * size
                lines.append((f"{declared} {label}", at, size, signed))
                self.layout.append((at, code))
            at += size
        self.size = (at + 7) & ~7

        def listed(all_lines):
            return "".join(f"\tfield:{declared};\toffset:{at};\tsize:{size};\tsigned:{signed};\n"
                           for declared, at, size, signed in all_lines)

        self.text = (f"name: {name}\nID: {self.id}\nformat:\n{listed(COMMON)}\n{listed(lines)}\n"
                     f"print fmt: {form}\n").encode()

    def record(self, values, pid):
        fixed, tail = bytearray(self.size), b""
        pack_into("HBBi", fixed, 0, self.id, 0, 0, pid)
        for (at, code), value in zip(self.layout, values):
            if code == "text":
                text = value.encode() + b"\0"
                pack_into("I", fixed, at, len(text) << 16 | self.size + len(tail))
                tail += text
            elif code.endswith("s"):
                pack_into(code, fixed, at, value.encode()[:int(code[:-1]) - 1])
            else:
                pack_into(code, fixed, at, value)
        return bytes(fixed) + tail


EVENTS = {one[1]: Event(number, *one) for number, one in enumerate(FORMATS)}


def from_hex(text):
    return int(text, 16)


def function(name):
    return WORKER if "async_pf" in name else OTHER


def exit_number(name, vendor):
    for amd, amd_number, intel, intel_number in EXITS:
        if name in (amd, intel) or (name == "MSR_READ" and intel == "MSR_WRITE"):
            return amd_number if vendor == "amd" else intel_number
    raise ValueError(f"no exit is called {name}")


STATE_BITS = {"R": 0, "R+": 0x100, "S": 1, "D": 2, "T": 4, "t": 8, "X": 0x10, "Z": 0x20, "P": 0x40,
              "I": 0x80}


def values(name, text, vendor):
    """The fields of an event from its text."""

    def match(pattern):
        found = re.match(pattern, text)
        if not found:
            raise ValueError(f"{name}: {text}")
        return found.groups()

    if name == "kvm_entry":
        vcpu, rip, rest = match(r"vcpu (\d+), rip 0x([0-9a-f]+)(.*)")
        return [int(vcpu), from_hex(rip), int("imm" in rest)]
    if name == "kvm_exit":
        vcpu, reason, rip, info1, info2, info, code = match(
            r"vcpu (\d+) reason (\S+) rip 0x(\S+) info1 0x(\S+) info2 0x(\S+) "
            r"intr_info 0x(\S+) error_code 0x(\S+)")
        isa = 2 if vendor == "amd" else 1
        return [exit_number(reason, vendor), from_hex(rip), isa, *map(from_hex, (info1, info2, info, code)),
                int(vcpu)]
    if name == "kvm_page_fault":
        vcpu, *rest = match(r"vcpu (\d+) rip 0x(\S+) address 0x(\S+) error_code 0x(\S+)")
        return [int(vcpu), *map(from_hex, rest)]
    if name == "kvm_inj_exception":
        vector, code = match(r"#(\S+)(?: \(0x(\S+)\))?")
        return [VECTORS[vector], int(code is not None), from_hex(code or "0"), int("reinj" in text)]
    if name in ("kvm_try_async_get_page", "kvm_async_pf_repeated_fault"):
        return [*map(from_hex, match(r"gva = 0x(\S+), gfn = 0x(\S+)"))]
    if name in ("kvm_async_pf_not_present", "kvm_async_pf_ready"):
        return [*map(from_hex, match(r"token 0x(\S+) gva 0x(\S+)"))]
    if name == "kvm_async_pf_completed":
        gva, address = match(r"gva 0x(\S+) address 0x(\S+)")
        return [from_hex(address), from_hex(gva)]
    if name in ("kvm_apic_accept_irq", "kvm_apicv_accept_irq"):
        apic, vector = match(r"apicid (\S+) vec (\d+)")
        return [from_hex(apic), 0, 0, int(vector)]
    if name == "kvm_inj_virq":
        return [from_hex(match(r"IRQ 0x([0-9a-f]+)")[0]), 0, int("reinj" in text)]
    if name == "kvm_msr":
        way, register, data = match(r"msr_(\w+) (\S+) = 0x([0-9a-f]+)")
        return [int(way == "write"), from_hex(register), from_hex(data), int("#GP" in text)]
    if name == "kvm_eoi":
        apic, vector = match(r"apicid (\S+) vector (\d+)")
        return [from_hex(apic), int(vector)]
    if name == "kvm_hypercall":
        return [*map(from_hex, match(r"nr 0x(\S+) a0 0x(\S+) a1 0x(\S+) a2 0x(\S+) a3 0x(\S+)"))]
    if name == "kvm_vcpu_wakeup":
        how, ns, valid = match(r"(\w+) time (\d+) ns, polling (\w+)")
        return [int(ns), int(how == "wait"), int(valid == "valid")]
    if name == "sched_switch":
        comm, pid, prio, state, *rest = match(
            r"prev_comm=(.*) prev_pid=(\d+) prev_prio=(\d+) prev_state=(\S+) ==> "
            r"next_comm=(.*) next_pid=(\d+) next_prio=(\d+)")
        return [comm, int(pid), int(prio), STATE_BITS[state], rest[0], int(rest[1]), int(rest[2])]
    if name == "sched_wakeup":
        comm, pid, prio, cpu = match(r"comm=(.*) pid=(\d+) prio=(\d+) target_cpu=(\d+)")
        return [comm, int(pid), int(prio), int(cpu)]
    if name == "sched_migrate_task":
        comm, *rest = match(r"comm=(.*) pid=(\d+) prio=(\d+) orig_cpu=(\d+) dest_cpu=(\d+)")
        return [comm, *map(int, rest)]
    if name == "block_rq_issue":
        major, minor, way, size, cmd, sector, count, comm = match(
            r"(\d+),(\d+) (\S+) (\d+) \((.*?)\) (\d+) \+ (\d+) .*\[(.*)\]")
        return [int(major) << 20 | int(minor), int(sector), int(count), int(size), 2 << 13 | 4, way, comm, cmd]
    if name == "block_rq_complete":
        major, minor, way, cmd, sector, count, error = match(
            r"(\d+),(\d+) (\S+) \((.*?)\) (\d+) \+ (\d+) .*\[(-?\d+)\]")
        return [int(major) << 20 | int(minor), int(sector), int(count), int(error), 2 << 13 | 4, way, cmd]
    if name == "workqueue_queue_work":
        work, called, queue, wanted, cpu = match(
            r"work struct=(\S+) function=(\S+).* workqueue=(\S+) req_cpu=(\d+) cpu=(\d+)")
        return [0xFFFF888000000000 | from_hex(work), function(called), queue, int(wanted), int(cpu)]
    if name == "uffd_fault":
        return [PROBED, *map(from_hex, match(r"\(\S+\) addr=0x(\S+) flags=0x(\S+)"))]
    if name == "uffd_copy":
        return [PROBED, from_hex(match(r"\(\S+\) addr=0x(\S+)")[0])]
    if name in ("uffd_fault_ret", "uffd_read", "uffd_copied"):
        return [PROBED, RETURNED, int(match(r"\(\S+ <- \S+\) ret=(\S+)")[0], 0)]
    work, called = match(r"work struct (\S+): function (\S+)")
    return [0xFFFF888000000000 | from_hex(work), function(called)]


LINE = re.compile(r"^\s*(.+?)-(\d+)\s+(?:\(.{7}\) )?\[(\d+)\] (\S+)\s+(\d+)\.(\d+): (\w+): (.*)$")


def read_log(path, vendor):
    """Events by processor as (ns, record, thread), names of threads, and what is left out."""
    cpus, names, left_out = {}, {0: "<idle>"}, {}
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            found = LINE.match(line.rstrip("\r\n"))
            if not found:
                continue
            comm, pid, cpu, _, seconds, micros, name, text = found.groups()
            names[int(pid)] = comm
            if name not in EVENTS:
                left_out[name] = left_out.get(name, 0) + 1
                continue
            ns = int(seconds) * 10**9 + int(micros.ljust(9, "0"))
            record = EVENTS[name].record(values(name, text, vendor), int(pid))
            cpus.setdefault(int(cpu), []).append((ns, record, int(pid)))
    return cpus, names, left_out


def lose(cpus, what):
    """Takes events out of the middle of a processor's: what is before, and what is behind."""
    cpu, count = map(int, what.split(":"))
    events = cpus[cpu]
    middle = len(events) // 2
    return cpu, count, events[:middle], events[middle + count:]


def event_head(kind, delta):
    """Five bits of kind and 27 of time, as the compiler of either order lays them out."""
    return pack("I", kind | delta << 5 if ORDER == "<" else kind << 27 | delta)


def pages(events, lost=0):
    """Pages of the ring buffer; before the first so many events were lost."""
    out, at = b"", 0
    while at < len(events):
        begin = last = events[at][0]
        body = b""
        while at < len(events):
            ns, data, _ = events[at]
            delta, length = ns - last, (len(data) + 3) & ~3
            record = b""
            if delta >= 1 << 27:
                record += event_head(30, delta & ((1 << 27) - 1)) + pack("I", delta >> 27)
                delta = 0
            if length <= 112:
                record += event_head(length // 4, delta)
            else:
                record += event_head(0, delta) + pack("I", length + 4)
            record += data.ljust(length, b"\0")
            # Room for the number of lost events behind them.
            if len(body) + len(record) > PAGE - 24:
                break
            body, last, at = body + record, ns, at + 1
        commit = len(body)
        if lost:
            commit |= 1 << 31 | 1 << 30
            body += pack("Q", lost)
            lost = 0
        out += pack("QQ", begin, commit) + body.ljust(PAGE - 16, b"\0")
    return out


def sized(count, text):
    return pack({4: "I", 8: "Q"}[count], len(text)) + text


def head_files():
    return b"header_page\0" + sized(8, HEADER_PAGE) + b"header_event\0" + sized(8, HEADER_EVENT)


def event_formats():
    systems = sorted({event.system for event in EVENTS.values()})
    out = pack("I", len(systems))
    for system in systems:
        own = [event for event in EVENTS.values() if event.system == system]
        out += system.encode() + b"\0" + pack("I", len(own))
        out += b"".join(sized(8, event.text) for event in own)
    return out


def thread_list(names):
    return "".join(f"{pid} {comm}\n" for pid, comm in names.items() if pid).encode()


def begin(version):
    sizes = bytes([int(ORDER == ">"), 8]) + pack("I", PAGE)
    return b"\x17\x08\x44tracing" + version + b"\0" + sizes


def dat6(data, names, instance):
    """Version 6. The events are those of an instance if it has a name; then the trace has none."""
    out = begin(b"6") + head_files() + pack("I", 0) + event_formats()
    out += sized(4, KALLSYMS.encode()) + pack("I", 0) + sized(8, thread_list(names))
    out += pack("I", len(data)) + b"options  \0"
    pointer = None
    if instance:
        name = instance.encode() + b"\0"
        out += pack("HI", 3, 8 + len(name))
        pointer = len(out)
        out += bytes(8) + name
    out += pack("H", 0)

    def processors(where, contents):
        place = (where + 10 + 16 * len(data) + PAGE - 1) & -PAGE
        head, body = b"flyrecord\0", b""
        for one in contents:
            head += pack("QQ", place + len(body), len(one))
            body += one
        return head.ljust(place - where, b"\0") + body

    if not instance:
        return out + processors(len(out), data)
    out += processors(len(out), [b"" for _ in data])
    out = out[:pointer] + pack("Q", len(out)) + out[pointer + 8:]
    return out + processors(len(out), data)


def dat7(data, names, compression, instance):
    """Version 7: sections, and options that say where they are."""
    packed = compression != "none"

    def pressed(plain):
        small = zlib.compress(plain, 9)
        return pack("II", len(small), len(plain)) + small

    out = begin(b"7") + compression.encode() + b"\0" + b"1.0\0"
    pointer = len(out)
    out += bytes(8)
    options = b""

    def section(number, content):
        nonlocal out, options
        options += pack("HIQ", number, 8, len(out))
        content = pressed(content) if packed else content
        out += pack("HHIQ", number, int(packed), 0, len(content)) + content

    section(16, head_files())
    section(17, pack("I", 0))
    section(18, event_formats())
    section(19, sized(4, KALLSYMS.encode()))
    section(20, pack("I", 0))
    section(21, sized(8, thread_list(names)))
    # The buffer: the pages of each processor begin at a page.
    at = len(out)
    out += bytes(16)
    cpus = b""
    for cpu, one in enumerate(data):
        out = out.ljust((len(out) + PAGE - 1) & -PAGE, b"\0")
        content = one
        if packed and one:
            # Ten pages a part, as trace-cmd has it.
            parts = [one[i:i + 10 * PAGE] for i in range(0, len(one), 10 * PAGE)]
            content = pack("I", len(parts)) + b"".join(map(pressed, parts))
        cpus += pack("IQQ", cpu, len(out), len(content))
        out += content
    out = out[:at] + pack("HHIQ", 3, int(packed), 0, len(out) - at - 16) + out[at + 16:]
    options += pack("HI", 8, 4) + pack("I", len(data))
    sizes = pack("II", PAGE, len(data))
    if instance:
        # The buffer of the whole trace, without events.
        none = b"".join(pack("IQQ", cpu, 0, 0) for cpu in range(len(data)))
        empty = pack("Q", at) + b"\0" + b"mono\0" + sizes + none
        options += pack("HI", 3, len(empty)) + empty
    buffer = pack("Q", at) + (instance or "").encode() + b"\0" + b"mono\0" + sizes + cpus
    options += pack("HI", 3, len(buffer)) + buffer
    options += pack("HIQ", 0, 8, 0)
    out = out[:pointer] + pack("Q", len(out)) + out[pointer + 8:]
    options = pressed(options) if packed else options
    return out + pack("HHIQ", 0, int(packed), 0, len(options)) + options


# IP, TID, TIME, ID, CPU, PERIOD, RAW, as `perf record -a -e kvm:...` samples tracepoints.
SAMPLE_TYPE = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 16
SAMPLE_ID_ALL = 18


def perf_record(kind, body, misc=0):
    body = body.ljust((len(body) + 7) & ~7, b"\0")
    return pack("IHH", kind, misc, 8 + len(body)) + body


def perf_records(cpus, names, process, lost):
    """Records in rounds, processor by processor, as perf reads its buffers."""
    out = b""
    for pid, comm in names.items():
        body = pack("II", process, pid) + comm.encode()[:15].ljust(16, b"\0")
        out += perf_record(3, body + pack("IIQIIQ", process, pid, 0, 0, 0, 1))
    streams = {cpu: list(events) for cpu, events in cpus.items()}
    times = sorted(ns for events in streams.values() for ns, _, _ in events)
    bounds = times[63::64] + [times[-1]]
    for bound in bounds:
        for cpu, events in streams.items():
            while events and events[0][0] <= bound:
                ns, data, pid = events.pop(0)
                if lost.get(cpu) and lost[cpu][0] == ns:
                    body = pack("QQ", 1, lost[cpu][1])
                    out += perf_record(2, body + pack("IIQIIQ", process, pid, ns, cpu, 0, 1))
                number = 1 + struct.unpack_from(ORDER + "H", data)[0] - 300
                # The size of the raw part keeps what follows it in line.
                raw = data.ljust((len(data) + 4 + 7 & ~7) - 4, b"\0")
                body = pack("QQIIQIIQ", number, 0, process, pid, ns, cpu, 0, 1)
                out += perf_record(9, body + pack("I", len(raw)) + raw, misc=1)
        out += perf_record(68, b"")
    return out


def perf_attr(event):
    attr = bytearray(128)
    bits = [1, SAMPLE_ID_ALL]
    flags = sum(1 << bit if ORDER == "<" else 1 << 63 - bit for bit in bits)
    pack_into("IIQQQQQ", attr, 0, 2, 128, event.id, 1, SAMPLE_TYPE, 4, flags)
    return bytes(attr)


def perf(cpus, names, stream, lost):
    tracing = begin(b"0.6") + head_files() + pack("I", 0) + event_formats()
    tracing += sized(4, KALLSYMS.encode()) + pack("I", 0) + sized(8, thread_list(names))
    process = min((pid for pid in names if pid), default=1)
    records = perf_records(cpus, names, process, lost)
    events = list(EVENTS.values())
    if stream:
        out = (b"PERFILE2" if ORDER == "<" else b"2ELIFREP") + pack("Q", 16)
        for number, event in enumerate(events):
            out += perf_record(64, perf_attr(event) + pack("Q", 1 + number))
        padded = tracing.ljust((len(tracing) + 7) & ~7, b"\0")
        out += pack("IHHI", 66, 0, 12, len(padded)) + padded
        return out + records
    head = 104
    ids = head
    attrs = ids + 8 * len(events)
    data = attrs + 144 * len(events)
    out = (b"PERFILE2" if ORDER == "<" else b"2ELIFREP") + pack("QQ", head, 144)
    out += pack("QQ", attrs, 144 * len(events)) + pack("QQ", data, len(records))
    out += pack("QQ", 0, 0) + pack("QQQQ", 1 << 1, 0, 0, 0)
    out += b"".join(pack("Q", 1 + number) for number in range(len(events)))
    for number, event in enumerate(events):
        out += perf_attr(event) + pack("QQ", ids + 8 * number, 8)
    out += records
    return out + pack("QQ", len(out) + 16, len(tracing)) + tracing


def main():
    """One file, or behind `and` another of the same log."""
    log, *rest = sys.argv[1:] or ["--help"]
    jobs = [[]]
    for word in rest:
        if word == "and":
            jobs.append([])
        else:
            jobs[-1].append(word)
    for job in jobs:
        write([log, *job])


def write(words):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("log")
    parser.add_argument("out")
    parser.add_argument("--vendor", choices=["amd", "intel"], default="amd")
    parser.add_argument("--kind", choices=["dat6", "dat7", "perf", "perf-stream"], default="dat6")
    parser.add_argument("--compression", choices=["none", "zlib"], default="none")
    parser.add_argument("--lose")
    parser.add_argument("--endian", choices=["little", "big"], default="little")
    parser.add_argument("--instance")
    args = parser.parse_args(words)
    global ORDER
    ORDER = "<" if args.endian == "little" else ">"
    cpus, names, left_out = read_log(args.log, args.vendor)
    lost, before = {}, {}
    if args.lose:
        cpu, count, first, rest = lose(cpus, args.lose)
        cpus[cpu] = first + rest
        lost[cpu], before[cpu] = (rest[0][0], count), (first, rest)
    data = []
    for cpu in range(max(cpus) + 1):
        if cpu in before:
            first, rest = before[cpu]
            data.append(pages(first) + pages(rest, lost[cpu][1]))
        else:
            data.append(pages(cpus.get(cpu, [])))
    if args.kind == "dat6":
        out = dat6(data, names, args.instance)
    elif args.kind == "dat7":
        out = dat7(data, names, args.compression, args.instance)
    else:
        out = perf(cpus, names, args.kind == "perf-stream", lost)
    with open(args.out, "wb") as file:
        file.write(out)
    for name, count in sorted(left_out.items()):
        print(f"left out: {count} {name}", file=sys.stderr)


if __name__ == "__main__":
    main()
