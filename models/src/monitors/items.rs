//! Outstanding items: INV-01 to INV-06, and INV-15.
//!
//! The table of items that these monitors keep is also what the monitors of notices and halts
//! look things up in.

use std::collections::BTreeMap;

use sim_core::{SimDuration, SimTime};

use super::catalogue::{INV_01, INV_02, INV_03, INV_04, INV_05, INV_06, INV_15};
use super::config::MonitorConfig;
use super::finding::{Breach, Context, Ledger};
use super::lapic::Lapics;
use crate::base::ids::{Gfn, Token, VcpuId};
use crate::base::record::{Event, Record};

/// An item between its link and its unlink.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) token: Token,
    pub(super) gfn: Gfn,
    linked: SimTime,
    /// When it was completed.
    pub(super) done: Option<SimTime>,
    entries_at_done: u64,
}

impl Item {
    /// The records that made the item what it is.
    pub(super) fn history(&self, vcpu: VcpuId) -> Vec<Record> {
        let Self { token, gfn, linked, .. } = *self;
        let link = Record { time: linked, event: Event::ItemLink { vcpu, token, gfn } };
        let done = self.done.map(|time| Record { time, event: Event::ItemDone { vcpu, token } });
        std::iter::once(link).chain(done).collect()
    }
}

/// A completed wake-all that is not dequeued yet.
#[derive(Clone, Copy, Debug)]
struct WakeAll {
    done: SimTime,
    entries_at_done: u64,
}

/// A completion that came before the link.
#[derive(Clone, Copy, Debug)]
struct Early {
    token: Token,
    done: SimTime,
}

/// The items of one vCPU.
#[derive(Clone, Debug, Default)]
pub(super) struct VcpuItems {
    /// Items in the order of their links.
    items: Vec<Item>,
    wake_alls: Vec<WakeAll>,
    /// Completed items, wake-alls among them.
    done: usize,
    entries: u64,
    /// Items freed before they were completed, in an exit that has not yet shown why.
    dropped: Vec<(SimTime, Item)>,
    /// Completions of items that are not linked, or not yet.
    early: Vec<Early>,
    /// Frames of items freed since the last entry.
    freed: Vec<Gfn>,
    /// The guest turned the mechanism off in this exit.
    cleared: bool,
    /// When an item was last freed.
    last_unlink: SimTime,
}

impl VcpuItems {
    /// The outstanding item of a token.
    pub(super) fn by_token(&self, token: Token) -> Option<&Item> {
        self.items.iter().find(|item| item.token == token)
    }

    /// The outstanding item for a frame.
    pub(super) fn by_gfn(&self, gfn: Gfn) -> Option<&Item> {
        self.items.iter().find(|item| item.gfn == gfn)
    }

    /// How many completed items wait, wake-alls among them.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// When the completed item that has waited longest was completed.
    pub(super) fn oldest_done(&self) -> Option<SimTime> {
        let wake_alls = self.wake_alls.iter().map(|wake_all| wake_all.done);
        self.items.iter().filter_map(|item| item.done).chain(wake_alls).min()
    }

    /// Whether an item for the frame was freed since the last entry.
    pub(super) fn freed_lately(&self, gfn: Gfn) -> bool {
        self.freed.contains(&gfn)
    }

    /// Whether completed items took the place of a halt for a frame, which is outstanding or was among them: they were
    /// delivered since the last entry, or wait until the guest has acknowledged one.
    pub(super) fn stood_in_for_halt(&self, gfn: Gfn) -> bool {
        let completed = self.done > 0 || !self.freed.is_empty();
        completed && (self.by_gfn(gfn).is_some() || self.freed_lately(gfn))
    }

    /// When an item was last freed.
    pub(super) fn last_unlink(&self) -> SimTime {
        self.last_unlink
    }
}

/// The monitors of items, and the table that others look up.
#[derive(Clone, Debug)]
pub(super) struct Items {
    cap: Option<u32>,
    bound: SimDuration,
    /// An item is handed to a worker before it is linked, who may be through first.
    schedules_first: bool,
    vcpus: Vec<VcpuItems>,
    /// How many outstanding items of the VM have each token.
    tokens: BTreeMap<Token, usize>,
}

impl Items {
    pub(super) fn new(config: &MonitorConfig) -> Self {
        let &MonitorConfig { vcpus, cap, liveness_bound: bound, schedules_first, .. } = config;
        let vcpus = vec![VcpuItems::default(); usize::from(vcpus)];
        Self { cap, bound, schedules_first, vcpus, tokens: BTreeMap::new() }
    }

    /// The same with another bound of liveness.
    pub(super) fn bounded(self, bound: SimDuration) -> Self {
        Self { bound, ..self }
    }

    /// Makes room for vCPUs up to `vcpus`.
    pub(super) fn grow(&mut self, vcpus: usize) {
        self.vcpus.resize_with(vcpus, VcpuItems::default);
    }

    /// The items of a vCPU that there is room for.
    pub(super) fn of(&self, vcpu: VcpuId) -> &VcpuItems {
        &self.vcpus[vcpu.index()]
    }

    /// An item is given its token.
    pub(super) fn named(&self, vcpu: VcpuId, token: Token, at: Context<'_>, ledger: &mut Ledger) {
        let (id, means) = match token {
            Token::WAKE_ALL => (INV_03, "wake-all"),
            Token(0) => (INV_04, "a free slot"),
            _ => return,
        };
        let message = || format!("an item of {vcpu} has token {token}, which means {means}");
        ledger.breach(id, at, Breach { vcpu, token: Some(token), message, history: Vec::new });
    }

    pub(super) fn link(
        &mut self,
        vcpu: VcpuId,
        token: Token,
        gfn: Gfn,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let own = &mut self.vcpus[vcpu.index()];
        if let Some(other) = own.by_gfn(gfn) {
            ledger.breach(
                INV_01,
                at,
                Breach {
                    vcpu,
                    token: Some(other.token),
                    message: || {
                        format!(
                            "item {token} of {vcpu} is for frame {gfn}, which is outstanding \
                             there already as item {}",
                            other.token
                        )
                    },
                    history: || other.history(vcpu),
                },
            );
        }
        if self.tokens.contains_key(&token) {
            ledger.breach(
                INV_02,
                at,
                Breach {
                    vcpu,
                    token: Some(token),
                    message: || format!("token {token} of {vcpu} is outstanding in the VM already"),
                    history: Vec::new,
                },
            );
        }
        let mut item = Item { token, gfn, linked: at.now, done: None, entries_at_done: 0 };
        if let Some(place) = own.early.iter().position(|early| early.token == token) {
            let done = own.early.remove(place).done;
            item.done = Some(done);
            item.entries_at_done = own.entries;
            own.done += 1;
            if !self.schedules_first {
                let message =
                    || format!("item {token} of {vcpu} was completed before it was linked");
                let history =
                    || vec![Record { time: done, event: Event::ItemDone { vcpu, token } }];
                ledger.breach(INV_06, at, Breach { vcpu, token: Some(token), message, history });
            }
        }
        own.items.push(item);
        *self.tokens.entry(token).or_default() += 1;
        self.check_cap(vcpu, at, ledger);
    }

    pub(super) fn done(
        &mut self,
        vcpu: VcpuId,
        token: Token,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let own = &mut self.vcpus[vcpu.index()];
        if token == Token::WAKE_ALL {
            own.done += 1;
            own.wake_alls.push(WakeAll { done: at.now, entries_at_done: own.entries });
            self.check_cap(vcpu, at, ledger);
            return;
        }
        let running = own.items.iter_mut().find(|item| item.token == token && item.done.is_none());
        if let Some(item) = running {
            item.done = Some(at.now);
            item.entries_at_done = own.entries;
            own.done += 1;
            return;
        }
        match own.by_token(token) {
            None => own.early.push(Early { token, done: at.now }),
            Some(item) => {
                let message = || format!("item {token} of {vcpu} is completed a second time");
                let history = || item.history(vcpu);
                ledger.breach(INV_06, at, Breach { vcpu, token: Some(token), message, history });
            }
        }
    }

    pub(super) fn unlink(
        &mut self,
        vcpu: VcpuId,
        token: Token,
        lapics: &Lapics,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let bound = self.bound;
        let own = &mut self.vcpus[vcpu.index()];
        own.last_unlink = at.now;
        let (done, entries_at_done) = if token == Token::WAKE_ALL {
            if own.wake_alls.is_empty() {
                let message = || format!("a wake-all of {vcpu} is freed that was not completed");
                let history = Vec::new;
                ledger.breach(INV_06, at, Breach { vcpu, token: Some(token), message, history });
                return;
            }
            let WakeAll { done, entries_at_done } = own.wake_alls.remove(0);
            (done, entries_at_done)
        } else {
            // With equal tokens, the completed item is the one that may go.
            let place = own
                .items
                .iter()
                .position(|item| item.token == token && item.done.is_some())
                .or_else(|| own.items.iter().position(|item| item.token == token));
            let Some(place) = place else {
                let message = || format!("item {token} of {vcpu} is freed but is not in the queue");
                let history = Vec::new;
                ledger.breach(INV_06, at, Breach { vcpu, token: Some(token), message, history });
                own.early.retain(|early| early.token != token);
                return;
            };
            let item = own.items.remove(place);
            own.freed.push(item.gfn);
            if let Some(count) = self.tokens.get_mut(&token) {
                *count -= 1;
                if *count == 0 {
                    self.tokens.remove(&token);
                }
            }
            let Some(done) = item.done else {
                own.dropped.push((at.now, item));
                return;
            };
            (done, item.entries_at_done)
        };
        own.done -= 1;
        let waited = lapics.waited(vcpu, done, at.now);
        if waited > bound && own.entries > entries_at_done {
            let message =
                || format!("completed item {token} of {vcpu} was dequeued only after {waited}");
            let history = || vec![Record { time: done, event: Event::ItemDone { vcpu, token } }];
            ledger.breach(INV_15, at, Breach { vcpu, token: Some(token), message, history });
        }
    }

    /// The guest turned the mechanism off, or did what drops items in this generation: what is
    /// dropped in this exit is dropped rightly. The write may be recorded before or after what it
    /// does.
    pub(super) fn cleared(&mut self, vcpu: VcpuId) {
        self.vcpus[vcpu.index()].cleared = true;
    }

    pub(super) fn entry(&mut self, vcpu: VcpuId, at: Context<'_>, ledger: &mut Ledger) {
        let own = &mut self.vcpus[vcpu.index()];
        own.entries += 1;
        own.freed.clear();
        let cleared = std::mem::take(&mut own.cleared);
        if own.dropped.is_empty() && own.early.is_empty() {
            return;
        }
        for (when, item) in own.dropped.drain(..).filter(|_| !cleared) {
            let token = item.token;
            let message =
                || format!("item {token} of {vcpu} was freed at {when} before it was completed");
            let history = || item.history(vcpu);
            ledger.breach(INV_06, at, Breach { vcpu, token: Some(token), message, history });
        }
        for early in own.early.drain(..) {
            never_linked(vcpu, early, at, ledger);
        }
    }

    pub(super) fn finish(&self, lapics: &Lapics, at: Context<'_>, ledger: &mut Ledger) {
        for (own, vcpu) in self.vcpus.iter().zip((0..=u16::MAX).map(VcpuId)) {
            let items = own
                .items
                .iter()
                .filter_map(|item| item.done.map(|done| (item.token, done, item.entries_at_done)));
            let wake_alls = own
                .wake_alls
                .iter()
                .map(|wake_all| (Token::WAKE_ALL, wake_all.done, wake_all.entries_at_done));
            for (token, done, entries_at_done) in items.chain(wake_alls) {
                let waited = lapics.waited(vcpu, done, at.now);
                if waited > self.bound && own.entries > entries_at_done {
                    let message = || {
                        format!(
                            "item {token} of {vcpu} was completed {waited} before the end and is \
                             not dequeued, though the guest was entered {} times since",
                            own.entries - entries_at_done
                        )
                    };
                    let history =
                        || vec![Record { time: done, event: Event::ItemDone { vcpu, token } }];
                    let token = Some(token);
                    ledger.breach(INV_15, at, Breach { vcpu, token, message, history });
                }
            }
        }
    }

    fn check_cap(&self, vcpu: VcpuId, at: Context<'_>, ledger: &mut Ledger) {
        let Some(cap) = self.cap else { return };
        let own = &self.vcpus[vcpu.index()];
        let queued = own.items.len() + own.wake_alls.len();
        let allowed = cap as usize + usize::from(!own.wake_alls.is_empty());
        if queued > allowed {
            let message = || {
                format!(
                    "{vcpu} has {} outstanding items and {} wake-alls; the cap is {cap}",
                    own.items.len(),
                    own.wake_alls.len()
                )
            };
            let history = Vec::new;
            ledger.breach(INV_05, at, Breach { vcpu, token: None, message, history });
        }
    }
}

fn never_linked(vcpu: VcpuId, early: Early, at: Context<'_>, ledger: &mut Ledger) {
    let Early { token, done } = early;
    let message = || format!("item {token} of {vcpu} was completed but is not in the queue");
    let history = || vec![Record { time: done, event: Event::ItemDone { vcpu, token } }];
    ledger.breach(INV_06, at, Breach { vcpu, token: Some(token), message, history });
}
