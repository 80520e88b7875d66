//! The guest's table of sleepers: INV-26, INV-27, INV-28, INV-32 and INV-34; and INV-13 where page ready
//! was told and never reached the sleeper.

use std::collections::BTreeMap;

use sim_core::{SimDuration, SimTime};

use super::catalogue::{Family, INV_13, INV_26, INV_27, INV_28, INV_32, INV_34};
use super::config::{Losses, MonitorConfig};
use super::finding::{Breach, Context, Ledger};
use super::items::Items;
use super::lapic::Lapics;
use super::remembered::Remembered;
use crate::base::ids::{TaskId, Token, VcpuId};
use crate::base::record::{DummyAction, Event, Record};

/// Dummies that are remembered; a guest that leaks more is known for it by then.
const REMEMBERED_DUMMIES: usize = 1 << 16;

/// An entry of the table.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The task that sleeps; none for a dummy.
    task: Option<TaskId>,
    /// Where the task took its not present.
    vcpu: VcpuId,
    since: Record,
    /// Since when nothing comes for it, because its vCPU turned its notices off.
    left: Option<SimTime>,
    /// Since when its item is freed.
    freed: Option<SimTime>,
    /// The page ready that is on the way to it.
    ready: Option<Ready>,
}

impl Entry {
    fn new(task: Option<TaskId>, vcpu: VcpuId, since: Record) -> Self {
        Self { task, vcpu, since, left: None, freed: None, ready: None }
    }
}

/// A page ready that was told.
#[derive(Clone, Copy, Debug)]
struct Ready {
    token: Token,
    queued: Record,
    injected: bool,
}

/// Page readies that are remembered of a vCPU for tasks that do not sleep yet: their handler of not
/// present has begun, so that there is hardly more than one.
const REMEMBERED_READIES: usize = 64;

/// What is known of a vCPU.
#[derive(Clone, Debug, Default)]
struct Cpu {
    /// The exception whose handler has not yet come to its token.
    injected: Option<Record>,
    told: Remembered<Ready, REMEMBERED_READIES>,
    /// When its guest was last in user mode, or went into HLT: what waits for injection is taken before.
    open: SimTime,
    /// It sleeps in HLT.
    in_hlt: bool,
}

impl Cpu {
    /// Until when the guest could have taken what was queued for it.
    fn open_until(&self, now: SimTime) -> SimTime {
        if self.in_hlt { now } else { self.open }
    }

    /// The latest page ready with a token.
    fn ready_with(&self, token: Token) -> Option<Ready> {
        let own = self.told.iter().filter(|ready| ready.token == token);
        own.max_by_key(|ready| ready.queued.time).copied()
    }
}

/// The monitors of the table.
#[derive(Clone, Debug)]
pub(super) struct Sleepers {
    bound: SimDuration,
    /// Whether page ready is an exception like not present.
    ready_is_exception: bool,
    table: BTreeMap<Token, Entry>,
    /// The tokens of sleeping tasks.
    asleep: BTreeMap<TaskId, Token>,
    dummies: usize,
    /// A dummy was not remembered: an unknown one may be right.
    forgot: bool,
    loses: Losses,
    /// Whoever could have been woken is missed, though its vCPU may not have been able to take it yet.
    impatient: bool,
    vcpus: Vec<Cpu>,
}

impl Sleepers {
    pub(super) fn new(config: &MonitorConfig) -> Self {
        let ready_is_exception = match config.family {
            Family::V5 | Family::V7 => true,
            Family::Int => false,
        };
        Self {
            bound: config.liveness_bound,
            ready_is_exception,
            table: BTreeMap::new(),
            asleep: BTreeMap::new(),
            dummies: 0,
            forgot: false,
            loses: config.loses,
            impatient: false,
            vcpus: vec![Cpu::default(); usize::from(config.vcpus)],
        }
    }

    /// The same with another bound of liveness, to ask what waits: nobody is given the benefit of the doubt.
    pub(super) fn bounded(self, bound: SimDuration) -> Self {
        Self { bound, impatient: true, ..self }
    }

    pub(super) fn grow(&mut self, vcpus: usize) {
        self.vcpus.resize_with(vcpus, Cpu::default);
    }

    /// A synthetic exception is injected.
    pub(super) fn injected(&mut self, vcpu: VcpuId, record: Record) {
        self.vcpus[vcpu.index()].injected = Some(record);
        let Event::KvmInjException { cr2, .. } = record.event else { return };
        if !self.ready_is_exception {
            return;
        }
        let arrives = |entry: &mut Entry| {
            if let Some(ready) = entry.ready.as_mut().filter(|_| entry.vcpu == vcpu) {
                ready.injected = true;
            }
        };
        match u32::try_from(cr2).map(Token) {
            Ok(Token::WAKE_ALL) => self.table.values_mut().for_each(arrives),
            Ok(token) => self.table.get_mut(&token).into_iter().for_each(arrives),
            Err(_) => {}
        }
    }

    /// Page ready is told.
    pub(super) fn page_ready(&mut self, vcpu: VcpuId, token: Token, record: Record) {
        let ready = Ready { token, queued: record, injected: false };
        self.vcpus[vcpu.index()].told.add(ready);
        if token == Token::WAKE_ALL {
            let own = self.table.values_mut().filter(|entry| entry.vcpu == vcpu);
            own.for_each(|entry| entry.ready = Some(ready));
        } else if let Some(entry) = self.table.get_mut(&token).filter(|entry| entry.vcpu == vcpu) {
            entry.ready = Some(ready);
        }
    }

    /// An item is freed.
    pub(super) fn freed_item(&mut self, vcpu: VcpuId, token: Token, now: SimTime) {
        if let Some(entry) = self.table.get_mut(&token).filter(|entry| entry.vcpu == vcpu) {
            entry.freed = Some(now);
        }
    }

    /// The guest executes HLT, so that it lets in what waits for it.
    pub(super) fn lets_in(&mut self, vcpu: VcpuId, now: SimTime) {
        self.vcpus[vcpu.index()].open = now;
    }

    /// The vCPU thread goes to sleep, because the guest is in HLT.
    pub(super) fn hlt(&mut self, vcpu: VcpuId, now: SimTime) {
        let own = &mut self.vcpus[vcpu.index()];
        (own.in_hlt, own.open) = (true, now);
    }

    /// It no longer sleeps.
    pub(super) fn woken(&mut self, vcpu: VcpuId, now: SimTime) {
        let own = &mut self.vcpus[vcpu.index()];
        if std::mem::take(&mut own.in_hlt) {
            own.open = now;
        }
    }

    /// A task links itself.
    pub(super) fn wait(
        &mut self,
        vcpu: VcpuId,
        (task, token): (TaskId, Token),
        record: Record,
        items: &Items,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        self.expect_own_token(vcpu, token, at, ledger);
        let mut entry = Entry::new(Some(task), vcpu, record);
        if items.of(vcpu).by_token(token).is_none() {
            entry.freed = Some(record.time);
            entry.ready = self.vcpus[vcpu.index()].ready_with(token);
        }
        self.insert(token, entry, at, ledger);
        self.asleep.insert(task, token);
    }

    /// A sleeper is woken.
    pub(super) fn wake(
        &mut self,
        vcpu: VcpuId,
        (task, token): (TaskId, Token),
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        if self.ready_is_exception {
            self.expect_own_token(vcpu, token, at, ledger);
        }
        if self.asleep.remove(&task) == Some(token) {
            self.table.remove(&token);
            return;
        }
        let message = || format!("{task} is woken from token {token}, for which it does not sleep");
        let history = Vec::new;
        ledger.breach(INV_27, at, Breach { vcpu, token: Some(token), message, history });
    }

    pub(super) fn dummy(
        &mut self,
        vcpu: VcpuId,
        (token, action): (Token, DummyAction),
        record: Record,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        match action {
            DummyAction::Added => {
                if self.ready_is_exception {
                    self.expect_own_token(vcpu, token, at, ledger);
                }
                let entry = Entry::new(None, vcpu, record);
                self.insert(token, entry, at, ledger);
            }
            DummyAction::Consumed => {
                self.expect_own_token(vcpu, token, at, ledger);
                self.freed(vcpu, token, at, ledger);
            }
            DummyAction::Dropped => self.freed(vcpu, token, at, ledger),
        }
    }

    /// The guest freed what it took for a dummy.
    fn freed(&mut self, vcpu: VcpuId, token: Token, at: Context<'_>, ledger: &mut Ledger) {
        let entry = self.table.remove(&token);
        let task = match entry {
            Some(Entry { task: None, .. }) => {
                self.dummies -= 1;
                return;
            }
            None if self.forgot => return,
            None => None,
            Some(Entry { task, .. }) => task,
        };
        let message = || match task {
            Some(task) => format!("{vcpu} frees the sleeper of {task} as if it were a dummy"),
            None => format!("{vcpu} frees a dummy of token {token} that is not in the table"),
        };
        let history = || entry.map(|entry| entry.since).into_iter().collect();
        ledger.breach(INV_27, at, Breach { vcpu, token: Some(token), message, history });
    }

    /// A task has run in user mode for `span`.
    pub(super) fn ran(
        &mut self,
        (vcpu, task): (VcpuId, TaskId),
        span: SimDuration,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        if !span.is_zero() {
            self.vcpus[vcpu.index()].open = at.now;
        }
        let Some(token) = self.asleep.get(&task).copied() else { return };
        let Some(entry) = self.table.get(&token).copied() else { return };
        // The stretch may have begun before the task linked itself.
        if span.is_zero() || at.now.saturating_since(entry.since.time) < span {
            return;
        }
        self.asleep.remove(&task);
        let message = || format!("{task} goes on while it is linked as the sleeper of {token}");
        let history = || vec![entry.since];
        ledger.breach(INV_27, at, Breach { vcpu, token: Some(token), message, history });
    }

    /// The vCPU turned its notices off.
    pub(super) fn left(&mut self, vcpu: VcpuId, now: SimTime) {
        for entry in self.table.values_mut().filter(|entry| entry.vcpu == vcpu) {
            entry.left.get_or_insert(now);
        }
        self.vcpus[vcpu.index()].injected = None;
    }

    /// For how long somebody could have been woken who waits for what came at `since` to a vCPU.
    fn missed(&self, vcpu: VcpuId, since: SimTime, lapics: &Lapics, now: SimTime) -> SimDuration {
        let own = &self.vcpus[vcpu.index()];
        let until = if self.impatient { now } else { own.open_until(now) };
        lapics.waited(vcpu, since, until)
    }

    /// How many tasks sleep though their pages have been there for longer than the bound of liveness.
    pub(super) fn for_good(&self, items: &Items, lapics: &Lapics, now: SimTime) -> usize {
        let over = |&(&token, entry): &(&Token, &Entry)| {
            let vcpu = entry.vcpu;
            let item = items.of(vcpu).by_token(token);
            let waited = match (entry.left, item, entry.ready) {
                (Some(left), ..) => now.saturating_since(left),
                // Nothing is on the way: the item is not dequeued, or was dropped.
                (None, Some(item), _) => {
                    item.done.map_or(SimDuration::ZERO, |done| lapics.waited(vcpu, done, now))
                }
                (None, None, Some(ready)) => self.missed(vcpu, ready.queued.time, lapics, now),
                (None, None, None) => {
                    entry.freed.map_or(SimDuration::ZERO, |freed| lapics.waited(vcpu, freed, now))
                }
            };
            entry.task.is_some() && waited > self.bound
        };
        self.table.iter().filter(over).count()
    }

    pub(super) fn finish(
        &self,
        items: &Items,
        lapics: &Lapics,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        for (&token, entry) in &self.table {
            let Entry { task, vcpu, since, left, ready, .. } = *entry;
            let over = |from: SimTime| at.now.saturating_since(from) > self.bound;
            let history = || vec![since];
            if task.is_none() && over(since.time) {
                let message = || {
                    let age = at.now.saturating_since(since.time);
                    format!("the dummy of token {token} has been in the table for {age}")
                };
                ledger.breach(INV_28, at, Breach { vcpu, token: Some(token), message, history });
            }
            if let (Some(task), Some(left)) = (task, left)
                && over(left)
            {
                let message =
                    || format!("{task} sleeps for {token}, and {vcpu} has turned its notices off");
                ledger.breach(INV_34, at, Breach { vcpu, token: Some(token), message, history });
            }
            let away = items.of(vcpu).by_token(token).is_none();
            if let (Some(task), None, Some(ready), true) = (task, left, ready, away) {
                self.judge_ready(vcpu, (task, token, since), ready, lapics, at, ledger);
            }
        }
    }

    /// Somebody sleeps for whom page ready was told.
    fn judge_ready(
        &self,
        vcpu: VcpuId,
        (task, token, since): (TaskId, Token, Record),
        ready: Ready,
        lapics: &Lapics,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        if self.missed(vcpu, ready.queued.time, lapics, at.now) <= self.bound {
            return;
        }
        let waits = self.ready_is_exception && !ready.injected && self.vcpus[vcpu.index()].in_hlt;
        let message = || {
            let age = at.now.saturating_since(ready.queued.time);
            let why = if waits { ", which has slept in HLT since" } else { "" };
            format!(
                "{task} sleeps for {token}: page ready was told {age} before the end and has not reached it on {vcpu}{why}"
            )
        };
        let history = || vec![since, ready.queued];
        let breach = Breach { vcpu, token: Some(token), message, history };
        let zero = token == Token(0) && self.loses.of_token_zero;
        if zero || (waits && self.loses.in_hlt) {
            ledger.known(INV_13, at, breach);
        } else {
            ledger.breach(INV_13, at, breach);
        }
    }

    fn insert(&mut self, token: Token, entry: Entry, at: Context<'_>, ledger: &mut Ledger) {
        if entry.task.is_none() {
            if self.dummies >= REMEMBERED_DUMMIES {
                self.forgot = true;
                return;
            }
            self.dummies += 1;
        }
        let Some(other) = self.table.insert(token, entry) else { return };
        self.dummies -= usize::from(other.task.is_none());
        let vcpu = entry.vcpu;
        let message = || format!("token {token} is entered in the table, where it is already");
        let history = || vec![other.since];
        ledger.breach(INV_26, at, Breach { vcpu, token: Some(token), message, history });
    }

    /// A handler has come to its token.
    fn expect_own_token(
        &mut self,
        vcpu: VcpuId,
        token: Token,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let Some(injected) = self.vcpus[vcpu.index()].injected.take() else { return };
        let Event::KvmInjException { cr2, .. } = injected.event else { return };
        let all = cr2 == u64::from(Token::WAKE_ALL.0);
        if all || cr2 == u64::from(token.0) {
            return;
        }
        let message = || {
            format!("a handler of {vcpu} goes on with token {token}; its exception said {cr2:#x}")
        };
        let history = || vec![injected];
        ledger.breach(INV_32, at, Breach { vcpu, token: Some(token), message, history });
    }
}
