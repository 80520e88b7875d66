//! What a search of the protocol found, and what can be asked of it.

use std::collections::BTreeMap;

use models::apf::rules::{Generation, Mechanism, ResolvedBy, Rules, named_generation};
use models::apf::{Defect, invariants};
use models::base::invariant::InvariantId;
use models::explore::{
    Disturbance, Explored, Finding, Limit, Line, Product, Setup, Severity, checked,
};
use scenarios::run::checksum;
use serde_json::{Value, json};

use crate::page::{Page, Piece, WIDTH};
use crate::report::Report;

/// Version of the form of stored results.
pub const FORMAT: u64 = 3;

/// What tells a finding from others, from run to run: rules, invariant, what is wrong.
pub type FindingKey = (String, String, String);

/// Disturbances and defects, by name.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary;

impl Vocabulary {
    fn lists() -> [(&'static str, Vec<(String, String)>); 2] {
        let disturbance = |d: &Disturbance| {
            (d.name().to_owned(), format!("{} Bound for {}.", d.describes(), d.scope().name()))
        };
        let defect = |d: &Defect| (d.name().to_owned(), d.describes().to_owned());
        [
            ("Disturbances (--with)", Disturbance::ALL.iter().map(disturbance).collect()),
            ("Defects (--defect)", Defect::ALL.iter().map(defect).collect()),
        ]
    }
}

impl Report for Vocabulary {
    fn page(&self) -> Page {
        let block = |(title, entries): (&str, Vec<_>)| {
            vec![Piece::Line(title.to_owned()), Piece::Listing(entries, 2)]
        };
        Page::of(Self::lists().map(block))
    }

    fn object(&self) -> String {
        let list = |entries: &[(String, String)]| -> Value {
            let one = |(name, text): &(String, String)| json!({ "name": name, "describes": text });
            entries.iter().map(one).collect()
        };
        let [(_, disturbances), (_, defects)] = Self::lists();
        let value = json!({ "disturbances": list(&disturbances), "defects": list(&defects) });
        format!("{value:#}\n")
    }
}

/// A search and what it found.
#[derive(Debug)]
pub struct SearchReport<'a> {
    /// The world.
    pub setup: &'a Setup,
    /// What was found.
    pub explored: &'a Explored,
    /// Findings that are known.
    pub known: Vec<FindingKey>,
    /// In what the world of the baseline differs, which then excuses nothing.
    pub other_world: Vec<String>,
}

/// The fields of a stored result that say what was explored.
fn world(setup: &Setup) -> Vec<(&'static str, Value)> {
    let Setup { vcpus, tasks, pages, rules, .. } = *setup;
    let defects: Vec<&str> = setup.defects.iter().map(Defect::name).collect();
    let disturbances: Vec<String> =
        setup.budget.iter().map(|(which, times)| format!("{which}={times}")).collect();
    vec![
        ("rules", json!(rules.name)),
        ("set", json!(settings(&rules))),
        ("defects", json!(defects)),
        ("vcpus", json!(vcpus)),
        ("tasks", json!(tasks)),
        ("pages", json!(pages)),
        ("cap", json!(rules.cap)),
        ("ring", json!(rules.vmm_answers().then_some(rules.ring))),
        ("token_bits", json!(rules.token.id_bits)),
        ("first_vcpu", json!(rules.token.first_vcpu)),
        ("first_counter", json!(setup.first_counter)),
        ("notices", json!(setup.notices)),
        ("send_always", json!(setup.send_always)),
        ("irqchip", json!(setup.irqchip)),
        ("shadow", json!(setup.shadow)),
        ("disturbances", json!(disturbances)),
    ]
}

/// What the rules do otherwise than the generation whose name they have, because a release does or because
/// it was asked for. Tokens, cap and ring are part of the world.
fn settings(rules: &Rules) -> Vec<String> {
    let Some(usual) = named_generation(rules.name).map(Generation::rules) else {
        return Vec::new();
    };
    let own = [Mechanism::Token, Mechanism::Cap, Mechanism::Ring];
    let all = Mechanism::ALL.iter().filter(|mechanism| !own.contains(mechanism));
    let differs = all.filter(|&&mechanism| rules.get(mechanism) != usual.get(mechanism));
    differs.map(|&mechanism| format!("{}={}", mechanism.name(), rules.get(mechanism))).collect()
}

/// In what a stored result is of another world than this one.
pub fn other_world(setup: &Setup, stored: &Value) -> Vec<String> {
    let differs = |(name, here): (&str, Value)| {
        let there = &stored[name];
        (*there != here).then(|| format!("{name} {there}, here {here}"))
    };
    world(setup).into_iter().filter_map(differs).collect()
}

impl SearchReport<'_> {
    /// What tells a finding from others.
    fn key(&self, finding: &Finding) -> FindingKey {
        let Finding { kind, .. } = finding;
        (self.setup.rules.name.to_owned(), kind.id.to_string(), kind.what.to_owned())
    }

    /// Whether a finding is among those that are known.
    pub fn is_known(&self, finding: &Finding) -> bool {
        self.other_world.is_empty() && self.known.contains(&self.key(finding))
    }

    /// The world in a line.
    fn world(&self) -> String {
        let Setup { vcpus, tasks, pages, rules, .. } = *self.setup;
        let token = rules.token;
        let count = |number: u16, what: &str| {
            format!("{number} {what}{}", if number == 1 { "" } else { "s" })
        };
        let world = format!(
            "{}, {}{}, {}, cap {}, {}",
            count(vcpus, "vCPU"),
            count(tasks.into(), "task"),
            if vcpus == 1 { "" } else { " each" },
            count(pages.into(), "page"),
            rules.cap,
            count(token.id_bits.into(), "token bit")
        );
        let world = match rules.resolved_by {
            ResolvedBy::Ring => format!("{world}, ring of {}", rules.ring),
            _ => world,
        };
        let Setup { notices, send_always, irqchip, shadow, first_counter, .. } = *self.setup;
        let numbered = self.setup.numbered().then(|| {
            format!("vCPUs from {}, token counters from {first_counter}", token.first_vcpu)
        });
        let besides = [
            (!notices, "guests leave notifications off"),
            (send_always, "guests ask for notifications at CPL 0"),
            (!irqchip, "the local APIC is not in the host's kernel"),
            (shadow, "shadow page tables"),
        ];
        let besides = besides.into_iter().filter(|(there, _)| *there);
        let besides = numbered.into_iter().chain(besides.map(|(_, text)| text.to_owned()));
        besides.fold(world, |world, more| format!("{world}; {more}"))
    }

    /// The rules by their generation, and what is otherwise.
    fn rules(&self) -> String {
        let named = std::iter::once(self.setup.rules.name.to_owned());
        named.chain(settings(&self.setup.rules)).collect::<Vec<_>>().join(", ")
    }

    /// What the search is exhaustive about.
    fn followed(&self) -> &'static str {
        match (self.setup.vcpus, self.setup.whole) {
            (1, _) | (_, true) => "all vCPUs together",
            _ if self.setup.interchangeable() => "one vCPU, as all are alike, among the others",
            _ => "each vCPU in turn, among the others",
        }
    }

    /// The same as a number, if there is one.
    fn states_of_vm(&self) -> Option<u64> {
        let whole = self.setup.vcpus == 1 || self.setup.whole;
        match self.explored.product {
            Some(Product { states, .. }) => u64::try_from(states).ok(),
            None => whole.then_some(self.explored.states),
        }
    }

    /// The states of the VM that those of its vCPUs amount to.
    fn product(&self) -> String {
        match self.explored.product {
            Some(Product { states, unreached: 0 }) => format!("{states}"),
            Some(Product { states, unreached }) => {
                format!("{states}, in which {unreached} states of a vCPU do not occur")
            }
            None if self.setup.vcpus == 1 || self.setup.whole => self.explored.states.to_string(),
            None if self.explored.limit.is_some() => "unknown, as the search is bounded".to_owned(),
            None => "unknown (see docs/exploring.md)".to_owned(),
        }
    }

    fn disturbances(&self) -> Vec<String> {
        self.setup.budget.iter().map(|(which, times)| format!("{which}={times}")).collect()
    }

    /// What was found, and the way to it.
    fn finding(&self, finding: &Finding) -> Vec<Piece> {
        let known = if self.is_known(finding) { ", known" } else { "" };
        let head = (
            finding.kind.id.to_string(),
            format!(
                "{}{known}, after {} moves: {}. {}",
                finding.kind.severity.name(),
                finding.trace.moves,
                finding.kind.what,
                finding.detail
            ),
        );
        vec![Piece::Listing(vec![head], 0), Piece::Verbatim(finding.trace.chart(WIDTH))]
    }

    fn verdict(&self) -> String {
        let count = |severity| {
            let of = |finding: &&Finding| finding.kind.severity == severity;
            self.explored.findings.iter().filter(of).count()
        };
        let (bad, weak) = (count(Severity::Violation), count(Severity::Weakness));
        let part =
            if self.explored.limit.is_some() { ", in the part that was searched" } else { "" };
        let violations = if bad == 1 { "violation" } else { "violations" };
        let weaknesses = if weak == 1 { "weakness" } else { "weaknesses" };
        format!("{bad} {violations}, {weak} {weaknesses}{part}")
    }

    /// By invariant, what was found.
    fn verdicts(&self) -> Vec<(String, String)> {
        let mut verdicts: BTreeMap<InvariantId, &str> = BTreeMap::new();
        for invariant in invariants::all() {
            verdicts.insert(invariant.id, "holds");
        }
        for &id in checked() {
            verdicts.insert(id, "holds");
        }
        for finding in self.explored.findings.iter().rev() {
            verdicts.insert(finding.kind.id, finding.kind.severity.name());
        }
        let mut by_verdict: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (id, verdict) in verdicts {
            by_verdict.entry(verdict).or_default().push(id.to_string());
        }
        let line = |(verdict, ids): (&str, Vec<String>)| (verdict.to_owned(), ids.join(" "));
        by_verdict.into_iter().map(line).collect()
    }
}

impl Report for SearchReport<'_> {
    fn page(&self) -> Page {
        let Explored { states, transitions, depth, limit, findings, .. } = self.explored;
        let none = |list: String| if list.is_empty() { "none".to_owned() } else { list };
        let defects: Vec<&str> = self.setup.defects.iter().map(Defect::name).collect();
        let mut rows = vec![
            ("rules", self.rules()),
            ("defects", none(defects.join(", "))),
            ("world", self.world()),
            ("followed", self.followed().to_owned()),
            ("disturbances", none(self.disturbances().join(", "))),
            ("states", states.to_string()),
            ("of the VM", self.product()),
            ("transitions", transitions.to_string()),
            ("depth", depth.to_string()),
            ("search", limit_text(*limit).to_owned()),
        ];
        if !self.other_world.is_empty() {
            let text = format!(
                "of another world, so that it excuses nothing: {}",
                self.other_world.join("; ")
            );
            rows.push(("baseline", text));
        }
        rows.push(("verdict", self.verdict()));
        let rows: Vec<_> = rows.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        let mut blocks =
            vec![vec![Piece::Listing(rows, 0)], vec![Piece::Listing(self.verdicts(), 0)]];
        blocks.extend(findings.iter().map(|finding| self.finding(finding)));
        Page::of(blocks)
    }

    fn object(&self) -> String {
        let rules = self.setup.rules;
        let Explored { states, transitions, depth, limit, findings, .. } = self.explored;
        let finding = |finding: &Finding| {
            let line = |line: &Line| json!({ "who": line.actor.name(), "what": line.text });
            json!({
                "rules": rules.name,
                "invariant": finding.kind.id,
                "severity": finding.kind.severity.name(),
                "what": finding.kind.what,
                "detail": finding.detail,
                "known": self.is_known(finding),
                "moves": finding.trace.moves,
                "trace": finding.trace.lines.iter().map(line).collect::<Vec<_>>(),
            })
        };
        let mut value = json!({
            "format": FORMAT,
            "other_world": self.other_world,
            "states": states,
            "states_of_vm": self.states_of_vm(),
            "transitions": transitions,
            "depth": depth,
            "exhaustive": limit.is_none(),
            "search": limit_text(*limit),
            "followed": self.followed(),
            "verdicts": self.verdicts().into_iter().collect::<BTreeMap<_, _>>(),
            "findings": findings.iter().map(finding).collect::<Vec<_>>(),
        });
        for (name, field) in world(self.setup) {
            value[name] = field;
        }
        checksum::seal(&mut value);
        format!("{value:#}\n")
    }
}

fn limit_text(limit: Option<Limit>) -> &'static str {
    match limit {
        None => "exhaustive",
        Some(Limit::Depth) => "not exhaustive: ended by --depth",
        Some(Limit::States) => "not exhaustive: ended by --states",
        Some(Limit::Memory) => "not exhaustive: ended by --memory",
    }
}
