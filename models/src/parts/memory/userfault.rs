//! Messages about missing pages, and the threads that wait for them or for pages to install.

use std::collections::{BTreeSet, VecDeque};

use sim_core::SimTime;

use super::epoll::{Harvest, Instances};
use super::prefetch::PageRun;
use super::wait_queues::Met;
use crate::base::ids::{GuestPage, PcpuId, RequestId, ThreadId};
use crate::config::{HandlerConfig, Waking};

/// What a thread of a handler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Takes messages from descriptors.
    Reader,
    /// Installs pages.
    Installer,
    /// Brings pages that nobody has asked for.
    Prefetcher,
    /// Passes requests and replies on between vCPU threads and a handler's process.
    Main,
}

/// A message that nobody has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Who sleeps.
    pub thread: ThreadId,
    /// For which page.
    pub page: GuestPage,
}

/// An event that nobody has read: memory is about to be given back (`UFFD_EVENT_REMOVE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    /// Who sleeps in `madvise` until somebody reads it.
    pub thread: ThreadId,
    /// What goes.
    pub run: PageRun,
}

/// Pages that are to be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub run: PageRun,
    /// When its contents are there; none: they are.
    pub due: Option<SimTime>,
}

/// What is on its way between those who miss pages and those who bring them, for one store.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    config: HandlerConfig,
    /// By descriptor, the oldest message first.
    unread: Vec<VecDeque<Message>>,
    /// Events, the oldest first; a descriptor shows one only when it has no message.
    removals: Vec<VecDeque<Removal>>,
    /// Changes of memory that are under way (`mmap_changing`), and all that there were.
    changing: Vec<(u32, u64)>,
    /// Readers that sleep in `poll`, the one first that has slept longest.
    polling: Vec<u16>,
    /// The instances of epoll that they wait in, where they do.
    epolls: Instances,
    /// Pages that no installer has taken, in the order of their messages or of their coming.
    wanted: VecDeque<Wanted>,
    /// Installers with nothing to do.
    idle: VecDeque<u16>,
    /// Reads whose pages are for whichever installer comes first.
    reads: BTreeSet<RequestId>,
    /// The process whose threads they are; each has a number higher than the one before.
    process: u32,
    /// That process runs.
    alive: bool,
    /// No descriptor is left: nobody is asked for pages any more.
    closed: bool,
}

impl Messages {
    /// All threads wait.
    pub(crate) fn new(config: HandlerConfig) -> Self {
        Self {
            unread: vec![VecDeque::new(); config.descriptors.into()],
            removals: vec![VecDeque::new(); config.descriptors.into()],
            changing: vec![(0, 0); config.descriptors.into()],
            polling: (0..config.readers).collect(),
            epolls: Instances::new(config.waking, config.readers, config.descriptors),
            wanted: VecDeque::new(),
            idle: (0..config.installers).collect(),
            reads: BTreeSet::new(),
            process: 0,
            alive: true,
            closed: false,
            config,
        }
    }

    pub(crate) fn config(&self) -> &HandlerConfig {
        &self.config
    }

    /// The process whose threads read and install; what a thread of an earlier one was at is nothing any more.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.alive
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The process ends. What it knew is lost: of which messages it had read, and what was to be installed. Unread
    /// messages are the kernel's, and stay.
    pub(crate) fn dies(&mut self) {
        self.process += u32::from(self.alive);
        self.alive = false;
        self.polling.clear();
        self.epolls.clear();
        self.idle.clear();
        self.wanted.clear();
        self.reads.clear();
    }

    /// Another process begins with the same descriptors. False: one runs, or there are none.
    pub(crate) fn restarts(&mut self) -> bool {
        let begins = !self.alive && !self.closed;
        self.alive |= begins;
        if begins {
            self.add_to_instances();
        }
        begins
    }

    /// The last reference to the descriptors is closed.
    pub(crate) fn closes(&mut self) {
        self.dies();
        self.closed = true;
    }

    /// A read is submitted whose page is for any installer.
    pub(crate) fn awaits(&mut self, read: RequestId) {
        self.reads.insert(read);
    }

    /// Such a read is over; false: whoever wanted it is dead.
    pub(crate) fn came(&mut self, read: RequestId) -> bool {
        self.reads.remove(&read)
    }

    /// The descriptor that messages about a page come from: ranges of 2 MiB take turns.
    pub(crate) fn descriptor(&self, page: GuestPage) -> usize {
        (page.gfn().0 / 512 % self.unread.len() as u64) as usize
    }

    /// Whether a reader reads a descriptor: they are dealt out to the readers, or the readers to them.
    fn reads(&self, reader: u16, descriptor: usize) -> bool {
        let (readers, descriptors) = (usize::from(self.config.readers), self.unread.len());
        let reader = usize::from(reader);
        match readers < descriptors {
            true => descriptor % readers == reader,
            false => reader % descriptors == descriptor,
        }
    }

    fn polls(&self, page: GuestPage) -> impl Iterator<Item = u16> + '_ {
        let descriptor = self.descriptor(page);
        self.polling.iter().copied().filter(move |&reader| self.reads(reader, descriptor))
    }

    /// Links a message. Says how many readers are to be woken for it as things stand.
    pub(crate) fn link(&mut self, message: Message) -> u32 {
        let descriptor = self.descriptor(message.page);
        self.unread[descriptor].push_back(message);
        let readers = self.polls(message.page).count() as u32;
        match self.config.waking {
            Waking::All => readers,
            Waking::One | Waking::Shared => readers.min(1),
        }
    }

    /// Memory is about to be given back: what installs pages fails from here on, and readers are to be told.
    pub(crate) fn remove(&mut self, removal: Removal) {
        let descriptor = self.descriptor(removal.run.first);
        let (count, all) = &mut self.changing[descriptor];
        (*count, *all) = (*count + 1, *all + 1);
        self.removals[descriptor].push_back(removal);
    }

    /// Who gave memory back is awake: pages can be installed again.
    pub(crate) fn removed(&mut self, first: GuestPage) {
        let descriptor = self.descriptor(first);
        self.changing[descriptor].0 -= 1;
    }

    /// Changes of the memory around a page: whether one is under way, and how many there were.
    pub(crate) fn changes(&self, page: GuestPage) -> (bool, u64) {
        let (count, all) = self.changing[self.descriptor(page)];
        (count > 0, all)
    }

    /// The oldest event of a descriptor is read, which has no message.
    pub(crate) fn read_removal(&mut self, descriptor: u16) -> Option<Removal> {
        let descriptor = usize::from(descriptor);
        match self.unread[descriptor].is_empty() {
            true => self.removals[descriptor].pop_front(),
            false => None,
        }
    }

    /// Whether nobody has read an event of a thread's.
    pub(crate) fn has_removal_of(&self, thread: ThreadId) -> bool {
        self.removals.iter().flatten().any(|removal| removal.thread == thread)
    }

    /// Those who wait for events to be read wait no more.
    pub(crate) fn take_removals(&mut self) -> Vec<Removal> {
        self.removals.iter_mut().flat_map(|removals| removals.drain(..)).collect()
    }

    /// Takes out the readers that a message about a page wakes: all that poll its descriptor, or one. Instances of
    /// epoll that are asked have the descriptor on their ready lists from here on.
    pub(crate) fn wake(&mut self, page: GuestPage) -> Vec<u16> {
        let woken: Vec<u16> = match self.config.waking {
            Waking::All => self.polls(page).collect(),
            Waking::One | Waking::Shared => {
                let (asked, woken) = self.asked(page);
                let descriptor = self.descriptor(page) as u16;
                for instance in asked {
                    self.epolls.mark(instance, descriptor);
                }
                woken.into_iter().collect()
            }
        };
        self.polling.retain(|reader| !woken.contains(reader));
        woken
    }

    /// The instances of epoll that a message is for until one has a reader that waits, and that reader.
    fn asked(&self, page: GuestPage) -> (Vec<u16>, Option<u16>) {
        let descriptor = self.descriptor(page);
        let mut asked = Vec::new();
        for instance in self.epolls.numbers() {
            let mut readers = self.epolls.readers(instance, self.config.readers);
            if !readers.any(|reader| self.reads(reader, descriptor)) {
                continue;
            }
            asked.push(instance);
            let is_of = |&reader: &u16| self.epolls.of(reader) == instance;
            // Who waits in an instance is added in front (`__add_wait_queue_exclusive`).
            if let Some(&woken) = self.polling.iter().rev().find(|it| is_of(it)) {
                return (asked, Some(woken));
            }
        }
        (asked, None)
    }

    /// What who has linked a message meets on its way to a reader that waits in an instance of epoll: entries, and
    /// lines of the instances.
    pub(crate) fn call_back(&mut self, page: GuestPage, by: PcpuId) -> Met {
        let (asked, woken) = self.asked(page);
        let (last, descriptor) = (asked.last().copied(), self.descriptor(page) as u16);
        let touch = |&instance: &u16| {
            let wakes = woken.is_some() && Some(instance) == last;
            self.epolls.called_back(instance, by, descriptor, wakes)
        };
        let lines = asked.iter().map(touch).sum();
        Met { entries: asked.len() as u32, lines, woken: u32::from(woken.is_some()) }
    }

    /// A reader comes to its instance's ready list. Returns the lines that come from another processor.
    pub(crate) fn comes_to_list(&mut self, reader: u16, by: PcpuId, woken: bool) -> u32 {
        let instance = self.epolls.of(reader);
        self.epolls.comes(instance, by, woken)
    }

    /// What a reader finds on that list.
    pub(crate) fn harvest(&mut self, reader: u16) -> Harvest {
        let instance = self.epolls.of(reader);
        let (unread, removals) = (&self.unread, &self.removals);
        let has = |descriptor: u16| {
            let descriptor = usize::from(descriptor);
            !(unread[descriptor].is_empty() && removals[descriptor].is_empty())
        };
        self.epolls.harvest(instance, has)
    }

    /// Who else waits in a reader's instance of epoll, and is woken as its list is not empty (`ep_done_scan`).
    pub(crate) fn waits_beside(&self, reader: u16) -> Option<u16> {
        let instance = self.epolls.of(reader);
        self.polling.iter().rev().copied().find(|&it| self.epolls.of(it) == instance)
    }

    /// Descriptors with something to read are on the lists of instances that are new (`ep_insert`).
    fn add_to_instances(&mut self) {
        for instance in self.epolls.numbers() {
            for descriptor in 0..self.config.descriptors {
                let mut readers = self.epolls.readers(instance, self.config.readers);
                let is_own = readers.any(|reader| self.reads(reader, descriptor.into()));
                if is_own && self.has_unread(descriptor) {
                    self.epolls.mark(instance, descriptor);
                }
            }
        }
    }

    /// How many readers a message about a page would wake that are all in `poll`.
    pub(crate) fn would_wake(&self, page: GuestPage) -> u32 {
        self.polls(page).count() as u32
    }

    /// A reader's next descriptor, from one on.
    pub(crate) fn next_descriptor(&self, reader: u16, from: u16) -> Option<u16> {
        (from..self.config.descriptors).find(|&it| self.reads(reader, it.into()))
    }

    /// The descriptor that a reader would read: the first of its own that has messages, or the first.
    pub(crate) fn to_be_read(&self, reader: u16) -> u16 {
        let own = |at: &u16| self.reads(reader, (*at).into());
        let with_some = |at: &u16| own(at) && self.has_unread(*at);
        let mut all = 0..self.config.descriptors;
        all.clone().find(with_some).or_else(|| all.find(own)).unwrap_or(0)
    }

    /// The oldest message of a descriptor is read.
    pub(crate) fn read_one(&mut self, descriptor: u16) -> Option<GuestPage> {
        self.unread[usize::from(descriptor)].pop_front().map(|message| message.page)
    }

    /// Whether a descriptor has messages or events that nobody has read.
    pub(crate) fn has_unread(&self, descriptor: u16) -> bool {
        let descriptor = usize::from(descriptor);
        !(self.unread[descriptor].is_empty() && self.removals[descriptor].is_empty())
    }

    /// Takes out a reader that sleeps; false if it does not.
    pub(crate) fn wake_reader(&mut self, reader: u16) -> bool {
        let place = self.polling.iter().position(|&polls| polls == reader);
        place.map(|place| self.polling.remove(place)).is_some()
    }

    /// A sleeper goes, and with it a message that nobody has read.
    pub(crate) fn withdraw(&mut self, sleeper: ThreadId) {
        for unread in &mut self.unread {
            unread.retain(|message| message.thread != sleeper);
        }
    }

    /// Whether there is something to read for a reader.
    pub(crate) fn may_read(&self, reader: u16) -> bool {
        let mut with_some = (0..self.config.descriptors).filter(|&it| self.has_unread(it));
        with_some.any(|descriptor| self.reads(reader, descriptor.into()))
    }

    /// A reader goes to sleep.
    pub(crate) fn sleeps(&mut self, reader: u16) {
        self.polling.push(reader);
    }

    /// What one call of a reader takes: as many messages as it asks for, from the first of its descriptors
    /// that has any.
    pub(crate) fn read(&mut self, reader: u16) -> Vec<GuestPage> {
        let most = self.config.batch as usize;
        let own = |at: &usize| !self.unread[*at].is_empty() && self.reads(reader, *at);
        let Some(descriptor) = (0..self.unread.len()).find(own) else { return Vec::new() };
        let unread = &mut self.unread[descriptor];
        let count = unread.len().min(most);
        unread.drain(..count).map(|message| message.page).collect()
    }

    /// A page is to be installed by whichever installer comes first.
    pub(crate) fn want(&mut self, wanted: Wanted) {
        self.wanted.push_back(wanted);
    }

    /// The first page that no installer has taken.
    pub(crate) fn take_wanted(&mut self) -> Option<Wanted> {
        self.wanted.pop_front()
    }

    pub(crate) fn has_idle_installer(&self) -> bool {
        !self.idle.is_empty()
    }

    /// The installer that has had nothing to do for longest; it has now.
    pub(crate) fn take_idle_installer(&mut self) -> Option<u16> {
        self.idle.pop_front()
    }

    /// An installer has nothing to do.
    pub(crate) fn is_idle(&mut self, installer: u16) {
        self.idle.push_back(installer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Gfn, VmId};
    use crate::config::{Install, PlainExits, Process};
    use sim_core::SimDuration;

    fn messages() -> Messages {
        Messages::new(HandlerConfig {
            readers: 2,
            installers: 1,
            batch: 4,
            waking: Waking::All,
            descriptors: 1,
            cpus: Vec::new(),
            latency: SimDuration::ZERO,
            around: 1,
            prefetch: None,
            process: Process::default(),
            install: Install::default(),
            plain_exits: PlainExits::default(),
            remove_events: true,
            poison: Vec::new(),
        })
    }

    fn message(thread: u32) -> Message {
        Message { thread: ThreadId(thread), page: GuestPage::new(VmId(0), Gfn(7)) }
    }

    #[test]
    fn an_event_is_read_behind_all_messages_and_counts_until_its_caller_is_awake() {
        let mut messages = messages();
        let run = PageRun { first: GuestPage::new(VmId(0), Gfn(4)), pages: 3 };
        messages.remove(Removal { thread: ThreadId(9), run });
        messages.link(message(1));
        assert_eq!(messages.changes(run.first), (true, 1));
        assert_eq!(messages.read_removal(0), None);
        assert!(messages.read_one(0).is_some() && messages.has_unread(0) && messages.may_read(0));
        assert_eq!(messages.read_removal(0).map(|removal| removal.run), Some(run));
        assert!(!messages.may_read(0) && messages.changes(run.first).0);
        messages.removed(run.first);
        assert_eq!(messages.changes(run.first), (false, 1));
    }

    #[test]
    fn who_dies_leaves_what_it_has_not_read_to_the_next() {
        let mut messages = messages();
        assert_eq!(messages.link(message(0)), 2);
        messages.awaits(RequestId(3));
        messages.dies();
        // Nobody is woken for the next one, and both wait in the kernel.
        assert_eq!((messages.link(message(1)), messages.wake(message(1).page).len()), (0, 0));
        assert!(!messages.came(RequestId(3)) && !messages.has_idle_installer());
        assert!(messages.restarts() && !messages.restarts());
        assert_eq!((messages.process(), messages.read(0).len()), (1, 2));
        messages.closes();
        assert!(messages.is_closed() && !messages.restarts() && messages.process() == 2);
    }
}
