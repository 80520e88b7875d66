//! What can happen in the machine, and the order of what happens at one instant.

use sim_core::{EventKey, SimTime};

use crate::base::ids::{GroupId, ItemId, PcpuId, RequestId, TaskId, ThreadId, VcpuId, VmId};
use crate::base::record::Phase;

/// An event of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineEvent {
    /// The running stretch of a host thread ends: host work is done, or the vCPU's burst is.
    ThreadStep(ThreadId),
    /// The local APIC timer of a vCPU fires.
    VcpuTimer(VcpuId),
    /// The host's scheduler looks at a processor that several threads want.
    HostTick(PcpuId),
    /// The swap device completes a request.
    DeviceComplete(RequestId),
    /// The interrupt of a completed request has been handled.
    RequestDone(RequestId),
    /// The interrupt of a completed read has been handled: an item without a worker is complete.
    ItemRead(ItemId),
    /// A request for a group of tasks arrives.
    Arrival(GroupId),
    /// A sleeping guest task's time is up.
    TaskTimer(TaskId),
    /// A task that page ready has woken becomes runnable.
    DelayedWake(TaskId),
    /// A disturbance of the scenario happens.
    Disturb(u32),
    /// Who changes the memory map of a VMM is through.
    MapWritten(VmId),
    /// A window of write-back throttling is over.
    ThrottleWindow,
    /// The timer of a thread of the host fires.
    ThreadTimer(ThreadId),
    /// The interrupt of that timer has been handled.
    HandlerWoken(ThreadId),
    /// Threads of a VMM have brought what is to be there before the guest's tasks start.
    Restored(VmId),
    /// The driver of a balloon looks for pages again.
    BalloonRetry(VmId),
    /// A guest reports frames that are free.
    BalloonReport(VmId),
    /// A part of the run begins.
    Phase(Phase),
    /// The workload passes the start barrier: policies part here.
    Barrier,
}

/// Order of kinds at one instant: hardware first, threads last, the barrier after all.
#[repr(u8)]
enum Class {
    Phase,
    Device,
    RequestDone,
    ItemRead,
    ThrottleWindow,
    Disturb,
    MapWritten,
    ThreadTimer,
    HandlerWoken,
    VcpuTimer,
    Arrival,
    TaskTimer,
    DelayedWake,
    HostTick,
    ThreadStep,
    Barrier,
}

/// The event's place in the total order: `(time, round, kind, actor)`.
///
/// An actor has at most one event of a kind pending, so kind and actor make the key unique and no
/// counter is needed: the order cannot depend on what was scheduled first. What an event causes at
/// its own instant, and what would come before it in that order, belongs to the next *round* of
/// the instant. Rounds count causes, not insertions.
#[inline(always)]
fn key(event: MachineEvent, time: SimTime, round: u8) -> EventKey {
    let (class, actor) = match event {
        MachineEvent::Phase(phase) => (Class::Phase, phase as u32),
        // The kinds have four bits.
        MachineEvent::Restored(vm) => (Class::Phase, AFTER_PHASES + u32::from(vm.0)),
        // A number is used again as soon as it is free, so there are never 2^20 of them.
        MachineEvent::DeviceComplete(request) => (Class::Device, request.0 & ACTOR_MASK),
        MachineEvent::RequestDone(request) => (Class::RequestDone, request.0 & ACTOR_MASK),
        MachineEvent::ItemRead(item) => (Class::ItemRead, item.0),
        MachineEvent::Disturb(index) => (Class::Disturb, index),
        MachineEvent::ThrottleWindow => (Class::ThrottleWindow, 0),
        MachineEvent::MapWritten(vm) => (Class::MapWritten, vm.0.into()),
        MachineEvent::ThreadTimer(thread) => (Class::ThreadTimer, thread.0),
        MachineEvent::HandlerWoken(thread) => (Class::HandlerWoken, thread.0),
        MachineEvent::VcpuTimer(vcpu) => (Class::VcpuTimer, u32::from(vcpu.0)),
        MachineEvent::Arrival(group) => (Class::Arrival, group.0.into()),
        MachineEvent::BalloonRetry(vm) => (Class::Arrival, AFTER_GROUPS + u32::from(vm.0)),
        MachineEvent::BalloonReport(vm) => (Class::Arrival, 2 * AFTER_GROUPS + u32::from(vm.0)),
        MachineEvent::TaskTimer(task) => (Class::TaskTimer, task.0),
        MachineEvent::DelayedWake(task) => (Class::DelayedWake, task.0),
        MachineEvent::HostTick(pcpu) => (Class::HostTick, u32::from(pcpu.0)),
        MachineEvent::ThreadStep(thread) => (Class::ThreadStep, thread.0),
        MachineEvent::Barrier => (Class::Barrier, 0),
    };
    EventKey::new(time, round, (class as u32) << ACTOR_BITS | actor, 0)
}

/// More than there are parts of a run.
const AFTER_PHASES: u32 = 1 << 8;
/// More than there are groups of tasks, or virtual machines.
const AFTER_GROUPS: u32 = 1 << 16;
const ACTOR_BITS: u32 = 20;
const ACTOR_MASK: u32 = (1 << ACTOR_BITS) - 1;

/// The round of an instant in which the start barrier is passed: late enough that all that led to
/// it is over, early enough that rounds are left for what follows.
const BARRIER_ROUND: u8 = 128;

impl MachineEvent {
    /// The event's key in the first round of an instant.
    #[inline]
    pub fn key(self, time: SimTime) -> EventKey {
        let round = if self == Self::Barrier { BARRIER_ROUND } else { 0 };
        key(self, time, round)
    }

    /// The event's key when an event with the key `cause` schedules it. `None` when the instant
    /// has no round left: time stands still.
    #[inline(always)]
    pub fn key_after(self, time: SimTime, cause: EventKey) -> Option<EventKey> {
        if time > cause.time() {
            return Some(self.key(time));
        }
        let same_round = key(self, time, cause.class());
        if same_round > cause {
            return Some(same_round);
        }
        cause.class().checked_add(1).map(|round| key(self, time, round))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_causes_at_its_instant_comes_after_it() {
        let now = SimTime::from_ps(5);
        let cause = MachineEvent::ThreadStep(ThreadId(3)).key(now);
        let later = MachineEvent::ThreadStep(ThreadId(4)).key_after(now, cause).unwrap();
        let earlier = MachineEvent::ThreadStep(ThreadId(2)).key_after(now, cause).unwrap();
        assert!(cause < later && later < earlier);
        assert_eq!(later, MachineEvent::ThreadStep(ThreadId(4)).key(now));
    }

    #[test]
    fn an_instant_without_end_is_noticed() {
        let now = SimTime::from_ps(5);
        let event = MachineEvent::ThreadStep(ThreadId(0));
        let mut cause = event.key(now);
        let rounds = (0..1000).take_while(|_| match event.key_after(now, cause) {
            Some(next) => {
                cause = next;
                true
            }
            None => false,
        });
        assert_eq!(rounds.count(), 255);
    }
}
