//! What a log has said of one vCPU.

use std::collections::VecDeque;

use sim_core::Histogram;

use super::event::LogEvent;
use super::halt_rows::Row;
use super::request::{
    Attempt, AwaitingException, Gap, LastNumber, Notices, NotificationUnknown, Over, Place, Raised,
    Request, Unfinished, Unstarted,
};
use super::ring::Ring;
use super::sides::Side;
use super::watch::Watch;
use crate::base::ids::{Gfn, Gva, Token};
use crate::trace::kernel::{KernelExit, Thread};

/// Bits of a token that name the vCPU; the others count.
const VCPU_BITS: u32 = 12;
/// Events kept for the stories of breaches.
const RECENT: usize = 10;
/// Tokens of past page readies, and tries without an outcome, that are remembered.
const REMEMBERED: usize = 128;
/// Host addresses of guest address 0 that are kept: one a memory slot.
const SLOTS: usize = 32;
/// Requests without page ready that are remembered.
const MAX_MISSED: usize = 64;
/// Interrupts that may be raised and unacknowledged: one, and the next inside the ACK's exit.
const MAX_RAISED: usize = 4;

/// A host address of guest address 0 by completions: one a memory slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) host: u64,
    /// Completions that showed it.
    pub(super) times: u32,
    /// The lowest and the highest guest address of them.
    pub(super) lowest: u64,
    pub(super) highest: u64,
}

/// Counts of one vCPU.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) tries: u64,
    pub(super) told: u64,
    pub(super) halted: u64,
    pub(super) repeated: u64,
    pub(super) at_cap: u64,
    pub(super) refused: u64,
    pub(super) ready: u64,
    pub(super) wake_alls: u64,
    pub(super) most: usize,
    pub(super) unsure: u64,
}

/// All that is kept of a vCPU.
#[derive(Clone, Debug)]
pub(super) struct VcpuLog {
    pub(super) thread: Thread,
    pub(super) tgid: Option<u32>,
    /// Another thread that runs vCPUs of the same VM, as a request showed that crossed between them.
    pub(super) kin: Option<usize>,
    /// Its number, as `kvm_entry` and `kvm_exit` print it.
    pub(super) id: Option<u32>,
    /// Its number by its tokens.
    pub(super) token_id: Option<u32>,
    /// Outstanding requests in the order of their announcement.
    pub(super) requests: Vec<Request>,
    /// Counter of the first token that was announced since the log began or lost events.
    pub(super) first: Option<u32>,
    /// The last token that was announced since then.
    pub(super) number: Option<LastNumber>,
    /// Numbers that are missing before it, unless they come late.
    pub(super) gap: Option<Gap>,
    /// Page readies put down to requests from before the log.
    pub(super) early: Ring<(Token, LogEvent)>,
    pub(super) answered: Ring<(Token, LogEvent)>,
    /// Tokens of requests that were dropped when notices were turned off, and by which write.
    pub(super) dropped: Ring<(Token, LogEvent)>,
    /// Tries that came to nothing.
    pub(super) unannounced: Ring<Attempt>,
    pub(super) attempt: Option<Attempt>,
    /// Where its last second-stage fault stopped, if at a table of the guest's.
    pub(super) table: Option<Gva>,
    pub(super) untold: Option<AwaitingException>,
    pub(super) unfinished: Vec<Unfinished>,
    pub(super) unstarted: Vec<Unstarted>,
    /// What the guest last said of notices.
    pub(super) notices: Notices,
    /// A told request whose page ready, before 5.8, is to be an exception of its own.
    pub(super) unheard: Option<(LogEvent, Request)>,
    /// Missing page readies that a guest without notices would explain.
    pub(super) suspects: Vec<(Request, LogEvent)>,
    /// Requests that were found to have no page ready.
    pub(super) missed: Vec<Request>,
    pub(super) over: Option<Over>,
    /// Its first token in the log was 0, which the next one may explain.
    pub(super) zero: Option<LogEvent>,
    /// Raised and unacknowledged, the oldest first.
    pub(super) raised: Vec<Raised>,
    pub(super) last_ready: Option<(LogEvent, Option<Request>)>,
    pub(super) readies_since_ack: u64,
    /// An acknowledgement that no page ready was before.
    pub(super) unexpected_ack: Option<LogEvent>,
    /// Time of the last page ready of any kind.
    pub(super) ready_ns: Option<u64>,
    pub(super) acks: u64,
    pub(super) last_exit: Option<(KernelExit, u64)>,
    /// Where its thread is.
    pub(super) side: Side,
    /// The thread slept since its last entry or announcement.
    pub(super) slept: bool,
    /// An interrupt came in since its last entry or announcement: it ends an artificial halt before
    /// the thread sleeps.
    pub(super) interrupted: bool,
    /// A wake-all was dequeued, or the guest was told something: it takes part.
    pub(super) takes_part: bool,
    pub(super) spin: Row,
    /// Host addresses of guest address 0.
    pub(super) bases: Vec<Base>,
    /// Own events so far.
    pub(super) events: u64,
    /// Entries so far, and those before the last page ready or write to a register of notices.
    pub(super) entries: u64,
    pub(super) moved: u64,
    /// Entries before the guest was last told of a request.
    pub(super) told_at: u64,
    /// Entries before its local APIC last took or gave an interrupt, of whatever kind: it was on then.
    pub(super) interrupted_at: u64,
    /// Interrupts of page readies that the local APIC took, since the log began or lost events.
    pub(super) takes: u64,
    /// More page readies were raised than can be without an acknowledgement.
    pub(super) unacknowledged: Option<LogEvent>,
    pub(super) counts: Counts,
    pub(super) last_ns: u64,
    /// The processor of its last event.
    pub(super) last_cpu: u32,
    /// Place in the log of its last event and of the one before.
    pub(super) last_seq: u64,
    pub(super) before_last: u64,
    /// How long its thread printed nothing, each time.
    pub(super) silences: Histogram,
    /// Requests that are ready and may have been told.
    pub(super) unsure: VecDeque<NotificationUnknown>,
    /// It is halted for this frame, since that event.
    pub(super) halted_for: Option<(Gfn, LogEvent)>,
    pub(super) watch: Watch,
    /// Its last events.
    pub(super) recent: Ring<LogEvent>,
}

impl VcpuLog {
    pub(super) fn new(thread: Thread) -> Self {
        Self {
            thread,
            tgid: thread.tgid,
            kin: None,
            id: None,
            token_id: None,
            requests: Vec::new(),
            first: None,
            number: None,
            gap: None,
            early: Ring::default(),
            answered: Ring::default(),
            dropped: Ring::default(),
            unannounced: Ring::default(),
            attempt: None,
            table: None,
            untold: None,
            unfinished: Vec::new(),
            unstarted: Vec::new(),
            notices: Notices::Unknown,
            unheard: None,
            suspects: Vec::new(),
            missed: Vec::new(),
            over: None,
            zero: None,
            raised: Vec::new(),
            last_ready: None,
            readies_since_ack: 0,
            unexpected_ack: None,
            ready_ns: None,
            acks: 0,
            last_exit: None,
            side: Side::Unknown,
            slept: false,
            interrupted: false,
            takes_part: false,
            spin: Row::default(),
            bases: Vec::new(),
            events: 0,
            entries: 0,
            moved: 0,
            told_at: 0,
            interrupted_at: 0,
            takes: 0,
            unacknowledged: None,
            counts: Counts::default(),
            last_ns: 0,
            last_cpu: 0,
            last_seq: 0,
            before_last: 0,
            silences: Histogram::default(),
            unsure: VecDeque::new(),
            halted_for: None,
            watch: Watch::default(),
            recent: Ring::default(),
        }
    }

    /// Keeps an event for stories.
    pub(super) fn note(&mut self, event: LogEvent, seq: u64) {
        self.note_silence(event.ns);
        (self.last_ns, self.last_cpu) = (event.ns, event.cpu);
        self.before_last = std::mem::replace(&mut self.last_seq, seq);
        self.events += 1;
        self.recent.add(event, RECENT);
    }

    /// What happened lately, behind what a breach rests on.
    pub(super) fn story(&self, before: &[LogEvent]) -> Vec<LogEvent> {
        before.iter().copied().chain(self.recent.values()).collect()
    }

    /// Its number, as far as the log says it.
    pub(super) fn vcpu_number(&self) -> Option<u32> {
        self.id.or(self.token_id)
    }

    /// Whether it surely belongs to another VM: another process, or other memory.
    pub(super) fn is_of_another_vm(&self, other: &Self) -> bool {
        let processes = matches!((self.tgid, other.tgid), (Some(one), Some(other)) if one != other);
        let told = !self.bases.is_empty() && !other.bases.is_empty();
        processes || (told && !self.bases.iter().any(|base| other.has_base(base.host)))
    }

    /// What people call it.
    pub(super) fn label(&self) -> String {
        match self.vcpu_number() {
            Some(id) => format!("vcpu{id} (thread {})", self.thread.pid),
            None => format!("thread {}", self.thread.pid),
        }
    }

    pub(super) fn answer(&mut self, token: Token, event: LogEvent) {
        self.answered.add((token, event), REMEMBERED);
    }

    pub(super) fn dropped(&mut self, token: Token, off: LogEvent) {
        self.dropped.add((token, off), REMEMBERED);
    }

    pub(super) fn early(&mut self, token: Token, event: LogEvent) {
        self.early.add((token, event), REMEMBERED);
    }

    pub(super) fn add_unannounced(&mut self, attempt: Attempt) {
        self.unannounced.add(attempt, REMEMBERED);
    }

    /// The last try of a frame that came to nothing, as far as the log shows it.
    pub(super) fn unannounced_try(&self, frame: Gfn) -> Option<Attempt> {
        let all = self.unannounced.values().chain(self.attempt);
        all.filter(|attempt| attempt.gfn == frame).last()
    }

    /// Whether a host address of guest address 0 is known.
    pub(super) fn has_base(&self, base: u64) -> bool {
        self.bases.iter().any(|known| known.host == base)
    }

    /// Whether a guest address is in a memory slot of another host address than this one: between
    /// two addresses of a slot there is no other slot.
    pub(super) fn excludes(&self, gva: Gva, base: u64) -> bool {
        let inside = |known: &Base| known.lowest <= gva.0 && gva.0 <= known.highest;
        !self.has_base(base) && self.bases.iter().any(inside)
    }

    /// When a request was completed, if the completion can be no other request's: an address that
    /// was seen once may be that of a request of another VM, which the log does not have.
    pub(super) fn surely_completed(&self, request: &Request) -> Option<Place> {
        let again = |base: u64| self.bases.iter().any(|one| one.host == base && one.times > 1);
        let sure = !request.shared && !request.doubtful;
        request.completed.filter(|done| sure && again(done.base))
    }

    /// Outstanding requests that are surely so.
    pub(super) fn outstanding(&self) -> usize {
        self.requests.iter().filter(|request| !request.doubtful).count()
    }

    /// The place of an outstanding request in the list.
    pub(super) fn place_of(&self, token: Token) -> Option<usize> {
        self.requests.iter().position(|request| request.token == token)
    }

    /// Page ready was told: its acknowledgement is expected.
    pub(super) fn raise(&mut self, event: LogEvent, token: Option<Token>) {
        if self.raised.len() >= MAX_RAISED {
            // Acknowledgements are not recorded.
            self.raised.remove(0);
        }
        self.raised.push(Raised { event, token, accepted: false });
    }

    /// The vCPU is in the guest, or left it for another reason than a fault.
    pub(super) fn goes_on(&mut self) {
        self.halted_for = None;
    }

    /// Notes a host address of guest address 0.
    pub(super) fn learn(&mut self, host: u64, gva: Gva, certain: bool) {
        if let Some(known) = self.bases.iter_mut().find(|known| known.host == host) {
            known.times = known.times.saturating_add(1);
            if certain {
                known.lowest = known.lowest.min(gva.0);
                known.highest = known.highest.max(gva.0);
            }
        } else if certain && self.bases.len() < SLOTS {
            self.bases.push(Base { host, times: 1, lowest: gva.0, highest: gva.0 });
        }
    }

    /// A request is found to have no page ready.
    pub(super) fn miss(&mut self, request: &Request) {
        if self.missed.len() == MAX_MISSED {
            self.missed.remove(0);
        }
        self.missed.push(*request);
    }

    /// Notes how long the thread was silent before this event.
    fn note_silence(&mut self, ns: u64) {
        if self.events > 0 {
            self.silences.record(ns.saturating_sub(self.last_ns));
        }
    }

    /// Events were lost: what is known is doubtful, and what is unknown may be right.
    pub(super) fn resynchronise(&mut self) {
        for request in &mut self.requests {
            request.doubtful = true;
        }
        self.first = None;
        self.number = None;
        self.gap = None;
        self.early.empty();
        self.answered.empty();
        self.dropped.empty();
        self.unannounced.empty();
        self.attempt = None;
        self.untold = None;
        self.unfinished.clear();
        self.unstarted.clear();
        self.notices = Notices::Unknown;
        self.unheard = None;
        self.suspects.clear();
        self.missed.clear();
        self.over = None;
        self.zero = None;
        self.raised.clear();
        self.last_ready = None;
        self.acks = 0;
        self.unacknowledged = None;
        self.takes = 0;
        self.readies_since_ack = 0;
        self.unexpected_ack = None;
        self.last_exit = None;
        self.side = Side::Unknown;
        self.halted_for = None;
        self.watch = Watch::default();
        self.spin = Row::default();
    }
}

/// The counting part of a token.
pub(super) const fn counter(token: Token) -> u32 {
    token.0 >> VCPU_BITS
}

/// The part of a token that names the vCPU.
pub(super) const fn owner(token: Token) -> u32 {
    token.0 & ((1 << VCPU_BITS) - 1)
}

/// Whether a counter comes after another one; it has 20 bits and goes round.
pub(super) const fn after(counter: u32, other: u32) -> bool {
    let ahead = counter.wrapping_sub(other) & 0xf_ffff;
    ahead != 0 && ahead < 1 << 19
}
