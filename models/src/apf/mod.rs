//! The asynchronous page fault protocol as a pure state machine.
//!
//! [`Apf`] is the whole protocol state of one VM: the host's half (items, queues, halts), the
//! guest's half (the table of sleepers) and the words that the two share. It is plain data,
//! comparable and hashable, and it changes only in [`Apf::step`]. There is no clock, no randomness
//! and no device here: who drives the protocol decides when a step happens and gives meaning to
//! the [`Effect`]s that it produces. The timed machine drives it through one schedule; an explorer
//! drives it through all of them.
//!
//! **One step is one section that is atomic in the kernel**: one hold of a lock, or one store that
//! another processor can see. A fault is therefore several steps (gate, schedule, link, announce),
//! and so is the work of a worker (fetch, publish, trace, kick): the historical mistakes live in
//! the gaps.
//!
//! What differs between kernels is data ([`rules::Rules`]); mistakes are named decision points
//! ([`defect::Defect`]).

pub mod defect;
pub mod effect;
pub mod gfn_table;
pub mod guest;
pub mod host;
pub mod invariants;
pub mod item;
pub mod rules;
pub mod token;

pub use defect::{Defect, Defects};
pub use effect::{Decision, Effect, Effects};
pub use guest::{GuestHalf, GuestInput, Takeover, WaitContext};
pub use host::{FaultMemory, HostHalf, HostInput, MmuMode, SetupFailure, VcpuView};
pub use rules::Rules;

use crate::base::ids::{Token, VcpuId};
use crate::base::record::ApfReason;

/// Something that happens to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// In the host.
    Host(HostInput),
    /// In the guest.
    Guest(GuestInput),
}

impl From<HostInput> for Input {
    fn from(input: HostInput) -> Self {
        Self::Host(input)
    }
}

impl From<GuestInput> for Input {
    fn from(input: GuestInput) -> Self {
        Self::Guest(input)
    }
}

/// A synthetic #PF: what CR2 says, and what the shared word said when it was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// The token in CR2.
    pub token: Token,
    /// Not present or ready.
    pub reason: ApfReason,
}

/// The area that host and guest share for one vCPU (`struct kvm_vcpu_pv_apf_data`). It lives in
/// guest memory: the host writes it, the guest reads and clears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SharedWord {
    /// The word: why the guest got a #PF. The host writes it without looking.
    pub reason: ApfReason,
    /// The slot for the token of a page ready interrupt.
    pub token: Token,
    /// Whether the host can reach it; not, when its memory was taken from the guest.
    pub writable: bool,
    /// Its host address, which memory slots decide: one of two.
    pub place: bool,
    /// Whether the guest uses the memory for something else, as after a restart of its kernel.
    pub foreign: bool,
}

impl SharedWord {
    const FREE: Self = Self {
        reason: ApfReason::None,
        token: Token::NONE,
        writable: true,
        place: false,
        foreign: false,
    };
}

/// The protocol state of one VM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Apf {
    /// What this kernel does.
    pub rules: Rules,
    /// What it does wrong.
    pub defects: Defects,
    /// State of the host.
    pub host: HostHalf,
    /// State of the guest.
    pub guest: GuestHalf,
    /// The shared areas, by vCPU.
    pub words: Vec<SharedWord>,
}

impl Apf {
    /// A VM of `vcpus` processors at power-on: no notices are enabled and nothing is outstanding.
    pub fn new(vcpus: u16, rules: Rules, defects: Defects) -> Self {
        Self {
            rules,
            defects,
            host: HostHalf::new(vcpus, &rules),
            guest: GuestHalf::new(vcpus),
            words: vec![SharedWord::FREE; usize::from(vcpus)],
        }
    }

    /// The same VM under other rules, as if it had been started under them.
    ///
    /// # Panics
    ///
    /// When notices are enabled or an item is outstanding: those belong to the old rules.
    pub fn adopt(&mut self, rules: Rules, defects: Defects) {
        for vcpu in self.vcpu_ids() {
            let state = self.vcpu_mut(vcpu);
            assert!(!state.enabled() && state.queued == 0, "{vcpu} is in the middle of something");
            state.gfns = gfn_table::GfnTable::new(rules.cap.min(gfn_table::MAX_SLOTS));
        }
        self.rules = rules;
        self.defects = defects;
    }

    /// The number of vCPUs.
    pub fn vcpus(&self) -> u16 {
        // Made from a u16 and never resized.
        self.words.len() as u16
    }

    /// Does one atomic section and appends what happened to `effects`.
    ///
    /// # Panics
    ///
    /// When the input cannot happen in this state: an unknown vCPU or item, `Advance` or `Deliver`
    /// with no operation under way, a worker's section out of order. That is a mistake of the
    /// driver, never of the protocol.
    pub fn step(&mut self, input: Input, effects: &mut Effects) {
        match input {
            Input::Host(input) => self.host_step(input, effects),
            Input::Guest(input) => self.guest_step(input, effects),
        }
    }

    fn has(&self, defect: Defect) -> bool {
        self.defects.has(defect)
    }

    fn vcpu_ids(&self) -> impl Iterator<Item = VcpuId> + use<> {
        (0..self.vcpus()).map(VcpuId)
    }
}
