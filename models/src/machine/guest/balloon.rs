//! The guest's driver of its balloon (drivers/virtio/virtio_balloon.c of 6.12) and of free page reporting
//! (mm/page_reporting.c).
//!
//! Its work is done on the first vCPU that is online, behind an interrupt, in place of the task that runs there, where
//! the kernel has a worker of a workqueue do it: two switches are paid for that.

use sim_core::{Cycles, EventQueue, SimDuration};

use super::balloon_state::{Driver, DriverWork, Pass};
use super::stage::GuestThen;
use super::state::{Guest, Hotplug};
use crate::base::ids::{Gfn, VcpuId, VmId};
use crate::base::record::Event;
use crate::config::{BALLOON_BATCH, Kswapd, Reporting};
use crate::machine::world::{BalloonQueue, Cx, Flow, GuestExit, Hypervisor, MachineEvent};

/// Blocks that one report has at most (`PAGE_REPORTING_CAPACITY`).
const REPORT: usize = 32;

/// How often who wants a frame looks whether free ones are reported; an assumption, where kernels would reclaim.
const LOOKS_AGAIN: SimDuration = SimDuration::from_us(5);

/// For how long the driver sleeps when it gets no page (`fill_balloon`).
const OUT_OF_PUFF: SimDuration = SimDuration::from_ms(200);

impl Guest {
    fn driver(&mut self, vm: VmId) -> &mut Driver {
        match &mut self.balloons[vm.index()] {
            Some(driver) => driver,
            None => unreachable!("{vm} has no balloon"),
        }
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The VMM has set a size.
    pub(super) fn set_balloon_target(&mut self, vm: VmId, pages: u64) {
        self.w.guest.driver(vm).target = pages;
        self.post_to_driver(vm, DriverWork::Resize);
    }

    /// There is work for the driver: an interrupt for a vCPU.
    pub(super) fn post_to_driver(&mut self, vm: VmId, work: DriverWork) {
        let vcpus: Vec<VcpuId> = self.w.setup.vcpus_of(vm).collect();
        let online = |v: &&VcpuId| self.w.guest.cpus[v.index()].hotplug == Hotplug::Online;
        let Some(&vcpu) = vcpus.iter().find(online).or(vcpus.first()) else { return };
        self.w.guest.cpus[vcpu.index()].driver_work.push(work);
        self.interrupt(vcpu);
    }

    /// A timer of the driver fires.
    pub(in crate::machine) fn balloon_timer(&mut self, vm: VmId, work: DriverWork) {
        if work == DriverWork::Retry {
            self.w.guest.driver(vm).sleeps = false;
        }
        self.post_to_driver(vm, work);
    }

    /// What the interrupt of such work takes: waking a worker, and the switches to it and back.
    pub(super) fn driver_cost(&self) -> Cycles {
        let prices = &self.w.setup.prices;
        prices.guest_wakeup.cycles + prices.guest_switch.cycles.times(2)
    }

    /// The driver works.
    pub(super) fn drive(&mut self, vcpu: VcpuId, work: DriverWork) {
        let vm = self.w.setup.vm(vcpu);
        match work {
            DriverWork::Resize | DriverWork::Retry => self.resize_balloon(vcpu),
            DriverWork::Report => {
                let whole = self.tables(vcpu).frames().whole_blocks();
                // A sixteenth of them and one report more (`page_reporting_cycle`).
                let left = whole.div_ceil(16 * REPORT as u64) + 1;
                self.w.guest.driver(vm).pass = Pass::Active { left, again: false };
                self.report_next(vcpu);
            }
            DriverWork::Done(BalloonQueue::Report) => {
                let blocks = std::mem::take(&mut self.w.guest.driver(vm).reported);
                self.tables(vcpu).frames().put_back(&blocks);
                self.report_next(vcpu);
            }
            DriverWork::Done(queue) => {
                let told = self.w.guest.driver(vm).telling.take();
                let frames = told.map(|(_, frames)| frames).unwrap_or_default();
                if queue == BalloonQueue::Inflate {
                    self.w.guest.driver(vm).held.extend(frames);
                } else {
                    for gfn in frames {
                        self.is_free(vcpu, gfn);
                    }
                }
                self.push_frame(vcpu, Cycles::ZERO, GuestThen::BalloonNext);
                self.push_frame(vcpu, Cycles::ZERO, GuestThen::BalloonSize);
            }
        }
    }

    /// The next step towards the size that was asked for (`update_balloon_size_func`).
    pub(super) fn resize_balloon(&mut self, vcpu: VcpuId) {
        let vm = self.w.setup.vm(vcpu);
        let least = self.marks(vm).min;
        let Driver { target, held, telling, sleeps, .. } = self.w.guest.driver(vm);
        if telling.is_some() || *sleeps || held.len() as u64 == *target {
            return;
        }
        let (target, size) = (*target, held.len() as u64);
        let (queue, frames) = if size > target {
            let most = (size - target).min(BALLOON_BATCH);
            (BalloonQueue::Deflate, held.split_off((size - most) as usize))
        } else {
            let frames = self.tables(vcpu).frames();
            // It does not use reserves (`__GFP_NOMEMALLOC`), nor kill for its pages (`__GFP_NORETRY`).
            let most = (target - size).min(BALLOON_BATCH).min(frames.free().saturating_sub(least));
            let frames = (0..most).filter_map(|_| frames.allocate(false)).collect();
            (BalloonQueue::Inflate, frames)
        };
        if frames.is_empty() {
            self.w.guest.driver(vm).sleeps = true;
            self.schedule(self.now() + OUT_OF_PUFF, MachineEvent::BalloonRetry(vm));
            return;
        }
        let cost = self.w.setup.prices.balloon_page.cycles.times(frames.len() as u64);
        self.w.guest.driver(vm).telling = Some((queue, frames));
        self.push_frame(vcpu, cost, GuestThen::BalloonTell { queue });
    }

    fn marks(&self, vm: VmId) -> Kswapd {
        Kswapd::marks(self.w.setup.config.guest_of(vm).memory_pages, None, 10)
    }

    /// The driver notifies the device (`tell_host`, `virtballoon_free_page_report`): an exit.
    pub(super) fn tell_balloon(&mut self, vcpu: VcpuId, queue: BalloonQueue) -> Flow {
        let vm = self.w.setup.vm(vcpu);
        let driver = self.w.guest.driver(vm);
        let mut frames = match (queue, &driver.telling, driver.reporting) {
            (BalloonQueue::Report, _, Some(Reporting { order, .. })) => {
                let block = |first: &Gfn| (first.0..first.0 + (1 << order)).map(Gfn);
                driver.reported.iter().flat_map(block).collect()
            }
            (_, Some((_, frames)), _) => frames.clone(),
            _ => Vec::new(),
        };
        frames.sort_unstable();
        self.offer_to_balloon(vcpu, queue, &frames);
        self.exit(vcpu, GuestExit::NotifyBalloon)
    }

    /// The driver writes the size into the configuration of the device (`update_balloon_size`): an exit to the VMM.
    pub(super) fn write_balloon_size(&mut self, vcpu: VcpuId) -> Flow {
        let vm = self.w.setup.vm(vcpu);
        let pages = self.w.guest.driver(vm).held.len() as u64;
        self.emit(Event::BalloonSize { vm, pages });
        self.exit(vcpu, GuestExit::WriteDevice)
    }

    /// There is no frame left: the balloon gives some up (`virtballoon_oom_notify`), in batches. False: it has none.
    /// The VMM's answer is not waited for.
    pub(super) fn deflate_for_want_of_memory(&mut self, vcpu: VcpuId, then: GuestThen) -> bool {
        let vm = self.w.setup.vm(vcpu);
        let Some(driver) = &mut self.w.guest.balloons[vm.index()] else { return false };
        let size = driver.held.len();
        let frames = driver.held.split_off(size.saturating_sub(BALLOON_BATCH as usize));
        if frames.is_empty() {
            return false;
        }
        let cost = self.w.setup.prices.balloon_page.cycles.times(frames.len() as u64);
        for gfn in frames {
            self.tables(vcpu).frames().release(gfn, false);
        }
        self.push_frame(vcpu, cost, then);
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::BalloonSize);
        true
    }

    /// There is no frame left, but some are being reported: the touch begins again when that may be over. False:
    /// there are none.
    pub(super) fn wait_for_report(&mut self, vcpu: VcpuId, then: GuestThen) -> bool {
        let vm = self.w.setup.vm(vcpu);
        let driver = self.w.guest.balloons[vm.index()].as_ref();
        if driver.is_none_or(|driver| driver.reported.is_empty()) {
            return false;
        }
        self.push_frame(vcpu, Cycles::ZERO, then);
        let cost = self.frequency.cycles_in(LOOKS_AGAIN);
        self.push_frame(vcpu, cost, GuestThen::WaitForFrame);
        true
    }

    /// It has waited for a while; interrupts come first.
    pub(super) fn waited_for_frame(&mut self, vcpu: VcpuId) -> Option<Flow> {
        if !self.any_interrupt_pending(vcpu) {
            return None;
        }
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::WaitForFrame);
        Some(self.exit(vcpu, GuestExit::InterruptWindow))
    }

    /// A frame is free; where that makes a block of frames free, it is to be reported (`page_reporting_notify_free`).
    pub(super) fn is_free(&mut self, vcpu: VcpuId, gfn: Gfn) {
        let whole = self.tables(vcpu).frames().release(gfn, false);
        let vm = self.w.setup.vm(vcpu);
        if let Some(driver) = self.w.guest.balloons[vm.index()].as_mut().filter(|_| whole) {
            match &mut driver.pass {
                Pass::Active { again, .. } => *again = true,
                Pass::Requested => {}
                Pass::Idle => self.request_report(vm),
            }
        }
    }

    fn request_report(&mut self, vm: VmId) {
        let driver = self.w.guest.driver(vm);
        let Some(Reporting { delay, .. }) = driver.reporting else { return };
        driver.pass = Pass::Requested;
        self.schedule(self.now() + delay, MachineEvent::BalloonReport(vm));
    }

    /// The next report of a pass, or its end (`page_reporting_process_zone`).
    fn report_next(&mut self, vcpu: VcpuId) {
        let vm = self.w.setup.vm(vcpu);
        let Driver { pass: Pass::Active { left, again }, reporting: Some(reporting), .. } =
            *self.w.guest.driver(vm)
        else {
            return;
        };
        let least = self.marks(vm).low + ((REPORT as u64) << reporting.order);
        let frames = self.tables(vcpu).frames();
        // `__zone_watermark_ok` refuses at the mark itself.
        let enough = frames.free() > least;
        let blocks = if enough && left > 0 { frames.isolate(REPORT) } else { Vec::new() };
        if !blocks.is_empty() {
            let cost = self.w.setup.prices.balloon_page.cycles.times(blocks.len() as u64);
            let driver = self.w.guest.driver(vm);
            driver.pass = Pass::Active { left: left - 1, again };
            driver.reported = blocks;
            self.push_frame(vcpu, cost, GuestThen::BalloonTell { queue: BalloonQueue::Report });
            return;
        }
        self.w.guest.driver(vm).pass = Pass::Idle;
        // Its budget is used up (`PAGE_REPORTING_REQUESTED`), or more became free meanwhile.
        if again || (enough && left == 0) {
            self.request_report(vm);
        }
    }
}
