//! What came before a record: the last ones of the same vCPU, token, page and task.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use models::base::ids::PAGE_SIZE;
use models::base::record::{Event, Record};

/// Whom or what a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A virtual processor.
    Vcpu(u64),
    /// What names an asynchronous fault to the guest.
    Token(u64),
    /// A page of a guest, by its frame.
    Page(u64),
    /// A task of a guest.
    Task(u64),
    /// A worker of the host.
    Worker(u64),
    /// A thread of the host.
    Thread(u64),
    /// A request to a device.
    Request(u64),
}

impl Subject {
    /// Whether its name is that of one thing for long.
    pub(super) fn lasts(self) -> bool {
        !matches!(self, Self::Worker(_) | Self::Thread(_) | Self::Request(_))
    }

    /// In words.
    pub fn name(self) -> String {
        match self {
            Self::Vcpu(number) => format!("vcpu {number}"),
            Self::Token(token) => format!("token {token:#x}"),
            Self::Page(gfn) => format!("page {gfn:#x}"),
            Self::Task(number) => format!("task {number}"),
            Self::Worker(number) => format!("worker {number}"),
            Self::Thread(number) => format!("thread {number}"),
            Self::Request(number) => format!("request {number}"),
        }
    }
}

/// The subjects of an event. `vcpus` threads of the host are those of vCPUs.
pub(super) fn subjects(event: &Event, vcpus: u16) -> Vec<Subject> {
    let mut found = Vec::new();
    // Physical in one event, of the VMM in another: names tell fields apart, this one does not.
    let guest_address = matches!(event, Event::KvmPageFault { .. });
    let notice = matches!(event, Event::KvmInjException { .. });
    event.visit_fields(|name, value| match name {
        "vcpu" => found.push(Subject::Vcpu(value)),
        // Zero is no token.
        "token" if value != 0 => found.push(Subject::Token(value)),
        "cr2" if notice => found.push(Subject::Token(value)),
        "gfn" | "page" => found.push(Subject::Page(value)),
        "address" if guest_address => found.push(Subject::Page(value / PAGE_SIZE)),
        "task" => found.push(Subject::Task(value)),
        "worker" => found.push(Subject::Worker(value)),
        "request" => found.push(Subject::Request(value)),
        // An optional field is twice the number and one.
        "thread" => match event {
            Event::MmapLockStartLocking { .. }
            | Event::MmapLockAcquired { .. }
            | Event::MmapLockReleased { .. } => {
                if value > 0 {
                    found.push(thread(value >> 1, vcpus));
                }
            }
            _ => found.push(thread(value, vcpus)),
        },
        "prev" | "next" if value > 0 => match event {
            Event::HostSchedSwitch { .. } => found.push(thread(value >> 1, vcpus)),
            _ => found.push(Subject::Task(value >> 1)),
        },
        _ => {}
    });
    found
}

fn thread(number: u64, vcpus: u16) -> Subject {
    if number < u64::from(vcpus) { Subject::Vcpu(number) } else { Subject::Thread(number) }
}

/// Collects the last records of each of some subjects.
#[derive(Debug)]
pub(super) struct History {
    vcpus: u16,
    most: usize,
    /// By subject the numbers of its last records.
    lists: BTreeMap<Subject, VecDeque<(u64, Record)>>,
}

impl History {
    /// Of these subjects `most` records each.
    pub(super) fn new(subjects: &BTreeSet<Subject>, vcpus: u16, most: usize) -> Self {
        let lists = subjects.iter().map(|subject| (*subject, VecDeque::new())).collect();
        Self { vcpus, most, lists }
    }

    /// Takes in the record of that number.
    pub(super) fn observe(&mut self, number: u64, record: &Record) {
        for subject in subjects(&record.event, self.vcpus) {
            let Some(list) = self.lists.get_mut(&subject) else { continue };
            // One that names a subject twice counts once.
            if list.back().is_some_and(|(last, _)| *last == number) {
                continue;
            }
            list.push_back((number, *record));
            if list.len() > self.most {
                list.pop_front();
            }
        }
    }

    /// Whether each subject has as many as are wanted, so that earlier records matter to none.
    pub(super) fn is_full(&self) -> bool {
        self.lists.values().all(|list| list.len() == self.most)
    }

    /// The records of all subjects, in order, each once, with its number and the subjects that it is
    /// about.
    pub(super) fn finish(self) -> Vec<(u64, Record, Vec<Subject>)> {
        let mut all: BTreeMap<u64, (Record, Vec<Subject>)> = BTreeMap::new();
        for (subject, list) in self.lists {
            for (number, record) in list {
                all.entry(number).or_insert_with(|| (record, Vec::new())).1.push(subject);
            }
        }
        all.into_iter().map(|(number, (record, subjects))| (number, record, subjects)).collect()
    }
}
