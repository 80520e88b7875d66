//! What an entry of the zoo consists of.

use models::apf::rules::{Rules, Setting, generation};
use models::apf::{Defect, Defects, Input};
use models::base::invariant::InvariantId;
use models::explore::{Budget, Disturbance, Setup, Shows};
use sim_core::SimDuration;

use crate::scenario::resolve::Scenario;

/// Which part of the zoo an entry belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// A mistake of KVM.
    Host,
    /// A mistake of the guest's kernel.
    Guest,
    /// A mistake between a kernel and a VMM that answers faults.
    Vmm,
    /// No mistake: it must not be taken for one.
    Control,
}

/// One entry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name in the table.
    pub id: &'static str,
    /// Which part of the zoo it belongs to.
    pub group: Group,
    /// The subject of the commit that mended it, or what it is called where there is none.
    pub subject: &'static str,
    /// That commit, the kernel that had it first, or who found it; and how sure that is.
    pub source: &'static str,
    /// What went wrong, and what people saw of it.
    pub story: &'static str,
    /// What must be noticed.
    pub expect: Expect,
    /// The world in which it is shown.
    pub exhibit: Exhibit,
    /// Kernels and defects that show it; of a control, none.
    pub wrong: &'static [Variant],
    /// Those that do not.
    pub right: &'static [Variant],
}

impl Entry {
    /// Whether it takes seconds rather than a fraction of one.
    pub fn is_slow(&self) -> bool {
        match self.exhibit {
            Exhibit::Explore(world, _) => world.pages > 2,
            Exhibit::Schedule(..) | Exhibit::Simulate(..) => false,
        }
    }
}

/// What must come of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Expect {
    /// The invariant that notices it; none for a control.
    pub invariant: Option<InvariantId>,
    /// Invariants that this world breaks under the right variants too, for reasons that have
    /// nothing to do with the entry.
    pub besides: &'static [InvariantId],
    /// A remark: why these, or what the world leaves out.
    pub remark: &'static str,
}

impl Expect {
    /// This invariant, and nothing else is wrong in the world.
    pub(super) const fn only(invariant: InvariantId) -> Self {
        Self { invariant: Some(invariant), besides: &[], remark: "" }
    }

    /// Nothing at all.
    pub(super) const NOTHING: Self = Self { invariant: None, besides: &[], remark: "" };

    pub(super) const fn besides(self, besides: &'static [InvariantId]) -> Self {
        Self { besides, ..self }
    }

    pub(super) const fn remark(self, remark: &'static str) -> Self {
        Self { remark, ..self }
    }
}

impl Exhibit {
    /// The world in words.
    pub fn world(&self) -> String {
        match self {
            Self::Explore(world, _) | Self::Schedule(world, ..) => world.name(),
            Self::Simulate(text, _) => Scenario::from_str("zoo", text).map_or_else(
                |error| error.render(),
                |scenario| format!("a run of {}: {}", scenario.name, scenario.title),
            ),
        }
    }
}

/// How an entry is shown.
#[derive(Clone, Copy, Debug)]
pub enum Exhibit {
    /// Every schedule of a small world. Of a control, the step that it is about.
    Explore(World, Option<Shows>),
    /// One schedule of a vCPU. Of a control, the step that it is about.
    Schedule(World, &'static [Input], Option<Shows>),
    /// A run of this scenario, held against one in which every fault is synchronous.
    Simulate(&'static str, Slow),
}

/// What is slower than it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// A page ready comes later than a synchronous fault would have taken.
    ReadyLate {
        /// What it may cost.
        bound: SimDuration,
    },
    /// Most faults are synchronous although nothing speaks against the other way.
    Synchronous,
}

/// A kernel, with a mistake or without.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// The generation.
    pub rules: &'static str,
    /// What is done otherwise.
    pub set: &'static [Setting],
    /// What is done wrong.
    pub defects: &'static [Defect],
    /// Bits of the token counter, where that is what is varied.
    pub token_bits: Option<u8>,
    /// What happens besides, where that is what is varied.
    pub with: &'static [(Disturbance, u8)],
}

impl Variant {
    /// A generation as it was.
    pub(super) const fn of(rules: &'static str) -> Self {
        Self { rules, set: &[], defects: &[], token_bits: None, with: &[] }
    }

    pub(super) const fn defect(self, defects: &'static [Defect]) -> Self {
        Self { defects, ..self }
    }

    pub(super) const fn set(self, set: &'static [Setting]) -> Self {
        Self { set, ..self }
    }

    pub(super) const fn token_bits(self, bits: u8) -> Self {
        Self { token_bits: Some(bits), ..self }
    }

    pub(super) const fn with(self, with: &'static [(Disturbance, u8)]) -> Self {
        Self { with, ..self }
    }

    /// The rules meant, if the generation exists.
    pub fn rules(&self) -> Option<Rules> {
        let mut rules = generation(self.rules)?;
        self.set.iter().for_each(|setting| setting.apply(&mut rules));
        Some(rules)
    }

    /// The defects meant.
    pub fn defects(&self) -> Defects {
        self.defects.iter().copied().collect()
    }

    /// The variant in words: `v6.19, token-zero`.
    pub fn name(&self) -> String {
        let mut parts = vec![self.rules.to_owned()];
        parts.extend(self.defects.iter().map(|defect| defect.name().to_owned()));
        let setting = |setting: &Setting| format!("{}={setting}", setting.mechanism().name());
        parts.extend(self.set.iter().map(setting));
        parts.extend(self.token_bits.map(|bits| counted(bits.into(), "token bit")));
        parts.extend(self.with.iter().map(|(which, _)| format!("with {which}")));
        parts.join(", ")
    }
}

/// A small world, without the kernel in it.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// vCPUs, all of them followed.
    pub vcpus: u16,
    /// Tasks of each vCPU.
    pub tasks: u8,
    /// Pages, each touched once by each task.
    pub pages: u8,
    /// Items that a vCPU may have outstanding.
    pub cap: u32,
    /// Entries of a ring between kernel and VMM.
    pub ring: u32,
    /// Bits of the token counter.
    pub token_bits: u8,
    /// Whether the guest switches notices on.
    pub notices: bool,
    /// Whether it asks for notices at CPL 0.
    pub send_always: bool,
    /// Whether the local APIC is in the host kernel.
    pub irqchip: bool,
    /// Whether the host mirrors the guest's page tables.
    pub shadow: bool,
    /// What happens besides, how often at most.
    pub with: &'static [(Disturbance, u8)],
}

impl World {
    /// One vCPU, two tasks, two pages, undisturbed.
    pub(super) const TWO_TASKS: Self = Self {
        vcpus: 1,
        tasks: 2,
        pages: 2,
        cap: 2,
        ring: 2,
        token_bits: 2,
        notices: true,
        send_always: false,
        irqchip: true,
        shadow: false,
        with: &[],
    };
    /// One vCPU, one task, two pages.
    pub(super) const ONE_TASK: Self = Self { tasks: 1, ..Self::TWO_TASKS };

    pub(super) const fn with(self, with: &'static [(Disturbance, u8)]) -> Self {
        Self { with, ..self }
    }

    /// The world to explore; none if there is no such generation.
    pub(super) fn setup(&self, variant: &Variant) -> Option<Setup> {
        let bits = variant.token_bits.unwrap_or(self.token_bits);
        let narrowed = Setup::new(variant.rules()?, variant.defects(), bits);
        let all = self.with.iter().chain(variant.with);
        let budget =
            all.fold(Budget::default(), |budget, &(which, times)| budget.with(which, times));
        Some(Setup {
            rules: Rules { cap: self.cap, ring: self.ring, ..narrowed.rules },
            vcpus: self.vcpus,
            whole: true,
            tasks: self.tasks,
            pages: self.pages,
            notices: self.notices,
            send_always: self.send_always,
            irqchip: self.irqchip,
            shadow: self.shadow,
            budget,
            ..narrowed
        })
    }

    /// The world in words.
    pub fn name(&self) -> String {
        let each = if self.vcpus > 1 { " each" } else { "" };
        let mut parts = vec![
            counted(self.vcpus.into(), "vCPU"),
            counted(self.tasks.into(), "task") + each,
            counted(self.pages.into(), "page"),
            format!("cap {}", self.cap),
            counted(self.token_bits.into(), "token bit"),
        ];
        if self.ring != Self::TWO_TASKS.ring {
            parts.push(format!("ring {}", self.ring));
        }
        let flags = [
            (!self.notices, "notices off"),
            (self.send_always, "send-always"),
            (!self.irqchip, "no local APIC in the kernel"),
            (self.shadow, "shadow paging"),
        ];
        parts.extend(flags.iter().filter(|(on, _)| *on).map(|(_, name)| (*name).to_owned()));
        let with = self.with.iter().map(|(which, times)| match times {
            1 => format!("with {which}"),
            times => format!("with {which}={times}"),
        });
        parts.extend(with);
        parts.join(", ")
    }
}

/// `1 page`, `2 pages`.
fn counted(number: u32, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The first line of a log, which says what `apfsim check` must know.
pub(super) fn remark(variant: &Variant) -> String {
    let name = variant.name().replace(' ', "");
    format!("run=zoo policy={name} rules={} apfsim={}", variant.rules, crate::version::VERSION)
}
