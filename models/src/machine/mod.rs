//! The machine: where the parts meet. Events are dispatched here and nowhere else.
//!
//! The life of a fault can be followed file by file: `user` (a task touches a gva, the walk finds
//! no second-stage entry) -> `guest_mode` (the vCPU leaves the guest) -> `fault_path` (lookup
//! without waiting, decision) -> `fetch` and `worker` (the page is brought) -> `run_loop` (page
//! ready is delivered) -> `guest_kernel` (the task is woken and runs).

mod build;
mod event;
mod fault_path;
mod fetch;
mod guest_kernel;
mod guest_mode;
mod host_sched;
mod protocol;
mod run;
mod run_loop;
mod user;
mod worker;
mod world;

use sim_core::{EventHandle, EventKey, EventQueue, Frequency, Model, SimDuration, SimTime};

use crate::trace::Event;

pub use event::MachineEvent;
pub use run::{Prefix, RunError, RunOutput, RunSettings, prefill, run};
pub use world::World;

/// The world while one event happens to it.
struct Cx<'a, Q> {
    w: &'a mut World,
    queue: &'a mut Q,
    key: EventKey,
    frequency: Frequency,
}

impl<Q> Cx<'_, Q> {
    fn now(&self) -> SimTime {
        self.key.time()
    }

    fn emit(&mut self, event: Event) {
        let now = self.key.time();
        self.w.trace.emit(now, event);
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Lets an event happen at `time`, after all that caused it.
    fn schedule(&mut self, time: SimTime, event: MachineEvent) -> EventHandle {
        let key = event.key_after(time, self.key).unwrap_or_else(|| {
            let failure = world::Failure::TimeStandsStill(time);
            self.w.failure.get_or_insert(failure);
            event.key(time + SimDuration::from_ps(1))
        });
        self.queue.schedule(key, event)
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
            MachineEvent::TaskTimer(task) => cx.wake_task(task),
            MachineEvent::Phase(phase) => cx.phase(phase),
            MachineEvent::Barrier => cx.barrier(),
        }
        cx.settle();
    }
}
