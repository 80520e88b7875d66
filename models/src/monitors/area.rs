//! The shared area and the register that turns it on: INV-09, INV-10, INV-22, INV-31 and INV-38.

use super::catalogue::{Family, INV_09, INV_10, INV_22, INV_31, INV_38, InvariantId};
use super::finding::{Breach, Context, Ledger};
use crate::base::ids::VcpuId;
use crate::base::record::{ApfReason, Record};

/// Whether notices of a vCPU are on, as far as the trace has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Notices {
    #[default]
    Unknown,
    /// On; no wake-all was queued yet.
    Fresh(Record),
    On,
    Off(Record),
}

/// What the trace has said of one shared area.
#[derive(Clone, Copy, Debug, Default)]
struct VcpuArea {
    /// The write to the word, or to the flags, that the guest has not read.
    word: Option<Record>,
    /// The write to the token slot that the guest has not read.
    slot: Option<Record>,
    notices: Notices,
    /// The synthetic exception whose word was not read yet.
    unread: Option<Record>,
}

/// The monitors of the shared area.
#[derive(Clone, Debug)]
pub(super) struct Areas {
    /// Whether the area has a token slot beside the word.
    has_slot: bool,
    vcpus: Vec<VcpuArea>,
}

impl Areas {
    pub(super) fn new(vcpus: usize, family: Family) -> Self {
        let has_slot = match family {
            Family::V5 | Family::V7 => false,
            Family::Int => true,
        };
        Self { has_slot, vcpus: vec![VcpuArea::default(); vcpus] }
    }

    pub(super) fn grow(&mut self, vcpus: usize) {
        self.vcpus.resize(vcpus, VcpuArea::default());
    }

    /// The host writes; the place held `old`.
    pub(super) fn write(
        &mut self,
        vcpu: VcpuId,
        (old, reason): (ApfReason, ApfReason),
        record: Record,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        self.expect_on(vcpu, record, at, ledger);
        let own = &mut self.vcpus[vcpu.index()];
        let in_slot = self.has_slot && reason == ApfReason::Ready;
        let place = if in_slot { &mut own.slot } else { &mut own.word };
        if reason == ApfReason::None {
            *place = None;
            return;
        }
        let unread = place.replace(record);
        if unread.is_none() && old == ApfReason::None {
            return;
        }
        let id: InvariantId = if self.has_slot { INV_10 } else { INV_09 };
        let message = || {
            let what = match (self.has_slot, in_slot) {
                (_, true) => "token slot",
                (true, false) => "flags",
                (false, _) => "shared word",
            };
            format!("the host writes the {what} of {vcpu}, which holds what nobody has read")
        };
        let history = || unread.into_iter().collect();
        ledger.breach(id, at, Breach { vcpu, token: None, message, history });
    }

    /// The guest reads, and clears or is going to clear.
    pub(super) fn read(
        &mut self,
        vcpu: VcpuId,
        reason: ApfReason,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let own = &mut self.vcpus[vcpu.index()];
        if self.has_slot && reason == ApfReason::Ready {
            own.slot = None;
            return;
        }
        let written = own.word.take();
        if own.unread.take().is_none() && reason != ApfReason::None {
            let message = || {
                let reason = reason.name();
                format!(
                    "{vcpu} reads `{reason}` from its shared word, but took no exception for it"
                )
            };
            let history = || written.into_iter().collect();
            ledger.breach(INV_31, at, Breach { vcpu, token: None, message, history });
        }
    }

    /// A synthetic exception is injected.
    pub(super) fn injected(
        &mut self,
        vcpu: VcpuId,
        record: Record,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        if let Some(unread) = self.vcpus[vcpu.index()].unread.replace(record) {
            let message =
                || format!("{vcpu} takes an exception before it read the word of the one before");
            let history = || vec![unread];
            ledger.breach(INV_31, at, Breach { vcpu, token: None, message, history });
        }
    }

    /// The guest turns notices on or off. `waiting` completed items are there, which is as good
    /// as a wake-all: the guest is going to hear from the host before it is told anything new.
    pub(super) fn switched(&mut self, vcpu: VcpuId, on: bool, waiting: usize, record: Record) {
        let own = &mut self.vcpus[vcpu.index()];
        *own = VcpuArea {
            notices: match (on, waiting) {
                (true, 0) => Notices::Fresh(record),
                (true, _) => Notices::On,
                (false, _) => Notices::Off(record),
            },
            ..VcpuArea::default()
        };
    }

    /// A wake-all is queued.
    pub(super) fn wake_all(&mut self, vcpu: VcpuId) {
        let own = &mut self.vcpus[vcpu.index()];
        if matches!(own.notices, Notices::Fresh(_)) {
            own.notices = Notices::On;
        }
    }

    /// The host tells the guest something; `new` if it is that a page is not present.
    pub(super) fn told(
        &mut self,
        vcpu: VcpuId,
        new: bool,
        record: Record,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        self.expect_on(vcpu, record, at, ledger);
        let own = &mut self.vcpus[vcpu.index()];
        if let (Notices::Fresh(enabled), true) = (own.notices, new) {
            own.notices = Notices::On;
            let message = || {
                format!("{vcpu} turned its notices on and is told not present before any wake-all")
            };
            let history = || vec![enabled];
            ledger.breach(INV_38, at, Breach { vcpu, token: None, message, history });
        }
    }

    fn expect_on(&self, vcpu: VcpuId, record: Record, at: Context<'_>, ledger: &mut Ledger) {
        if let Notices::Off(since) = self.vcpus[vcpu.index()].notices {
            let message = || format!("{} on {vcpu}, whose notices are off", record.event.name());
            let history = || vec![since];
            ledger.breach(INV_22, at, Breach { vcpu, token: None, message, history });
        }
    }
}
