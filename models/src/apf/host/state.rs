//! What the host keeps.

use crate::apf::gfn_table::{GfnTable, MAX_SLOTS};
use crate::apf::host::{CompleteWork, UserSetup};
use crate::apf::item::Items;
use crate::apf::notice::Notice;
use crate::apf::ring::StoreBuffer;
use crate::apf::rules::{ResolvedBy, Rules};
use crate::base::abi::{EN_ENABLED, EN_INTERRUPT, EN_NESTED_EXIT, EN_SEND_ALWAYS};
use crate::base::ids::{Gfn, ItemId};

/// The artificial halt (`vcpu->arch.apf.halted`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Halt {
    /// The frame that the vCPU waits for.
    pub gfn: Gfn,
    /// Whether the item of the frame was delivered between the request and the halt, so that
    /// nothing but an interrupt or another item ends the halt. Kernels that look for completions
    /// after each turn of the run loop, before the request is consumed, have this race.
    pub outlived: bool,
}

/// Why the host looks for completed items, where it does so only when asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scan {
    /// A request at an entry (`KVM_REQ_APF_READY`).
    Request,
    /// The guest's acknowledgement.
    Ack,
}

/// The operation of several sections that a vCPU thread is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// An item is being set up; `step` sections are done.
    Setup {
        /// The item.
        item: ItemId,
        /// Sections that are done.
        step: u8,
    },
    /// An item that the VMM answers is being set up.
    UserSetup {
        /// The item.
        item: ItemId,
        /// The section that comes next.
        next: UserSetup,
    },
    /// Completed items are being looked for.
    Scan(Scan),
    /// An item was popped and is not delivered yet.
    Delivery {
        /// The item.
        item: ItemId,
        /// Whether the guest is told nothing, because it was told nothing before.
        silent: bool,
        /// The scan that popped it.
        within: Option<Scan>,
    },
    /// An item was delivered, and is freed when its worker is done.
    Freeing {
        /// The item.
        item: ItemId,
        /// The scan that popped it.
        within: Option<Scan>,
    },
    /// A wake-all is being appended to the done list.
    WakeAll {
        /// The item.
        item: ItemId,
        /// The items that the list held when its end was looked up; all, under the lock.
        seen: Option<u8>,
    },
    /// All items are being dropped; the thread waits for workers.
    Clear,
}

/// Where the host believes the shared area to be (`gfn_to_hva_cache`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AreaCache {
    /// Whether the host has an address of it at all.
    pub valid: bool,
    /// Whether no memory slot has changed since it was last looked up.
    pub current: bool,
    /// Whether it was not found when it was last looked up: the host does not reach it until memory
    /// slots change.
    pub spoilt: bool,
    /// Whether the host address is the second of the two that the area can have.
    pub moved: bool,
}

/// The local APIC of a vCPU, as far as page ready uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lapic {
    /// Whether the host kernel emulates it.
    pub in_kernel: bool,
    /// Whether the guest has it on.
    pub enabled: bool,
    /// The page ready interrupt that waits for injection, by its vector (IRR).
    pub requested: Option<u8>,
    /// The page ready interrupt in service, until its end is written (ISR).
    pub in_service: Option<u8>,
}

impl Lapic {
    const ON: Self = Self { in_kernel: true, enabled: true, requested: None, in_service: None };
}

/// What the host keeps for one vCPU (`vcpu->async_pf`, `vcpu->arch.apf`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostVcpu {
    /// The EN register.
    pub en: u64,
    /// What of EN says whom to tell and how (`send_user_only`, `delivery_as_pf_vmexit`): the whole
    /// register, or what was last written to it and not refused.
    pub asked: u64,
    /// The vector of page ready (the INT register); 0 until it is written.
    pub vector: u8,
    /// Where the shared area is.
    pub area: AreaCache,
    /// The counter of tokens.
    pub next_id: u32,
    /// Items that are outstanding, completed ones among them; oldest first.
    pub queue: Vec<ItemId>,
    /// Completed items, oldest first.
    pub done: Vec<ItemId>,
    /// Items outstanding, as the kernel counts them.
    pub queued: u32,
    /// Frames of announced items.
    pub gfns: GfnTable,
    /// Frames whose page could not be had, where the next fault on them is to tell.
    pub error_gfns: Vec<Gfn>,
    /// The item whose announcement waits for the next entry (`async_pf_work`).
    pub deferred: Option<ItemId>,
    /// A request for the artificial halt (`KVM_REQ_APF_HALT`), and for which frame.
    pub halt_request: Option<Gfn>,
    /// The artificial halt.
    pub halted: Option<Halt>,
    /// Whether the guest is in HLT (`mp_state`).
    pub hlt: bool,
    /// Whether the thread sleeps in `kvm_vcpu_block`.
    pub blocked: bool,
    /// Whether a worker woke the sleeping thread and it has not run yet.
    pub woken: bool,
    /// A kick by another vCPU that no HLT has used up (`pv_unhalted`).
    pub pv_kicked: bool,
    /// Synthetic exceptions to be injected at the next entry. The kernel has room for one.
    pub pending: Vec<Notice>,
    /// A request to look for completed items (`KVM_REQ_APF_READY`).
    pub ready_request: bool,
    /// Whether a page ready interrupt was raised and is not acknowledged (`pageready_pending`).
    pub unacknowledged: bool,
    /// The local APIC.
    pub lapic: Lapic,
    /// Whether the guest has paging on (CR0.PG).
    pub paging: bool,
    /// Whether the guest is in system management mode.
    pub smm: bool,
    /// Whether the rings of the vCPU are registered (`KVM_SET_APF_EVENTFD`). The VMM does that before
    /// the guest runs, and before it restores registers.
    pub registered: bool,
    /// Entries of the ring of faults that the kernel has written, by its own count.
    pub notify_head: u8,
    /// The tail of the ring of faults as the kernel has last read it.
    pub known_tail: u8,
    /// Stores of the vCPU thread to the shared page that are not visible yet.
    pub stores: StoreBuffer,
    /// The work for the ring of answers.
    pub complete: CompleteWork,
    /// What the thread is in the middle of.
    pub operation: Option<Operation>,
}

impl HostVcpu {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            en: 0,
            asked: 0,
            vector: 0,
            area: AreaCache::default(),
            next_id: 0,
            queue: Vec::new(),
            done: Vec::new(),
            queued: 0,
            gfns: GfnTable::new(rules.cap.min(MAX_SLOTS)),
            error_gfns: Vec::new(),
            deferred: None,
            halt_request: None,
            halted: None,
            hlt: false,
            blocked: false,
            woken: false,
            pv_kicked: false,
            pending: Vec::new(),
            ready_request: false,
            unacknowledged: false,
            lapic: Lapic::ON,
            paging: true,
            smm: false,
            registered: rules.resolved_by == ResolvedBy::Ring,
            notify_head: 0,
            known_tail: 0,
            stores: StoreBuffer::default(),
            complete: CompleteWork::default(),
            operation: None,
        }
    }

    /// Whether the bit that enables notices is set.
    pub fn enabled(&self) -> bool {
        self.en & EN_ENABLED != 0
    }

    /// Whether the guest asked for notices at CPL 0 too.
    pub fn send_always(&self) -> bool {
        self.asked & EN_SEND_ALWAYS != 0
    }

    /// Whether the guest wants notices in its nested guest, as exits.
    pub fn nested_exit(&self) -> bool {
        self.asked & EN_NESTED_EXIT != 0
    }

    /// Whether the guest asked for page ready as interrupt.
    pub fn interrupt_asked(&self) -> bool {
        self.en & EN_INTERRUPT != 0
    }
}

/// How long the VM lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Life {
    /// The VMM has it.
    #[default]
    Used,
    /// The VMM gave it up; workers still hold references.
    Released,
    /// It is being taken apart, by the worker of this item or by the VMM.
    Destroying(Option<ItemId>),
    /// It is gone, and so may be the code of its workers.
    Destroyed,
}

/// The host's half.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostHalf {
    /// By vCPU.
    pub vcpus: Vec<HostVcpu>,
    /// The items of all vCPUs.
    pub items: Items,
    /// The VM itself.
    pub life: Life,
}

impl HostHalf {
    pub(in crate::apf) fn new(vcpus: u16, rules: &Rules) -> Self {
        let vcpus = (0..vcpus).map(|_| HostVcpu::new(rules)).collect();
        Self { vcpus, items: Items::default(), life: Life::Used }
    }
}
