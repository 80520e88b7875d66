//! Mistakes of the guest's kernel.

use models::apf::Defect;
use models::apf::rules::{GuestTeardown, NmiFault, Setting, SlotAtEnable};
use models::base::invariant::InvariantId;
use models::explore::Disturbance;

use super::entry::{Entry, Exhibit, Expect, Group, Variant, World};

const V5_3: Variant = Variant::of("v5.3");
const V5_17: Variant = Variant::of("v5.17");
const V6_12: Variant = Variant::of("v6.12");
const V6_19: Variant = Variant::of("v6.19");
const V7_3: Variant = Variant::of("v7.3");

const fn explored(world: World) -> Exhibit {
    Exhibit::Explore(world, None)
}

/// A guest that asks for notices in its kernel.
const ASKS: World = World { send_always: true, ..World::ONE_TASK };
/// A wake-all that comes after a not present leaves a dummy, before 5.8.
const LATE_WAKE_ALL: &[InvariantId] = &[InvariantId(28)];
/// That, and a page ready that leaves the artificial halt set, as v7 of the series did.
const V7_AS_POSTED: &[InvariantId] = &[InvariantId(16), InvariantId(28)];
/// Nobody switches notices off on a crash.
const ON_RESTART: &[Setting] = &[Setting::GuestTeardown(GuestTeardown::OnRestart)];
/// The word is left to the handler that an NMI interrupts.
const LEAVES_WORD: &[Setting] = &[Setting::NmiFault(NmiFault::LeavesWord)];
/// What would mend a vCPU that was offline.
const CLEARS_SLOT: &[Setting] = &[Setting::SlotAtEnable(SlotAtEnable::Cleared)];
/// What a restore without the vector breaks by itself.
const NO_VECTOR: &[InvariantId] =
    &[InvariantId(13), InvariantId(15), InvariantId(19), InvariantId(21), InvariantId(38)];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "G01",
        group: Group::Guest,
        subject: "x86/kvm: don't forget to ACK async PF IRQ",
        source: "cc17b22559d9, 5.9-rc5",
        story: "The handler of the page ready interrupt does not write EOI. The interrupt stays in \
                service, the local APIC delivers nothing of the same priority or below, and guests \
                with several processors hang at boot.",
        expect: Expect::only(InvariantId(33)),
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
        expect: Expect::only(InvariantId(27))
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
        expect: Expect::only(InvariantId(30)).besides(V7_AS_POSTED),
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
        expect: Expect::only(InvariantId(29)).besides(LATE_WAKE_ALL),
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
        expect: Expect::only(InvariantId(29)).besides(LATE_WAKE_ALL),
        exhibit: explored(ASKS.with(&[(Disturbance::Atomic, 1)])),
        wrong: &[V5_3.defect(&[Defect::ScheduleInAtomic])],
        right: &[V5_3],
    },
    Entry {
        id: "G10",
        group: Group::Guest,
        subject: "x86/kvm: Teardown PV features on boot CPU as well",
        source: "8b79feffeca2, 5.13",
        story: "A guest resumes from hibernation: the kernel that loads the image is overwritten by \
                it. The other processors have gone offline before and switched notices off; the one \
                that boots does not. The host goes on writing page ready to where the loading \
                kernel had its area, which is the restored kernel's memory now: \"Bad page state\", \
                random corruption. A restart by kexec was never affected: its reboot notifier runs \
                on every processor since the series was merged.",
        expect: Expect::only(InvariantId(22)),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::Hibernation, 1)])),
        wrong: &[Variant::of("v5.9"), V6_19.defect(&[Defect::KeepBootProcessor])],
        right: &[V5_17, V6_19],
    },
    Entry {
        id: "G10-crash",
        group: Group::Guest,
        subject: "x86/kvm: Disable all PV features on crash",
        source: "5.13, of the same series as 8b79feffeca2",
        story: "A guest's kernel crashes, and another one that was loaded before writes the dump. \
                Nobody switches notices off. That kernel runs in memory set aside for it, so that \
                what the host writes falsifies no more than the dump; but it gets notices that it \
                did not ask for.",
        expect: Expect::only(InvariantId(22)).remark(
            "since 5.13 the processor that crashes switches its notices off; the others are stopped \
             with their local APIC off, to which no page ready goes",
        ),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::Crash, 1)])),
        wrong: &[Variant::of("v5.9"), V6_19.set(ON_RESTART)],
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
        expect: Expect::only(InvariantId(31)),
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
        expect: Expect::only(InvariantId(32)),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::TracerFault, 1)])),
        wrong: &[V6_19.defect(&[Defect::LateCr2Read])],
        right: &[V6_19],
    },
    Entry {
        id: "G15",
        group: Group::Guest,
        subject: "EN is written before the guest notes that it takes part",
        source: "inferred; no kernel is known to have done so with interrupts on",
        story: "The write to EN queues a wake-all. Its page ready comes while the guest has not \
                noted yet that it takes part: the handler ignores it, never acknowledges, and no \
                other page ready follows.",
        expect: Expect::only(InvariantId(15)),
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
        expect: Expect::only(InvariantId(13)),
        exhibit: explored(World { vcpus: 2, pages: 1, ..World::ONE_TASK }),
        wrong: &[V6_19.with(&[(Disturbance::MigrationOneEnabled, 1)])],
        right: &[V6_19.with(&[(Disturbance::Migration, 1)])],
    },
    Entry {
        id: "G17",
        group: Group::Guest,
        subject: "x86/kvm: Don't consume async #PF flags on a kernel #PF in NMI",
        source: "7.3, 7.2.13, 6.12.115; not in 7.2.12, 6.12.113, 6.1.192 and 5.10.223",
        story: "Not present is injected, and a non-maskable interrupt comes before its handler has \
                read the word: a profiler that walks the stack of user mode, which is paged out in \
                the guest. The handler of that page fault reads and clears the word, finds not \
                present with interrupts off, and panics: \"Host injected async #PF in interrupt \
                disabled region\". The host has done nothing wrong. The cure leaves the word alone \
                when kernel mode was interrupted inside an NMI.",
        expect: Expect::only(InvariantId(31)),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::NmiFault, 1)])),
        wrong: &[
            V5_17,
            V6_12,
            V6_19,
            V7_3.defect(&[Defect::NmiTakesWord]),
        ],
        right: &[V6_12.set(LEAVES_WORD), V7_3],
    },
    Entry {
        id: "G18",
        group: Group::Guest,
        subject: "a page ready is taken while notices are off, and its token stays in the slot",
        source: "not mended in 7.3.4; seen on real 7.3.4 and 6.12.95",
        story: "A vCPU goes offline with faults outstanding. A page ready is raised; then the guest \
                switches notices off, wakes its sleepers, and lets interrupts in. The handler writes \
                EOI, finds that notices are off, and neither frees the slot nor acknowledges. When \
                the vCPU comes back, or its going is taken back, notices are switched on and nobody \
                frees the slot: no page ready is ever sent again, tasks sleep for ever, and every \
                HLT returns at once. Off- and onlining once more does not mend it.",
        expect: Expect::only(InvariantId(13)).besides(&[InvariantId(15), InvariantId(19)]).remark(
            "no kernel frees the slot before it switches notices on, which is what mends it here",
        ),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::OfflineRollback, 1)])),
        wrong: &[Variant::of("v5.9"), V5_17, V6_12, V6_19, V7_3],
        right: &[V7_3.set(CLEARS_SLOT)],
    },
];
