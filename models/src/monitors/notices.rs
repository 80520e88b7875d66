//! Notices to the guest: INV-07, INV-11, INV-12, INV-13 and INV-14.
//!
//! What counts is the order in which notices are queued, not the order in which they are
//! injected: a page ready may be dequeued between the queueing of a not present and its injection.

use sim_core::{SimDuration, SimTime};

use super::catalogue::{Family, INV_07, INV_11, INV_12, INV_13, INV_14};
use super::finding::{Breach, Context, Ledger};
use super::items::Items;
use super::lapic::Lapics;
use super::remembered::Remembered;
use crate::base::ids::{Token, VcpuId};
use crate::base::record::{Event, Record};

/// Tokens of past page readies that a vCPU's table remembers. A token comes back only after the
/// counter has gone round, so a page ready without an open notice either repeats a recent one or
/// never had a not present.
const REMEMBERED: usize = 256;

/// The vector of #PF.
const PAGE_FAULT: u8 = 14;

/// A not present whose item is still around or whose page ready is outstanding.
#[derive(Clone, Copy, Debug)]
struct Notice {
    token: Token,
    queued: Record,
    /// A wake-all has woken the sleeper; its own page ready may still come.
    woken: bool,
    /// The item is freed: page ready comes before the next entry or never.
    freed: Option<SimTime>,
}

#[derive(Clone, Debug, Default)]
struct VcpuNotices {
    open: Vec<Notice>,
    /// How many of `open` lost their item; checked at the next entry.
    freed: usize,
    /// The synthetic exception that is queued and not injected yet.
    pending: Option<Record>,
    /// The last not present, if nothing was injected since.
    told: Option<Record>,
    answered: Remembered<Token, REMEMBERED>,
}

/// What the host saw when it queued a not present.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    pub(super) cpl: u8,
    pub(super) interrupts_on: bool,
    pub(super) send_always: bool,
}

/// The monitors of notices.
#[derive(Clone, Debug)]
pub(super) struct Notices {
    /// Whether page ready is an exception like not present.
    ready_is_exception: bool,
    /// Whether not present in user mode is told whatever the interrupt flag is.
    user_may_have_interrupts_off: bool,
    bound: SimDuration,
    vcpus: Vec<VcpuNotices>,
}

impl Notices {
    pub(super) fn new(vcpus: usize, family: Family, bound: SimDuration) -> Self {
        let ready_is_exception = match family {
            Family::V5 | Family::V7 => true,
            Family::Int => false,
        };
        let user_may_have_interrupts_off = family == Family::V5;
        let vcpus = vec![VcpuNotices::default(); vcpus];
        Self { ready_is_exception, user_may_have_interrupts_off, bound, vcpus }
    }

    /// The same with another bound of liveness.
    pub(super) fn bounded(self, bound: SimDuration) -> Self {
        Self { bound, ..self }
    }

    pub(super) fn grow(&mut self, vcpus: usize) {
        self.vcpus.resize_with(vcpus, VcpuNotices::default);
    }

    pub(super) fn not_present(
        &mut self,
        vcpu: VcpuId,
        token: Token,
        gate: Gate,
        record: Record,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        // The series of 2010 asks for interrupts where it asks for nothing of the CPL.
        let off = !gate.interrupts_on && (gate.cpl == 0 || !self.user_may_have_interrupts_off);
        if off || (gate.cpl == 0 && !gate.send_always) {
            let message = || {
                let why = if off {
                    "with guest interrupts off"
                } else {
                    "at CPL 0, which the guest did not ask for"
                };
                format!("not present {token} is told to {vcpu} {why}")
            };
            let history = Vec::new;
            ledger.breach(INV_07, at, Breach { vcpu, token: Some(token), message, history });
        }
        self.exception(vcpu, token, record, at, ledger);
        let own = &mut self.vcpus[vcpu.index()];
        own.open.push(Notice { token, queued: record, woken: false, freed: None });
        own.told = Some(record);
    }

    pub(super) fn page_ready(
        &mut self,
        vcpu: VcpuId,
        token: Token,
        record: Record,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        if self.ready_is_exception {
            self.exception(vcpu, token, record, at, ledger);
        }
        let own = &mut self.vcpus[vcpu.index()];
        if token == Token::WAKE_ALL {
            for notice in &mut own.open {
                notice.woken = true;
            }
            return;
        }
        if let Some(place) = own.open.iter().position(|notice| notice.token == token) {
            let notice = own.open.remove(place);
            own.freed -= usize::from(notice.freed.is_some());
        } else {
            let history = Vec::new;
            if own.answered.iter().any(|one| *one == token) {
                let message = || format!("page ready {token} is told to {vcpu} a second time");
                ledger.breach(INV_14, at, Breach { vcpu, token: Some(token), message, history });
            } else {
                let message = || {
                    format!("page ready {token} is told to {vcpu}, which got no not present for it")
                };
                ledger.breach(INV_12, at, Breach { vcpu, token: Some(token), message, history });
            }
        }
        own.answered.add(token);
    }

    pub(super) fn injected(&mut self, vcpu: VcpuId, vector: u8) {
        let own = &mut self.vcpus[vcpu.index()];
        own.told = None;
        if vector == PAGE_FAULT {
            own.pending = None;
        }
    }

    /// An event whose delivery did not come to its end is injected again.
    pub(super) fn reinjected(
        &mut self,
        vcpu: VcpuId,
        vector: u8,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let Some(told) = self.vcpus[vcpu.index()].told.take() else { return };
        let Event::NotPresentQueued { token, .. } = told.event else { return };
        let message = || {
            format!("not present {token} is told to {vcpu} while vector {vector:#x} is delivered")
        };
        let history = || vec![told];
        ledger.breach(INV_07, at, Breach { vcpu, token: Some(token), message, history });
    }

    pub(super) fn unlink(&mut self, vcpu: VcpuId, token: Token, now: SimTime) {
        let own = &mut self.vcpus[vcpu.index()];
        let notice =
            own.open.iter_mut().find(|notice| notice.token == token && notice.freed.is_none());
        if let Some(notice) = notice {
            notice.freed = Some(now);
            own.freed += 1;
        }
    }

    /// The guest turned the mechanism off: it expects nothing more.
    pub(super) fn cleared(&mut self, vcpu: VcpuId) {
        let own = &mut self.vcpus[vcpu.index()];
        own.open.clear();
        own.freed = 0;
        own.pending = None;
    }

    pub(super) fn entry(&mut self, vcpu: VcpuId, at: Context<'_>, ledger: &mut Ledger) {
        let own = &mut self.vcpus[vcpu.index()];
        if own.freed == 0 {
            return;
        }
        own.freed = 0;
        own.open.retain(|notice| {
            if let (Some(freed), false) = (notice.freed, notice.woken) {
                unanswered(vcpu, notice, freed, at, ledger);
            }
            notice.freed.is_none()
        });
    }

    pub(super) fn finish(
        &self,
        items: &Items,
        lapics: &Lapics,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        for (own, vcpu) in self.vcpus.iter().zip((0..=u16::MAX).map(VcpuId)) {
            for notice in own.open.iter().filter(|notice| !notice.woken) {
                let token = notice.token;
                if let Some(freed) = notice.freed {
                    if at.now.saturating_since(freed) > self.bound {
                        unanswered(vcpu, notice, freed, at, ledger);
                    }
                    continue;
                }
                let Some(item) = items.of(vcpu).by_token(token) else { continue };
                let Some(done) = item.done else { continue };
                let waited = lapics.waited(vcpu, done, at.now);
                if waited > self.bound {
                    let message = || {
                        format!(
                            "the page of not present {token} on {vcpu} came {waited} before the \
                             end, and page ready was not told"
                        )
                    };
                    let history = || {
                        let mut history = item.history(vcpu);
                        history.push(notice.queued);
                        history
                    };
                    let token = Some(token);
                    ledger.breach(INV_13, at, Breach { vcpu, token, message, history });
                }
            }
        }
    }

    fn exception(
        &mut self,
        vcpu: VcpuId,
        token: Token,
        record: Record,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let own = &mut self.vcpus[vcpu.index()];
        if let Some(pending) = own.pending {
            let message = || {
                format!(
                    "{} {token} is queued on {vcpu} while the {} of {} waits for injection",
                    record.event.name(),
                    pending.event.name(),
                    pending.time
                )
            };
            let history = || vec![pending];
            ledger.breach(INV_11, at, Breach { vcpu, token: Some(token), message, history });
        }
        own.pending = Some(record);
    }
}

fn unanswered(vcpu: VcpuId, notice: &Notice, freed: SimTime, at: Context<'_>, ledger: &mut Ledger) {
    let token = notice.token;
    let message = || {
        format!("item {token} of {vcpu} was freed, and page ready for its not present was not told")
    };
    let history = || {
        let event = Event::ItemUnlink { vcpu, token };
        vec![notice.queued, Record { time: freed, event }]
    };
    ledger.breach(INV_13, at, Breach { vcpu, token: Some(token), message, history });
}
