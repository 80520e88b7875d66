//! Mistakes of the host between a fault and its page ready.

use models::apf::Defect;
use models::apf::rules::{MmapLock, ReadyGate, Setting, WordWriteFailure};
use models::base::invariant::InvariantId;
use models::explore::Disturbance;

use super::entry::{Entry, Exhibit, Expect, Group, Variant, World};

const V2_6_39: Variant = Variant::of("v2.6.39");
const V4_13: Variant = Variant::of("v4.13");
const V5_3: Variant = Variant::of("v5.3");
const V5_17: Variant = Variant::of("v5.17");
const V6_12: Variant = Variant::of("v6.12");
const V6_19: Variant = Variant::of("v6.19");
const V7_2: Variant = Variant::of("v7.2");
const V7_3: Variant = Variant::of("v7.3");

const fn explored(world: World) -> Exhibit {
    Exhibit::Explore(world, None)
}

/// A wake-all that comes after a not present leaves a dummy: what kernels before 5.8 do without any
/// disturbance.
const LATE_WAKE_ALL: &[InvariantId] = &[InvariantId(28)];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "H01",
        group: Group::Host,
        subject: "KVM: x86/mmu: make apf token non-zero to fix bug",
        source: "6f3c1fc53d86, 5.17",
        story: "A token is a counter shifted left, or-ed with the number of the vCPU: vCPU 0 makes \
                token 0 first, and again every 2^20 faults. The slot in which page ready hands its \
                token over is free when it holds 0. So the host writes the next token over the one \
                that the guest has not read, and the task of the first sleeps for ever.",
        expect: Expect::only(InvariantId(4)),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[
            Variant::of("v5.8"),
            Variant::of("v5.13"),
            V6_19.defect(&[Defect::TokenZero]),
        ],
        right: &[V5_17, V6_19],
    },
    Entry {
        id: "H03",
        group: Group::Host,
        subject: "KVM: x86: Properly handle APF vs disabled LAPIC situation",
        source: "2f15d027c05f, 5.13",
        story: "A guest that is booted directly switches notices on while its local APIC is still \
                off. The host writes the token of wake-all into the slot and raises an interrupt \
                that the local APIC refuses. The slot is never freed and nothing is delivered any \
                more.",
        expect: Expect::only(InvariantId(21)),
        exhibit: explored(LAPIC_OFF),
        wrong: &[Variant::of("v5.9"), V5_17.defect(&[Defect::IgnoreLapicState])],
        right: &[V5_17, V6_19],
    },
    Entry {
        id: "H03b",
        group: Group::Host,
        subject: "KVM: x86: Properly handle APF vs disabled LAPIC situation (its other half)",
        source: "2f15d027c05f, 5.13",
        story: "Items are kept back while the local APIC is off, but switching it on does not make \
                the host look for them: they wait for ever.",
        expect: Expect::only(InvariantId(15)),
        exhibit: explored(LAPIC_OFF),
        wrong: &[V6_19.defect(&[Defect::NoScanOnLapicEnable])],
        right: &[V5_17, V6_19],
    },
    Entry {
        id: "H03-spin",
        group: Group::Host,
        subject: "KVM: x86: Properly handle APF vs disabled LAPIC situation (what was seen of it)",
        source: "2f15d027c05f, 5.13; about a million exits a second on each vCPU",
        story: "The items that cannot be delivered keep the vCPU runnable: every HLT of the idle \
                guest exits, finds them, and returns at once. The vCPU uses a whole processor.",
        expect: Expect::only(InvariantId(19)).remark(
            "that halts end at once while the local APIC is off is a weakness of the mended kernels \
             too; the mistake is that they do so for ever",
        ),
        exhibit: explored(LAPIC_OFF),
        wrong: &[
            Variant::of("v5.9"),
            V5_17.defect(&[Defect::IgnoreLapicState]),
            V6_19.defect(&[Defect::NoScanOnLapicEnable]),
        ],
        right: &[V5_17, V6_19],
    },
    Entry {
        id: "H04",
        group: Group::Host,
        subject: "KVM: async_pf: Inject 'page ready' event only if 'page not present' was \
                  previously injected",
        source: "2a18b7e7cd88, 5.9",
        story: "A fault at CPL 0 only halts the vCPU, and the guest is told nothing. When its page \
                is there, page ready is sent all the same. The guest finds no sleeper and leaves a \
                dummy, which nothing ever removes; when its token comes again, a task that should \
                sleep does not.",
        expect: Expect::only(InvariantId(12)),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::KernelMode, 1)])),
        wrong: &[
            Variant::of("v4.13"),
            Variant::of("v5.8"),
            V6_19.defect(&[Defect::ReadyWithoutNotPresent]),
        ],
        right: &[V5_17, V6_19],
    },
    Entry {
        id: "H05",
        group: Group::Host,
        subject: "KVM: async_pf: Fix #DF due to inject 'Page not Present' and 'Page Ready' \
                  exceptions simultaneously",
        source: "9a6e7c39810e, 4.14",
        story: "Not present is queued as #PF for the next entry. The page comes before that entry, \
                and the run loop queues page ready, another #PF, on top. #PF on #PF is a double \
                fault, and the guest dies.",
        expect: Expect::only(InvariantId(11)).besides(LATE_WAKE_ALL),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[V2_6_39.defect(&[Defect::ReadyOverPendingException])],
        right: &[V2_6_39],
    },
    Entry {
        id: "H06",
        group: Group::Host,
        subject: "KVM: async_pf: Fix #DF due to inject 'Page not Present' and 'Page Ready' \
                  exceptions simultaneously (what it broke)",
        source: "9a6e7c39810e, 4.14; dead since 2a266f23550b (in Ubuntu 4.15); reverted by 84b09f33a5de, 5.8",
        story: "The cure for H05: when page ready meets a pending not present, both are taken \
                back, whatever their tokens. If they belong to two pages, two valid notices are \
                lost, and the task that sleeps for the second page is never woken. It takes a gate that \
                does not see what is pending: 4.14 has one. Since it sees that, page ready waits for the \
                next turn and the code is dead, as its removal says.",
        expect: Expect::only(InvariantId(13)).besides(LATE_WAKE_ALL),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[
            V2_6_39.defect(&[Defect::CancelMismatch]),
            V4_13.set(&[Setting::ReadyGate(ReadyGate::DisabledOrGatePendingUnseen)]),
        ],
        right: &[V2_6_39, V5_3],
    },
    Entry {
        id: "H07",
        group: Group::Host,
        subject: "KVM MMU: check pending exception before injecting APF",
        source: "2a266f23550b, 4.15 or 4.16",
        story: "Since 4.14 an exception is either pending or injected, and the gate looked at the \
                second only. An exception of an emulated instruction is pending, the next access \
                goes asynchronous, and two exceptions meet at one entry.",
        expect: Expect::only(InvariantId(11)),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::OtherException, 1)])),
        wrong: &[V5_17.defect(&[Defect::OverlookPendingException])],
        right: &[V5_17, V6_19],
    },
    Entry {
        id: "H13",
        group: Group::Host,
        subject: "syzbot: WARN in the delivery of page ready after a refused write to EN",
        source: "syzbot bc0e18379a290e5edfe4, July 2025; mended by 923ca078f08c after 7.0 (in 7.2)",
        story: "The EN register takes its value before the address in it is looked up. The address \
                is bad, the guest gets #GP, and notices are on all the same, with no area to write \
                to: completed items are never dequeued.",
        expect: Expect::only(InvariantId(23)).besides(AREA_GONE).remark(
            "page ready that cannot be written while the area is gone is lost under all rules",
        ),
        exhibit: explored(World::ONE_TASK.with(&[(Disturbance::AreaGone, 1)])),
        wrong: &[V6_12, V6_19, V7_2.defect(&[Defect::CommitBeforeValidation])],
        right: &[V7_2, V7_3],
    },
    Entry {
        id: "H14",
        group: Group::Host,
        subject: "KVM: x86: Fix a semi theoretical bug in kvm_arch_async_page_present_queued()",
        source: "68c35f89d016, 6.19",
        story: "A worker sets its request and then looks whether a page ready is unacknowledged: \
                if so, the acknowledgement will find the item. Without a barrier the look may come \
                first. The guest acknowledges in between, nobody kicks the vCPU, and it runs on in \
                guest mode with the item undelivered until its next exit.",
        expect: Expect::only(InvariantId(18)),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[V6_12.defect(&[Defect::StalePendingRead])],
        right: &[V6_12, V6_19],
    },
    Entry {
        id: "H15",
        group: Group::Host,
        subject: "KVM: MMU: clear apfs if page state is changed",
        source: "v7 of the series; e5f3f0279601, 2.6.38",
        story: "An item is set up under the guest's page tables; the guest, which is \
                told nothing, switches paging off; the page is mapped ahead of page ready with the \
                MMU of now, at an address of then: a wrong entry in the shadow tables.",
        expect: Expect::only(InvariantId(36)).besides(&[InvariantId(16)]),
        exhibit: explored(World {
            shadow: true,
            notices: false,
            ..World::ONE_TASK.with(&[(Disturbance::PagingOff, 1)])
        }),
        wrong: &[Variant::of("v7-2010"), V6_19.defect(&[Defect::PrefaultAnyMode])],
        right: &[V2_6_39, V6_19],
    },
    Entry {
        id: "H15b",
        group: Group::Host,
        subject: "KVM: MMU: clear apfs if page state is changed (the frame hash)",
        source: "e5f3f0279601, 2.6.38",
        story: "All items are dropped, but their frames stay in the hash of outstanding frames. \
                The next fault on such a frame counts as repeated and halts the vCPU for an item \
                that does not exist.",
        expect: Expect::only(InvariantId(1)),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::MsrRewrite, 1)])),
        wrong: &[V6_19.defect(&[Defect::KeepHashOnClear])],
        right: &[V6_19],
    },
    Entry {
        id: "H18",
        group: Group::Host,
        subject: "KVM: fix searching async gfn in kvm_async_pf_gfn_slot()",
        source: "2.6.38-rc (subject from memory); a slowness. That a probe does not end is true of \
                 no kernel",
        story: "The hash of outstanding frames has as many slots as there may be items. The lookup \
                of the seventh series did not stop at a hole: for a frame that is not there it \
                walked all 64 slots, which cost time and nothing else, as the number of steps was \
                bounded from the beginning. That bound is needed: stopping at holes alone, a full \
                table has none, and the vCPU thread would probe for ever. The mistake shown here is \
                to leave it out.",
        expect: Expect::only(InvariantId(37)).remark("no kernel did so; the cost of a probe is not modelled"),
        exhibit: explored(World { notices: false, ..THREE_PAGES }),
        wrong: &[V6_19.defect(&[Defect::UnboundedProbe])],
        right: &[V6_19],
    },
    Entry {
        id: "H19",
        group: Group::Host,
        subject: "frame hash: deletion without closing the gap",
        source: "never reported; inferred from the code",
        story: "A frame is deleted from the middle of a cluster of the hash. A later frame of the \
                cluster is not found any more: it gets a second item, and its first entry stays.",
        expect: Expect::only(InvariantId(1)),
        exhibit: explored(THREE_PAGES),
        wrong: &[V6_19.defect(&[Defect::HashDeleteHole])],
        right: &[V6_19],
    },
    Entry {
        id: "H22",
        group: Group::Host,
        subject: "memslot-cached writes: the cache is never compared",
        source: "the opposite of what the 2010 series did; inferred",
        story: "The host remembers where the shared area lies in the VMM. Memory slots change, the \
                host does not compare generations, and page ready goes to the old address.",
        expect: Expect::only(InvariantId(23)),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::MemslotChange, 1)])),
        wrong: &[V6_19.defect(&[Defect::StaleTranslation])],
        right: &[V6_19],
    },
    Entry {
        id: "H23",
        group: Group::Host,
        subject: "KVM: X86: a not present that cannot be written is ignored",
        source: "1dfdb45ec510, 5.3",
        story: "The shared area is not mapped when not present is written. The item exists, but \
                the guest is neither told nor halted: it runs into the same fault at once, and is \
                halted only then, because the frame is outstanding.",
        expect: Expect::only(InvariantId(37)).besides(AREA_GONE_EARLY).remark(
            "read strictly: an item that nobody is told of does not keep the guest from faulting \
             again",
        ),
        exhibit: explored(World::ONE_TASK.with(&[(Disturbance::AreaGone, 1)])),
        wrong: &[V2_6_39, V4_13, V6_19.set(IGNORES_WRITE_FAILURE)],
        right: &[V5_3, V6_19],
    },
    Entry {
        id: "H25",
        group: Group::Host,
        subject: "kvm: Faults which trigger IO release the mmap_sem",
        source: "234b239bea39, 3.18",
        story: "A worker holds the VMM's memory map locked for reading while it waits for its \
                page. The VMM wants to change the map and waits for the worker; the lock is fair, \
                so the next fault of a vCPU waits for the VMM. One slow read stalls all vCPUs, \
                which is what asynchronous faults were to end.",
        expect: Expect::only(InvariantId(40)).besides(LATE_WAKE_ALL).remark(
            "the oracle is that a vCPU thread never sleeps behind a worker's read; how long the \
             convoy gets takes a machine",
        ),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::MapWrite, 1)])),
        wrong: &[Variant::of("v5-2010"), V2_6_39, V4_13.set(HOLDS_MAP)],
        right: &[V4_13, V6_19],
    },
    Entry {
        id: "H26",
        group: Group::Host,
        subject: "mm: a lookup that must not wait asks for poisoned pages too (FOLL_HWPOISON)",
        source: "2011; why the lookup of 2.6.39 has that flag",
        story: "The lookup that must not wait fails, and a second one asks whether the page is \
                poisoned, this time without saying that it must not wait. The vCPU thread sleeps \
                for the page, and asynchronous faults buy nothing.",
        expect: Expect::only(InvariantId(40)).remark(
            "the oracle is that a vCPU thread never sleeps for the page of a fault that could go \
             asynchronous",
        ),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[V2_6_39.defect(&[Defect::SleepingLookup]), V6_19.defect(&[Defect::SleepingLookup])],
        right: &[V6_19],
    },
    Entry {
        id: "H29",
        group: Group::Host,
        subject: "KVM: async_pf: avoid async pf injection when in guest mode",
        source: "9bc1f09f6fa7, 4.12; opt-in 52a5c155cf79, 4.13",
        story: "The vCPU runs a guest of the guest. Not present or page ready is injected there, \
                where nobody knows what it means: the inner guest kills a process.",
        expect: Expect::only(InvariantId(8)),
        exhibit: explored(World::TWO_TASKS.with(&[(Disturbance::Nested, 1)])),
        wrong: &[V2_6_39, V5_17.defect(&[Defect::IgnoreNested])],
        right: &[V5_17, V6_19],
    },
    Entry {
        id: "H30",
        group: Group::Host,
        subject: "KVM: the ACK register guarded by the wrong feature bit",
        source: "a patch of 2021",
        story: "The host offers page ready as interrupt but refuses the register with which the \
                guest acknowledges. The first page ready is the last.",
        expect: Expect::only(InvariantId(15)),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[V6_19.defect(&[Defect::RefuseAck])],
        right: &[V6_19],
    },
    Entry {
        id: "H35",
        group: Group::Host,
        subject: "KVM: MMU: fix apf prefault if nested guest is enabled, and v6 to v7 of the series",
        source: "c4806acdcec0 (subject from memory); change list of October 2010",
        story: "Under shadow paging a page is mapped ahead while another process is current: the \
                entry lands in the tables of the wrong address space.",
        expect: Expect::only(InvariantId(36)),
        exhibit: explored(World { shadow: true, ..World::TWO_TASKS }),
        wrong: &[V6_19.defect(&[Defect::PrefaultAnyMode])],
        right: &[V6_19],
    },
    Entry {
        id: "H36",
        group: Group::Host,
        subject: "the shift truncates async_pf_id",
        source: "review of an early version of the series, 2010",
        story: "The counter of tokens has fewer bits than faults can be outstanding: two \
                outstanding items have one token.",
        expect: Expect::only(InvariantId(2)),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[V6_19.token_bits(1)],
        right: &[V6_19.token_bits(2)],
    },
];

const LAPIC_OFF: World =
    World { pages: 1, cap: 1, ..World::ONE_TASK.with(&[(Disturbance::LapicOff, 1)]) };
/// Three pages in a hash of two slots.
const THREE_PAGES: World = World { pages: 3, ..World::TWO_TASKS };
const HOLDS_MAP: &[Setting] = &[Setting::MmapLock(MmapLock::HeldDuringIo)];
const IGNORES_WRITE_FAILURE: &[Setting] = &[Setting::WordWriteFailure(WordWriteFailure::Ignored)];

/// What a shared area that is taken away breaks under the newest rules.
const AREA_GONE: &[InvariantId] = &[InvariantId(13), InvariantId(15), InvariantId(19)];
/// The same under earlier rules.
const AREA_GONE_EARLY: &[InvariantId] = &[
    InvariantId(12),
    InvariantId(13),
    InvariantId(15),
    InvariantId(19),
    InvariantId(23),
    InvariantId(28),
];
