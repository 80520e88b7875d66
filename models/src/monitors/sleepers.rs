//! The guest's table of sleepers: INV-26, INV-27, INV-28, INV-32 and INV-34.

use std::collections::BTreeMap;

use sim_core::{SimDuration, SimTime};

use super::catalogue::{Family, INV_26, INV_27, INV_28, INV_32, INV_34};
use super::finding::{Breach, Context, Ledger};
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
    /// Per vCPU, the exception whose handler has not yet come to its token.
    injected: Vec<Option<Record>>,
}

impl Sleepers {
    pub(super) fn new(vcpus: usize, family: Family, bound: SimDuration) -> Self {
        let ready_is_exception = match family {
            Family::V5 | Family::V7 => true,
            Family::Int => false,
        };
        Self {
            bound,
            ready_is_exception,
            table: BTreeMap::new(),
            asleep: BTreeMap::new(),
            dummies: 0,
            forgot: false,
            injected: vec![None; vcpus],
        }
    }

    /// The same with another bound of liveness.
    pub(super) fn bounded(self, bound: SimDuration) -> Self {
        Self { bound, ..self }
    }

    pub(super) fn grow(&mut self, vcpus: usize) {
        self.injected.resize(vcpus, None);
    }

    /// A synthetic exception is injected.
    pub(super) fn injected(&mut self, vcpu: VcpuId, record: Record) {
        self.injected[vcpu.index()] = Some(record);
    }

    /// A task links itself.
    pub(super) fn wait(
        &mut self,
        vcpu: VcpuId,
        (task, token): (TaskId, Token),
        record: Record,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        self.expect_own_token(vcpu, token, at, ledger);
        let entry = Entry { task: Some(task), vcpu, since: record, left: None };
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
                let entry = Entry { task: None, vcpu, since: record, left: None };
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
        self.injected[vcpu.index()] = None;
    }

    pub(super) fn finish(&self, at: Context<'_>, ledger: &mut Ledger) {
        for (&token, entry) in &self.table {
            let Entry { task, vcpu, since, left } = *entry;
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
        let Some(injected) = self.injected[vcpu.index()].take() else { return };
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
