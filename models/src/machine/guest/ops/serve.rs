//! Requests from outside: they arrive whether or not anybody is free, and wait in the order of their arrival.

use sim_core::{EventQueue, SimDuration, SimTime};

use super::begin::{Begin, LONGEST};
use crate::base::ids::{GroupId, LawId, TaskId, VcpuId};
use crate::base::record::Event;
use crate::config::Arrivals;
use crate::machine::world::{Cx, MachineEvent};

/// Bursts without a single arrival after which a group has none any more.
const MAX_BURSTS: u32 = 1 << 20;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The next request of the group begins, or the task sleeps until one arrives and looks again.
    pub(super) fn begin_serve(&mut self, vcpu: VcpuId, task: TaskId) -> Begin {
        let now = self.now();
        let group = self.w.guest.tasks[task.index()].group;
        let line = &mut self.w.guest.lines[group.index()];
        let Some(arrived) = line.waiting.pop_front() else {
            line.idle.push_back(task);
            self.note_vcpu_progress(vcpu);
            self.sleep_current(vcpu, task);
            return Begin::Reschedule;
        };
        self.w.guest.tasks[task.index()].pc += 1;
        self.report_program_time(vcpu);
        let waited = now.since(arrived);
        self.emit(Event::RequestBegin { vcpu, task, group, waited });
        Begin::Reschedule
    }

    /// A request arrives, and the next one is set. Its arrival itself takes nobody's time.
    pub(in crate::machine) fn request_arrives(&mut self, group: GroupId) {
        let now = self.now();
        self.emit(Event::RequestArrive { group });
        let line = &mut self.w.guest.lines[group.index()];
        line.waiting.push_back(now);
        let idle = line.idle.pop_front();
        self.next_arrival(group);
        if let Some(task) = idle {
            self.wake_task(task);
        }
    }

    /// Sets the next arrival of a group, if there is one.
    pub(in crate::machine::guest) fn next_arrival(&mut self, group: GroupId) {
        let config = self.w.setup.config.clone();
        let at = match &config.workload.tasks[group.index()].arrivals {
            None => return,
            Some(Arrivals::Times(times)) => {
                let line = &mut self.w.guest.lines[group.index()];
                let Some(&after) = times.get(line.arrived) else { return };
                line.arrived += 1;
                self.w.guest.started + after
            }
            &Some(Arrivals::Law { gap, on_off }) => {
                let Some(at) = self.drawn_arrival(group, gap, on_off) else { return };
                at
            }
        };
        self.schedule(at, MachineEvent::Arrival(group));
    }

    /// Gaps pass while requests arrive, and stand still while they do not. None: behind the end of any run.
    fn drawn_arrival(
        &mut self,
        group: GroupId,
        gap: LawId,
        on_off: Option<(LawId, LawId)>,
    ) -> Option<SimTime> {
        let mut at = self.now();
        let behind_all = at + LONGEST + LONGEST;
        let mut gap = self.draw_for(group, gap);
        if let Some((on, off)) = on_off {
            for bursts in 0.. {
                if gap <= self.w.guest.lines[group.index()].on_left {
                    break;
                }
                if bursts == MAX_BURSTS || at > behind_all {
                    return None;
                }
                let left = std::mem::take(&mut self.w.guest.lines[group.index()].on_left);
                gap = gap.saturating_sub(left);
                at = at + left + self.draw_for(group, off);
                self.w.guest.lines[group.index()].on_left = self.draw_for(group, on);
            }
            let line = &mut self.w.guest.lines[group.index()];
            line.on_left = line.on_left.saturating_sub(gap);
        }
        Some(at + gap)
    }

    /// A time that a law gives the arrivals of a group, a picosecond at least.
    fn draw_for(&mut self, group: GroupId, law: LawId) -> SimDuration {
        let law = &self.w.guest.drawn.laws[law.index()];
        let value = law.sampler.sample(&mut self.w.guest.lines[group.index()].draws);
        SimDuration::from_ps(value.saturating_mul(law.unit).max(1)).min(LONGEST)
    }
}
