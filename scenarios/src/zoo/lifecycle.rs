//! Mistakes of the host in what happens to a VM: system management mode, registers, failing reads,
//! migration, its end.

use models::apf::Defect;
use models::apf::rules::{FetchFailure, Setting};
use models::explore::Disturbance;

use super::entry::{Entry, Exhibit, Expect, Group, Variant, World};

const V2_6_39: Variant = Variant::of("v2.6.39");
const V5_17: Variant = Variant::of("v5.17");
const V6_12: Variant = Variant::of("v6.12");
const V6_19: Variant = Variant::of("v6.19");

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
        expect: Expect::only("INV-13"),
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
        expect: Expect::only("INV-25"),
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
        expect: Expect::only("INV-24"),
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
        expect: Expect::only("INV-24").remark(
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
        expect: Expect::only("INV-21"),
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
        expect: Expect::only("INV-22").remark("silence must always be to be had"),
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
        expect: Expect::only("INV-24"),
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
        expect: Expect::only("INV-21"),
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
        expect: Expect::only("INV-37").remark(
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
        expect: Expect::only("INV-39"),
        exhibit: explored(World {
            notices: false,
            ..World::TWO_TASKS.with(&[(Disturbance::Migration, 1)])
        }),
        wrong: &[V6_19.defect(&[Defect::HaltInMpState])],
        right: &[V6_12, V6_19],
    },
];

const NO_VECTOR: &[(Disturbance, u8)] = &[(Disturbance::MigrationWithoutVector, 1)];
const MIGRATED: &[(Disturbance, u8)] = &[(Disturbance::Migration, 1)];
const NOTES_ERRORS: &[Setting] = &[Setting::FetchFailure(FetchFailure::NextFaultSynchronous)];
