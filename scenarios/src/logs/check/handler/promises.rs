//! What probes of userfaultfd decide of INV-48 and INV-49.
//!
//! A log does not say which messages a `read` returns, nor who has woken whom. So a read is judged only where it took
//! all messages that were there, and its thread has answered its reads by itself before; a sleeper is taken for
//! woken when anything is seen of it.

use std::collections::{BTreeMap, BTreeSet};

use models::monitors::log::{LogFinding, LogWitness, StoryLine, Unjudged, late_beside};
use models::monitors::{InvariantId, Verdict};
use sim_core::Histogram;

/// Who sleeps for an installed page is woken.
const WOKEN: InvariantId = InvariantId(48);
/// A message that was read is answered.
const ANSWERED: InvariantId = InvariantId(49);

/// Messages and pages that are followed at once.
pub(super) const MAX_OPEN: usize = 1 << 16;

const MIXED: &str = "other messages may have been those that were read";
const HELPED: &str = "another thread installs what this one reads, too";
const FAILED: &str = "a call that installs failed, and may be repeated";

/// A message and what became of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) line: u64,
    pub(super) ns: u64,
    pub(super) thread: u32,
    pub(super) address: u64,
    pub(super) read: Option<u64>,
}

/// A thread whose page is there.
#[derive(Clone, Copy, Debug)]
struct Sleeper {
    message: Message,
    /// Where and when its page was installed.
    line: u64,
    ns: u64,
}

/// A thread that reads messages.
#[derive(Clone, Debug, Default)]
struct Reader {
    /// It has answered a read by itself, and so installs.
    installs: bool,
    batch: Vec<Message>,
    /// Their pages that nobody has installed.
    left: BTreeSet<u64>,
    /// Why this read cannot be judged.
    doubt: Option<&'static str>,
}

/// The judge of both.
#[derive(Debug, Default)]
pub(super) struct Promises {
    sleepers: BTreeMap<u32, Sleeper>,
    awake: Histogram,
    readers: BTreeMap<u32, Reader>,
    reads: u64,
    forgotten: u64,
    first: Option<LogWitness>,
    doubts: BTreeMap<&'static str, u64>,
}

fn told(line: u64, ns: u64, text: String) -> StoryLine {
    StoryLine { line, ns, text }
}

impl Promises {
    /// Something is seen of a thread, or of its waking. Events that are put in order first come later than probes.
    pub(super) fn shows(&mut self, thread: u32, ns: u64) {
        if self.sleepers.is_empty() {
            return;
        }
        if let Some(sleeper) = self.sleepers.get(&thread).filter(|sleeper| sleeper.ns <= ns) {
            self.awake.record(ns - sleeper.ns);
            self.sleepers.remove(&thread);
        }
    }

    /// A page is there for which somebody sleeps.
    pub(super) fn installed(&mut self, message: Message, by: u32, (line, ns): (u64, u64)) {
        if self.sleepers.len() < MAX_OPEN {
            self.sleepers.insert(message.thread, Sleeper { message, line, ns });
        }
        for (&thread, reader) in &mut self.readers {
            let own = reader.left.remove(&message.address);
            if own && thread != by {
                reader.doubt.get_or_insert(HELPED);
            }
            reader.installs |= own && thread == by && reader.left.is_empty();
        }
    }

    /// A call of a thread failed.
    pub(super) fn failed(&mut self, thread: u32) {
        if let Some(reader) = self.readers.get_mut(&thread) {
            reader.doubt.get_or_insert(FAILED);
        }
    }

    /// A thread has read messages; `all`: there were no others.
    pub(super) fn read(&mut self, thread: u32, batch: Vec<Message>, all: bool, at: (u64, u64)) {
        if self.readers.len() >= MAX_OPEN && !self.readers.contains_key(&thread) {
            return;
        }
        self.reads += 1;
        let reader = self.readers.entry(thread).or_default();
        let before = std::mem::take(reader);
        let left = batch.iter().map(|message| message.address).collect();
        *reader = Reader {
            installs: before.installs && before.doubt != Some(HELPED),
            batch,
            left,
            doubt: (!all).then_some(MIXED),
        };
        self.judge(thread, &before, at);
    }

    fn judge(&mut self, thread: u32, before: &Reader, (line, ns): (u64, u64)) {
        let is_left = |message: &&Message| before.left.contains(&message.address);
        let Some(forgotten) = before.batch.iter().find(is_left).filter(|_| before.installs) else {
            return;
        };
        if let Some(doubt) = before.doubt {
            *self.doubts.entry(doubt).or_default() += 1;
            return;
        }
        self.forgotten += 1;
        let address = forgotten.address;
        self.first.get_or_insert_with(|| LogWitness {
            line,
            ns,
            message: format!(
                "thread {thread} reads on, and has not installed the page at {address:#x}, of which it had read"
            ),
            story: vec![
                told(
                    forgotten.line,
                    forgotten.ns,
                    format!("thread {} asks for the page at {address:#x}", forgotten.thread),
                ),
                told(line, ns, format!("thread {thread} reads again")),
            ],
        });
    }

    /// What follows may have been lost.
    pub(super) fn lost(&mut self) {
        self.sleepers.clear();
        self.readers.clear();
    }

    /// The conclusions at the end of a log in which messages were seen.
    pub(super) fn findings(mut self, end: u64, installs: bool) -> Vec<LogFinding> {
        let late = match self.awake.is_empty() {
            true => late_beside(0),
            false => late_beside(self.awake.value_at_quantile(0.99)),
        };
        self.sleepers.retain(|_, sleeper| end.saturating_sub(sleeper.ns) > late);
        let oldest = self.sleepers.values().min_by_key(|sleeper| (sleeper.ns, sleeper.line));
        let asleep = oldest.map(|&Sleeper { message, line, ns }| {
            let Message { address, thread, .. } = message;
            let message_of = |text: String| told(message.line, message.ns, text);
            LogWitness {
                line,
                ns,
                message: format!(
                    "thread {thread} sleeps for the page at {address:#x}, which was installed {} ms before the end",
                    end.saturating_sub(ns) / 1_000_000
                ),
                story: vec![
                    message_of(format!("thread {thread} asks for the page at {address:#x}")),
                    told(line, ns, "it is installed".to_owned()),
                ],
            }
        });
        let sleeping = self.sleepers.len() as u64;
        let nobody_shows = self.awake.is_empty() && sleeping > 0;
        let missing = match installs {
            false => Some("mfill_atomic_copy"),
            true if nobody_shows => Some("sched_wakeup"),
            true => None,
        };
        let woken = finding(WOKEN, missing, (sleeping, asleep), Vec::new());
        let doubts = self.doubts.into_iter();
        let doubts = doubts.map(|(reason, count)| Unjudged { reason, count }).collect();
        let missing = match (installs, self.reads) {
            (false, _) => Some("mfill_atomic_copy"),
            (true, 0) => Some("userfaultfd_read_iter"),
            (true, _) => None,
        };
        let answered = finding(ANSWERED, missing, (self.forgotten, self.first), doubts);
        vec![woken, answered]
    }
}

fn finding(
    id: InvariantId,
    missing: Option<&'static str>,
    (count, first): (u64, Option<LogWitness>),
    unjudged: Vec<Unjudged>,
) -> LogFinding {
    let (verdict, count, first) = match (missing, count) {
        (Some(missing), _) => (Verdict::Undecided { missing }, 0, None),
        (None, 0) => (Verdict::Clean, 0, None),
        (None, count) => (Verdict::Violation, count, first),
    };
    LogFinding { id, verdict, count, first, unjudged }
}
