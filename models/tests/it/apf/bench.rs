//! A vCPU on the bench: short hand for driving the protocol by hand.

use models::apf::rules::{Drain, PageReady, Rules, generation};
use models::apf::{
    Apf, Decision, Defect, Defects, Effect, Effects, GuestInput, HostInput, Input, VcpuView,
    WaitContext, invariants,
};
use models::base::abi::{CALLBACK, EN_ENABLED, EN_INTERRUPT};
use models::base::ids::{Gfn, Gva, Hva, ItemId, TaskId, Token, VcpuId, WorkerId};
use models::base::invariant::InvariantId;
use models::base::record::Event;

/// Notices on.
pub(crate) const EN: u64 = EN_ENABLED;
/// Notices on, page ready as interrupt.
pub(crate) const EN_INT: u64 = EN_ENABLED | EN_INTERRUPT;
/// The vector of page ready.
pub(crate) const READY: u64 = CALLBACK as u64;

pub(crate) const VCPU: VcpuId = VcpuId(0);

pub(crate) struct Bench {
    pub(crate) apf: Apf,
}

impl Bench {
    pub(crate) fn new(vcpus: u16, rules: Rules, defects: Defects) -> Self {
        Self { apf: Apf::new(vcpus, rules, defects) }
    }

    /// What a guest of these rules writes to EN.
    pub(crate) fn en(&self) -> u64 {
        match self.apf.rules.page_ready {
            PageReady::Exception => EN,
            PageReady::Interrupt => EN_INT,
        }
    }

    /// One input of the host, with what follows of itself.
    pub(crate) fn host(&mut self, input: HostInput) -> Effects {
        let mut effects = Effects::new();
        self.apf.step(Input::Host(input), &mut effects);
        let more = self.finish(&effects);
        effects.extend(more);
        effects
    }

    /// The sections that follow, workers that are waited for included.
    pub(crate) fn finish(&mut self, effects: &Effects) -> Effects {
        let mut all = Effects::new();
        let mut last = effects.clone();
        while last.last() == Some(&Effect::Decide(Decision::Continue)) {
            for effect in &last {
                if let &Effect::WaitWorker { item } = effect {
                    if self.apf.vcpu(VCPU).operation.is_none() {
                        // The VM's end, which the caller goes on with.
                        return all;
                    }
                    self.work_on(item);
                }
            }
            last.clear();
            let input = HostInput::Advance { vcpu: VCPU, view: VcpuView::USER };
            self.apf.host_step(input, &mut last);
            all.extend(&last);
        }
        all
    }

    pub(crate) fn guest(&mut self, input: GuestInput) -> Effects {
        let mut effects = Effects::new();
        self.apf.step(Input::Guest(input), &mut effects);
        effects
    }

    /// Notices on, and the wake-all of that delivered and taken.
    pub(crate) fn enable(&mut self, value: u64) {
        self.enable_without_wake_all(value);
    }

    pub(crate) fn enable_without_wake_all(&mut self, value: u64) {
        let wake_all = std::mem::replace(&mut self.apf.rules.wake_all_on_enable, false);
        if value == EN_INT {
            self.host(HostInput::WriteInt { vcpu: VCPU, value: READY });
        }
        self.host(HostInput::WriteEn { vcpu: VCPU, value });
        self.guest(GuestInput::SetEnabled { vcpu: VCPU, on: true });
        self.apf.rules.wake_all_on_enable = wake_all;
    }

    pub(crate) fn try_only(&mut self, view: VcpuView, gfn: u64) -> Effects {
        let (gva, gfn, hva) = (Gva(gfn << 12), Gfn(gfn), Hva(gfn << 12));
        let input = HostInput::Try { vcpu: VCPU, view, gva, gfn, hva, failure: None };
        let mut effects = Effects::new();
        self.apf.host_step(input, &mut effects);
        effects
    }

    /// A fault with all sections of its setup.
    pub(crate) fn fault(&mut self, view: VcpuView, gfn: u64) -> Effects {
        let mut all = self.try_only(view, gfn);
        while all.last() == Some(&Effect::Decide(Decision::Continue)) {
            self.apf.host_step(HostInput::Advance { vcpu: VCPU, view }, &mut all);
        }
        all
    }

    /// An input that begins a setup, with all its sections; the pool may refuse the work.
    pub(crate) fn start(&mut self, input: HostInput, refused: bool) {
        let mut effects = Effects::new();
        self.apf.host_step(input, &mut effects);
        if refused && self.apf.can_refuse_work(VCPU) {
            self.apf.host_step(HostInput::RefuseWork { vcpu: VCPU }, &mut effects);
        }
        self.finish(&effects);
    }

    pub(crate) fn newest(&self) -> ItemId {
        *self.apf.vcpu(VCPU).queue.last().expect("an item is outstanding")
    }

    pub(crate) fn newest_token(&self) -> Token {
        self.apf.host.items.item(self.newest()).token
    }

    pub(crate) fn fetch(&mut self, item: ItemId) {
        self.host(HostInput::WorkerStart { item, worker: WorkerId(0) });
        self.host(HostInput::WorkerFetched { item });
    }

    pub(crate) fn fail(&mut self, item: ItemId) {
        self.host(HostInput::WorkerStart { item, worker: WorkerId(0) });
        self.host(HostInput::WorkerFailed { item });
    }

    /// One section of a worker.
    pub(crate) fn work(&mut self, item: ItemId) -> Effects {
        self.host(HostInput::WorkerAdvance { item })
    }

    /// All sections that a worker has left.
    pub(crate) fn work_on(&mut self, item: ItemId) {
        use models::apf::item::WorkStage;
        while let Some(work) = self.apf.host.items.work(item).copied() {
            match work.stage {
                WorkStage::Queued => self.fetch(item),
                WorkStage::Fetching => drop(self.host(HostInput::WorkerFetched { item })),
                _ => drop(self.work(item)),
            }
        }
    }

    pub(crate) fn work_all(&mut self) {
        let works: Vec<ItemId> = self.apf.host.items.works().map(|(item, _)| item).collect();
        for item in works {
            self.work_on(item);
        }
    }

    /// A fault whose page comes.
    pub(crate) fn complete(&mut self, view: VcpuView, gfn: u64) {
        self.fault(view, gfn);
        self.host(HostInput::Inject { vcpu: VCPU });
        self.guest(GuestInput::PfEntry { vcpu: VCPU });
        self.work_all();
    }

    /// What the run loop does about completed items, at the end of a turn or at the next entry.
    pub(crate) fn scan(&mut self) -> Effects {
        self.scan_as(VcpuView::USER)
    }

    pub(crate) fn scan_as(&mut self, view: VcpuView) -> Effects {
        let mut all = Effects::new();
        if self.apf.rules.drain == Drain::AllOnRequestAndAck {
            // A halt comes first, and is ended by the completed item.
            for _ in 0..2 {
                if !self.apf.may_check_completion(VCPU) {
                    all.extend(self.host(HostInput::Requests { vcpu: VCPU }));
                }
            }
            if !self.apf.may_check_completion(VCPU) {
                return all;
            }
        }
        all.extend(self.drain(view));
        all
    }

    /// Looks for completed items although nobody asked.
    pub(crate) fn request_scan(&mut self) {
        self.drain(VcpuView::USER);
    }

    fn drain(&mut self, view: VcpuView) -> Effects {
        let mut all = Effects::new();
        loop {
            let effects = self.host(HostInput::CheckCompletion { vcpu: VCPU, view });
            let popped = effects.iter().any(|e| matches!(e, Effect::Popped { .. }));
            all.extend(effects);
            if !popped {
                return all;
            }
            let effects = self.host(HostInput::Deliver { vcpu: VCPU, view });
            let more = effects.contains(&Effect::DrainMore);
            all.extend(effects);
            if !more {
                return all;
            }
        }
    }

    /// The guest takes not present and its task sleeps.
    pub(crate) fn sleep(&mut self, token: Token) {
        self.host(HostInput::Inject { vcpu: VCPU });
        self.guest(GuestInput::PfEntry { vcpu: VCPU });
        self.guest(GuestInput::WaitLink { vcpu: VCPU, task: TaskId(token.0), token });
    }

    /// The guest takes a page ready interrupt and acknowledges it; the host looks for more.
    pub(crate) fn take_ready(&mut self) {
        self.host(HostInput::InjectInterrupt { vcpu: VCPU });
        self.guest(GuestInput::ReadyEoi { vcpu: VCPU });
        for effect in self.guest(GuestInput::ReadyRead { vcpu: VCPU }) {
            if let Effect::Slot(token) = effect {
                let effects = self.guest(GuestInput::Wake { vcpu: VCPU, token });
                if effects.contains(&Effect::AllocateDummy) {
                    self.guest(GuestInput::WakeInsert { vcpu: VCPU, token });
                }
            }
        }
        self.guest(GuestInput::ReadyClear { vcpu: VCPU });
        self.host(HostInput::WriteAck { vcpu: VCPU, value: 1 });
        self.drain(VcpuView::USER);
    }

    /// The VMM gives the VM up while a worker is about to end.
    pub(crate) fn last_reference_in_a_worker(&mut self) {
        use models::apf::host::Life;
        self.enable(self.en());
        self.fault(VcpuView::USER, 1);
        let item = self.newest();
        self.fetch(item);
        self.work(item);
        self.host(HostInput::Destroy);
        while self.apf.host.items.work(item).is_some() {
            if matches!(self.apf.host.life, Life::Destroying(Some(_)) | Life::Destroyed) {
                return;
            }
            self.work(item);
        }
        if self.apf.host.life == Life::Destroying(None) {
            self.host(HostInput::Destroy);
        }
    }

    /// Whether a task that was told not present in this context is scheduled away.
    pub(crate) fn sleeps_in(&mut self, ctx: WaitContext) -> bool {
        let (token, task) = (Token(9), TaskId(1));
        self.guest(GuestInput::WaitLink { vcpu: VCPU, task, token });
        let test = GuestInput::WaitTest { vcpu: VCPU, task, token, ctx };
        self.guest(test).contains(&Effect::Sleep)
    }

    pub(crate) fn violates(&self, id: InvariantId) -> bool {
        invariants::violations(&self.apf).iter().any(|violation| violation.id == id)
    }
}

pub(crate) const OTHER: VcpuId = VcpuId(1);
pub(crate) const USER: VcpuView = VcpuView::USER;
pub(crate) const CLOSED: VcpuView = VcpuView { interrupts_on: false, ..USER };

pub(crate) fn rules(name: &str) -> Rules {
    generation(name).expect("a known generation")
}

pub(crate) fn bench(name: &str) -> Bench {
    Bench::new(1, rules(name), Defects::none())
}

pub(crate) fn with(name: &str, defect: Defect) -> Bench {
    Bench::new(1, rules(name), Defects::none().with(defect))
}

/// Notices on, as a guest of these rules switches them on.
pub(crate) fn enabled(name: &str) -> Bench {
    let mut b = bench(name);
    b.enable(b.en());
    b
}

/// One input and what it does, without what would follow of itself.
pub(crate) fn step(b: &mut Bench, input: HostInput) -> Effects {
    let mut effects = Effects::new();
    b.apf.step(Input::Host(input), &mut effects);
    effects
}

pub(crate) fn goes_async(effects: &Effects) -> bool {
    effects.contains(&Effect::Decide(Decision::Continue))
}

pub(crate) fn msr_writes(effects: &Effects, register: u32) -> Vec<u64> {
    let write = |effect: &Effect| match *effect {
        Effect::Emit(Event::KvmMsrWrite { ecx, data, .. }) if ecx == register => Some(data),
        _ => None,
    };
    effects.iter().filter_map(write).collect()
}

/// Whether a user fault is told to the guest rather than ending in a halt.
pub(crate) fn is_told(b: &mut Bench, view: VcpuView) -> bool {
    b.fault(view, 1);
    !b.apf.vcpu(VCPU).pending.is_empty()
}
