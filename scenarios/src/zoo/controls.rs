//! What one schedule shows, and negative controls: unusual but right, and not to be taken for a
//! mistake.

use models::apf::item::WorkStage;
use models::apf::rules::{Setting, SetupOrder};
use models::apf::{Apf, Decision, Defect, Effect, Effects, GuestInput, HostInput, Input};
use models::base::ids::{TaskId, Token, VcpuId};
use models::base::invariant::InvariantId;
use models::base::record::Event;
use models::explore::{Disturbance, Shows};

use super::entry::{Entry, Exhibit, Expect, Group, Variant, World};

const V2_6_39: Variant = Variant::of("v2.6.39");
const V6_12: Variant = Variant::of("v6.12");
const V6_19: Variant = Variant::of("v6.19");

const VCPU: VcpuId = VcpuId(0);
/// A token that was told to this vCPU.
const TOKEN: Token = Token(4);

const fn control(
    id: &'static str,
    subject: &'static str,
    story: &'static str,
    exhibit: Exhibit,
    right: &'static [Variant],
) -> Entry {
    let (group, source, expect) = (Group::Control, "negative control", Expect::NOTHING);
    Entry { id, group, subject, source, story, expect, exhibit, wrong: &[], right }
}

const fn explored(world: World, shows: Shows) -> Exhibit {
    Exhibit::Explore(world, Some(shows))
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "H16",
        group: Group::Host,
        subject: "KVM: fix the race while wakeup all pv guest",
        source: "2.6.38-rc (subject from memory); the fault read in the series of 2010",
        story: "Switching notices on, here once more, appends a wake-all to the list of completed items, without \
                the lock that workers append under. A worker appends its item at the same moment, \
                and one of the two is lost: here the page ready of a task.",
        expect: Expect::only(InvariantId(6)).besides(&[InvariantId(28)]),
        exhibit: Exhibit::Explore(World::ONE_TASK.with(&[(Disturbance::EnRewrite, 1)]), None),
        wrong: &[
            Variant::of("v5-2010"),
            Variant::of("v7-2010"),
            V2_6_39.defect(&[Defect::UnlockedWakeAll]),
            V6_19.defect(&[Defect::UnlockedWakeAll]),
        ],
        right: &[V2_6_39, V6_19],
    },
    Entry {
        id: "G04",
        group: Group::Guest,
        subject: "x86/kvm: Alloc dummy async #PF token outside of raw spinlock",
        source: "0547758a6de3, 5.19; with baec4f5a018f",
        story: "Page ready finds no sleeper and needs memory for a dummy. Allocating it under the \
                raw lock of the table may sleep; so the lock is let go. If the table is not looked \
                at again afterwards, a task that went to sleep meanwhile is not seen: it gets a \
                dummy beside its own entry, and is never woken.",
        expect: Expect::only(InvariantId(26)).remark(
            "that an allocation sleeps under a lock cannot be expressed: the model has no locks",
        ),
        exhibit: Exhibit::Schedule(World::ONE_TASK, SLEEP_DURING_ALLOCATION, None),
        wrong: &[V6_19.defect(&[Defect::DummyWithoutSecondLook])],
        right: &[V6_12, V6_19],
    },
    control(
        "C01",
        "page ready is handled before its not present",
        "The wake comes first and leaves a dummy; the wait finds it, consumes it, and does not \
         sleep. Nothing is left.",
        Exhibit::Schedule(World::ONE_TASK, WAKE_BEFORE_WAIT, Some(consumes_dummy)),
        &[V6_12, V6_19],
    ),
    control(
        "C02",
        "a host-only halt is ended by an interrupt",
        "The guest cannot be told and its vCPU is halted for a page; an interrupt comes first, the \
         vCPU runs its handler, faults on the page again, and is halted again.",
        explored(World { notices: false, ..World::TWO_TASKS }, interrupt_ends_halt),
        &[V6_12, V6_19],
    ),
    control(
        "C03",
        "the page is evicted between page ready and the access",
        "Page ready is a hint: the task comes back, the page is gone again, and a second not \
         present follows.",
        explored(
            World { pages: 1, ..World::ONE_TASK.with(&[(Disturbance::Evict, 1)]) },
            second_not_present,
        ),
        &[V6_12, V6_19],
    ),
    control(
        "C04",
        "the cap is reached",
        "A fault above the cap is fetched synchronously, and the vCPU thread sleeps for it.",
        explored(World { cap: 1, ..World::TWO_TASKS }, falls_back_at_cap),
        &[V6_12, V6_19],
    ),
    control(
        "C05",
        "a wake-all finds no sleepers",
        "Notices are switched on while nobody sleeps: the broadcast wakes nobody.",
        explored(World::ONE_TASK.with(&[(Disturbance::MsrRewrite, 1)]), wakes_nobody),
        &[V6_12, V6_19],
    ),
    control(
        "C06",
        "the work is done before its item is linked",
        "Up to 5.8 the work of an item was scheduled before the item was linked and announced \
         (mended by 7863e346e108): the worker may be through before the guest is told. Not present \
         still comes first, because the vCPU's own thread delivers.",
        explored(World::TWO_TASKS, completed_before_link),
        &[V6_19.set(&[Setting::SetupOrder(SetupOrder::ScheduleFirst)])],
    ),
    control(
        "C07",
        "there is no memory for an item",
        "The allocation must not wait and fails: the fault is fetched synchronously.",
        explored(World::TWO_TASKS.with(&[(Disturbance::AllocFailure, 1)]), no_memory),
        &[V6_12, V6_19],
    ),
];

const WAKE: Input = Input::Guest(GuestInput::Wake { vcpu: VCPU, token: TOKEN });
const INSERT: Input = Input::Guest(GuestInput::WakeInsert { vcpu: VCPU, token: TOKEN });
const LINK: Input =
    Input::Guest(GuestInput::WaitLink { vcpu: VCPU, task: TaskId(0), token: TOKEN });

const SLEEP_DURING_ALLOCATION: &[Input] = &[WAKE, LINK, INSERT];
const WAKE_BEFORE_WAIT: &[Input] = &[WAKE, INSERT, LINK];

fn consumes_dummy(_: &Apf, input: &Input, effects: &Effects) -> bool {
    *input == LINK && effects.contains(&Effect::NoSleep)
}

fn interrupt_ends_halt(_: &Apf, input: &Input, effects: &Effects) -> bool {
    let interrupted = matches!(input, Input::Host(HostInput::Unblock { interrupt: true, .. }));
    interrupted && effects.iter().any(|e| matches!(e, Effect::Emit(Event::ApfUnhalt { .. })))
}

/// The task touches its page once: told twice, it found the page gone again.
fn second_not_present(apf: &Apf, _: &Input, effects: &Effects) -> bool {
    effects.iter().any(|effect| match effect {
        Effect::Emit(Event::NotPresentQueued { token, .. }) => {
            token.0 >> apf.rules.token.vcpu_bits == 2
        }
        _ => false,
    })
}

fn falls_back_at_cap(apf: &Apf, input: &Input, effects: &Effects) -> bool {
    let Input::Host(HostInput::Try { vcpu, .. }) = input else { return false };
    let full = apf.vcpu(*vcpu).queue.len() == apf.rules.cap as usize;
    full && effects.contains(&Effect::Decide(Decision::Sync))
}

fn wakes_nobody(apf: &Apf, input: &Input, _: &Effects) -> bool {
    let all = matches!(input, Input::Guest(GuestInput::Wake { token: Token::WAKE_ALL, .. }));
    all && apf.guest.sleepers.is_empty()
}

fn completed_before_link(apf: &Apf, _: &Input, effects: &Effects) -> bool {
    let completed = |work: WorkStage| work >= WorkStage::Published;
    let links = effects.iter().any(|e| matches!(e, Effect::Emit(Event::ItemLink { .. })));
    links && apf.host.items.works().any(|(_, work)| completed(work.stage))
}

fn no_memory(_: &Apf, input: &Input, effects: &Effects) -> bool {
    let failed = matches!(input, Input::Host(HostInput::Try { failure: Some(_), .. }));
    failed && effects.contains(&Effect::Decide(Decision::Sync))
}
