//! Who writes to a page that userfaultfd protects (`do_wp_page`, mm/memory.c, and `handle_userfault` with VM_UFFD_WP,
//! fs/userfaultfd.c, of 6.12.117).
//!
//! A lookup that must not wait comes back without the page and without a message (`FAULT_FLAG_RETRY_NOWAIT`), as where
//! a page is missing; so a fault becomes asynchronous by the same rules. Who may wait reads the page from the
//! swap area first (`do_swap_page` of a marked entry goes on to `do_wp_page`), and maps it for reading. A
//! worker asks for writing whatever the guest's access was (`async_pf_execute`: FOLL_WRITE), so that a page
//! that is to be read, and comes from the swap area, makes a message, too.

use sim_core::EventQueue;

use super::thread::{Fetch, FetchGoal, ThreadKind};
use crate::base::ids::{GuestPage, ThreadId, VcpuId};
use crate::base::record::{BlockReason, Event};
use crate::machine::world::{Cx, Flow, MachineEvent, Then};
use crate::parts::memory::pages::{Backing, Entry};
use crate::parts::memory::userfault::Message;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Whether a page is one that is protected.
    pub(in crate::machine) fn is_uffd_protected(&self, page: GuestPage) -> bool {
        self.w.host.memory.page(page).protected
    }

    /// Whether a thread wants to write to the page that it fetches, and the page is protected.
    pub(super) fn wants_lift(&self, thread: ThreadId) -> bool {
        let Fetch { guest_page, goal, .. } = self.w.host.fetch_of(thread);
        self.is_uffd_protected(guest_page)
            && match (goal, self.w.host.kind_of(thread)) {
                (FetchGoal::Item(_), _) => true,
                (FetchGoal::Fault | FetchGoal::StartRead, ThreadKind::Vcpu(vcpu)) => {
                    self.w.kvm.fault_writes(vcpu)
                }
                _ => false,
            }
    }

    /// The page of a write that has to wait is mapped for reading.
    pub(super) fn map_protected(&mut self, page: GuestPage) {
        let state = self.w.host.memory.page(page);
        if state.vmm == Entry::None || state.backing == Backing::Writeback {
            self.map_in_vmm(page, false);
        }
    }

    /// Whether a thread still has to wait for the protection to be lifted (`userfaultfd_must_wait`: the entry is there
    /// and does not allow writing).
    fn must_wait_for_lift(&self, thread: ThreadId) -> bool {
        let page = self.w.host.fetch_of(thread).guest_page;
        self.wants_lift(thread)
            && self.w.host.memory.page(page).vmm != Entry::None
            && !self.is_killed(thread)
    }

    /// A message about a write is linked. None: the memory of the page's virtual machine is never protected.
    pub(super) fn link_write(&mut self, thread: ThreadId) -> Option<Flow> {
        let page = self.w.host.fetch_of(thread).guest_page;
        self.w.host.protection_of(page.vm())?;
        let prices = &self.w.setup.prices;
        let (awake, wait) = (prices.uffd_awake.time, prices.uffd_wait.time);
        if !self.must_wait_for_lift(thread) {
            return Some(Flow::Spend(awake, Then::Fetch));
        }
        self.emit(Event::UffdWpMessage { thread, page });
        if let Some(protection) = self.w.host.protection_of(page.vm()) {
            protection.unread.push_back(Message { thread, page });
        }
        Some(Flow::Spend(wait, Then::UffdSleep))
    }

    /// The thread sleeps until the protection is lifted, unless it is already.
    pub(super) fn sleep_for_lift(&mut self, thread: ThreadId) -> Option<Flow> {
        let page = self.w.host.fetch_of(thread).guest_page;
        self.w.host.protection_of(page.vm())?;
        self.unlock_map(thread);
        if !self.must_wait_for_lift(thread) {
            if let Some(protection) = self.w.host.protection_of(page.vm()) {
                protection.unread.retain(|message| message.thread != thread);
            }
            return Some(Flow::Spend(self.w.setup.prices.uffd_awake.time, Then::Fetch));
        }
        self.w.host.wait_for_page(thread, page);
        self.wake_protector(page.vm());
        self.going_to_sleep(thread, BlockReason::Fetch);
        self.block_thread(thread, Then::UffdAwake);
        Some(Flow::Stopped)
    }

    /// Whether a fault of a vCPU is one for writing to a page that is protected.
    pub(in crate::machine) fn meets_protection(&self, vcpu: VcpuId, page: GuestPage) -> bool {
        self.is_uffd_protected(page) && self.w.kvm.fault_writes(vcpu)
    }
}
