//! What went round without progress, or stopped quietly, by the end of a log.

use super::stalls::{LOADED, Stall, StallKind, Watched, time};
use super::vcpu::VcpuLog;
use crate::base::ids::{Gfn, PAGE_SIZE};

/// What was watched of a vCPU, where it comes to something.
pub(super) fn find(own: &VcpuLog, now: u64, cap: u32) -> impl Iterator<Item = Stall> {
    let all = [
        refaults(own),
        asked_again(own),
        refused_en(own, now),
        unacknowledged_off(own, now),
        no_more_requests(own, cap),
    ];
    all.into_iter().flatten()
}

/// Tries that come to nothing, one and all, though the vCPU has nothing outstanding and had requests before. A try
/// is printed only where the vCPU could be told or halted (`kvm_can_do_async_pf`), so that neither its interrupt flag
/// nor an exception that is pending is the reason. What remains in `kvm_setup_async_pf` is the count of its items
/// and, for single tries, an allocation without waiting.
fn no_more_requests(own: &VcpuLog, cap: u32) -> Option<Stall> {
    let readied = own.counts.ready + own.counts.wake_alls;
    let row = own.watch.nothing_since(readied)?;
    let age = row.last.saturating_sub(row.first.ns);
    if !own.requests.is_empty() || row.count < u64::from(cap) || age < LOADED {
        return None;
    }
    let message = format!(
        "all {} tries of {} from line {} on, within {}, came to nothing, though none of its requests is outstanding \
         and {} were announced before: the host takes the vCPU for one that has {cap} (an item that is never freed \
         is counted for ever), or it cannot allocate an item (GFP_NOWAIT) all that time",
        row.count,
        own.label(),
        row.first.line,
        time(age),
        row.announced,
    );
    let watched = Watched { count: row.count, age, ..Watched::default() };
    Some(Stall::of_vcpu(own, StallKind::NoMoreRequests, row.first, watched, message))
}

fn refaults(own: &VcpuLog) -> Option<Stall> {
    let (row, rows) = own.watch.without_progress()?;
    let age = row.last.saturating_sub(row.first.ns);
    let label = own.label();
    let more = if rows > 1 { format!(" ({rows} such rows)") } else { String::new() };
    let message = format!(
        "{label} took {} faults on address {} in a row without progress, {} each, from line \
         {} on{more}, and none of them was asynchronous: the host finds the page and the \
         vCPU faults on it again. Look at invalidations that make faults retry \
         (mmu_notifier) and at stale entries of the second-stage tables",
        row.count,
        row.address,
        time(age / row.count.saturating_sub(1).max(1)),
        row.first.line,
    );
    let frame = Some(Gfn(row.address.0 / PAGE_SIZE));
    let watched = Watched { frame, count: row.count, age, ..Watched::default() };
    Some(Stall::of_vcpu(own, StallKind::Refaults, row.first, watched, message))
}

fn asked_again(own: &VcpuLog) -> Option<Stall> {
    let (frame, age) = own.watch.asked_again()?;
    let message = format!(
        "frame {} of {} was ready and asked for again {} times within {}, from line {} on: \
         page ready is told though the page is not there. Its read fails (look for errors of \
         the swap device or of the file), or it is taken away again at once",
        frame.gfn,
        own.label(),
        frame.count,
        time(age),
        frame.first.line,
    );
    let (token, frame_of) = (Some(frame.token), Some(frame.gfn));
    let watched = Watched { token, frame: frame_of, count: frame.count, age, ..Watched::default() };
    Some(Stall::of_vcpu(own, StallKind::AskedAgain, frame.first, watched, message))
}

fn refused_en(own: &VcpuLog, now: u64) -> Option<Stall> {
    let refused = own.watch.refused?;
    let announced = own.watch.announced - refused.announced;
    let ready = own.counts.ready - refused.ready;
    let age = now.saturating_sub(refused.event.ns);
    let message = format!(
        "{} wrote {:#x} to MSR_KVM_ASYNC_PF_EN at line {}, and the host refused it (#GP); \
         since then {announced} not present and {ready} page ready. Kernels differ in what a \
         refused write leaves behind: the refused value, or the old one with an area that \
         the host cannot write any more, after which no page ready comes",
        own.label(),
        refused.data,
        refused.event.line,
    );
    let watched = Watched { count: announced, age, ..Watched::default() };
    Some(Stall::of_vcpu(own, StallKind::RefusedEn, refused.event, watched, message))
}

fn unacknowledged_off(own: &VcpuLog, now: u64) -> Option<Stall> {
    let off = own.watch.off?;
    let waiting = own.requests.iter().filter(|one| one.completed.is_some()).count() as u64;
    if waiting == 0 || own.counts.ready > off.ready {
        return None;
    }
    let age = now.saturating_sub(off.off.ns);
    let message = format!(
        "page ready of {} at line {} was not acknowledged when the guest turned notices off at \
         line {}; it turned them on again, and no page ready has come since, though {waiting} \
         completed requests wait: the host takes the slot for full",
        own.label(),
        off.raised.line,
        off.off.line,
    );
    let watched = Watched { token: off.token, count: waiting, age, ..Watched::default() };
    Some(Stall::of_vcpu(own, StallKind::UnacknowledgedOff, off.raised, watched, message))
}
