//! What facts are measured by.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use models::base::abi::{CALLBACK, MSR_ASYNC_PF_ACK, PAGE_FAULT};
use models::base::ids::Token;
use models::trace::kernel::{KernelEvent as E, KernelExit};

use super::trace::{Trace, What};

pub(super) fn is_try(event: &E) -> bool {
    matches!(event, E::Try { .. })
}
pub(super) fn is_repeated(event: &E) -> bool {
    matches!(event, E::RepeatedFault { .. })
}
pub(super) fn is_not_present(event: &E) -> bool {
    matches!(event, E::NotPresent { .. })
}
pub(super) fn is_completed(event: &E) -> bool {
    matches!(event, E::Completed { .. })
}
/// A page ready that is no wake-all.
pub(super) fn is_ready(event: &E) -> bool {
    matches!(event, E::Ready { token, .. } if *token != Token::WAKE_ALL)
}
pub(super) fn is_wake_all(event: &E) -> bool {
    matches!(event, E::Ready { token, .. } if *token == Token::WAKE_ALL)
}
pub(super) fn is_exception(event: &E) -> bool {
    matches!(event, E::InjException { vector: PAGE_FAULT, reinjected: false, .. })
}
pub(super) fn is_ready_interrupt(event: &E) -> bool {
    matches!(event, E::InjVirq { vector: CALLBACK, reinjected: false })
}
/// Anything of asynchronous faults; a wake-all is there whether or not any comes.
pub(super) fn is_asynchronous(event: &E) -> bool {
    is_try(event)
        || is_repeated(event)
        || is_not_present(event)
        || is_completed(event)
        || is_ready(event)
        || is_exception(event)
}

pub(super) fn share(part: usize, whole: usize) -> f64 {
    assert!(whole > 0, "a share of nothing");
    part as f64 / whole as f64
}

/// In microseconds.
pub(super) fn quantile_us(mut ns: Vec<u64>, of: f64) -> f64 {
    assert!(!ns.is_empty(), "a quantile of nothing");
    ns.sort_unstable();
    ns[((ns.len() - 1) as f64 * of).round() as usize] as f64 / 1000.0
}

pub(super) fn median_us(ns: Vec<u64>) -> f64 {
    quantile_us(ns, 0.5)
}

/// Of two kinds of events, how many of one there are for one of the other.
pub(super) fn ratio(trace: &Trace, one: fn(&E) -> bool, other: fn(&E) -> bool) -> f64 {
    share(trace.count(one), trace.count(other))
}

/// From the exit for a second-stage fault until an event of the same thread within it: of each fault.
pub(super) fn since_exit(trace: &Trace, is: impl Fn(&E) -> bool) -> Vec<u64> {
    let mut exits: BTreeMap<u32, u64> = BTreeMap::new();
    let mut times = Vec::new();
    for (entry, event) in trace.events() {
        match event {
            E::Exit { reason: KernelExit::NestedFault, .. } => {
                exits.insert(entry.pid, entry.ns);
            }
            E::Exit { .. } => {
                exits.remove(&entry.pid);
            }
            _ => {}
        }
        if is(&event)
            && let Some(exit) = exits.remove(&entry.pid)
        {
            times.push(entry.ns - exit);
        }
        if let E::Entry { .. } = event {
            exits.remove(&entry.pid);
        }
    }
    times
}

/// From each exit for a second-stage fault until the next entry of the thread, with whether there was a try and
/// an exception between.
pub(super) fn faults(trace: &Trace) -> Vec<(u64, bool, bool)> {
    let mut open: BTreeMap<u32, (u64, bool, bool)> = BTreeMap::new();
    let mut all = Vec::new();
    for (entry, event) in trace.events() {
        match event {
            E::Exit { reason: KernelExit::NestedFault, .. } => {
                open.insert(entry.pid, (entry.ns, false, false));
            }
            E::Try { .. } => {
                if let Some(fault) = open.get_mut(&entry.pid) {
                    fault.1 = true;
                }
            }
            E::Entry { .. } => {
                if let Some((exit, tried, told)) = open.remove(&entry.pid) {
                    all.push((entry.ns - exit, tried, told));
                }
            }
            _ if is_exception(&event) => {
                if let Some(fault) = open.get_mut(&entry.pid) {
                    fault.2 = true;
                }
            }
            _ => {}
        }
    }
    all
}

/// From exit to entry, of faults that the guest is told of.
pub(super) fn told(trace: &Trace) -> Vec<u64> {
    faults(trace).into_iter().filter(|&(.., told)| told).map(|(ns, ..)| ns).collect()
}

/// From one event of an item to another one: begins by address of the fault.
fn between(trace: &Trace, from: fn(&E) -> Option<u64>, to: fn(&E) -> Option<u64>) -> Vec<u64> {
    let mut begun: BTreeMap<u64, u64> = BTreeMap::new();
    let mut times = Vec::new();
    for (entry, event) in trace.events() {
        if let Some(begin) = to(&event).and_then(|gva| begun.remove(&gva)) {
            times.push(entry.ns - begin);
        }
        if let Some(gva) = from(&event) {
            begun.insert(gva, entry.ns);
        }
    }
    times
}

fn not_present(event: &E) -> Option<u64> {
    match event {
        E::NotPresent { gva, .. } => Some(gva.0),
        _ => None,
    }
}
fn completed(event: &E) -> Option<u64> {
    match event {
        E::Completed { gva, .. } => Some(gva.0),
        _ => None,
    }
}
fn ready(event: &E) -> Option<u64> {
    match event {
        E::Ready { gva, token } if *token != Token::WAKE_ALL => Some(gva.0),
        _ => None,
    }
}

pub(super) fn not_present_to_completed(trace: &Trace) -> Vec<u64> {
    between(trace, not_present, completed)
}
pub(super) fn completed_to_ready(trace: &Trace) -> Vec<u64> {
    between(trace, completed, ready)
}
pub(super) fn not_present_to_ready(trace: &Trace) -> Vec<u64> {
    between(trace, not_present, ready)
}

/// The share of requests that a later one overtook, on any vCPU.
pub(super) fn overtaken(trace: &Trace) -> f64 {
    let mut asked: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    let (mut number, mut latest, mut count, mut late) = (0, 0, 0, 0);
    for (entry, event) in trace.events() {
        match event {
            E::NotPresent { token, .. } => {
                number += 1;
                asked.insert((entry.pid, token.0), number);
            }
            E::Ready { token, .. } => {
                let Some(own) = asked.remove(&(entry.pid, token.0)) else { continue };
                count += 1;
                late += usize::from(own < latest);
                latest = latest.max(own);
            }
            _ => {}
        }
    }
    share(late, count)
}

/// Pages that were ready before one that was completed earlier for the same vCPU. A worker does not say for
/// whom it works: what is completed belongs to the vCPU that asked for the address first.
pub(super) fn inversions(trace: &Trace) -> f64 {
    let mut asked: BTreeMap<u64, VecDeque<u32>> = BTreeMap::new();
    let mut done: BTreeMap<u32, VecDeque<u64>> = BTreeMap::new();
    let mut wrong = 0_usize;
    for (entry, event) in trace.events() {
        match event {
            E::NotPresent { gva, .. } => asked.entry(gva.0).or_default().push_back(entry.pid),
            E::Completed { gva, .. } => {
                if let Some(pid) = asked.get_mut(&gva.0).and_then(VecDeque::pop_front) {
                    done.entry(pid).or_default().push_back(gva.0);
                }
            }
            E::Ready { gva, token } if token != Token::WAKE_ALL => {
                let queue = done.entry(entry.pid).or_default();
                match queue.iter().position(|&page| page == gva.0) {
                    Some(0) => drop(queue.pop_front()),
                    Some(at) => {
                        wrong += 1;
                        queue.remove(at);
                    }
                    // Asked for before the log begins, or by two vCPUs.
                    None => {}
                }
            }
            _ => {}
        }
    }
    wrong as f64
}

/// Of the exceptions: the share before which another token was ready since the announcement, and the one whose own.
pub(super) fn ready_before_injection(trace: &Trace) -> (f64, f64) {
    let mut announced: BTreeMap<u32, (Token, bool, bool)> = BTreeMap::new();
    let (mut injected, mut others, mut own) = (0, 0, 0);
    for (entry, event) in trace.events() {
        match event {
            E::NotPresent { token, .. } => {
                announced.insert(entry.pid, (token, false, false));
            }
            E::Ready { token, .. } => {
                if let Some((waits, other, its_own)) = announced.get_mut(&entry.pid) {
                    *other |= *waits != token;
                    *its_own |= *waits == token;
                }
            }
            _ if is_exception(&event) => {
                let Some((_, other, its_own)) = announced.remove(&entry.pid) else { continue };
                injected += 1;
                others += usize::from(other);
                own += usize::from(its_own);
            }
            _ => {}
        }
    }
    (share(others, injected), share(own, injected))
}

/// Tries after which the same thread neither announces nor repeats the fault.
pub(super) fn tries_without_item(trace: &Trace) -> f64 {
    let mut open: BTreeSet<u32> = BTreeSet::new();
    let mut without = 0_usize;
    for (entry, event) in trace.events() {
        match event {
            E::Try { .. } => without += usize::from(!open.insert(entry.pid)),
            E::NotPresent { .. } | E::RepeatedFault { .. } => {
                open.remove(&entry.pid);
            }
            E::Entry { .. } => without += usize::from(open.remove(&entry.pid)),
            _ => {}
        }
    }
    without as f64
}

/// The most items that a vCPU has at once.
pub(super) fn most_outstanding(trace: &Trace) -> f64 {
    let mut tokens: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut most = 0;
    for (entry, event) in trace.events() {
        let own = tokens.entry(entry.pid).or_default();
        match event {
            E::NotPresent { token, .. } => {
                own.insert(token.0);
                most = most.max(own.len());
            }
            E::Ready { token, .. } => {
                own.remove(&token.0);
            }
            _ => {}
        }
    }
    most as f64
}

/// Repeated faults of pages that nobody has outstanding.
pub(super) fn repeated_after_ready(trace: &Trace) -> f64 {
    let mut open: BTreeSet<(u32, u64)> = BTreeSet::new();
    let mut seen: BTreeSet<(u32, u64)> = BTreeSet::new();
    let mut wrong = 0_usize;
    for (entry, event) in trace.events() {
        match event {
            E::NotPresent { gva, .. } => {
                open.insert((entry.pid, gva.0));
                seen.insert((entry.pid, gva.0));
            }
            E::Ready { gva, .. } => {
                open.remove(&(entry.pid, gva.0));
            }
            E::RepeatedFault { gva, .. } => {
                let page = (entry.pid, gva.0);
                wrong += usize::from(seen.contains(&page) && !open.contains(&page));
            }
            _ => {}
        }
    }
    wrong as f64
}

/// Up to the first wake-all: how often each page's fault was repeated, and the times between two such faults.
pub(super) fn spins(trace: &Trace) -> (Vec<usize>, Vec<u64>) {
    let mut pages: BTreeMap<u64, usize> = BTreeMap::new();
    let (mut last, mut gaps) = (None, Vec::new());
    for (entry, event) in trace.events() {
        match event {
            _ if is_wake_all(&event) => break,
            E::RepeatedFault { gva, .. } => {
                *pages.entry(gva.0).or_default() += 1;
                gaps.extend(last.map(|at| entry.ns - at));
                last = Some(entry.ns);
            }
            _ => {}
        }
    }
    (pages.into_values().collect(), gaps)
}

/// Of the writes that acknowledge: the share in whose exit a further page is ready, and how long those without
/// one take.
pub(super) fn acknowledgements(trace: &Trace) -> (f64, Vec<u64>) {
    let mut open: BTreeMap<u32, (u64, bool, bool)> = BTreeMap::new();
    let (mut writes, mut further, mut bare) = (0, 0, Vec::new());
    for (entry, event) in trace.events() {
        match event {
            E::Exit { reason: KernelExit::Msr, .. } => {
                open.insert(entry.pid, (entry.ns, false, false));
            }
            E::Msr { write: true, ecx: MSR_ASYNC_PF_ACK, .. } => {
                if let Some(exit) = open.get_mut(&entry.pid) {
                    exit.1 = true;
                }
            }
            E::Entry { .. } => {
                let Some((exit, true, more)) = open.remove(&entry.pid) else { continue };
                writes += 1;
                further += usize::from(more);
                if !more {
                    bare.push(entry.ns - exit);
                }
            }
            _ if is_ready(&event) => {
                if let Some(exit) = open.get_mut(&entry.pid) {
                    exit.2 = true;
                }
            }
            _ => {}
        }
    }
    (share(further, writes), bare)
}

/// From the completion of a read until the next page is said to be there.
pub(super) fn device_to_completed(trace: &Trace) -> Vec<u64> {
    let (mut since, mut times) = (None, Vec::new());
    for (entry, event) in trace.events() {
        match event {
            E::BlockComplete { .. } => since = Some(entry.ns),
            E::Completed { .. } => times.extend(since.take().map(|at| entry.ns - at)),
            _ => {}
        }
    }
    times
}

/// How long items wait for a worker.
pub(super) fn waits_for_workers(trace: &Trace) -> Vec<u64> {
    let mut queued: BTreeMap<u64, u64> = BTreeMap::new();
    let mut times = Vec::new();
    for (entry, event) in trace.events() {
        match event {
            E::QueueWork { work } => {
                queued.insert(work, entry.ns);
            }
            E::ExecuteStart { work } => {
                times.extend(queued.remove(&work).map(|at| entry.ns - at));
            }
            _ => {}
        }
    }
    times
}

/// Threads of vCPUs.
pub(super) fn is_vcpu(comm: &str) -> bool {
    comm.contains("vcpu")
}

/// A fault of a page that the VMM brings: when it was how far, in nanoseconds since its exit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Steps {
    exit: u64,
    pub tried: Option<u64>,
    pub announced: Option<u64>,
    pub message: Option<u64>,
    pub read: Option<u64>,
    pub copy: Option<u64>,
    pub copied: Option<u64>,
    pub completed: Option<u64>,
    pub ready: Option<u64>,
}

/// The faults whose exit and lookup a trace has, by the address in the VMM.
pub(super) fn steps(trace: &Trace) -> Vec<Steps> {
    let (mut all, mut open) = (Vec::<Steps>::new(), BTreeMap::<u64, usize>::new());
    // Of each thread: its exit, and its fault; messages that nobody has read; who installs what; pages by address.
    let (mut exits, mut current) = (BTreeMap::new(), BTreeMap::<u32, usize>::new());
    let (mut unread, mut installs) = (VecDeque::new(), BTreeMap::new());
    let mut pages: BTreeMap<u64, u64> = BTreeMap::new();
    for entry in &trace.entries {
        let (pid, ns) = (entry.pid, entry.ns);
        let mut at = |number: Option<usize>, set: fn(&mut Steps, u64)| {
            if let Some(steps) = number.and_then(|number| all.get_mut(number)) {
                let since = ns - steps.exit;
                set(steps, since);
            }
        };
        match entry.what {
            What::Kernel(E::Exit { reason: KernelExit::NestedFault, .. }) => {
                exits.insert(pid, ns);
                current.remove(&pid);
            }
            What::Userfault { address, waits: false } => {
                if let Some(exit) = exits.remove(&pid) {
                    open.insert(address & !0xfff, all.len());
                    current.insert(pid, all.len());
                    all.push(Steps { exit, ..Steps::default() });
                }
            }
            What::Userfault { address, waits: true } => {
                let address = address & !0xfff;
                unread.push_back(address);
                at(open.get(&address).copied(), |steps, since| {
                    steps.message.get_or_insert(since);
                });
            }
            What::Read(messages) => {
                for _ in 0..messages {
                    let read = unread.pop_front().and_then(|address| open.get(&address).copied());
                    at(read, |steps, since| {
                        steps.read.get_or_insert(since);
                    });
                }
            }
            What::Copy { address } => {
                installs.insert(pid, address & !0xfff);
                at(open.get(&(address & !0xfff)).copied(), |steps, since| steps.copy = Some(since));
            }
            What::Copied => {
                let page = installs.remove(&pid).and_then(|address| open.get(&address).copied());
                at(page, |steps, since| steps.copied = Some(since));
            }
            What::Kernel(E::Try { .. }) => {
                at(current.get(&pid).copied(), |steps, since| steps.tried = Some(since));
            }
            What::Kernel(E::NotPresent { .. }) => {
                at(current.get(&pid).copied(), |steps, since| steps.announced = Some(since));
            }
            What::Kernel(E::Completed { gva, address, .. }) => {
                let address = address.0 & !0xfff;
                pages.insert(gva.0, address);
                at(open.get(&address).copied(), |steps, since| steps.completed = Some(since));
            }
            What::Kernel(E::Ready { gva, .. }) => {
                if let Some(address) = pages.remove(&gva.0) {
                    at(open.remove(&address), |steps, since| steps.ready = Some(since));
                }
            }
            _ => {}
        }
    }
    all
}

/// The median of a step, in microseconds.
pub(super) fn step_us(trace: &Trace, of: impl Fn(&Steps) -> Option<u64>) -> f64 {
    median_us(steps(trace).iter().filter_map(of).collect())
}
