//! Which events a log has, and what it cannot decide without them.

use crate::monitors::catalogue::{
    INV_01, INV_02, INV_03, INV_04, INV_05, INV_06, INV_12, INV_13, INV_14, INV_15, INV_19, INV_22,
    INV_33, InvariantId,
};

/// Which events the log has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SeenInLog {
    pub(super) tries: bool,
    pub(super) repeated: bool,
    pub(super) old_name: bool,
    pub(super) with_pfn: bool,
    pub(super) series: bool,
    pub(super) announced: bool,
    pub(super) ready: bool,
    pub(super) completed: bool,
    pub(super) exceptions: bool,
    pub(super) entries: bool,
    pub(super) exits: bool,
    pub(super) interrupts: bool,
    /// Interrupts are recorded when the local APIC takes them.
    pub(super) accepts: bool,
    /// The vector of page ready.
    pub(super) vector: bool,
    /// Writes to registers of any kind.
    pub(super) writes: bool,
    pub(super) page_faults: bool,
    pub(super) hlts: bool,
    pub(super) registers: bool,
    /// Registers of any kind, read or written.
    pub(super) msrs: bool,
    /// The guest's registers or vector of page ready as interrupt.
    pub(super) by_interrupt: bool,
    /// Addresses that are not those of frames: the host translates the guest's page tables (shadow
    /// paging), or the guest has guests.
    pub(super) translated: bool,
    /// The guest has guests.
    pub(super) nested: bool,
    /// The order of events is not that of one clock.
    pub(super) clocks_differ: bool,
    /// A vCPU is run by more than one thread.
    pub(super) wandering: bool,
    /// That a worker begins.
    pub(super) begun: bool,
    /// Requests were ready whose workers are not in the log, though others are.
    pub(super) leaves_out_workers: bool,
    /// #PFs right after a page ready, with no not present that they could be for.
    pub(super) ready_exceptions: u64,
}

impl SeenInLog {
    /// Whether an address is that of a frame, as tries show it. With shadow paging, and when the guest
    /// has guests, it is not, and nothing but tries says the frame.
    pub(super) fn shows_frames(self) -> bool {
        self.tries && !self.translated
    }

    /// The event without which an invariant cannot be decided in this log.
    pub(super) fn missing(self, id: InvariantId) -> Option<&'static str> {
        let unless = |there: bool, name: &'static str| (!there).then_some(name);
        if self.clocks_differ && rests_on_order(id) {
            return Some("with trace_clock mono");
        }
        match id {
            INV_01 | INV_02 | INV_05 => unless(self.announced, "kvm_async_pf_not_present")
                .or(unless(self.ready, "kvm_async_pf_ready"))
                .or(unless(self.tries || id != INV_01, "kvm_try_async_get_page")),
            INV_03 | INV_04 => unless(self.announced || self.ready, "kvm_async_pf_not_present"),
            INV_06 => unless(self.announced, "kvm_async_pf_not_present")
                .or(unless(self.completed, "kvm_async_pf_completed"))
                .or(unless(self.ready, "kvm_async_pf_ready")),
            INV_12 | INV_14 => unless(self.ready, "kvm_async_pf_ready")
                .or(unless(self.announced, "kvm_async_pf_not_present")),
            INV_13 | INV_15 => unless(self.announced, "kvm_async_pf_not_present")
                .or(unless(self.ready, "kvm_async_pf_ready"))
                .or(unless(self.completed, "kvm_async_pf_completed")),
            INV_19 => unless(
                self.repeated || self.old_name || self.tries || self.hlts,
                "kvm_async_pf_repeated_fault",
            ),
            INV_22 => unless(self.msrs, "kvm_msr").or(unless(self.exceptions, "kvm_inj_exception")),
            INV_33 => unless(self.msrs, "kvm_msr").or(unless(self.ready, "kvm_async_pf_ready")),
            _ => None,
        }
    }
}

/// Whether the conclusion about an invariant rests on the order of events of several processors.
pub(super) fn rests_on_order(id: InvariantId) -> bool {
    ![INV_03, INV_04, INV_19].contains(&id)
}
