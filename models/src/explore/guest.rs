//! Moves of guests: handlers, waiting tasks, scripts.

use crate::apf::{Effect, Effects, GuestInput, HostInput, Input};
use crate::base::abi::{ACK_PAGE_READY, CALLBACK};
use crate::base::ids::{TaskId, Token, VcpuId};
use crate::base::record::ApfReason;

use super::check::{self, Log, kinds};
use super::script::{Script, Step};
use super::setup::Setup;
use super::world::{At, Frame, Halting, Handler, Stage, Task, Then, World, pages_mask};

/// An address at which no guest has memory.
const NOWHERE: u64 = 1 << 60;

impl World {
    pub(super) fn go_in_guest(&mut self, vcpu: VcpuId, setup: &Setup, log: &mut Log) {
        if self.apf.vcpu(vcpu).smm {
            let effects = self.host(vcpu, HostInput::LeaveSmm { vcpu }, log);
            self.cpu_mut(vcpu).kicked = false;
            self.follow(vcpu, Then::Top, &effects);
        } else if let Some(handler) = self.cpu(vcpu).handler {
            self.handle(vcpu, handler, true, log);
        } else if let Some(frame) = self.cpu(vcpu).frame {
            self.go_in_frame(vcpu, frame, log);
        } else if let Some((script, at)) = self.cpu(vcpu).script {
            self.go_in_script(vcpu, (script, at), true, setup, log);
        }
    }

    fn guest(&mut self, vcpu: VcpuId, input: GuestInput, log: &mut Log) -> Effects {
        let effects = self.input(vcpu, Input::Guest(input), log);
        for effect in &effects {
            match *effect {
                Effect::WakeTask { task, vcpu } => self.wake(vcpu, task),
                Effect::StackNodeFreed { .. } => {}
                _ => {}
            }
        }
        effects
    }

    fn wake(&mut self, vcpu: VcpuId, id: TaskId) {
        if let Some(task) = Self::task_of(vcpu, id) {
            self.cpu_mut(vcpu).tasks[usize::from(task)].sleeps = false;
        }
    }

    /// The next section of a handler; `memory` says whether there is memory for a dummy.
    pub(super) fn handle(&mut self, vcpu: VcpuId, handler: Handler, memory: bool, log: &mut Log) {
        let Handler { stage, token } = handler;
        let next = match stage {
            Stage::Word => self.read_word(vcpu, log),
            Stage::Link => self.link(vcpu, token, log),
            Stage::Test => return self.test(vcpu, token, log),
            Stage::Wake | Stage::ReadyWake => self.wake_by(vcpu, (stage, token), memory, log),
            Stage::Insert | Stage::ReadyInsert => {
                self.guest(vcpu, GuestInput::WakeInsert { vcpu, token }, log);
                (stage == Stage::ReadyInsert).then_some((Stage::Clear, Token::NONE))
            }
            Stage::Eoi => {
                self.guest(vcpu, GuestInput::ReadyEoi { vcpu }, log);
                Some((Stage::Read, Token::NONE))
            }
            Stage::Read => {
                let effects = self.guest(vcpu, GuestInput::ReadyRead { vcpu }, log);
                effects.iter().find_map(|effect| match *effect {
                    Effect::Slot(token) => Some((Stage::ReadyWake, token)),
                    _ => None,
                })
            }
            Stage::Clear => {
                self.guest(vcpu, GuestInput::ReadyClear { vcpu }, log);
                if self.apf.vcpu(vcpu).lapic.in_service.is_some() {
                    log.find(kinds::EOI, || format!("{vcpu}"));
                }
                Some((Stage::Ack, Token::NONE))
            }
            Stage::Ack => return self.acknowledge(vcpu, log),
        };
        self.cpu_mut(vcpu).handler = next.map(|(stage, token)| Handler { stage, token });
        self.forget_task(vcpu);
    }

    /// What no handler needs any more makes no difference between states.
    fn forget_task(&mut self, vcpu: VcpuId) {
        let cpu = self.cpu_mut(vcpu);
        if cpu.handler.is_none() {
            cpu.task = None;
        }
    }

    fn read_word(&mut self, vcpu: VcpuId, log: &mut Log) -> Option<(Stage, Token)> {
        let injected = self.apf.guest.cr2[vcpu.index()].map(|notice| notice.token);
        let before = self.injected_token(vcpu);
        let effects = self.guest(vcpu, GuestInput::PfEntry { vcpu }, log);
        check::cr2(before, &effects, log);
        let token = injected.unwrap_or_default();
        for effect in &effects {
            match effect {
                Effect::Word(ApfReason::NotPresent) => return Some((Stage::Link, token)),
                Effect::Word(ApfReason::Ready) => return Some((Stage::Wake, token)),
                _ => {}
            }
        }
        log.find(kinds::ORDINARY, || format!("{vcpu}: token {token}"));
        None
    }

    /// The token that was in CR2 when the exception was injected; kept in the handler while a
    /// tracer may change CR2.
    fn injected_token(&self, vcpu: VcpuId) -> Option<Token> {
        let kept = self.cpu(vcpu).handler.map(|handler| handler.token);
        kept.filter(|&token| token != Token::NONE)
    }

    fn link(&mut self, vcpu: VcpuId, token: Token, log: &mut Log) -> Option<(Stage, Token)> {
        let Some(task) = self.cpu(vcpu).task else {
            // Nobody of this world's tasks faulted: the idle task would wait.
            self.cpu_mut(vcpu).at = At::Dead;
            return None;
        };
        let task = Self::task_id(vcpu, task);
        let effects = self.guest(vcpu, GuestInput::WaitLink { vcpu, task, token }, log);
        effects.contains(&Effect::Linked).then_some((Stage::Test, token))
    }

    /// The test of a waiting task, in its handler or after its HLT.
    fn test(&mut self, vcpu: VcpuId, token: Token, log: &mut Log) {
        let waiting = self.cpu(vcpu).frame.map(|frame| frame.task).or(self.cpu(vcpu).task);
        let Some(task) = waiting else { return };
        let ctx = self.cpu(vcpu).tasks[usize::from(task)].context.wait();
        let id = Self::task_id(vcpu, task);
        let effects = self.guest(vcpu, GuestInput::WaitTest { vcpu, task: id, token, ctx }, log);
        let cpu = self.cpu_mut(vcpu);
        cpu.handler = None;
        cpu.task = None;
        cpu.frame = None;
        for effect in &effects {
            match effect {
                Effect::Sleep => {
                    self.cpu_mut(vcpu).tasks[usize::from(task)].sleeps = true;
                    check::sleep(vcpu, ctx, log);
                }
                Effect::OpenWindow => {
                    let frame = Frame { task, token, halting: Halting::Window };
                    self.cpu_mut(vcpu).frame = Some(frame);
                }
                Effect::HaltGuest => self.halt_in(vcpu, task, token, log),
                Effect::GuestPanic { .. } => self.cpu_mut(vcpu).at = At::Dead,
                _ => {}
            }
        }
    }

    fn halt_in(&mut self, vcpu: VcpuId, task: u8, token: Token, log: &mut Log) {
        self.cpu_mut(vcpu).frame = Some(Frame { task, token, halting: Halting::InHlt });
        self.hlt(vcpu, log);
    }

    fn go_in_frame(&mut self, vcpu: VcpuId, frame: Frame, log: &mut Log) {
        let Frame { task, token, halting } = frame;
        match halting {
            Halting::InHlt => self.test(vcpu, token, log),
            Halting::Window => {
                let id = Self::task_id(vcpu, task);
                self.guest(vcpu, GuestInput::WaitHlt { vcpu, task: id, token }, log);
                self.halt_in(vcpu, task, token, log);
            }
        }
    }

    fn wake_by(
        &mut self,
        vcpu: VcpuId,
        (stage, token): (Stage, Token),
        memory: bool,
        log: &mut Log,
    ) -> Option<(Stage, Token)> {
        let input = match memory {
            true => GuestInput::Wake { vcpu, token },
            false => GuestInput::WakeNoMemory { vcpu, token },
        };
        let effects = self.guest(vcpu, input, log);
        let by_interrupt = stage == Stage::ReadyWake;
        if effects.contains(&Effect::WakeAgain) {
            Some((stage, token))
        } else if effects.contains(&Effect::AllocateDummy) {
            Some((if by_interrupt { Stage::ReadyInsert } else { Stage::Insert }, token))
        } else {
            by_interrupt.then_some((Stage::Clear, Token::NONE))
        }
    }

    fn acknowledge(&mut self, vcpu: VcpuId, log: &mut Log) {
        let effects = self.host(vcpu, HostInput::WriteAck { vcpu, value: ACK_PAGE_READY }, log);
        let cpu = self.cpu_mut(vcpu);
        cpu.handler = None;
        cpu.task = None;
        cpu.kicked = false;
        if effects.contains(&Effect::GpFault) {
            log.find(kinds::ACK, || format!("{vcpu}"));
        }
        let scans = effects.contains(&Effect::Scan);
        self.cpu_mut(vcpu).at = if scans { At::Look(Then::Top) } else { self.after_exit(vcpu) };
    }

    /// `memory` says whether a wake-all can be allocated.
    pub(super) fn go_in_script(
        &mut self,
        vcpu: VcpuId,
        (script, at): (Script, u8),
        memory: bool,
        setup: &Setup,
        log: &mut Log,
    ) {
        let steps = script.steps();
        let next = at + 1;
        let left = usize::from(next) < steps.len();
        let step = steps[usize::from(at)];
        self.cpu_mut(vcpu).script = left.then_some((script, next));
        let input = match step {
            Step::Teardown(takeover) => {
                let effects = self.guest(vcpu, GuestInput::Teardown { vcpu, takeover }, log);
                let written = effects.iter().find_map(|effect| match *effect {
                    Effect::WritesEn { value } => Some(value),
                    _ => None,
                });
                let Some(value) = written else { return };
                HostInput::WriteEn { vcpu, value }
            }
            Step::Restart => {
                self.guest(vcpu, GuestInput::Restart, log);
                self.end_tasks(vcpu, setup);
                return;
            }
            Step::Interrupts(_) => return,
            Step::Note(on) => {
                self.guest(vcpu, GuestInput::SetEnabled { vcpu, on }, log);
                return;
            }
            Step::WakeOwn => {
                self.guest(vcpu, GuestInput::WakeOwn { vcpu }, log);
                return;
            }
            Step::WriteInt => {
                self.guest(vcpu, GuestInput::BeforeEnable { vcpu }, log);
                if !setup.has_vector() {
                    return;
                }
                HostInput::WriteInt { vcpu, value: CALLBACK.into() }
            }
            Step::WriteEn if !memory => HostInput::WriteEnNoMemory { vcpu, value: setup.en() },
            Step::WriteEn => HostInput::WriteEn { vcpu, value: setup.en() },
            Step::WriteEnNowhere => HostInput::WriteEn { vcpu, value: setup.en() | NOWHERE },
            Step::WriteEnZero => HostInput::WriteEn { vcpu, value: 0 },
            Step::Paging(on) => HostInput::SetPaging { vcpu, on },
            Step::Reset => HostInput::Reset { vcpu },
            Step::LapicOn => HostInput::SetLapic { vcpu, enabled: true },
        };
        self.cpu_mut(vcpu).kicked = false;
        let effects = self.host(vcpu, input, log);
        if step == Step::Reset {
            self.cpu_mut(vcpu).frame = None;
        }
        self.follow(vcpu, Then::Top, &effects);
    }

    /// The tasks of a kernel that is no more.
    fn end_tasks(&mut self, vcpu: VcpuId, setup: &Setup) {
        let cpu = self.cpu_mut(vcpu);
        (cpu.handler, cpu.frame, cpu.task) = (None, None, None);
        let through = Task { touched: pages_mask(setup.pages), ..Task::default() };
        cpu.tasks.fill(through);
    }

    /// What the VMM writes when it restores a vCPU.
    pub(super) fn restore_registers(
        &mut self,
        vcpu: VcpuId,
        (vector, en): (u8, u64),
        memory: bool,
        log: &mut Log,
    ) {
        if vector != 0 {
            self.host(vcpu, HostInput::WriteInt { vcpu, value: vector.into() }, log);
        }
        if en == 0 {
            return;
        }
        let input = match memory {
            true => HostInput::WriteEn { vcpu, value: en },
            false => HostInput::WriteEnNoMemory { vcpu, value: en },
        };
        let mut effects = self.host(vcpu, input, log);
        while effects.last() == Some(&Effect::Decide(crate::apf::Decision::Continue)) {
            let view = crate::apf::VcpuView::USER;
            effects = self.host(vcpu, HostInput::Advance { vcpu, view }, log);
        }
    }
}
