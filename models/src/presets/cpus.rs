//! Processors: every number with its source, and how sure it is. A preset may be like another one: what
//! it does not say is taken from there, as an assumption.

use std::collections::BTreeMap;

use serde::Deserialize;
use sim_core::Frequency;

use super::files::builtin;
use crate::base::named::named;
use crate::config::costs::Costs;
use crate::config::{
    CpuConfig, PagingCaches, Replacement, SetFunction, TlbArray, TranslationConfig,
};

const FILES: [&str; 13] = [
    include_str!("data/westmere-2010.json"),
    include_str!("data/haswell-ep.json"),
    include_str!("data/skylake-sp.json"),
    include_str!("data/icelake-sp.json"),
    include_str!("data/sapphire-rapids.json"),
    include_str!("data/granite-rapids.json"),
    include_str!("data/zen2.json"),
    include_str!("data/zen3.json"),
    include_str!("data/zen4.json"),
    include_str!("data/zen5.json"),
    include_str!("data/lab-1gips.json"),
    include_str!("data/lab-1gips-traced.json"),
    include_str!("data/free.json"),
];

named! {
    /// How sure a number is.
    Certainty {
        /// Measured, on the part or one of its kind, by the source.
        Measured => "measured",
        /// What a manual, a data sheet or the part itself says, or true by definition.
        Documented => "documented",
        /// Computed from such figures.
        Derived => "derived",
        /// A published figure that was not read again for this preset.
        Recalled => "recalled",
        /// Nobody's figure.
        Assumption => "assumption",
    }
}

/// A value with its source, as the data files hold it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sourced<T> {
    value: T,
    certainty: Certainty,
    source: String,
}

/// One documented number of a preset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcedValue {
    /// Name of the parameter.
    pub name: String,
    /// Value as text, with its unit.
    pub value: String,
    /// How sure it is.
    pub certainty: Certainty,
    /// Where it comes from, or that it is an assumption.
    pub source: String,
}

/// A processor preset.
#[derive(Clone, Debug)]
pub struct CpuPreset {
    /// Name in scenario files.
    pub name: String,
    /// What it stands for.
    pub summary: String,
    /// The model.
    pub config: CpuConfig,
    /// Every number with its source.
    pub sources: Vec<SourcedValue>,
}

/// Lines of tables by level of the caches.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableLinesFile {
    l1: u32,
    l2: u32,
    l3: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CpuFile {
    name: String,
    /// The preset that says what this one does not.
    like: Option<String>,
    summary: String,
    frequency: Option<Sourced<String>>,
    l1_dtlb: Option<Sourced<Vec<TlbArray>>>,
    stlb: Option<Sourced<Vec<TlbArray>>>,
    paging_caches: Option<Sourced<PagingCaches>>,
    nested_tlb: Option<Sourced<u32>>,
    table_lines: Option<Sourced<TableLinesFile>>,
    vpid: Option<Sourced<bool>>,
    ept_accessed_dirty: Option<Sourced<bool>>,
    costs: BTreeMap<String, Sourced<String>>,
}

impl<T: Clone> Sourced<T> {
    /// The value for a processor that is like the one it belongs to.
    fn borrowed(&self, from: &str) -> Self {
        Self {
            value: self.value.clone(),
            certainty: Certainty::Assumption,
            source: format!("as {from}: {}", self.source),
        }
    }
}

impl CpuFile {
    fn read(text: &str) -> Self {
        builtin("processor", serde_json::from_str(text))
    }

    /// The file with all that it takes from the one that it is like.
    fn whole(mut self, all: &[Self]) -> Self {
        let Some(like) = self.like.take() else { return self };
        let found = all.iter().find(|file| file.name == like);
        let base: Self = builtin(&self.name, found.ok_or("it is like no preset")).clone();
        let base = base.whole(all);
        fn fill<T: Clone>(own: &mut Option<Sourced<T>>, base: &Option<Sourced<T>>, from: &str) {
            if own.is_none() {
                *own = base.as_ref().map(|value| value.borrowed(from));
            }
        }
        fill(&mut self.frequency, &base.frequency, &like);
        fill(&mut self.l1_dtlb, &base.l1_dtlb, &like);
        fill(&mut self.stlb, &base.stlb, &like);
        fill(&mut self.paging_caches, &base.paging_caches, &like);
        fill(&mut self.nested_tlb, &base.nested_tlb, &like);
        fill(&mut self.table_lines, &base.table_lines, &like);
        fill(&mut self.vpid, &base.vpid, &like);
        fill(&mut self.ept_accessed_dirty, &base.ept_accessed_dirty, &like);
        for (name, cost) in base.costs {
            self.costs.entry(name).or_insert_with(|| cost.borrowed(&like));
        }
        self
    }
}

/// Notes the sources of values, one after the other.
struct Sources<'a> {
    preset: &'a str,
    values: Vec<SourcedValue>,
}

impl Sources<'_> {
    /// A value of the file, whose source is noted.
    fn take<T>(&mut self, name: &str, value: Option<Sourced<T>>, text: impl Fn(&T) -> String) -> T {
        let Sourced { value, certainty, source } = builtin(self.preset, value.ok_or(name));
        self.values.push(SourcedValue {
            name: name.to_owned(),
            value: text(&value),
            certainty,
            source,
        });
        value
    }
}

/// An array in words.
fn array_text(array: &TlbArray) -> String {
    let TlbArray { entries, ways, sizes, sets, replacement } = array;
    let mut text = format!("{entries}/{ways} {}", sizes.words());
    if *sets != SetFunction::Linear {
        text = format!("{text} {}", sets.name());
    }
    if *replacement != Replacement::Lru {
        text = format!("{text} {}", replacement.name());
    }
    text
}

fn arrays_text(arrays: &[TlbArray]) -> String {
    let texts: Vec<String> = arrays.iter().map(array_text).collect();
    texts.join(", ")
}

fn preset(file: CpuFile) -> CpuPreset {
    let CpuFile { name, summary, .. } = &file;
    let (name, summary) = (name.clone(), summary.clone());
    let mut sources = Sources { preset: &name, values: Vec::new() };
    let frequency = sources.take("frequency", file.frequency, Clone::clone);
    let l1_dtlb = sources.take("l1_dtlb", file.l1_dtlb, |arrays| arrays_text(arrays));
    let stlb = sources.take("stlb", file.stlb, |arrays| arrays_text(arrays));
    let paging_caches = sources.take("paging_caches", file.paging_caches, |caches| {
        let PagingCaches { pml4e, pdpte, pde } = caches;
        format!("PML4E {pml4e}, PDPTE {pdpte}, PDE {pde}")
    });
    let nested_tlb = sources.take("nested_tlb", file.nested_tlb, u32::to_string);
    let lines = sources.take("table_lines", file.table_lines, |TableLinesFile { l1, l2, l3 }| {
        format!("{l1}, {l2}, {l3} lines")
    });
    let vpid = sources.take("vpid", file.vpid, bool::to_string);
    let ad = sources.take("ept_accessed_dirty", file.ept_accessed_dirty, bool::to_string);
    let mut costs = Costs::FREE;
    for (cost, value) in file.costs {
        let text = sources.take(&cost, Some(value), Clone::clone);
        builtin(&name, costs.set(&cost, &text));
    }
    let sources = sources.values;
    let translation = TranslationConfig {
        l1_dtlb,
        stlb,
        paging_caches,
        nested_tlb,
        table_lines: [lines.l1, lines.l2, lines.l3],
        vpid,
    };
    let config = CpuConfig {
        frequency: builtin(&name, frequency.parse::<Frequency>()),
        translation,
        ept_accessed_dirty: ad,
        costs,
    };
    CpuPreset { name, summary, config, sources }
}

/// All processor presets.
pub fn cpus() -> Vec<CpuPreset> {
    let files: Vec<CpuFile> = FILES.iter().map(|text| CpuFile::read(text)).collect();
    files.iter().map(|file| preset(file.clone().whole(&files))).collect()
}

/// The processor preset of that name.
pub fn cpu(name: &str) -> Option<CpuPreset> {
    cpus().into_iter().find(|preset| preset.name == name)
}

/// Names of the processor presets.
pub fn cpu_names() -> Vec<String> {
    FILES.iter().map(|text| CpuFile::read(text).name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_source() {
        for preset in cpus() {
            assert_eq!(preset.sources.len(), 8 + Costs::NAMES.len(), "{}", preset.name);
            for value in &preset.sources {
                assert!(value.source.len() > 3, "{} of {} has no source", value.name, preset.name);
            }
        }
    }

    #[test]
    fn what_a_preset_takes_from_another_one_is_an_assumption() {
        let zen5 = cpu("zen5").unwrap();
        let exit = zen5.sources.iter().find(|value| value.name == "exit_light").unwrap();
        assert_eq!(exit.certainty, Certainty::Assumption);
        assert!(exit.source.starts_with("as zen4: CPUID exit 1226 ns"), "{}", exit.source);
        assert_eq!(zen5.config.costs.exit_light, cpu("zen4").unwrap().config.costs.exit_light);
    }

    /// What the arrays of the model can be: sets are a power of two, and rules fit the ways.
    #[test]
    fn shapes_are_such_as_the_model_has() {
        for CpuPreset { name, config, .. } in cpus() {
            let TranslationConfig { l1_dtlb, stlb, paging_caches, nested_tlb, table_lines, .. } =
                config.translation;
            for array in l1_dtlb.iter().chain(&stlb) {
                assert!(array.is_sound(), "{name}: {array:?}");
            }
            assert!(table_lines.is_sorted(), "{name}");
            let PagingCaches { pml4e, pdpte, pde } = paging_caches;
            for entries in [pml4e, pdpte, pde, nested_tlb] {
                let sets = entries / 4;
                assert!(entries <= 4 || sets.is_power_of_two() && sets * 4 == entries, "{name}");
            }
        }
    }
}
