//! What the kernels do, one field per mechanism.
//!
//! A value exists only if some kernel or posted series did it and the code here does it too. Which
//! kernel did what is in [`generations()`]: dated changes with their sources.

mod generations;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::apf::token::TokenRule;
pub use generations::{Applied, Change, Generation, generation, generations, named_generation};

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The word used in files and tables.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.name()) }
        }
    )*};
}

choices! {
    /// May this fault go asynchronous (`can_do_async_pf`)?
    Gate {
        /// The guest has interrupts on and nothing waits to be injected (again). Whether it
        /// enabled notices plays no part.
        QuietAndInterruptsOn => "quiet-and-interrupts-on",
    }

    /// What the lookup that must not wait does with a page that needs I/O.
    FirstLookup {
        /// It fails and starts nothing; the worker starts the read (`get_user_pages_noio`).
        NoIo => "no-io",
        /// It starts the read and does not wait for it (`FOLL_NOWAIT`).
        StartsRead => "starts-read",
    }

    /// When the guest is told of a new item.
    Announce {
        /// In the fault that sets it up (`kvm_setup_async_pf`).
        AtSetup => "at-setup",
    }

    /// The order of the sections of a setup.
    SetupOrder {
        /// Schedule the work, link the item, announce it: the worker may be through first.
        ScheduleFirst => "schedule-first",
        /// Link the item, announce it, schedule the work.
        LinkFirst => "link-first",
    }

    /// What happens to an item whose not present the guest must not see.
    CannotInject {
        /// The vCPU is halted until the page or an interrupt comes (`KVM_REQ_APF_HALT`).
        Halt => "halt",
    }

    /// What a fault on a frame does that is outstanding on the same vCPU.
    RepeatedFault {
        /// It halts the vCPU (`KVM_REQ_APF_HALT`).
        Halt => "halt",
    }

    /// What follows when the shared word cannot be written for a not present.
    WordWriteFailure {
        /// Nothing: the guest faults again.
        Ignored => "ignored",
        /// The vCPU is halted.
        Halt => "halt",
    }

    /// For which items page ready is sent.
    PageReadyTold {
        /// For all, also when the guest was never told that the page is not present.
        Always => "always",
        /// For those whose not present was queued for injection, and for wake-all.
        OnlyIfNotPresentTold => "only-if-not-present-told",
    }

    /// When a completed item may be dequeued (`kvm_arch_can_inject_async_page_present`).
    ReadyGate {
        /// Notices are off, or the guest has interrupts on and nothing waits to be injected.
        DisabledOrQuiet => "disabled-or-quiet",
    }

    /// How many completed items are dequeued when the run loop looks (after each turn).
    Drain {
        /// One.
        OnePerTurn => "one-per-turn",
        /// As many as the gate lets through.
        AllAtEachTurn => "all-at-each-turn",
    }

    /// Whom a worker wakes after it published an item.
    Kick {
        /// The vCPU thread, if it sleeps on its wait queue.
        WakeBlockedOnly => "wake-blocked-only",
    }

    /// Which page is mapped before page ready is delivered (`kvm_arch_async_page_ready`).
    Prefault {
        /// None.
        None => "none",
        /// That of a fault under direct paging, if paging is still direct.
        DirectMmuOnly => "direct-mmu-only",
        /// The same, and that of a fault under shadow paging if CR3 is the same.
        DirectOrSameCr3 => "direct-or-same-cr3",
    }

    /// Whether an item keeps its page from being reclaimed.
    PageReference {
        /// From completion until page ready.
        HeldUntilReady => "held-until-ready",
        /// Never: the page may be gone when the guest comes back for it.
        NotHeld => "not-held",
    }

    /// When a task that was told not present waits in HLT instead of being scheduled away.
    GuestWait {
        /// When it is the idle task or in an atomic section (`preempt_count`).
        HaltIfIdleOrAtomic => "halt-if-idle-or-atomic",
    }

    /// What a wait does that finds its token in the table.
    WakeBeforeWait {
        /// It takes whatever it finds for the dummy of a wake that came first.
        AnyEntryIsDummy => "any-entry-is-dummy",
    }

    /// What makes a vCPU thread stop sleeping (`kvm_arch_vcpu_runnable`).
    Runnable {
        /// A completed item, or an interrupt that the guest lets in. A synthetic exception that
        /// is pending does not.
        DoneOrInterrupt => "done-or-interrupt",
    }

    /// Which sleep the delivery of a completed item ends (`kvm_arch_async_page_present`).
    ReadyWakes {
        /// The artificial halt. A vCPU in HLT stays there until something else wakes it.
        ArtificialHalt => "artificial-halt",
        /// HLT too (`mp_state = KVM_MP_STATE_RUNNABLE`).
        HltToo => "hlt-too",
    }
}

macro_rules! mechanisms {
    ($($(#[$doc:meta])* $field:ident, $variant:ident: $ty:ty;)*) => {
        /// What one kernel does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct Rules {
            /// The generation that these rules are, or began as.
            pub name: &'static str,
            $($(#[$doc])* pub $field: $ty,)*
        }

        /// A field of [`Rules`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mechanism { $($(#[$doc])* $variant,)* }

        impl Mechanism {
            /// All mechanisms, in the order of the fields.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name of the field.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)* }
            }
        }

        /// A value of a mechanism.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Setting { $($(#[$doc])* $variant($ty),)* }

        impl Setting {
            /// Whose value it is.
            pub const fn mechanism(self) -> Mechanism {
                match self { $(Self::$variant(_) => Mechanism::$variant,)* }
            }

            /// Puts the value in its field.
            pub fn apply(self, rules: &mut Rules) {
                match self { $(Self::$variant(value) => rules.$field = value,)* }
            }
        }

        impl fmt::Display for Setting {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Self::$variant(value) => value.fmt(f),)* }
            }
        }

        impl Rules {
            /// The value of a mechanism.
            pub const fn get(&self, mechanism: Mechanism) -> Setting {
                match mechanism { $(Mechanism::$variant => Setting::$variant(self.$field),)* }
            }
        }
    };
}

mechanisms! {
    /// How items are named to the guest.
    token, Token: TokenRule;
    /// Items that a vCPU may have outstanding (`ASYNC_PF_PER_VCPU`).
    cap, Cap: u32;
    /// May a fault go asynchronous?
    gate, Gate: Gate;
    /// What the lookup that must not wait starts.
    first_lookup, FirstLookup: FirstLookup;
    /// When the guest is told.
    announce, Announce: Announce;
    /// The order of a setup.
    setup_order, SetupOrder: SetupOrder;
    /// What is done when the guest must not be told.
    cannot_inject, CannotInject: CannotInject;
    /// What a repeated fault does.
    repeated_fault, RepeatedFault: RepeatedFault;
    /// What follows when not present cannot be written.
    word_write_failure, WordWriteFailure: WordWriteFailure;
    /// For which items page ready is sent.
    page_ready_told, PageReadyTold: PageReadyTold;
    /// When a completed item may be dequeued.
    ready_gate, ReadyGate: ReadyGate;
    /// How many are dequeued at a time.
    drain, Drain: Drain;
    /// Whom a worker wakes.
    kick, Kick: Kick;
    /// Whether a write that enables notices queues a wake-all.
    wake_all_on_enable, WakeAllOnEnable: bool;
    /// Which page is mapped before page ready.
    prefault, Prefault: Prefault;
    /// Whether an item keeps its page.
    page_reference, PageReference: PageReference;
    /// When a guest task waits in HLT.
    guest_wait, GuestWait: GuestWait;
    /// What a wait does that finds its token in the table.
    wake_before_wait, WakeBeforeWait: WakeBeforeWait;
    /// What makes a vCPU thread stop sleeping.
    runnable, Runnable: Runnable;
    /// Which sleep a delivery ends.
    ready_wakes, ReadyWakes: ReadyWakes;
}

impl Rules {
    /// The mechanisms in which two rules differ: the value here, the value there.
    pub fn differences(&self, other: &Self) -> Vec<(Setting, Setting)> {
        let pair = |&mechanism: &Mechanism| (self.get(mechanism), other.get(mechanism));
        Mechanism::ALL.iter().map(pair).filter(|(here, there)| here != there).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_put_where_it_is_read() {
        let mut rules = generation("v7-2010").expect("a known generation");
        let setting = Setting::FirstLookup(FirstLookup::StartsRead);
        setting.apply(&mut rules);
        assert_eq!(rules.get(setting.mechanism()), setting);
        assert_eq!(setting.to_string(), "starts-read");
        assert_eq!(setting.mechanism().name(), "first_lookup");
    }

    #[test]
    fn differences_name_both_values() {
        let here = generation("v7-2010").expect("a known generation");
        let there = Rules { cap: 100, ..here };
        assert_eq!(here.differences(&there), [(Setting::Cap(64), Setting::Cap(100))]);
        assert!(here.differences(&here).is_empty());
    }
}
