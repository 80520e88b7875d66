//! Faults of s390 guests, which are told of missing pages by another protocol (pfault): beginnings
//! and ends are paired by their token.

use std::collections::BTreeMap;

use models::monitors::log::LogEvent;
use models::trace::kernel::KernelEvent;

/// Faults that are followed at once.
const MAX_OPEN: usize = 1 << 16;
/// Open faults that are listed.
const MAX_LISTED: usize = 64;

/// A fault that has no end in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenPfault {
    /// Its token.
    pub token: u64,
    /// The thread that ran the vCPU.
    pub thread: u32,
    /// The line at which it begins.
    pub line: u64,
    /// How long it is open at the end of the log, in nanoseconds.
    pub age: u64,
}

/// What an s390 host's log has of pfaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PfaultSurvey {
    /// Faults that began.
    pub begun: u64,
    /// Those that ended, too.
    pub done: u64,
    /// Ends of faults from before the log, or of which events were lost.
    pub unknown: u64,
    /// Faults that may have ended where events were lost.
    pub uncertain: u64,
    /// Faults without an end, the oldest first; at most 64.
    pub open: Vec<OpenPfault>,
    /// How many these are.
    pub open_count: u64,
}

/// Pairs pfaults.
#[derive(Debug, Default)]
pub(super) struct Pfaults {
    survey: PfaultSurvey,
    open: BTreeMap<u64, Vec<OpenPfault>>,
    followed: usize,
    now: u64,
}

impl Pfaults {
    /// Takes an event; `age` holds the time of its beginning until the end.
    pub(super) fn observe(&mut self, event: &LogEvent) {
        self.now = self.now.max(event.ns);
        match event.event {
            KernelEvent::PfaultInit { token } => {
                self.survey.begun += 1;
                if self.followed < MAX_OPEN {
                    let LogEvent { line, ns, thread, .. } = *event;
                    let fault = OpenPfault { token, thread: thread.pid, line, age: ns };
                    self.open.entry(token).or_default().push(fault);
                    self.followed += 1;
                }
            }
            KernelEvent::PfaultDone { token } => match self.open.get_mut(&token) {
                Some(faults) => {
                    faults.remove(0);
                    if faults.is_empty() {
                        self.open.remove(&token);
                    }
                    self.survey.done += 1;
                    self.followed -= 1;
                }
                None => self.survey.unknown += 1,
            },
            _ => {}
        }
    }

    /// Ends may be among lost events.
    pub(super) fn lost(&mut self) {
        self.survey.uncertain += self.followed as u64;
        self.open.clear();
        self.followed = 0;
    }

    pub(super) fn finish(mut self) -> PfaultSurvey {
        let mut open: Vec<OpenPfault> = self.open.into_values().flatten().collect();
        open.sort_by_key(|fault| fault.line);
        self.survey.open_count = open.len() as u64;
        open.truncate(MAX_LISTED);
        for fault in &mut open {
            fault.age = self.now.saturating_sub(fault.age);
        }
        self.survey.open = open;
        self.survey
    }
}
