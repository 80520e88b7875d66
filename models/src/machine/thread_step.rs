//! The steps of host threads: what a finished stretch was for, and how the thread goes on.

use sim_core::{EventQueue, SimDuration};

use super::host::{DutyKind, ThreadKind};
use super::world::{Cx, Flow, GuestEntry, MachineEvent, Then};
use crate::base::ids::{ReclaimerId, ThreadId, VcpuId, WorkerId};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The running stretch of a thread is over. As long as nothing comes before the end of its next one, it goes
    /// on with that at once.
    pub(super) fn thread_step(&mut self, id: ThreadId) {
        self.w.steps.passed(id);
        self.may_be_preempted(id);
        let mut then = self.w.host.then_of(id);
        loop {
            if !self.count_step(id, then) {
                return;
            }
            let flow = self.perform(id, then);
            self.account_charges(id);
            match flow {
                // Work that costs nothing needs no event of its own.
                Flow::Spend(span, next) if span.is_zero() => then = next,
                Flow::Spend(span, next) if self.goes_on_at_once(id, span) => {
                    self.w.host.note_stretch(id, self.now(), span, next);
                    self.pass(id, span);
                    self.may_be_preempted(id);
                    then = next;
                }
                Flow::Spend(span, next) => {
                    self.start_stretch(id, span, next);
                    return;
                }
                Flow::Stopped if self.w.host.nobody_gives_way() && self.step_of(id) => {
                    self.may_be_preempted(id);
                    then = self.w.host.then_of(id);
                }
                Flow::Stopped => return,
            }
        }
    }

    /// Whether a stretch of a thread that acts ends before anything else happens.
    fn goes_on_at_once(&mut self, id: ThreadId, span: SimDuration) -> bool {
        self.w.host.nobody_gives_way() && self.nothing_until(id, self.now() + span)
    }

    #[inline(always)]
    fn perform(&mut self, thread: ThreadId, then: Then) -> Flow {
        match then {
            Then::Fetch => self.fetch_step(thread),
            Then::FetchAwake(reason) => self.fetch_awake(thread, reason),
            Then::FetchSubmit => self.fetch_submit(thread),
            Then::FetchCopied => self.fetch_copied(thread),
            Then::FetchPoll => self.fetch_poll(thread),
            Then::CallPassDone(outcome) => self.call_pass_done(thread, outcome),
            Then::ReclaimNext => self.direct_reclaim(thread),
            Then::ReclaimDone => self.reclaim_done(thread),
            Then::ReclaimUnlocked => self.go_on_with_pass(thread),
            Then::UffdLink => self.link_message(thread),
            Then::UffdSleep => self.sleep_for_vmm(thread),
            Then::UffdAwake => self.awake_from_vmm(thread),
            Then::QueueVisit(errand) => self.visit_queue(thread, errand),
            Then::QueueAwaited(errand) => self.queue_awaited(thread, errand),
            Then::QueueLeft(errand) => self.queue_left(thread, errand),
            Then::TakeLock(under) => self.take_second_stage_lock(thread, under),
            Then::LockTaken(under) => self.second_stage_lock_taken(thread, under),
            _ => match self.w.host.kind_of(thread) {
                ThreadKind::Vcpu(vcpu) => self.perform_vcpu(thread, vcpu, then),
                ThreadKind::Worker(worker) => self.perform_worker(thread, worker, then),
                ThreadKind::Handler(handler) => self.perform_handler(thread, handler, then),
                ThreadKind::Shrinker => self.perform_shrinker(thread, then),
                ThreadKind::Reclaimer(own) => self.perform_reclaimer(thread, own, then),
            },
        }
    }

    fn perform_worker(&mut self, thread: ThreadId, worker: WorkerId, then: Then) -> Flow {
        match then {
            Then::WorkBegin => self.worker_woken(thread, worker),
            Then::WorkStep(item) => self.work_step(thread, worker, item),
            Then::AnswersRead(vcpu) => self.answers_read(thread, worker, vcpu),
            other => unreachable!("{thread} is no vCPU thread, but is to do {other:?}"),
        }
    }

    fn perform_reclaimer(&mut self, thread: ThreadId, own: ReclaimerId, then: Then) -> Flow {
        match (self.w.host.duty_of(own), then) {
            (DutyKind::Limits, Then::ReclaimerWoken) => self.write_limit(thread, own),
            (DutyKind::Limits, Then::ReclaimerNext) => self.limit_next(thread, own),
            (DutyKind::Limits, Then::ReclaimerPassDone(outcome)) => {
                self.limit_pass_done(thread, own, outcome)
            }
            (DutyKind::Agent, Then::ReclaimerWoken) => self.ask_for_reclaim(thread, own),
            (DutyKind::Agent, Then::ReclaimerNext) => self.agent_next(thread, own),
            (DutyKind::Agent, Then::ReclaimerPassDone(outcome)) => {
                self.agent_pass_done(thread, own, outcome)
            }
            (DutyKind::Kswapd, Then::ReclaimerWoken) => self.kswapd_woken(own),
            (DutyKind::Kswapd, Then::ReclaimerNext) => self.kswapd_next(thread, own),
            (DutyKind::Kswapd, Then::ReclaimerPassDone(outcome)) => {
                self.kswapd_pass_done(thread, own, outcome)
            }
            (DutyKind::Balloon, Then::ReclaimerWoken) => self.balloon_woken(),
            (DutyKind::Balloon, Then::ReclaimerNext) => self.balloon_next(thread, own),
            (DutyKind::Balloon, Then::BalloonAdvise) => self.balloon_advises(thread, own),
            (DutyKind::Balloon, Then::BalloonRemoved) => self.balloon_removed(thread, own),
            (DutyKind::Balloon, Then::BalloonZap) => self.balloon_zaps(thread, own),
            (DutyKind::Balloon, Then::BalloonAdvised) => self.balloon_advised(own),
            (DutyKind::Balloon, Then::BalloonTold) => self.balloon_told(own),
            (DutyKind::Protect, Then::ReclaimerWoken) => self.protector_woken(thread, own),
            (DutyKind::Protect, Then::ReclaimerNext) => self.protector_next(thread, own),
            (DutyKind::Protect, Then::ProtectStopped) => self.protector_waits(thread, own),
            (DutyKind::Protect, Then::ProtectSet) => self.protection_is_set(thread, own),
            (DutyKind::Protect, Then::ProtectRead) => self.protector_reads(thread, own),
            (DutyKind::Protect, Then::ProtectSubmit(page)) => {
                self.protector_submits(thread, own, page)
            }
            (DutyKind::Protect, Then::ProtectLift(page)) => self.protector_lifts(thread, own, page),
            (DutyKind::Protect, Then::ProtectSleep) => self.protector_sleeps(thread, own),
            (DutyKind::Protect, Then::ProtectAwake) => self.protector_awake(thread, own),
            (_, other) => unreachable!("{thread} takes memory away, but is to do {other:?}"),
        }
    }

    fn perform_shrinker(&mut self, thread: ThreadId, then: Then) -> Flow {
        match then {
            Then::ShrinkBegin => self.shrink_begin(thread),
            Then::ShrinkNext => self.shrink_next(thread),
            Then::ShrinkDecompressed => self.shrink_decompressed(thread),
            Then::ShrinkSubmit => self.shrink_submit(thread),
            other => unreachable!("{thread} writes pages back, but is to do {other:?}"),
        }
    }

    fn perform_vcpu(&mut self, thread: ThreadId, vcpu: VcpuId, then: Then) -> Flow {
        match then {
            Then::Enter => self.turn(vcpu),
            Then::EnterInjected => self.enter_injected(vcpu),
            Then::InGuest => self.stretch_over(vcpu),
            Then::FaultLookup => self.fault_lookup(vcpu),
            Then::ShadowWalk => self.shadow_walk(vcpu),
            Then::ShadowEmulate => self.shadow_emulate(vcpu),
            Then::WriteCr3 => self.shadow_cr3(vcpu),
            Then::FaultTry => self.fault_try(vcpu),
            Then::FaultWaits => self.fault_waits(vcpu),
            Then::SetupStep => self.setup_step(vcpu),
            Then::MapFault => self.map_fault(vcpu),
            Then::TurnEnd => self.turn_end(vcpu),
            Then::UserFault => self.user_fault(vcpu),
            Then::UserSetup => self.user_fault_set_up(vcpu),
            Then::UserSignalled => self.user_signalled(vcpu),
            Then::OutsideAsk => self.outside_ask(vcpu),
            Then::OutsideAsked => self.outside_asked(vcpu),
            Then::OutsideAccepted => self.outside_accepted(vcpu),
            Then::OutsideReplied => self.outside_replied(vcpu),
            Then::OutsideRead => self.outside_read(vcpu),
            Then::OutsideCame => self.outside_came(vcpu),
            Then::OutsideInstall => self.begin_install(thread),
            Then::OutsideBrought => self.outside_brought(vcpu),
            Then::OutsideRun => self.outside_run(vcpu),
            Then::Stop => self.vcpu_stops(vcpu),
            Then::Resumed => self.vcpu_resumes(vcpu),
            Then::PrefaultMap(gfn) => self.prefault_map(vcpu, gfn),
            Then::Deliver => self.deliver(vcpu),
            Then::HaltPoll => {
                self.block_thread(thread, Then::Unblocked);
                Flow::Stopped
            }
            Then::Unblocked => self.unblocked(vcpu),
            Then::PayHigh => self.pay_for_high(thread, vcpu),
            Then::PayNext => self.pay_next(thread, vcpu),
            Then::PayPassDone(outcome) => self.payment_pass_done(thread, vcpu, outcome),
            Then::HighSlept => self.high_slept(thread, vcpu),
            Then::WriteEn => self.write_en(vcpu),
            Then::WriteAck => self.write_ack(vcpu),
            Then::SendCalls => {
                self.send_calls(vcpu);
                Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
            }
            Then::NotifyBalloon => self.balloon_notified(vcpu),
            Then::ClearEn => self.clear_en(vcpu),
            Then::RefusedEn => self.write_en_nowhere(vcpu),
            Then::LeaveSmm => self.leave_smm(vcpu),
            Then::ArmTimer => {
                self.write_deadline(vcpu);
                Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
            }
            other => unreachable!("{thread} is no worker, but is to do {other:?}"),
        }
    }
}
