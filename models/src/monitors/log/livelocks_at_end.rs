//! What went round without progress, or stopped quietly, by the end of a log.

use super::stalls::{Stall, StallKind, Watched, time};
use super::vcpu::VcpuLog;
use crate::base::ids::{Gfn, PAGE_SIZE};

/// What was watched of a vCPU, where it comes to something.
pub(super) fn find(own: &VcpuLog, now: u64) -> impl Iterator<Item = Stall> {
    let all = [refaults(own), asked_again(own), refused_en(own, now), unacknowledged_off(own, now)];
    all.into_iter().flatten()
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
