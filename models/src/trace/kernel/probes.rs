//! Probes of userfaultfd, which has no tracepoints, by the names and fields that `docs/check-a-real-host.md` sets up.

use std::collections::BTreeSet;

use sim_core::SimTime;

use crate::base::ids::{GuestPage, PAGE_SIZE, ThreadId};
use crate::base::record::{Event, Record};

/// Bytes of a message (`struct uffd_msg`).
const MESSAGE: u64 = 32;
/// `-EEXIST`
const EEXIST: i32 = -17;
/// `-EAGAIN`
const EAGAIN: i32 = -11;

/// `FAULT_FLAG_*` of include/linux/mm_types.h of 6.12.117, as a lookup of KVM that must not wait has them for
/// writing: `WRITE`, `ALLOW_RETRY`, `RETRY_NOWAIT`, `KILLABLE`, `ORIG_PTE_VALID`.
const LOOKUP: u32 = 0x81d;
/// One in the thread of a vCPU that may wait: `INTERRUPTIBLE` beside them.
const VCPU: u32 = 0xa15;
/// One of a worker: `REMOTE` beside them, and killed, not interrupted.
const WORKER: u32 = 0x895;

/// What a probe stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// `handle_userfault`, without waiting.
    Lookup,
    /// `handle_userfault`: a message is linked.
    Message,
    /// `userfaultfd_read_iter` returns with so many messages.
    Read(u64),
    /// `mfill_atomic_copy`.
    Copy,
    /// It returns.
    Copied { installed: bool },
    /// It returns without having looked at the page.
    Again,
}

/// A probe that is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// By whom.
    pub thread: ThreadId,
    page: GuestPage,
    place: Place,
}

impl Probe {
    /// What a record is to those who probe userfaultfd.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let (thread, page, place) = match *event {
            Event::UffdLookup { thread, page } => (thread, page, Place::Lookup),
            Event::UffdMessage { thread, page } => (thread, page, Place::Message),
            Event::UffdRead { thread, page } => (thread, page, Place::Read(1)),
            Event::UffdCopy { thread, page } => (thread, page, Place::Copy),
            Event::UffdCopied { thread, page, installed } => {
                (thread, page, Place::Copied { installed })
            }
            Event::UffdAgain { thread, page } => (thread, page, Place::Again),
            _ => return None,
        };
        Some(Self { thread, page, place })
    }

    /// Its name.
    pub(super) const fn name(&self) -> &'static str {
        match self.place {
            Place::Lookup | Place::Message => "uffd_fault",
            Place::Read(_) => "uffd_read",
            Place::Copy => "uffd_copy",
            Place::Copied { .. } | Place::Again => "uffd_copied",
        }
    }

    /// Its fields; whether the thread is that of a vCPU.
    pub(super) fn fields(&self, vcpu: bool) -> String {
        let address = self.page.gfn().hva().0;
        let flags = match self.place {
            Place::Lookup => LOOKUP,
            _ if vcpu => VCPU,
            _ => WORKER,
        };
        match self.place {
            Place::Lookup | Place::Message => {
                format!("(handle_userfault+0x4/0x920) addr={address:#x} flags={flags:#x}")
            }
            Place::Read(messages) => {
                let bytes = messages * MESSAGE;
                format!("(vfs_read+0x244/0x370 <- userfaultfd_read_iter) ret={bytes}")
            }
            Place::Copy => format!("(mfill_atomic_copy+0x4/0xb40) addr={address:#x}"),
            Place::Copied { installed } => {
                let result = if installed { PAGE_SIZE.to_string() } else { EEXIST.to_string() };
                format!("(userfaultfd_ioctl+0x9b9/0xe70 <- mfill_atomic_copy) ret={result}")
            }
            Place::Again => {
                format!("(userfaultfd_ioctl+0x9b9/0xe70 <- mfill_atomic_copy) ret={EAGAIN}")
            }
        }
    }
}

/// What the threads of VMMs, and those who wait for them, are at.
#[derive(Clone, Debug, Default)]
pub(super) struct Handlers {
    /// A read, which takes several messages at one time.
    read: Option<(SimTime, Probe)>,
    /// Threads of vCPUs that have linked a message and not run since, and workers.
    asked: BTreeSet<ThreadId>,
    /// Who is installing a page.
    installing: BTreeSet<ThreadId>,
}

impl Handlers {
    /// The read before a record that is none of its messages.
    pub(super) fn read_before(&mut self, next: &Record) -> Option<(SimTime, Probe)> {
        let (since, read) = self.read?;
        let more = matches!(next.event, Event::UffdRead { thread, .. } if thread == read.thread);
        match more && next.time == since {
            true => None,
            false => self.read.take(),
        }
    }

    /// Takes a probe; whether it is to be printed now.
    pub(super) fn notes(&mut self, time: SimTime, probe: &Probe) -> bool {
        match probe.place {
            Place::Read(_) => {
                let before = match self.read {
                    Some((_, Probe { place: Place::Read(before), .. })) => before,
                    _ => 0,
                };
                self.read = Some((time, Probe { place: Place::Read(before + 1), ..*probe }));
                return false;
            }
            Place::Message => {
                self.asked.insert(probe.thread);
            }
            Place::Copy => {
                self.installing.insert(probe.thread);
            }
            Place::Copied { .. } | Place::Again => {
                self.installing.remove(&probe.thread);
            }
            Place::Lookup => {}
        }
        true
    }

    /// A thread runs again that may have slept for the VMM.
    pub(super) fn is_awake(&mut self, thread: ThreadId) {
        self.asked.remove(&thread);
    }

    /// Whether a thread sleeps for the VMM.
    pub(super) fn is_asked_by(&self, thread: ThreadId) -> bool {
        self.asked.contains(&thread)
    }

    /// The state in which a thread of the VMM gives up its processor: it sleeps, unless it is installing a page.
    pub(super) fn sleep_of(&self, thread: ThreadId) -> &'static str {
        if self.installing.contains(&thread) { "" } else { "S" }
    }
}
