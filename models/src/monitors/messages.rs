//! Messages of userfaultfd: INV-48 and INV-49.

use std::collections::BTreeMap;

use sim_core::{SimDuration, SimTime};

use super::catalogue::{INV_48, INV_49};
use super::faults::MappedFrames;
use super::finding::{Breach, Context, Ledger};
use crate::base::ids::{GuestPage, ThreadId, VcpuId, VmId};
use crate::base::record::{Event, Record};

/// A thread that sleeps until its page is there.
#[derive(Clone, Copy, Debug)]
struct Sleeper {
    page: GuestPage,
    message: Record,
    /// Since when it is.
    installed: Option<SimTime>,
}

/// A thread of a VMM that reads messages.
#[derive(Clone, Debug, Default)]
struct Reader {
    /// It installs pages, too, and so all that it has read before it reads again.
    installs: bool,
    /// What it has read last, at one time.
    batch: Vec<Record>,
}

/// The monitors of messages.
#[derive(Clone, Debug)]
pub(super) struct Messages {
    bound: SimDuration,
    /// vCPUs of the host: threads with higher numbers are workers and threads of VMMs.
    vcpus: u32,
    sleepers: BTreeMap<ThreadId, Sleeper>,
    readers: BTreeMap<ThreadId, Reader>,
    /// What the VMM of each virtual machine has installed.
    installed: BTreeMap<VmId, MappedFrames>,
    /// The VMM answers faults itself: who reads of one need not be who brings its page.
    answers: bool,
}

impl Messages {
    pub(super) fn new(vcpus: usize, bound: SimDuration) -> Self {
        Self {
            bound,
            vcpus: vcpus as u32,
            sleepers: BTreeMap::new(),
            readers: BTreeMap::new(),
            installed: BTreeMap::new(),
            answers: false,
        }
    }

    /// The same with another bound of liveness.
    pub(super) fn bounded(self, bound: SimDuration) -> Self {
        Self { bound, ..self }
    }

    /// A vCPU's thread does something: it does not sleep.
    #[inline]
    pub(super) fn vcpu_goes_on(&mut self, vcpu: VcpuId) {
        if !self.sleepers.is_empty() {
            self.sleepers.remove(&ThreadId(vcpu.0.into()));
        }
    }

    /// A fault leaves the kernel for the VMM.
    pub(super) fn faults_leave_kernel(&mut self) {
        self.answers = true;
    }

    /// The threads that read end, and with them what they had read.
    pub(super) fn handler_dies(&mut self) {
        self.readers.clear();
    }

    /// What is recorded of workers and of threads of the VMM.
    pub(super) fn observe(&mut self, record: Record, at: Context<'_>, ledger: &mut Ledger) {
        match record.event {
            Event::UffdMessage { thread, page } => {
                let sleeper = Sleeper { page, message: record, installed: None };
                self.sleepers.insert(thread, sleeper);
            }
            Event::WorkqueueExecuteEnd { worker, .. } => {
                self.sleepers.remove(&ThreadId(self.vcpus.saturating_add(worker.0)));
            }
            Event::UffdRead { thread, .. } => self.read(thread, record, at, ledger),
            Event::UffdCopy { thread, .. } => {
                if let Some(reader) = self.readers.get_mut(&thread) {
                    reader.installs = true;
                }
            }
            // What it has read is deferred: it reads on, as the event is behind the messages.
            Event::UffdAgain { thread, .. } => {
                if let Some(reader) = self.readers.get_mut(&thread) {
                    reader.batch.clear();
                }
            }
            Event::UffdCopied { page, .. } => {
                self.installed.entry(page.vm()).or_default().insert(page.gfn());
                for sleeper in self.sleepers.values_mut().filter(|sleeper| sleeper.page == page) {
                    sleeper.installed.get_or_insert(record.time);
                }
            }
            _ => {}
        }
    }

    /// A thread reads: all that it had read before is there, if it is who brings it.
    fn read(&mut self, thread: ThreadId, record: Record, at: Context<'_>, ledger: &mut Ledger) {
        let reader = self.readers.entry(thread).or_default();
        if reader.batch.first().is_some_and(|first| first.time < record.time) {
            let batch = std::mem::take(&mut reader.batch);
            let is_there = |page: GuestPage| {
                self.installed.get(&page.vm()).is_some_and(|of| of.contains(page.gfn()))
            };
            let forgotten = batch.into_iter().find(|read| match read.event {
                Event::UffdRead { page, .. } => !is_there(page),
                _ => false,
            });
            if let Some(forgotten) = forgotten.filter(|_| reader.installs && !self.answers)
                && let Event::UffdRead { page, .. } = forgotten.event
            {
                let message = || {
                    format!(
                        "{thread} reads on, and has not installed page {page}, of which it had read"
                    )
                };
                let history = || vec![forgotten];
                // Threads of a VMM belong to no vCPU.
                let vcpu = VcpuId(u16::MAX);
                ledger.breach(INV_49, at, Breach { vcpu, token: None, message, history });
            }
        }
        reader.batch.push(record);
    }

    pub(super) fn finish(&self, at: Context<'_>, ledger: &mut Ledger) {
        for (thread, sleeper) in &self.sleepers {
            let Some(installed) = sleeper.installed else { continue };
            let waited = at.now.saturating_since(installed);
            if waited > self.bound {
                let message = || {
                    format!(
                        "{thread} sleeps for page {}, which was installed {waited} before the end",
                        sleeper.page
                    )
                };
                let history = || vec![sleeper.message];
                let vcpu = match thread.0 < self.vcpus {
                    true => VcpuId(thread.0 as u16),
                    false => VcpuId(u16::MAX),
                };
                ledger.breach(INV_48, at, Breach { vcpu, token: None, message, history });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Gfn, ItemId, WorkerId};
    use crate::monitors::{Family, InvariantId, Losses, MonitorConfig, MonitorSet, Verdict};

    const READER: ThreadId = ThreadId(1);
    const WORKER: ThreadId = ThreadId(2);

    fn page(gfn: u64) -> GuestPage {
        GuestPage::new(VmId(0), Gfn(gfn))
    }

    /// Two faults, of a worker and of the vCPU's thread, and a handler that reads and installs.
    fn served() -> Vec<Record> {
        let (first, second) = (page(3), page(4));
        let events = [
            Event::UffdMessage { thread: WORKER, page: first },
            Event::UffdRead { thread: READER, page: first },
            Event::UffdCopy { thread: READER, page: first },
            Event::UffdCopied { thread: READER, page: first, installed: true },
            Event::WorkqueueExecuteEnd { worker: WorkerId(1), item: ItemId(0) },
            Event::UffdMessage { thread: ThreadId(0), page: second },
            Event::UffdRead { thread: READER, page: second },
            Event::UffdCopy { thread: READER, page: second },
            Event::UffdCopied { thread: READER, page: second, installed: true },
            Event::KvmEntry { vcpu: VcpuId(0) },
            Event::UffdMessage { thread: WORKER, page: page(5) },
            Event::UffdRead { thread: READER, page: page(5) },
        ];
        let time = |at: usize| SimTime::from_ps(at as u64 * 1_000_000);
        events.into_iter().enumerate().map(|(at, event)| Record { time: time(at), event }).collect()
    }

    fn broken(trace: &[Record]) -> Vec<u8> {
        let config = MonitorConfig {
            vcpus: 1,
            family: Family::Int,
            cap: None,
            schedules_first: false,
            known: Vec::new(),
            loses: Losses::default(),
            liveness_bound: SimDuration::from_secs(2),
            rsm_drops_items: false,
            looks_before_halt: false,
        };
        let mut monitors = MonitorSet::new(&config);
        // Cut anywhere, it is the same.
        let (before, after) = trace.split_at(trace.len() / 2);
        monitors.observe(before);
        monitors.observe(after);
        let end = SimTime::from_ps(20_000_000) + config.liveness_bound;
        let findings = monitors.finish(end).into_iter();
        let broken = findings.filter(|finding| finding.verdict == Verdict::Violation);
        let own = broken.filter(|finding| finding.id >= InvariantId(48));
        own.map(|finding| finding.id.0).collect()
    }

    fn without(gone: impl Fn(&Event) -> bool) -> Vec<Record> {
        served().into_iter().filter(|record| !gone(&record.event)).collect()
    }

    #[test]
    fn a_handler_that_serves_all_is_clean() {
        assert_eq!(broken(&served()), Vec::<u8>::new());
    }

    #[test]
    fn a_sleeper_that_is_not_woken_is_found() {
        let worker = |event: &Event| matches!(event, Event::WorkqueueExecuteEnd { .. });
        let rest = without(worker);
        // Its next message would be a sign of life.
        assert_eq!(broken(&rest[..rest.len() - 2]), [48]);
        assert_eq!(broken(&without(|event| matches!(event, Event::KvmEntry { .. }))), [48]);
    }

    #[test]
    fn a_message_that_is_dropped_is_found() {
        let dropped = |event: &Event| match event {
            Event::UffdCopy { page: it, .. } | Event::UffdCopied { page: it, .. } => *it == page(4),
            _ => false,
        };
        assert_eq!(broken(&without(dropped)), [49]);
    }
    #[test]
    fn a_frame_of_the_same_number_in_another_virtual_machine_is_another_page() {
        let elsewhere = GuestPage::new(VmId(1), page(4).gfn());
        let served = without(|event| match event {
            Event::UffdCopy { page: it, .. } | Event::UffdCopied { page: it, .. } => *it == page(4),
            _ => false,
        });
        let moved = served.into_iter().map(|record| Record {
            event: match record.event {
                Event::UffdCopied { thread, page: it, installed } if it == page(3) => {
                    Event::UffdCopied { thread, page: elsewhere, installed }
                }
                Event::UffdRead { thread, page: it } if it == page(3) => {
                    Event::UffdRead { thread, page: elsewhere }
                }
                other => other,
            },
            ..record
        });
        assert!(broken(&moved.collect::<Vec<_>>()).contains(&49));
    }
}
