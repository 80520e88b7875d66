//! Which tracepoints a trace has, as far as decisions depend on it.

use super::catalogue::{
    INV_01, INV_02, INV_05, INV_06, INV_07, INV_09, INV_10, INV_11, INV_12, INV_13, INV_14, INV_15,
    INV_16, INV_17, INV_19, INV_21, INV_22, INV_24, INV_26, INV_27, INV_28, INV_31, INV_32, INV_33,
    INV_34, INV_35, INV_37, INV_38, InvariantId,
};

/// The tracepoints met so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) entry: bool,
    pub(super) exit: bool,
    /// How many `kvm_page_fault`.
    pub(super) faults: usize,
    pub(super) announced: bool,
    pub(super) page_fault_injected: bool,
    pub(super) interrupt_injected: bool,
    pub(super) register_written: bool,
    pub(super) block: bool,
    pub(super) link: bool,
    pub(super) not_present: bool,
    pub(super) halt: bool,
    pub(super) map: bool,
    pub(super) word_read: bool,
}

impl Seen {
    /// The tracepoint without which `id` cannot be decided in this trace.
    pub(super) fn missing(
        self,
        id: InvariantId,
        breached: bool,
        vcpus: usize,
    ) -> Option<&'static str> {
        // Records that no kernel has come together: a trace has all of them or none.
        let items = self.link || self.halt || self.not_present;
        let told = self.announced && self.page_fault_injected;
        let unless = |there: bool, name: &'static str| (!there).then_some(name);
        match id {
            INV_01 | INV_02 | INV_05 | INV_06 => unless(items || !self.announced, "item_link"),
            INV_15 | INV_17 if self.announced && !items => Some("item_done"),
            INV_16 => unless(items || !self.announced, "apf_halt"),
            INV_07 | INV_11 | INV_12 | INV_13 | INV_14 | INV_22 | INV_38 => {
                unless(items || !told, "not_present_queued")
            }
            INV_09 | INV_10 if told && !items => Some("shared_word_write"),
            INV_31 if told && !items => Some("shared_word_read"),
            INV_09 | INV_10 | INV_31 => unless(self.word_read || !breached, "shared_word_read"),
            INV_19 if self.announced && !self.exit => Some("kvm_exit"),
            INV_19 => unless(self.block || !breached, "vcpu_block"),
            INV_21 if told && !items => Some("page_ready_queued"),
            INV_21 => unless(self.interrupt_injected || !breached, "kvm_inj_virq"),
            INV_33 if told && !items && !self.interrupt_injected => Some("kvm_inj_virq"),
            INV_33 => unless(self.register_written || !breached, "kvm_msr"),
            INV_24 if self.announced && !items => Some("workqueue_queue_work"),
            INV_26 | INV_27 | INV_28 | INV_32 | INV_34 => unless(items || !told, "apf_wait"),
            INV_35 if self.announced && !items => Some("major_fault_end"),
            // A vCPU that faults twice has entered the guest in between.
            INV_37 if self.faults > vcpus && !self.entry => Some("kvm_entry"),
            INV_37 => unless(self.map || !breached, "ept_map"),
            _ => None,
        }
    }
}
