//! The machine: where the parts meet. Events are dispatched here and nowhere else.
//!
//! Each room's part of the machine stands with the room, as methods of [`Cx`]: tasks and the guest
//! kernel in `guest`, the vCPU's loop and guest mode in `vcpu`, threads, workers and page fetching
//! in `host`. Here are the state, the events, the protocol's driver, and the one path of a fault.
//!
//! The life of a fault can be followed file by file: `guest/burst` (a task touches a gva, the walk
//! finds no second-stage entry) -> `vcpu/guest_mode` (the vCPU leaves the guest) ->
//! `machine/fault_path` (lookup without waiting, decision) -> `host/fetch` and `host/worker` (the
//! page is brought) -> `vcpu/run_loop` (page ready is delivered) -> `guest/kernel` (the task is
//! woken) -> `guest/scheduler` (it runs).

mod afterwards;
mod build;
mod disturb;
pub(crate) mod event;
mod fault_path;
mod guest;
pub(crate) mod host;
pub(crate) mod progress;
mod protocol;
mod run;
pub mod sink;
mod vcpu;
pub(crate) mod world;

use sim_core::{EventHandle, EventKey, EventQueue, Frequency, Model, SimDuration, SimTime};

use crate::base::ids::ThreadId;
use crate::base::record::Event;

pub use build::KERNEL_FRAMES;
pub use event::MachineEvent;
pub use progress::{END_OF_TIME, PREFILL_STEPS, SPIN_STEP, SPIN_STEPS};
pub use run::{
    Observer, Prefix, RunError, RunOutput, RunSettings, Watch, family_of, known_violations,
    prefill, run, run_observed,
};
pub use world::World;

/// The world while one event happens to it.
pub(crate) struct Cx<'a, Q> {
    pub(crate) w: &'a mut World,
    pub(crate) queue: &'a mut Q,
    /// The event's place in the total order.
    pub(crate) key: EventKey,
    pub(crate) frequency: Frequency,
}

impl<Q> Cx<'_, Q> {
    pub(crate) fn now(&self) -> SimTime {
        self.key.time()
    }

    pub(crate) fn emit(&mut self, event: Event) {
        let now = self.key.time();
        self.w.trace.emit(now, event);
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Lets an event happen at `time`, after all that caused it.
    pub(crate) fn schedule(&mut self, time: SimTime, event: MachineEvent) -> EventHandle {
        let key = self.key_at(time, event);
        self.queue.schedule(key, event)
    }

    fn key_at(&mut self, time: SimTime, event: MachineEvent) -> EventKey {
        if time > END_OF_TIME {
            self.beyond_time(event);
        }
        event.key_after(time, self.key).unwrap_or_else(|| {
            let what = self.w.event_name(event);
            self.fail(world::Failure::TimeStandsStill { time, what });
            event.key(time + SimDuration::from_ps(1))
        })
    }

    /// Lets a thread's stretch end at `time`. The earliest end that an event schedules is kept out
    /// of the queue: as a rule it is what happens next.
    pub(crate) fn schedule_step(&mut self, thread: ThreadId, time: SimTime) {
        let mut step = (thread, self.key_at(time, MachineEvent::ThreadStep(thread)));
        if self.w.skip {
            match &mut self.w.ahead {
                None => {
                    self.w.ahead = Some(step);
                    return;
                }
                Some(ahead) if step.1 < ahead.1 => std::mem::swap(ahead, &mut step),
                Some(_) => {}
            }
        }
        self.queue_step(step);
    }

    fn queue_step(&mut self, (thread, key): (ThreadId, EventKey)) {
        let handle = self.queue.schedule(key, MachineEvent::ThreadStep(thread));
        self.w.threads[thread.index()].event = Some(handle);
    }

    /// Ends an event: carries out thread steps as long as they come before everything that is
    /// queued. That is what the queue would hand out next; it only does not go through it.
    fn finish(&mut self) {
        while let Some(step) = self.w.ahead.take() {
            let (thread, key) = step;
            let first = self.queue.peek().is_none_or(|queued| key < queued);
            if !first || self.w.must_stop() {
                self.queue_step(step);
                break;
            }
            self.key = key;
            self.w.steps_ahead += 1;
            self.thread_step(thread);
            self.settle();
        }
        self.w.reached = self.now();
    }
}

impl World {
    fn at<'a, Q: EventQueue<MachineEvent>>(
        &'a mut self,
        key: EventKey,
        queue: &'a mut Q,
    ) -> Cx<'a, Q> {
        let frequency = self.config.cpu.frequency;
        Cx { w: self, queue, key, frequency }
    }

    /// Power-on.
    fn start<Q: EventQueue<MachineEvent>>(&mut self, queue: &mut Q) {
        let mut cx = self.at(EventKey::MIN, queue);
        cx.power_on();
        cx.settle();
        cx.finish();
    }
}

impl Model for World {
    type Event = MachineEvent;

    fn handle<Q: EventQueue<MachineEvent>>(
        &mut self,
        key: EventKey,
        event: MachineEvent,
        queue: &mut Q,
    ) {
        let mut cx = self.at(key, queue);
        match event {
            MachineEvent::ThreadStep(thread) => cx.thread_step(thread),
            MachineEvent::VcpuTimer(vcpu) => cx.vcpu_timer(vcpu),
            MachineEvent::HostTick(pcpu) => cx.host_tick(pcpu),
            MachineEvent::DeviceComplete(request) => cx.device_complete(request),
            MachineEvent::RequestDone(request) => cx.request_done(request),
            MachineEvent::ItemRead(item) => cx.complete_native(item),
            MachineEvent::TaskTimer(task) => cx.task_timer(task),
            MachineEvent::DelayedWake(task) => cx.wake_task(task),
            MachineEvent::Disturb(index) => cx.disturb(index),
            MachineEvent::ThrottleWindow => cx.throttle_window(),
            MachineEvent::MapWritten => cx.map_written(),
            MachineEvent::Phase(phase) => cx.phase(phase),
            MachineEvent::Barrier => cx.barrier(),
        }
        cx.settle();
        cx.finish();
    }
}
