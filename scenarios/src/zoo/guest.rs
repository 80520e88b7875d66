//! Mistakes of the guest's kernel.

use models::apf::Defect;
use models::explore::Disturbance;

use super::entry::{Entry, Exhibit, Expect, Group, Variant, World};

const V5_3: Variant = Variant::of("v5.3");
const V5_17: Variant = Variant::of("v5.17");
const V6_12: Variant = Variant::of("v6.12");
const V6_19: Variant = Variant::of("v6.19");

const fn explored(world: World) -> Exhibit {
    Exhibit::Explore(world, None)
}

/// A guest that asks for notices in its kernel.
const ASKS: World = World { send_always: true, ..World::ONE_TASK };
/// A wake-all that comes after a not present leaves a dummy, before 5.8.
const LATE_WAKE_ALL: &[&str] = &["INV-28"];
/// What a restore without the vector breaks by itself.
const NO_VECTOR: &[&str] = &["INV-13", "INV-15", "INV-19", "INV-21", "INV-38"];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "G01",
        group: Group::Guest,
        subject: "x86/kvm: don't forget to ACK async PF IRQ",
        source: "cc17b22559d9, 5.9-rc5",
        story: "The handler of the page ready interrupt does not write EOI. The interrupt stays in \
                service, the local APIC delivers nothing of the same priority or below, and guests \
                with several processors hang at boot.",
        expect: Expect::only("INV-33"),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[V6_19.defect(&[Defect::NoEoi])],
        right: &[V6_19],
    },
    Entry {
        id: "G03",
        group: Group::Guest,
        subject: "x86/kvm: Avoid freeing stack-allocated node in kvm_async_pf_queue_task",
        source: "95cc9e7cf03d, 6.19-rc6; wrong since 2010",
        story: "A task waits with a token for which another task still sleeps, as after a restore \
                that lost the wake-all. The code takes the sleeper's entry, which lies on that \
                task's stack, for a dummy: it unlinks and frees it. Memory is corrupt, and the \
                first task is never woken.",
        expect: Expect::only("INV-27")
            .besides(NO_VECTOR)
            .remark("tokens come twice here because the VMM forgets the vector on restore (H31)"),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::MigrationWithoutVector, 1)])),
        wrong: &[V6_12, V6_19.defect(&[Defect::StackNodeIsDummy])],
        right: &[V6_19],
    },
    Entry {
        id: "G05",
        group: Group::Guest,
        subject: "a wake-up between the last test and HLT",
        source: "review of patch 10 of the fifth series, 24 August 2010",
        story: "A task that cannot be scheduled away tests whether it was woken, with interrupts \
                on, and then executes HLT. Page ready comes in between, and the vCPU sleeps until \
                something unrelated wakes it.",
        expect: Expect::only("INV-30").besides(LATE_WAKE_ALL),
        exhibit: explored(ASKS.with(&[(Disturbance::Atomic, 1)])),
        wrong: &[Variant::of("v5-2010"), Variant::of("v7-2010").defect(&[Defect::WindowBeforeHlt])],
        right: &[Variant::of("v7-2010")],
    },
    Entry {
        id: "G07",
        group: Group::Guest,
        subject: "kvm/x86: Handle async PF in RCU read-side critical sections",
        source: "b862789aa518, 4.14",
        story: "A preemptible guest kernel asks for notices at CPL 0. Not present hits an RCU \
                reader, and the task is scheduled away inside its read section: grace periods are \
                blocked or end too early.",
        expect: Expect::only("INV-29").besides(LATE_WAKE_ALL),
        exhibit: explored(ASKS.with(&[(Disturbance::RcuReader, 1)])),
        wrong: &[Variant::of("v4.13"), V5_3.defect(&[Defect::ScheduleInRcuReader])],
        right: &[V5_3],
    },
    Entry {
        id: "G08",
        group: Group::Guest,
        subject: "kvm/x86: Avoid async PF preempting the kernel incorrectly",
        source: "a2b7861bb33b, 4.14 (subject from memory)",
        story: "A kernel that does not count its atomic sections sees none: every not present at \
                CPL 0 looks as if the task could be scheduled away, in a spinlock too.",
        expect: Expect::only("INV-29").besides(LATE_WAKE_ALL),
        exhibit: explored(ASKS.with(&[(Disturbance::Atomic, 1)])),
        wrong: &[V5_3.defect(&[Defect::ScheduleInAtomic])],
        right: &[V5_3],
    },
    Entry {
        id: "G10",
        group: Group::Guest,
        subject: "x86/kvm: Teardown PV features on boot CPU as well",
        source: "8b79feffeca2, 5.13",
        story: "Before another kernel takes over, all processors but the one that boots switch \
                notices off. The host goes on writing page ready to where the old kernel had its \
                area: \"Bad page state\", random corruption after kexec and hibernation.",
        expect: Expect::only("INV-22"),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::Kexec, 1)])),
        wrong: &[Variant::of("v5.9"), V6_19.defect(&[Defect::KeepBootProcessor])],
        right: &[V5_17, V6_19],
    },
    Entry {
        id: "G11",
        group: Group::Guest,
        subject: "X86/KVM: Decrypt shared per-cpu variables when SEV is active",
        source: "4716276184ec, 4.15",
        story: "The shared word lies in an encrypted page. The host writes plain text, the guest \
                reads noise, and takes the notice for an ordinary page fault at the address of the \
                token.",
        expect: Expect::only("INV-31"),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[V6_19.defect(&[Defect::EncryptedWord])],
        right: &[V6_19],
    },
    Entry {
        id: "G12",
        group: Group::Guest,
        subject: "x86, trace: page fault tracepoints that fault (CR2)",
        source: "0ac09f9f8cd1 and d4078e232267, 3.14",
        story: "A tracer runs before the #PF handler reads CR2, and takes a page fault of its own. \
                The handler goes on with the tracer's address as token: the task sleeps for a \
                token that nobody will send.",
        expect: Expect::only("INV-32"),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::TracerFault, 1)])),
        wrong: &[V6_19.defect(&[Defect::LateCr2Read])],
        right: &[V6_19],
    },
    Entry {
        id: "G13",
        group: Group::Guest,
        subject: "x86/kvm: the guest's own `enabled` flag lies in the shared area",
        source: "until about 6.6 (code read, subject from memory)",
        story: "Whether a vCPU takes part is noted in memory that the host can write. A migration \
                overwrites it. The guest ignores the page ready interrupt and never acknowledges, \
                so the slot stays taken.",
        expect: Expect::only("INV-15"),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::Migration, 1)])),
        wrong: &[V6_12.defect(&[Defect::SharedEnabledFlag])],
        right: &[V6_12, V6_19],
    },
    Entry {
        id: "G15",
        group: Group::Guest,
        subject: "EN is written before the guest notes that it takes part",
        source: "inferred; no kernel is known to have done so with interrupts on",
        story: "The write to EN queues a wake-all. Its page ready comes while the guest has not \
                noted yet that it takes part: the handler ignores it, never acknowledges, and no \
                other page ready follows.",
        expect: Expect::only("INV-15"),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[V6_19.defect(&[Defect::EnableWithInterruptsOn])],
        right: &[V6_19],
    },
    Entry {
        id: "G16",
        group: Group::Guest,
        subject: "wake-all reaches one vCPU, its sleepers are on two",
        source: "inferred: a VMM that writes EN on restore for some vCPUs only",
        story: "A wake-all wakes the tasks whose not present came on the vCPU that is told. After \
                a restore notices are switched on again on vCPU 0 only: what slept on vCPU 1 sleeps \
                for ever.",
        expect: Expect::only("INV-13"),
        exhibit: explored(World { vcpus: 2, pages: 1, ..World::ONE_TASK }),
        wrong: &[V6_19.with(&[(Disturbance::MigrationOneEnabled, 1)])],
        right: &[V6_19.with(&[(Disturbance::Migration, 1)])],
    },
];
