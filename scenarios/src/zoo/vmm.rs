//! Mistakes between a kernel and a VMM that answers faults, of either side. Sources are the kernel
//! patches of Firecracker's branch `feature/secret-hiding` in their states of March and June 2026, and
//! that branch itself.

use models::apf::host::CompletedBy;
use models::apf::host::{HostInput, VcpuView};
use models::apf::rules::{
    ClearRings, NotifyIndex, PendingAtRun, Setting, Stores, TokenSpent, UserLookup,
};
use models::apf::vmm::{Abuse, Storer};
use models::apf::{Defect, Effect, Input, VmmEffect, VmmInput};
use models::base::ids::{Gfn, Gva, Hva, VcpuId};
use models::base::invariant::InvariantId;
use models::explore::Disturbance;

use super::entry::{Entry, Exhibit, Expect, Group, Variant, World};

const EXIT: Variant = Variant::of("user-exit");
const RING: Variant = Variant::of("user-exitless");
const UFFD: Variant = Variant::of("user-uffd");

/// A counter of two bits comes round after three repeated faults, which is V08.
const BY_SETUP: Setting = Setting::TokenSpent(TokenSpent::BySetup);
const ANY_ORDER: Setting = Setting::Stores(Stores::AnyOrder);

/// One vCPU, one task, one page.
const ONE_PAGE: World = World { pages: 1, ..World::ONE_TASK };
/// Two faults at a time, and a vCPU that is halted for each until an interrupt comes.
const UNTOLD: World = World { notices: false, ..World::TWO_TASKS };

/// A snapshot of one page, which two tasks write to.
const PROTECTED: World =
    World { pages: 1, ..World::TWO_TASKS }.with(&[(Disturbance::WriteProtect, 1)]);

const fn explored(world: World) -> Exhibit {
    Exhibit::Explore(world, None)
}

const VCPU: VcpuId = VcpuId(0);

const fn fault(page: u64) -> Input {
    let (gva, gfn, hva) = (Gva(page << 12), Gfn(page), Hva(page << 12));
    let (vcpu, view, failure) = (VCPU, VcpuView::USER, None);
    Input::Host(HostInput::UserFault { vcpu, view, gva, gfn, hva, failure })
}

const ADVANCE: Input = Input::Host(HostInput::Advance { vcpu: VCPU, view: VcpuView::USER });
const SEEN: Input = Input::Vmm(VmmInput::Visible { vcpu: VCPU, storer: Storer::Kernel, index: 0 });

/// A fault whose entry nobody reads, the head set back, another fault.
const HEAD_SET_BACK: &[Input] = &[
    fault(0),
    SEEN,
    SEEN,
    ADVANCE,
    ADVANCE,
    Input::Vmm(VmmInput::Abuse { vcpu: VCPU, how: Abuse::NotifyHeadBack }),
    fault(1),
    SEEN,
    SEEN,
];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "V01",
        group: Group::Vmm,
        subject: "a fault that cannot be passed on is accepted all the same",
        source: "inferred: the vCPU loop of feature/secret-hiding logs the error and issues ACCEPT",
        story: "The socket to the handler does not block. When its buffer is full, the vCPU thread \
                logs that and tells the kernel that the fault will be answered. Nobody knows of it \
                but the kernel, and its task sleeps for ever.",
        expect: Expect::only(InvariantId(41)),
        exhibit: explored(ONE_PAGE.with(&[(Disturbance::VmmSendFails, 1)])),
        wrong: &[EXIT.defect(&[Defect::AcceptUnsent])],
        right: &[EXIT],
    },
    Entry {
        id: "V02",
        group: Group::Vmm,
        subject: "what does not fit into the ring is asked for where nobody reads",
        source: "firecracker 62c07ea14, seen when memory was plugged in and a ring of 31 was flooded",
        story: "A fault that finds the ring full leaves by an exit. The request went to another \
                stream than the handler reads, and was accepted.",
        expect: Expect::only(InvariantId(41)),
        exhibit: explored(World { ring: 1, ..World::TWO_TASKS }),
        wrong: &[RING.set(&[BY_SETUP]).defect(&[Defect::FallbackUnheard])],
        right: &[RING.set(&[BY_SETUP])],
    },
    Entry {
        id: "V03",
        group: Group::Vmm,
        subject: "KVM_RUN completes what is pending",
        source: "the series of June 2026; before it, a fault that is answered at once stays pending",
        story: "The VMM installs the page while the vCPU is out and runs it again, without ACCEPT and \
                READY. The item stays: its task waits for a page ready that never comes, and the \
                next fault on the frame halts the vCPU.",
        expect: Expect::only(InvariantId(42)),
        exhibit: explored(ONE_PAGE.with(&[(Disturbance::VmmWaits, 1)])),
        wrong: &[EXIT.set(&[Setting::PendingAtRun(PendingAtRun::Kept)])],
        right: &[EXIT],
    },
    Entry {
        id: "V04",
        group: Group::Vmm,
        subject: "a frame with an item of the kernel and one of the VMM",
        source: "inferred: kvm_async_pf_setup_userfault of June 2026 looks among its own items only",
        story: "A page that the VMM gave is swapped out, and a fault on it waits for a worker. The \
                VMM takes the page back, the next fault on the frame is the VMM's, and sets up a \
                second item. KVM's hash holds the frame twice.",
        expect: Expect::only(InvariantId(43)),
        exhibit: explored(
            World { pages: 1, ..World::TWO_TASKS }
                .with(&[(Disturbance::Evict, 1), (Disturbance::Rearm, 1)]),
        ),
        wrong: &[EXIT.set(&[BY_SETUP])],
        right: &[EXIT.set(&[BY_SETUP, Setting::UserLookup(UserLookup::AllItems)])],
    },
    Entry {
        id: "V05",
        group: Group::Vmm,
        subject: "the consumer sleeps without a second look",
        source: "invented: what the order of the documented consumer guards against",
        story: "The handler finds the ring empty, asks for a signal and sleeps. A fault that came in \
                between saw no wish for a signal and gave none: its entry lies in the ring while \
                everybody sleeps.",
        expect: Expect::only(InvariantId(44)),
        exhibit: explored(ONE_PAGE),
        wrong: &[
            RING.defect(&[Defect::NoSecondLook]),
            RING.set(&[ANY_ORDER]).defect(&[Defect::NoSecondLook]),
        ],
        right: &[RING, RING.set(&[ANY_ORDER])],
    },
    Entry {
        id: "V06",
        group: Group::Vmm,
        subject: "no barrier between the head of the ring and the look at ARMED",
        source: "invented: what the full barrier of the kernel is for, on x86 too",
        story: "The kernel writes an entry, and looks whether the handler wants a signal while its \
                store still waits in the processor. The handler asks for a signal, looks again, sees \
                the old head and sleeps.",
        expect: Expect::only(InvariantId(44)),
        exhibit: explored(ONE_PAGE),
        wrong: &[
            RING.defect(&[Defect::NoNotifyBarrier]),
            RING.set(&[ANY_ORDER]).defect(&[Defect::NoNotifyBarrier]),
        ],
        right: &[RING, RING.set(&[ANY_ORDER])],
    },
    Entry {
        id: "V06-arm",
        group: Group::Vmm,
        subject: "no barrier between arming and the second look",
        source: "invented: what the full barrier of the consumer is for; x86 does without",
        story: "The handler's wish for a signal becomes visible after its second look. Where atomic \
                operations order nothing, the kernel sees no wish and the handler no entry. On x86 \
                the atomic operation is a barrier already.",
        expect: Expect::only(InvariantId(44)),
        exhibit: explored(ONE_PAGE),
        wrong: &[RING.set(&[ANY_ORDER]).defect(&[Defect::NoArmFence])],
        right: &[RING.defect(&[Defect::NoArmFence]), RING.set(&[ANY_ORDER])],
    },
    Entry {
        id: "V06-head",
        group: Group::Vmm,
        subject: "the head of the ring is no release",
        source: "invented: what smp_store_release of the head is for; x86 does without",
        story: "The handler sees the new head before the entry, and reads what the place held.",
        expect: Expect::only(InvariantId(45)),
        exhibit: explored(ONE_PAGE),
        wrong: &[RING.set(&[ANY_ORDER]).defect(&[Defect::PlainHead])],
        right: &[RING.defect(&[Defect::PlainHead]), RING.set(&[ANY_ORDER])],
    },
    Entry {
        id: "V07",
        group: Group::Vmm,
        subject: "the kernel takes the place of its next entry from the shared page",
        source: "the series of March 2026, as June changed it",
        story: "The head of the ring lies in memory that the VMM can write. A VMM that sets it back \
                makes the kernel write over an entry that nobody has read. Memory is safe, as the \
                place is cut to the size of the ring.",
        expect: Expect::only(InvariantId(45)),
        exhibit: Exhibit::Schedule(World::TWO_TASKS, HEAD_SET_BACK, None),
        wrong: &[
            Variant::of("user-exitless-march"),
            RING.set(&[Setting::NotifyIndex(NotifyIndex::FromPage)]),
        ],
        right: &[RING],
    },
    Entry {
        id: "V07-two",
        group: Group::Vmm,
        subject: "two threads write answers into one ring",
        source: "inferred: the head is loaded and stored plainly, and the sample keeps a function \
                 that any thread may call",
        story: "Two threads read the same head and write their answers to the same place. One answer \
                is lost, and its task sleeps for ever.",
        expect: Expect::only(InvariantId(45)),
        exhibit: explored(UNTOLD),
        wrong: &[RING.set(&[BY_SETUP]).defect(&[Defect::TwoProducers])],
        right: &[RING.set(&[BY_SETUP])],
    },
    Entry {
        id: "V08",
        group: Group::Vmm,
        subject: "repeated faults spend tokens",
        source: "inferred: the series of June 2026 takes the token before it looks for the frame",
        story: "Each turn of a vCPU that faults again on an outstanding frame takes a number from \
                the counter. A halt that ends at once spends them all in seconds (2^20 at 5.5 us, as \
                a stray kick was seen to do), and a new item gets the token of one that is \
                outstanding.",
        expect: Expect::only(InvariantId(2)),
        exhibit: explored(World::TWO_TASKS),
        wrong: &[EXIT],
        right: &[EXIT.set(&[BY_SETUP])],
    },
    Entry {
        id: "V09",
        group: Group::Vmm,
        subject: "the guest ends the rings by switching notices off",
        source: "the series of March 2026, as June changed it",
        story: "Dropping a vCPU's items also removed the registration. A guest that writes EN = 0 \
                once, as every restart does, sends all later faults out by an exit, and what was in \
                the rings is lost.",
        expect: Expect::only(InvariantId(47)),
        exhibit: explored(ONE_PAGE.with(&[(Disturbance::MsrRewrite, 1)])),
        wrong: &[
            RING.set(&[Setting::ClearRings(ClearRings::Removed)]),
            Variant::of("user-exitless-march"),
        ],
        right: &[RING],
    },
    Entry {
        id: "V10",
        group: Group::Vmm,
        subject: "a fault is answered before its bit is clear",
        source: "invented: the order that a VMM owes",
        story: "The handler answers, then clears the bit. The guest comes back, finds the bit set and \
                faults again: a round for nothing.",
        expect: Expect::only(InvariantId(46)),
        exhibit: explored(ONE_PAGE),
        wrong: &[EXIT.defect(&[Defect::CompleteBeforeClear])],
        right: &[EXIT],
    },
    Entry {
        id: "V11",
        group: Group::Vmm,
        subject: "the protection of a page is lifted before the page is saved",
        source: "invented: the order that a live snapshot owes (UFFDIO_WRITEPROTECT)",
        story: "The guest writes between the two, and the snapshot has what came later.",
        expect: Expect::only(InvariantId(51)),
        exhibit: explored(PROTECTED),
        wrong: &[UFFD.defect(&[Defect::SaveAfterLift])],
        right: &[UFFD],
    },
    Entry {
        id: "V12",
        group: Group::Vmm,
        subject: "a protection is lifted, and nobody is woken",
        source: "invented: UFFDIO_WRITEPROTECT_MODE_DONTWAKE, and no UFFDIO_WAKE behind it",
        story: "The worker that wants to write sleeps on, and with it the task that was told not present.",
        expect: Expect::only(InvariantId(13)),
        exhibit: explored(PROTECTED),
        wrong: &[UFFD.defect(&[Defect::LiftWithoutWake])],
        right: &[UFFD],
    },
    Entry {
        id: "V13",
        group: Group::Vmm,
        subject: "who sleeps for a page is woken before its protection is lifted",
        source: "invented: two calls in the wrong order, by a VMM that answers each page once",
        story: "The worker finds the page protected again and sends another message. A VMM that answers it loses a round; \
                one that has saved the page and takes the message for answered leaves the worker asleep.",
        expect: Expect::only(InvariantId(13)),
        exhibit: explored(PROTECTED),
        wrong: &[UFFD.defect(&[Defect::WakeBeforeLift])],
        right: &[UFFD],
    },
    Entry {
        id: "V14",
        group: Group::Vmm,
        subject: "a page comes back from swap without its mark",
        source: "by source: what pte_swp_uffd_wp and its kind are for (mm/memory.c, do_swap_page, 6.12)",
        story: "The page is reclaimed while it is protected, and its entry in swap does not keep the mark. The guest writes, \
                and nobody is asked.",
        expect: Expect::only(InvariantId(51)),
        exhibit: explored(
            PROTECTED.with(&[(Disturbance::WriteProtect, 1), (Disturbance::Evict, 1)]),
        ),
        wrong: &[UFFD.defect(&[Defect::SwapLosesMark])],
        right: &[UFFD],
    },
    Entry {
        id: "CV1",
        group: Group::Control,
        subject: "the VMM answers a fault twice",
        source: "negative control",
        story: "The second answer finds no item that waits for one, or an item for a fault that came \
                since, whose page is there: it is ignored, or right.",
        expect: Expect::NOTHING,
        exhibit: Exhibit::Explore(
            ONE_PAGE.with(&[(Disturbance::VmmTwice, 1)]),
            Some(|_, _, effects| effects.iter().any(is_ignored)),
        ),
        wrong: &[],
        right: &[EXIT, RING],
    },
    Entry {
        id: "CV2",
        group: Group::Control,
        subject: "an answer comes after the guest has had all items dropped",
        source: "negative control",
        story: "The item is gone. The answer is refused or ignored; the page is there.",
        expect: Expect::NOTHING,
        exhibit: Exhibit::Explore(
            ONE_PAGE.with(&[(Disturbance::MsrRewrite, 1)]),
            Some(|_, _, effects| effects.iter().any(is_ignored)),
        ),
        wrong: &[],
        right: &[EXIT, RING],
    },
    Entry {
        id: "CV3",
        group: Group::Control,
        subject: "the VMM does not look at an exit",
        source: "negative control",
        story: "It runs the vCPU again, and the kernel completes the item: the guest faults once more.",
        expect: Expect::NOTHING,
        exhibit: Exhibit::Explore(
            ONE_PAGE.with(&[(Disturbance::VmmIgnores, 1)]),
            Some(|_, _, effects| effects.iter().any(is_over)),
        ),
        wrong: &[],
        right: &[EXIT],
    },
];

fn is_ignored(effect: &Effect) -> bool {
    matches!(effect, Effect::Vmm(VmmEffect::AnswerIgnored { .. }))
}

fn is_over(effect: &Effect) -> bool {
    matches!(effect, Effect::Vmm(VmmEffect::Completed { by: CompletedBy::Run, .. }))
}
