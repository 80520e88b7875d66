//! Metrics by their names.

use super::kind::MetricKind;
use super::list::METRICS;

/// The metric of that name, if there is one. The name may be that of a metric of a group of tasks or of a virtual
/// machine, which has the name of that in brackets.
pub fn find(name: &str) -> Option<&'static MetricKind> {
    let whole = METRICS.iter().find(|kind| kind.name == name);
    whole.or_else(|| {
        let (of_all, whose) = name.strip_suffix(']')?.split_once('[')?;
        let there_is = |kind: &&MetricKind| kind.by_group || kind.by_vm;
        METRICS.iter().filter(there_is).find(|kind| kind.name == of_all && !whose.is_empty())
    })
}

/// As [`find`], for a machine with these groups of tasks and these virtual machines.
pub fn find_for(name: &str, groups: &[&str], vms: &[&str]) -> Option<&'static MetricKind> {
    let kind = find(name)?;
    let Some(whose) = name.strip_prefix(kind.name).and_then(|rest| rest.strip_prefix('[')) else {
        return Some(kind);
    };
    let whose = whose.trim_end_matches(']');
    let there_is =
        (kind.by_group && groups.contains(&whose)) || (kind.by_vm && vms.contains(&whose));
    there_is.then_some(kind)
}

/// The names of all metrics.
pub fn names() -> Vec<&'static str> {
    METRICS.iter().map(|kind| kind.name).collect()
}
