//! Notifications of the host and the items behind them: how many, and which were not needed.

use super::totals::Counts;
use crate::base::abi::{CALLBACK, MSR_ASYNC_PF_INT, PAGE_FAULT};
use crate::base::ids::{Token, VcpuId};
use crate::base::record::Event;

/// What waits for its injection into one vCPU.
#[derive(Clone, Debug)]
struct Queued {
    not_present: Option<Token>,
    /// The page of that is there already.
    is_needless: bool,
    page_ready: Option<Token>,
    ready_vector: u8,
    /// A completed item was taken since the last entry, in the measured phase.
    drains: bool,
}

/// Follows the notifications of all vCPUs.
#[derive(Clone, Debug)]
pub(super) struct Notices {
    vcpus: Vec<Queued>,
    pub(super) outstanding: u64,
    pub(super) workers: u64,
}

impl Notices {
    /// None yet.
    pub(super) fn new(vcpus: usize) -> Self {
        let queued = Queued {
            not_present: None,
            is_needless: false,
            page_ready: None,
            ready_vector: CALLBACK,
            drains: false,
        };
        Self { vcpus: vec![queued; vcpus], outstanding: 0, workers: 0 }
    }

    /// Guest mode is entered.
    #[inline]
    pub(super) fn entered(&mut self, vcpu: VcpuId) {
        if let Some(vcpu) = self.vcpus.get_mut(vcpu.index()) {
            vcpu.drains = false;
        }
    }

    /// Takes in a record of a notification, an item or a worker; `measuring` is 1 in the measured phase.
    pub(super) fn observe(&mut self, event: &Event, counts: &mut Counts, measuring: u64) {
        match *event {
            Event::ItemLink { .. } => {
                self.outstanding += 1;
                counts.outstanding_peak = counts.outstanding_peak.max(self.outstanding);
            }
            Event::ItemUnlink { token, .. } if token != Token::WAKE_ALL => {
                self.outstanding = self.outstanding.saturating_sub(1);
            }
            Event::WorkqueueExecuteStart { .. } => {
                self.workers += 1;
                counts.workers_peak = counts.workers_peak.max(self.workers);
            }
            Event::WorkqueueExecuteEnd { .. } => self.workers = self.workers.saturating_sub(1),
            Event::NotPresentQueued { vcpu, .. }
            | Event::PageReadyQueued { vcpu, .. }
            | Event::ItemDone { vcpu, .. }
            | Event::KvmAsyncPfReady { vcpu, .. }
            | Event::KvmInjException { vcpu, .. }
            | Event::KvmInjVirq { vcpu, .. }
            | Event::KvmMsrWrite { vcpu, .. } => {
                if let Some(vcpu) = self.vcpus.get_mut(vcpu.index()) {
                    vcpu.observe(event, counts, measuring);
                }
            }
            _ => {}
        }
    }
}

impl Queued {
    fn observe(&mut self, event: &Event, counts: &mut Counts, measuring: u64) {
        match *event {
            Event::NotPresentQueued { token, .. } => {
                (self.not_present, self.is_needless) = (Some(token), false);
            }
            Event::PageReadyQueued { token, .. } => self.page_ready = Some(token),
            Event::ItemDone { token, .. } => self.is_needless |= self.not_present == Some(token),
            Event::KvmAsyncPfReady { .. } if measuring != 0 => {
                counts.ready_items += 1;
                counts.ready_drains += u64::from(!self.drains);
                self.drains = true;
            }
            Event::KvmInjException { vector: PAGE_FAULT, cr2, .. } => {
                self.page_fault_injected(cr2, counts, measuring);
            }
            Event::KvmInjVirq { vector, .. } if vector == self.ready_vector => {
                counts.page_ready_delivered +=
                    measuring * u64::from(self.page_ready.take().is_some());
            }
            Event::KvmMsrWrite { ecx: MSR_ASYNC_PF_INT, data, .. } => {
                self.ready_vector = data.to_le_bytes()[0];
            }
            _ => {}
        }
    }

    /// Both notifications may be exceptions; with equal tokens not present was queued first.
    fn page_fault_injected(&mut self, cr2: u64, counts: &mut Counts, measuring: u64) {
        let is = |token: Option<Token>| token.is_some_and(|token| u64::from(token.0) == cr2);
        if is(self.not_present) {
            self.not_present = None;
            counts.not_present_injected += measuring;
            counts.needless_notices += measuring * u64::from(self.is_needless);
        } else if is(self.page_ready) {
            self.page_ready = None;
            counts.page_ready_delivered += measuring;
        }
    }
}
