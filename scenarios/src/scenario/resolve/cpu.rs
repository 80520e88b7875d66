//! The processor: a preset and what differs from it.

use models::base::page_size::{PageSize, PageSizes};
use models::config::costs::{CostError, Costs};
use models::config::{CpuConfig, PagingCaches, TlbArray, TranslationConfig};
use models::presets;

use super::at::At;
use crate::scenario::file::{CpuFile, CpuRef, HostFile, PagingCachesFile, TableLinesFile, TlbFile};
use crate::syntax::error::ScenarioError;

pub(super) fn cpu(at: &At<'_>, file: &HostFile) -> Result<CpuConfig, ScenarioError> {
    let cpu_at = at.field("cpu");
    let mut cpu = match &file.cpu {
        CpuRef::Name(name) => preset(&cpu_at, name)?,
        CpuRef::Preset(changes) => {
            let mut cpu = preset(&cpu_at.field("preset"), &changes.preset)?;
            if let Some(rate) = changes.frequency {
                if !(1_000_000..=100_000_000_000).contains(&rate.0.hz()) {
                    let message = format!("{rate} is out of range");
                    return Err(cpu_at.field("frequency").fail(message, "from 1MHz to 100GHz"));
                }
                cpu.frequency = rate.0;
            }
            if let Some(shape) = changes.l1_dtlb {
                let at = cpu_at.field("l1_dtlb");
                set_shape(&mut cpu.translation.l1_dtlb, tlb(&at, shape)?);
            }
            if let Some(shape) = changes.stlb {
                set_shape(&mut cpu.translation.stlb, tlb(&cpu_at.field("stlb"), shape)?);
            }
            walks(&cpu_at, &mut cpu.translation, changes)?;
            cpu.ept_accessed_dirty = changes.ept_accessed_dirty.unwrap_or(cpu.ept_accessed_dirty);
            cpu
        }
    };
    for (name, text) in &file.costs {
        let at = at.field("costs").field(name);
        if !Costs::NAMES.contains(&name.as_str()) {
            return Err(at.unknown("cost", name, Costs::NAMES));
        }
        cpu.costs.set(name, text).map_err(|error| {
            let help = "cycles such as \"2200 cycles\", or a time such as \"4.5us\"";
            let message = match error {
                CostError::Unreadable(text) => format!("`{text}` is not a cost"),
                CostError::TooLarge(_) | CostError::UnknownName(_) => error.to_string(),
            };
            at.fail(message, help)
        })?;
    }
    Ok(cpu)
}

fn preset(at: &At<'_>, name: &str) -> Result<CpuConfig, ScenarioError> {
    let preset = presets::cpu(name).map(|preset| preset.config);
    preset.ok_or_else(|| {
        let names = presets::cpu_names();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        at.unknown("processor preset", name, &names)
    })
}

/// What a processor keeps for walks.
fn walks(at: &At<'_>, cpu: &mut TranslationConfig, changes: &CpuFile) -> Result<(), ScenarioError> {
    if let Some(PagingCachesFile { pml4e, pdpte, pde }) = changes.paging_caches {
        let at = at.field("paging_caches");
        cpu.paging_caches = PagingCaches {
            pml4e: small_cache(&at.field("pml4e"), pml4e)?,
            pdpte: small_cache(&at.field("pdpte"), pdpte)?,
            pde: small_cache(&at.field("pde"), pde)?,
        };
    }
    if let Some(entries) = changes.nested_tlb {
        cpu.nested_tlb = small_cache(&at.field("nested_tlb"), entries)?;
    }
    if let Some(TableLinesFile { l1, l2, l3 }) = changes.table_lines {
        let at = at.field("table_lines");
        let [l1, l2, l3] = [("l1", l1), ("l2", l2), ("l3", l3)].map(|(name, lines)| {
            let at = at.field(name);
            at.number::<u32>(lines, 0..=1 << 20).map(|lines| (at, lines))
        });
        let ((_, l1), (second, l2), (third, l3)) = (l1?, l2?, l3?);
        for (at, below, lines) in [(second, l1, l2), (third, l2, l3)] {
            if lines < below {
                let message =
                    format!("{lines} lines are fewer than the {below} of the level before");
                return Err(at.fail(message, "a larger cache behind a smaller one"));
            }
        }
        cpu.table_lines = [l1, l2, l3];
    }
    cpu.vpid = changes.vpid.unwrap_or(cpu.vpid);
    Ok(())
}

/// Up to four entries, or sets of four.
fn small_cache(at: &At<'_>, entries: u64) -> Result<u32, ScenarioError> {
    let number: u32 = at.number(entries, 0..=65_536)?;
    if number > 4 && !number.is_power_of_two() {
        let message = format!("{number} entries do not make a power of two of sets of four");
        return Err(at.fail(message, "0 to 4, or 8, 16, 32, ... 65536"));
    }
    Ok(number)
}

/// The arrays that hold small pages become one of this shape, for all sizes that they held.
fn set_shape(arrays: &mut Vec<TlbArray>, mut shape: TlbArray) {
    let all = [PageSize::Small, PageSize::Large, PageSize::Huge];
    for array in arrays.extract_if(.., |array| array.sizes.has(PageSize::Small)) {
        let held = all.into_iter().filter(|size| array.sizes.has(*size));
        shape.sizes = held.fold(shape.sizes, PageSizes::with);
    }
    arrays.insert(0, shape);
}

fn tlb(at: &At<'_>, file: TlbFile) -> Result<TlbArray, ScenarioError> {
    let entries: u32 = at.field("entries").number(file.entries, 1..=65_536)?;
    let ways: u32 = at.field("ways").number(file.ways, 1..=65_536)?;
    if !entries.is_multiple_of(ways) {
        let message = format!("{entries} entries do not divide into sets of {ways}");
        return Err(at.field("ways").fail(message, "a divisor of `entries`"));
    }
    let sets = entries / ways;
    if !sets.is_power_of_two() {
        let message = format!("{entries} entries of {ways} ways make {sets} sets");
        return Err(at.fail(message, "the number of sets must be a power of two"));
    }
    let array = TlbArray {
        entries,
        ways,
        sizes: PageSizes::SMALL,
        sets: file.sets.unwrap_or_default(),
        replacement: file.replacement.unwrap_or_default(),
    };
    if !array.is_sound() {
        let name = array.replacement.name();
        let message = format!("`{name}` is no rule for sets of {ways}");
        let help = "\"lru\", \"tree-plru\" for at most 32 ways, \"mru-plru4\" for 12";
        return Err(at.field("replacement").fail(message, help));
    }
    Ok(array)
}
