//! Probes of userfaultfd, which has no tracepoints, by the names and fields that `docs/check-a-real-host.md` sets up.

use std::collections::{BTreeMap, BTreeSet};

use sim_core::SimTime;

use crate::base::ids::{Gfn, GuestPage, PAGE_SIZE, ThreadId};
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
    /// It returns with so many pages installed; none where the first was there already.
    Copied { pages: u64 },
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
                (thread, page, Place::Copied { pages: installed.into() })
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
            Place::Copied { pages } => {
                let result = match pages {
                    0 => EEXIST.to_string(),
                    pages => (pages * PAGE_SIZE).to_string(),
                };
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
    /// Who is installing pages, and how many its call has installed.
    installing: BTreeMap<ThreadId, u64>,
    /// A call that has installed a page, unless it goes on with the next one.
    copied: Option<(SimTime, Probe)>,
    /// Who has put a marker in place of a page.
    marked: Option<ThreadId>,
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

    /// The end of a call before a record that is not its next page: one call installs pages that lie side by side
    /// (`mfill_atomic`), and returns once.
    pub(super) fn copied_before(&mut self, next: &Record) -> Option<(SimTime, Probe)> {
        let (since, copied) = self.copied?;
        let further = Gfn(copied.page.gfn().0 + 1);
        let more = matches!(next.event, Event::UffdCopy { thread, page }
            if thread == copied.thread && page == GuestPage::new(copied.page.vm(), further));
        self.copied = None;
        if more && next.time == since {
            return None;
        }
        self.installing.remove(&copied.thread);
        Some((since, copied))
    }

    /// A thread puts a marker in place of a page, which is a call of its own (`UFFDIO_POISON`).
    pub(super) fn marks(&mut self, thread: ThreadId) {
        self.marked = Some(thread);
    }

    /// Takes a probe; gives it as it is to be printed now.
    pub(super) fn notes(&mut self, time: SimTime, probe: Probe) -> Option<Probe> {
        match probe.place {
            Place::Read(_) => {
                let before = match self.read {
                    Some((_, Probe { place: Place::Read(before), .. })) => before,
                    _ => 0,
                };
                self.read = Some((time, Probe { place: Place::Read(before + 1), ..probe }));
                return None;
            }
            Place::Message => {
                self.asked.insert(probe.thread);
            }
            Place::Copy => match self.installing.get(&probe.thread) {
                // The call goes on.
                Some(_) => return None,
                None => _ = self.installing.insert(probe.thread, 0),
            },
            Place::Copied { pages } => {
                let before = self.installing.get(&probe.thread).copied().unwrap_or(0);
                let whole = Probe { place: Place::Copied { pages: before + pages }, ..probe };
                if pages > 0 && self.marked.take() != Some(probe.thread) {
                    self.installing.insert(probe.thread, before + pages);
                    self.copied = Some((time, whole));
                    return None;
                }
                self.installing.remove(&probe.thread);
                return Some(whole);
            }
            Place::Again => match self.installing.remove(&probe.thread) {
                None | Some(0) => {}
                Some(pages) => return Some(Probe { place: Place::Copied { pages }, ..probe }),
            },
            Place::Lookup => {}
        }
        Some(probe)
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
        if self.installing.contains_key(&thread) { "" } else { "S" }
    }
}
