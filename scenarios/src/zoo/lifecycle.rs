//! Mistakes of the host in what happens to a VM: system management mode, registers, failing reads,
//! migration, its end.

use models::apf::Defect;
use models::apf::rules::{FetchFailure, MpStateWrite, RefusedArea, Setting};
use models::base::invariant::InvariantId;
use models::explore::Disturbance;

use super::entry::{Entry, Exhibit, Expect, Group, Variant, World};

const V2_6_39: Variant = Variant::of("v2.6.39");
const V5_17: Variant = Variant::of("v5.17");
const V6_12: Variant = Variant::of("v6.12");
const V6_19: Variant = Variant::of("v6.19");
const V7_3: Variant = Variant::of("v7.3");

const fn explored(world: World) -> Exhibit {
    Exhibit::Explore(world, None)
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "H02",
        group: Group::Host,
        subject: "KVM: x86: Don't clear async #PF queue when CR0.PG is disabled (e.g. on #SMI)",
        source: "ab4e41eb9fab, 6.19; 6.12.64, 6.1.160",
        story: "A system management interrupt ends with RSM, which writes CR0 twice, first without \
                paging. Each switch of paging dropped all items, completed ones among them, without \
                a word to the guest: tasks that had been told not present slept for ever. Seen by \
                customers whose firmware uses the interrupt.",
        expect: Expect::only(InvariantId(13)),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::Smi, 1)])),
        wrong: &[Variant::of("v5.17"), V6_12, V6_19.defect(&[Defect::DropOnPagingToggle])],
        right: &[V6_19],
    },
    Entry {
        id: "H08",
        group: Group::Host,
        subject: "KVM: async_pf: avoid recursive flushing of work items",
        source: "22583f0d9c85, 4.9",
        story: "Each worker holds a reference to the VM. The VMM exits, the worker that ends last \
                puts the last reference, takes the VM apart, and waits there for all workers, \
                itself among them.",
        expect: Expect::only(InvariantId(25)),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::Destroy, 1)])),
        wrong: &[V2_6_39, V6_12.defect(&[Defect::WorkKeepsVm])],
        right: &[V6_12, V6_19],
    },
    Entry {
        id: "H09",
        group: Group::Host,
        subject: "KVM: Always flush async #PF workqueue when vCPU is being destroyed",
        source: "3d75b8aa5c29, 6.9",
        story: "The cure for H08: who takes a vCPU apart does not wait for workers whose item is \
                completed. But such a worker is still in the tail of its function. The VM goes, \
                the module is unloaded, and the worker runs in code that is no more.",
        expect: Expect::only(InvariantId(24)),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::Destroy, 1)])),
        wrong: &[Variant::of("v4.13"), V5_17, V6_12.defect(&[Defect::ClearSkipsPublished])],
        right: &[V6_12, V6_19],
    },
    Entry {
        id: "H10",
        group: Group::Host,
        subject: "KVM: async_pf: do not touch an item after it is published",
        source: "what c2744ed2230a, 6.9, guards against",
        story: "A worker puts its item on the list of completed items and reads it once more for \
                its tracepoint. The vCPU may have delivered and freed it by then.",
        expect: Expect::only(InvariantId(24)).remark(
            "where the vCPU waits for the worker before it frees the item, as since 6.9, the same \
             mistake does no harm",
        ),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[V5_17.defect(&[Defect::UseAfterPublish])],
        right: &[V5_17, V6_12.defect(&[Defect::UseAfterPublish])],
    },
    Entry {
        id: "H11",
        group: Group::Host,
        subject: "KVM: X86: Fix async pf caused null-ptr-deref",
        source: "9d3c447c72fb, 5.8-rc",
        story: "The local APIC is emulated by the VMM, and the guest switches notices on. The \
                first page ready interrupt goes to a local APIC that the kernel does not have, and \
                the host oopses.",
        expect: Expect::only(InvariantId(21)),
        exhibit: explored(World { irqchip: false, ..World::TWO_TASKS }),
        wrong: &[V6_19.defect(&[Defect::SkipLapicTest])],
        right: &[V6_19],
    },
    Entry {
        id: "H12",
        group: Group::Host,
        subject: "KVM: x86: always allow writing '0' to MSR_KVM_ASYNC_PF_EN",
        source: "d831de177217, 5.9",
        story: "The cure for H11 refused every write to EN without a local APIC in the kernel, \
                also the zero that a VMM writes when it restores a VM: the restore failed.",
        expect: Expect::only(InvariantId(22)).remark("silence must always be to be had"),
        exhibit: explored(World {
            irqchip: false,
            ..World::TWO_TASKS.with(&[(Disturbance::MsrRewrite, 1)])
        }),
        wrong: &[Variant::of("v5.8")],
        right: &[Variant::of("v5.9"), V6_19],
    },
    Entry {
        id: "H21",
        group: Group::Host,
        subject: "Fix \"GUP fail in work thread\" problem",
        source: "v6 to v7 of the series, October 2010",
        story: "The VMM has no memory at the address any more, and the worker cannot have the \
                page. It leaves the pointer of its item uninitialised, and the host later puts a \
                page that it never had.",
        expect: Expect::only(InvariantId(24)),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::FetchFailure, 1)])),
        wrong: &[Variant::of("v5-2010"), V6_19.defect(&[Defect::GarbagePage])],
        right: &[V6_19],
    },
    Entry {
        id: "H31",
        group: Group::Host,
        subject: "snapshots without the INT and ACK registers of async page faults",
        source: "firecracker pull request 5738, March 2026",
        story: "The VMM saves EN but not INT. On restore the vector is 0: the wake-all raises an \
                interrupt that no local APIC takes, its token stays in the slot, and the tasks that \
                slept at the snapshot sleep for ever.",
        expect: Expect::only(InvariantId(21)),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[V6_12.with(NO_VECTOR), V6_19.with(NO_VECTOR)],
        right: &[V6_12.with(MIGRATED), V6_19.with(MIGRATED)],
    },
    Entry {
        id: "H32",
        group: Group::Host,
        subject: "kvm: report errors of async page faults to the VMM (error_gfns)",
        source: "a series of 2020, not merged; kernels of today have the loop",
        story: "The file behind the guest's memory was truncated. The worker cannot have the page, \
                page ready is sent, the task faults again, and so for ever: the VMM never learns of \
                the error. The series notes the frame and makes its next fault synchronous.",
        expect: Expect::only(InvariantId(37)).remark(
            "no page can ever be read in this world, so the loop cannot be left: already from the \
             first state on there is no way to the end, and the shortest way has no steps",
        ),
        exhibit: explored(World {
            pages: 1,
            cap: 1,
            ..World::ONE_TASK.with(&[(Disturbance::ReadError, 1)])
        }),
        wrong: &[V6_12, V6_19],
        right: &[V6_19.set(NOTES_ERRORS)],
    },
    Entry {
        id: "H34",
        group: Group::Host,
        subject: "the artificial halt is kept in mp_state",
        source: "v6 to v7 of the series, October 2010",
        story: "A vCPU that the host halts for a page is marked as if the guest had executed HLT. \
                The VM is migrated meanwhile. The destination has no item for the page, and the \
                vCPU waits for an interrupt that may never come.",
        expect: Expect::only(InvariantId(39)),
        exhibit: explored(World {
            notices: false,
            ..World::TWO_TASKS.with(&[(Disturbance::Migration, 1)])
        }),
        wrong: &[V6_19.defect(&[Defect::HaltInMpState])],
        right: &[V6_12, V6_19],
    },
    Entry {
        id: "H37",
        group: Group::Host,
        subject: "a machine that is restarted while a vCPU is in the artificial halt",
        source: "not mended in 7.3.4; seen on real 7.3.4 and 6.12.95",
        story: "The host halts a vCPU for a page, and the VMM restarts the machine by writing the \
                registers of power-on into the vCPUs that there are (QEMU's system_reset). Its write \
                of EN drops the item that would have ended the halt. No register is the halt: the \
                write of the vCPU's state does not end it, and at the reset vector interrupts are \
                off. The vCPU that boots never runs again; the others get an INIT, which ends their \
                halts. Guests without notices are hit as well.",
        expect: Expect::only(InvariantId(16)).remark(
            "no kernel ends the halt when that state is written, which is what mends it here",
        ),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::VmmReset, 1)])),
        wrong: &[V6_12, V6_19, V7_3],
        right: &[V7_3.set(ENDS_HALT)],
    },
    Entry {
        id: "H38",
        group: Group::Host,
        subject: "a write to EN that is refused spoils the area that is in use",
        source: "not mended in 7.3.4 (923ca078f08c mends the register); seen on real 7.3.4",
        story: "Notices are on, and EN is written once more with an address where the guest has no \
                memory. The host looks the address up before it refuses the write, and does so in \
                the place where it keeps the way to the area. The register keeps its value, but the \
                area is not reached any more: not present is followed by a halt, page ready is never \
                sent, until memory slots change.",
        expect: Expect::only(InvariantId(15)).besides(&[InvariantId(13), InvariantId(19)]).remark(
            "up to 7.0 the refused value is in force besides (H13); no kernel keeps the area, which \
             is what mends it here",
        ),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::RefusedEn, 1)])),
        wrong: &[V6_12, V6_19, V7_3],
        right: &[V7_3.set(KEEPS_AREA)],
    },
    Entry {
        id: "H39",
        group: Group::Host,
        subject: "a wake-all for which there is no memory",
        source: "kvm_pv_enable_async_pf ignores what kvm_async_pf_wakeup_all returns; read in 7.3.4",
        story: "After a migration the VMM writes EN, and the host queues a wake-all, so that whoever \
                sleeps for a page of the old host wakes up and tries again. It is allocated without \
                waiting. When that fails nobody looks, the write succeeds, and the tasks sleep on; \
                tokens begin again and come to be those of sleepers.",
        expect: Expect::only(InvariantId(38)).besides(&[InvariantId(13), InvariantId(27)]),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::Migration, 1)])),
        wrong: &[V6_12.with(NO_MEMORY), V7_3.with(NO_MEMORY)],
        right: &[V6_12, V7_3],
    },
];

const ENDS_HALT: &[Setting] = &[Setting::MpStateWrite(MpStateWrite::EndsHalt)];
const KEEPS_AREA: &[Setting] = &[Setting::RefusedArea(RefusedArea::Kept)];
const NO_MEMORY: &[(Disturbance, u8)] = &[(Disturbance::AllocFailure, 1)];
const NO_VECTOR: &[(Disturbance, u8)] = &[(Disturbance::MigrationWithoutVector, 1)];
const MIGRATED: &[(Disturbance, u8)] = &[(Disturbance::Migration, 1)];
const NOTES_ERRORS: &[Setting] = &[Setting::FetchFailure(FetchFailure::NextFaultSynchronous)];
