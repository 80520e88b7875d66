//! Faults that the VMM is asked to answer: requests that no thread has read, and what is to be answered once a
//! page is there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::apf::vmm::Channel;
use crate::base::ids::{GuestPage, VcpuId};

/// A fault that is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub vcpu: VcpuId,
    pub page: GuestPage,
    /// How it came, and so how it is answered.
    pub channel: Channel,
}

/// Something for the VMM's main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Post {
    /// A request that it passes on to the handler's process.
    Request(Asked),
    /// A reply of the handler's, which it carries out.
    Reply(Asked),
}

#[derive(Clone, Copy, Debug)]
struct Open {
    vcpu: VcpuId,
    channel: Channel,
    /// A thread of the handler has read of it.
    read: bool,
}

/// All of one store. A vCPU belongs to one of its readers: that one reads its ring and its requests.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    /// Not answered, by page and number.
    open: BTreeMap<(GuestPage, u64), Open>,
    next: u64,
    /// By reader: requests that are not read, the oldest first.
    inboxes: Vec<VecDeque<(GuestPage, u64)>>,
    /// By reader: vCPUs whose ring it was signalled for.
    signalled: Vec<BTreeSet<VcpuId>>,
    /// By virtual machine: what its main thread has not read.
    posts: Vec<VecDeque<Post>>,
}

impl Requests {
    pub(crate) fn new(readers: u16, vms: usize) -> Self {
        Self {
            open: BTreeMap::new(),
            next: 0,
            inboxes: vec![VecDeque::new(); readers.into()],
            signalled: vec![BTreeSet::new(); readers.into()],
            posts: vec![VecDeque::new(); vms],
        }
    }

    /// The reader to which a vCPU belongs.
    pub(crate) fn reader_of(&self, vcpu: VcpuId) -> u16 {
        (vcpu.index() % self.inboxes.len()) as u16
    }

    fn enter(&mut self, asked: Asked, read: bool) -> (GuestPage, u64) {
        let Asked { vcpu, page, channel } = asked;
        let key = (page, self.next);
        self.next += 1;
        self.open.insert(key, Open { vcpu, channel, read });
        key
    }

    /// A request is sent to a reader.
    pub(crate) fn send(&mut self, asked: Asked) {
        let key = self.enter(asked, false);
        let reader = self.reader_of(asked.vcpu);
        self.inboxes[usize::from(reader)].push_back(key);
    }

    /// A reader has found a fault in a ring. Says whether its page is to be brought: nobody does so yet.
    pub(crate) fn found(&mut self, asked: Asked) -> bool {
        let is_first = !self.is_brought(asked.page);
        self.enter(asked, true);
        is_first
    }

    /// Whether a thread has read of a fault on the page, and so brings it.
    fn is_brought(&self, page: GuestPage) -> bool {
        self.of(page).any(|(_, open)| open.read)
    }

    fn of(&self, page: GuestPage) -> impl Iterator<Item = (&(GuestPage, u64), &Open)> {
        self.open.range((page, 0)..=(page, u64::MAX))
    }

    /// A reader takes its oldest request, with whether its page is to be brought.
    pub(crate) fn take(&mut self, reader: u16) -> Option<(GuestPage, bool)> {
        let key = self.inboxes[usize::from(reader)].pop_front()?;
        let is_first = !self.is_brought(key.0);
        if let Some(open) = self.open.get_mut(&key) {
            open.read = true;
        }
        Some((key.0, is_first))
    }

    /// Takes out the faults on a page that threads have read of: it is there.
    pub(crate) fn take_read(&mut self, page: GuestPage) -> Vec<Asked> {
        let read = self.of(page).filter(|(_, open)| open.read);
        let keys: Vec<(GuestPage, u64)> = read.map(|(&key, _)| key).collect();
        let taken = keys.iter().filter_map(|key| self.open.remove(key));
        taken.map(|Open { vcpu, channel, .. }| Asked { vcpu, page, channel }).collect()
    }

    /// A reader is signalled for the ring of a vCPU.
    pub(crate) fn signal(&mut self, vcpu: VcpuId) {
        let reader = self.reader_of(vcpu);
        self.signalled[usize::from(reader)].insert(vcpu);
    }

    /// The first vCPU whose ring a reader was signalled for.
    pub(crate) fn take_signal(&mut self, reader: u16) -> Option<VcpuId> {
        self.signalled[usize::from(reader)].pop_first()
    }

    /// Whether a reader need not sleep.
    pub(crate) fn has_some(&self, reader: u16) -> bool {
        let reader = usize::from(reader);
        !self.inboxes[reader].is_empty() || !self.signalled[reader].is_empty()
    }

    /// Something is sent to the main thread of a virtual machine.
    pub(crate) fn post(&mut self, vm: usize, post: Post) {
        self.posts[vm].push_back(post);
    }

    pub(crate) fn has_posts(&self, vm: usize) -> bool {
        !self.posts[vm].is_empty()
    }

    pub(crate) fn take_post(&mut self, vm: usize) -> Option<Post> {
        self.posts[vm].pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Gfn, VmId};

    fn asked(vcpu: u16, gfn: u64, channel: Channel) -> Asked {
        Asked { vcpu: VcpuId(vcpu), page: GuestPage::new(VmId(0), Gfn(gfn)), channel }
    }

    #[test]
    fn a_page_is_brought_once_and_answered_to_all_who_were_read_of() {
        let mut requests = Requests::new(2, 1);
        let (first, second) = (asked(0, 7, Channel::Exit), asked(1, 7, Channel::Plain));
        requests.send(first);
        requests.send(second);
        assert!(requests.has_some(0) && requests.has_some(1));
        assert_eq!(requests.take(0), Some((first.page, true)));
        assert_eq!(requests.take_read(first.page), [first]);
        assert!(requests.take_read(first.page).is_empty(), "nobody has read of the other");
        assert_eq!(requests.take(1), Some((first.page, true)));
        assert!(!requests.found(asked(2, 7, Channel::Ring)), "another one brings it");
        let answers = requests.take_read(first.page);
        assert_eq!(answers, [second, asked(2, 7, Channel::Ring)]);
        assert!(requests.take_read(first.page).is_empty() && !requests.has_some(0));
    }

    #[test]
    fn each_ring_and_each_inbox_has_one_reader() {
        let mut requests = Requests::new(2, 1);
        requests.signal(VcpuId(3));
        requests.signal(VcpuId(1));
        assert!(!requests.has_some(0) && requests.has_some(1));
        assert_eq!(requests.take_signal(1), Some(VcpuId(1)));
        assert_eq!(requests.take_signal(1), Some(VcpuId(3)));
        requests.post(0, Post::Reply(asked(0, 1, Channel::Exit)));
        assert!(requests.has_posts(0) && requests.take_post(0).is_some());
    }
}
