//! A log held against the invariants while it is read, and the report of that.

use models::apf::rules::{self, Dequeue};
use models::machine::{family_of, known_violations};
use models::monitors::log::{LogConfig, LogEvent, LogMonitors};
use models::trace::kernel::KernelEvent;

use super::backports;
use super::consumer::LogConsumer;
use super::handler::Handlers;
use super::pfault::Pfaults;
use super::reader::Session;
use super::report::{CheckReport, EventCount};

/// What a thread prints only by itself. Others come from interrupts, too, which may take place before it sleeps.
const fn is_awake(event: &KernelEvent) -> bool {
    matches!(
        event,
        KernelEvent::Entry { .. }
            | KernelEvent::Exit { .. }
            | KernelEvent::PageFault { .. }
            | KernelEvent::Try { .. }
            | KernelEvent::RepeatedFault { .. }
            | KernelEvent::NotPresent { .. }
            | KernelEvent::Ready { .. }
            | KernelEvent::Completed { .. }
            | KernelEvent::ExecuteStart { .. }
            | KernelEvent::ExecuteEnd { .. }
    )
}

/// What a generation means for its logs.
pub(crate) fn config_of(name: &str) -> Option<LogConfig> {
    let rules = rules::generation(name)?;
    let (family, known) = (Some(family_of(&rules)), known_violations(&rules));
    let flushes = rules.dequeue == Dequeue::AfterWorker;
    Some(LogConfig { family, cap: rules.cap, flushes, known, ..LogConfig::default() })
}

/// The invariants' monitors, as the readers of a log.
pub(super) struct Checker {
    pub(super) monitors: LogMonitors,
    /// The generation that wrote the log, where the user has said it.
    pub(super) given: Option<String>,
    /// For logs of s390 hosts.
    pub(super) pfaults: Pfaults,
    /// For hosts whose VMM serves memory.
    pub(super) handlers: Handlers,
}

impl LogConsumer for Checker {
    fn event(&mut self, event: LogEvent) {
        self.pfaults.observe(&event);
        self.handlers.shows(event.thread.pid, event.ns);
        if is_awake(&event.event) {
            self.handlers.goes_on(event.thread.pid, event.ns);
        }
        if let KernelEvent::Completed { address, .. } = event.event {
            self.handlers.completed(event.ns, address.0);
        }
        let losses = self.monitors.losses();
        self.monitors.observe(event);
        if self.monitors.losses() > losses {
            // Of which the log says nothing, but a vCPU's events do.
            self.handlers.lost();
        }
    }

    fn other(&mut self, line: u64, thread: u32, ns: u64, name: &[u8], fields: &[u8]) {
        self.handlers.observe(line, ns, thread, name, fields);
    }

    fn lost(&mut self, since: u64) {
        self.pfaults.lost();
        self.handlers.lost();
        self.monitors.lost(since);
    }

    fn doubt(&mut self, line: u64) {
        self.monitors.doubt(line);
    }

    fn ticks(&mut self) {
        self.monitors.ticks_are_short();
    }

    fn written_by(&mut self, rules: &str) -> bool {
        let Some(config) = config_of(rules) else { return false };
        if self.given.is_none() {
            self.monitors.set_config(config);
        }
        true
    }
}

impl Session<Checker> {
    /// What the monitors found.
    pub(super) fn report(mut self, name: &str, lines: u64) -> CheckReport {
        let mut counts: Vec<EventCount> = self
            .names
            .iter()
            .map(|(name, count)| EventCount {
                name: String::from_utf8_lossy(name).into_owned(),
                count: *count,
            })
            .collect();
        counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        if self.other_names > 0 {
            counts.push(EventCount { name: "(others)".to_owned(), count: self.other_names });
        }
        self.skipped.sort_by(|a, b| (a.kind, &a.event).cmp(&(b.kind, &b.event)));
        let monitors = self.consumer.monitors;
        let (family, is_shown) = monitors.family();
        let (mut kernels, mut shown) = (monitors.kernels(), is_shown);
        let has_faults = monitors.has_faults();
        let losses = (monitors.losses(), self.lost_events);
        let (mut findings, mut survey) = monitors.finish();
        let handler = self.consumer.handlers.finish(self.now).map(|(handler, more)| {
            handler.explain(&mut survey.stalls);
            findings.extend(more);
            handler
        });
        let pfaults = (self.s390 > 0).then(|| self.consumer.pfaults.finish());
        if pfaults.is_some() {
            // The promises are those of x86, and its events would be asked for.
            findings.clear();
            (kernels, shown) = ("s390", true);
        }
        let assumed = self.consumer.given.as_deref().or(self.rules.as_deref());
        let backports = backports::notes(assumed, family, &findings, &survey.stalls);
        CheckReport {
            name: name.to_owned(),
            lines,
            source: self.source,
            not_read: self.not_read,
            events: self.events,
            counts,
            skipped: self.skipped,
            losses,
            reordered: self.order.moved,
            backwards: self.backwards,
            twice: self.order.twice,
            heads: self.heads,
            overwritten: self.overwritten,
            kernels,
            kernels_shown: shown,
            rules: self.rules,
            joined: self.joined,
            ticks: self.raw_times > 0,
            // perf script shows losses only when it is told to.
            may_hide_losses: self.grouped * 2 > self.events && losses.0 == 0,
            pfaults,
            handler,
            has_faults,
            findings,
            backports,
            survey,
        }
    }
}
