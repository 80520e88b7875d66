//! Which threads sleep until a page is there.

use std::collections::BTreeSet;

use super::state::Host;
use crate::base::ids::{GuestPage, ThreadId};

impl Host {
    /// A thread waits until a page is read.
    pub(super) fn wait_for_page(&mut self, thread: ThreadId, guest_page: GuestPage) {
        let before = self.threads[thread.index()].waits_for.replace(guest_page);
        if let Some(before) = before {
            self.page_waiters.remove(&(before, thread));
        }
        self.page_waiters.insert((guest_page, thread));
    }
}

/// Takes out the threads that are entered for a page, lowest number first.
pub(super) fn take_threads(
    set: &mut BTreeSet<(GuestPage, ThreadId)>,
    guest_page: GuestPage,
) -> Vec<ThreadId> {
    let all = (guest_page, ThreadId(0))..=(guest_page, ThreadId(u32::MAX));
    let threads: Vec<ThreadId> = set.range(all).map(|&(_, thread)| thread).collect();
    for &thread in &threads {
        set.remove(&(guest_page, thread));
    }
    threads
}
