//! The mechanisms: a field, a number and a setting each.

use std::fmt;

use super::choices::{
    Announce, CannotInject, ClearWaits, Dequeue, Drain, DummyAllocation, EnBits, EnCommit,
    EnWithoutLapic, FetchFailure, FirstLookup, Gate, GuestEnables, GuestHalt, GuestMemfd,
    GuestTeardown, GuestWait, InitKeeps, Kick, KickUsedBy, LapicEnable, MmapLock, MpStateWrite,
    NmiFault, NoticesOn, PageReady, PageReadyTold, PageReference, PagingToggle, Prefault,
    ReadyGate, ReadyWakes, RefusedArea, RepeatedFault, ResolvedBy, Runnable, SetupOrder,
    SlotAtEnable, StoredLookup, Tell, TokenZero, TryLine, WakeAllAppend, WakeAllScope,
    WakeBeforeWait, WordCache, WordWriteFailure, WorkReference, Workers,
};
use super::token::TokenRule;
use super::value::Value;
use super::vmm_choices::{
    ClearRings, HaltRequest, NotifyIndex, NotifySignal, PendingAtRun, Stores, TokenSpent,
    UserLookup,
};

/// Which half of the protocol a mechanism belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// KVM.
    Host,
    /// The guest's kernel.
    Guest,
}

impl Side {
    /// The side as a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Guest => "guest",
        }
    }
}

macro_rules! mechanisms {
    ($($side:ident { $($(#[doc = $doc:literal])* $field:ident, $variant:ident: $ty:ty;)* })*) => {
        /// What one kernel does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct Rules {
            /// The generation that these rules are, or began as.
            pub name: &'static str,
            $($($(#[doc = $doc])* pub $field: $ty,)*)*
        }

        /// A field of [`Rules`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mechanism { $($($(#[doc = $doc])* $variant,)*)* }

        impl Mechanism {
            /// All mechanisms, in the order of the fields.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)*)*];

            /// The name of the field.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => stringify!($field),)*)* }
            }

            /// What it decides, in a sentence.
            pub fn describes(self) -> &'static str {
                match self { $($(Self::$variant => concat!($($doc),*).trim_ascii(),)*)* }
            }

            /// Which half of the protocol it belongs to.
            pub const fn side(self) -> Side {
                match self { $($(Self::$variant => Side::$side,)*)* }
            }

            /// The values that it can have; none where the value is a number.
            pub fn values(self) -> Vec<Setting> {
                match self {
                    $($(Self::$variant => {
                        <$ty as Value>::all().into_iter().map(Setting::$variant).collect()
                    })*)*
                }
            }

            /// The value that is written so.
            pub fn read(self, text: &str) -> Option<Setting> {
                match self {
                    $($(Self::$variant => <$ty as Value>::read(text).map(Setting::$variant),)*)*
                }
            }
        }

        /// A value of a mechanism.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Setting { $($($(#[doc = $doc])* $variant($ty),)*)* }

        impl Setting {
            /// Whose value it is.
            pub const fn mechanism(self) -> Mechanism {
                match self { $($(Self::$variant(_) => Mechanism::$variant,)*)* }
            }

            /// Puts the value in its field.
            pub fn apply(self, rules: &mut Rules) {
                match self { $($(Self::$variant(value) => rules.$field = value,)*)* }
            }
        }

        impl fmt::Display for Setting {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $($(Self::$variant(value) => value.fmt(f),)*)* }
            }
        }

        impl Rules {
            /// The value of a mechanism.
            pub const fn get(&self, mechanism: Mechanism) -> Setting {
                match mechanism { $($(Mechanism::$variant => Setting::$variant(self.$field),)*)* }
            }
        }
    };
}

mechanisms! {
    Host {
        /// Who brings the page of an item.
        resolved_by, ResolvedBy: ResolvedBy;
        /// How items are named to the guest.
        token, Token: TokenRule;
        /// Whether a token may be zero.
        token_zero, TokenZero: TokenZero;
        /// Items that a vCPU may have outstanding (`ASYNC_PF_PER_VCPU`).
        cap, Cap: u32;
        /// May a fault go asynchronous?
        gate, Gate: Gate;
        /// Which faults are served from guest_memfd, and so never go asynchronous.
        guest_memfd, GuestMemfd: GuestMemfd;
        /// What the lookup that must not wait starts.
        first_lookup, FirstLookup: FirstLookup;
        /// What it does with a page of a file.
        stored_lookup, StoredLookup: StoredLookup;
        /// Which lookups the tracepoint of tries shows.
        try_line, TryLine: TryLine;
        /// When the guest is told.
        announce, Announce: Announce;
        /// The order of a setup.
        setup_order, SetupOrder: SetupOrder;
        /// Whom the announcement tells.
        tell, Tell: Tell;
        /// What is done when the guest must not be told.
        cannot_inject, CannotInject: CannotInject;
        /// What a repeated fault does.
        repeated_fault, RepeatedFault: RepeatedFault;
        /// What follows when not present cannot be written.
        word_write_failure, WordWriteFailure: WordWriteFailure;
        /// How the host finds the shared area after a change of memory slots.
        word_cache, WordCache: WordCache;
        /// How page ready comes.
        page_ready, PageReady: PageReady;
        /// For which items page ready is sent.
        page_ready_told, PageReadyTold: PageReadyTold;
        /// When a completed item may be dequeued.
        ready_gate, ReadyGate: ReadyGate;
        /// When completed items are looked for, and how many are dequeued.
        drain, Drain: Drain;
        /// Whether an item is freed while its worker is still about to end.
        dequeue, Dequeue: Dequeue;
        /// Whom a worker wakes.
        kick, Kick: Kick;
        /// When notices count as switched on.
        notices_on, NoticesOn: NoticesOn;
        /// Which bits of the EN register there are.
        en_bits, EnBits: EnBits;
        /// What happens to a write of EN without a local APIC in the kernel.
        en_without_lapic, EnWithoutLapic: EnWithoutLapic;
        /// When the EN register takes its value.
        en_commit, EnCommit: EnCommit;
        /// What a refused write of EN leaves of the cached address of the area.
        refused_area, RefusedArea: RefusedArea;
        /// Whether a write that enables notices queues a wake-all.
        wake_all_on_enable, WakeAllOnEnable: bool;
        /// How a wake-all is appended.
        wake_all_append, WakeAllAppend: WakeAllAppend;
        /// What follows when the guest switches paging on or off.
        paging_toggle, PagingToggle: PagingToggle;
        /// What follows when the guest switches its local APIC on.
        lapic_enable, LapicEnable: LapicEnable;
        /// What a worker keeps alive until its end.
        work_reference, WorkReference: WorkReference;
        /// For whom the host waits when it drops all items.
        clear_waits, ClearWaits: ClearWaits;
        /// Which page is mapped before page ready.
        prefault, Prefault: Prefault;
        /// Whether an item keeps its page.
        page_reference, PageReference: PageReference;
        /// What becomes of an item whose page cannot be had.
        fetch_failure, FetchFailure: FetchFailure;
        /// Who executes work items.
        workers, Workers: Workers;
        /// Whether a worker keeps the memory map locked while it waits.
        mmap_lock, MmapLock: MmapLock;
        /// What makes a vCPU thread stop sleeping.
        runnable, Runnable: Runnable;
        /// What uses a kick by another vCPU up.
        kick_used_by, KickUsedBy: KickUsedBy;
        /// What an INIT leaves as it was.
        init_keeps, InitKeeps: InitKeeps;
        /// What the VMM's write of a vCPU's state does to the artificial halt.
        mp_state_write, MpStateWrite: MpStateWrite;
        /// Which sleep a delivery ends.
        ready_wakes, ReadyWakes: ReadyWakes;
        /// What becomes of an unanswered fault when the VMM runs the vCPU again.
        pending_at_run, PendingAtRun: PendingAtRun;
        /// Entries of each ring that kernel and VMM share.
        ring, Ring: u32;
        /// Where the kernel takes the place of its next entry in the ring of faults from.
        notify_index, NotifyIndex: NotifyIndex;
        /// For which entries the kernel signals the VMM.
        notify_signal, NotifySignal: NotifySignal;
        /// What dropping all items leaves of the rings.
        clear_rings, ClearRings: ClearRings;
        /// Which faults that the VMM answers take a token.
        token_spent, TokenSpent: TokenSpent;
        /// Among which items a fault that the VMM answers looks for its frame.
        user_lookup, UserLookup: UserLookup;
        /// What a request for the artificial halt does at an entry.
        halt_request, HaltRequest: HaltRequest;
        /// How stores become visible.
        stores, Stores: Stores;
    }
    Guest {
        /// What the guest asks for when it switches notices on.
        guest_enables, GuestEnables: GuestEnables;
        /// When a guest task waits in HLT.
        guest_wait, GuestWait: GuestWait;
        /// How a waiting task goes into HLT.
        guest_halt, GuestHalt: GuestHalt;
        /// What a wait does that finds its token in the table.
        wake_before_wait, WakeBeforeWait: WakeBeforeWait;
        /// Where the memory of a dummy comes from.
        dummy_allocation, DummyAllocation: DummyAllocation;
        /// When processors switch notices off because their memory goes to another kernel.
        guest_teardown, GuestTeardown: GuestTeardown;
        /// What a page fault inside a non-maskable interrupt does with the word of a notice.
        nmi_fault, NmiFault: NmiFault;
        /// What becomes of a token in the slot when notices are switched on again.
        slot_at_enable, SlotAtEnable: SlotAtEnable;
        /// Whom a wake-all wakes.
        wake_all_scope, WakeAllScope: WakeAllScope;
    }
}

impl Mechanism {
    /// Whether it has a meaning only where the VMM answers faults.
    pub const fn is_of_vmm(self) -> bool {
        matches!(
            self,
            Self::PendingAtRun
                | Self::Ring
                | Self::NotifyIndex
                | Self::NotifySignal
                | Self::ClearRings
                | Self::TokenSpent
                | Self::UserLookup
                | Self::HaltRequest
                | Self::Stores
        )
    }
}

impl Rules {
    /// Whether the VMM answers faults, and not a worker of the host kernel.
    pub const fn vmm_answers(&self) -> bool {
        matches!(self.resolved_by, ResolvedBy::Exit | ResolvedBy::Ring)
    }

    /// The mechanisms in which two rules differ: the value here, the value there.
    pub fn differences(&self, other: &Self) -> Vec<(Setting, Setting)> {
        let pair = |&mechanism: &Mechanism| (self.get(mechanism), other.get(mechanism));
        Mechanism::ALL.iter().map(pair).filter(|(here, there)| here != there).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apf::rules::generation;

    #[test]
    fn a_setting_is_put_where_it_is_read() {
        let mut rules = generation("v7-2010").expect("a known generation");
        let setting = Setting::FirstLookup(FirstLookup::StartsRead);
        setting.apply(&mut rules);
        assert_eq!(rules.get(setting.mechanism()), setting);
        assert_eq!(setting.to_string(), "starts-read");
        assert_eq!(setting.mechanism().name(), "first_lookup");
        assert_eq!(setting.mechanism().describes(), "What the lookup that must not wait starts.");
    }

    #[test]
    fn differences_name_both_values() {
        let here = generation("v7-2010").expect("a known generation");
        let there = Rules { cap: 100, ..here };
        assert_eq!(here.differences(&there), [(Setting::Cap(64), Setting::Cap(100))]);
        assert!(here.differences(&here).is_empty());
    }
}
