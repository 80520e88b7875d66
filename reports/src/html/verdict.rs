//! The result in a sentence or two.

use models::trace::metrics::{self, Better};
use scenarios::Comparison;
use serde_json::Value;

use super::comparison::{Compared, Ratio};
use super::object::{names, text};
use super::sweep::Swept;
use crate::json::Document;
use crate::measure::Measure;

/// A difference that nobody would call better or worse, however sure it is.
const SLIGHT: f64 = 0.005;

/// Of a comparison, as its object says it.
pub(crate) fn of_result(comparison: &Comparison) -> String {
    match serde_json::to_value(Document::of(comparison)) {
        Ok(main) => of_comparison(&main, &Compared::of(&main)),
        Err(error) => unreachable!("plain data is always JSON: {error}"),
    }
}

/// Of a comparison.
pub(super) fn of_comparison(main: &Value, compared: &Compared) -> String {
    let (measure, baseline) = (text(main, "measure"), text(main, "baseline"));
    let policies = names(main, "policies", "policy");
    let mut sentences = Vec::new();
    let digest = |policy: &str| {
        let mut all = main["policies"].as_array().into_iter().flatten();
        all.find(|own| text(own, "policy") == policy).map(|own| text(own, "digest"))
    };
    for policy in policies.iter().filter(|policy| **policy != baseline) {
        let ratio = compared.ratios.get(policy).and_then(|own| own.get(&measure));
        if let Some((mean, low, high)) = ratio.and_then(whole) {
            // One digest is one behaviour: there is nothing to estimate.
            if mean == 1.0 && digest(policy) == digest(&baseline) {
                sentences.push(format!("{policy} did the same as {baseline}, record by record."));
                continue;
            }
            sentences.push(against(policy, &baseline, &measure, (mean, low, high)));
        }
    }
    if let ([policy], true) = (&policies[..], sentences.is_empty()) {
        let value = compared.values.get(policy).and_then(|own| own.get(&measure));
        if let Some((Some(mean), _)) = value {
            let value = Measure::named(&measure).value(*mean);
            sentences.push(format!("{policy} has a {measure} of {value}."));
        }
    }
    if sentences.is_empty() {
        sentences.push(format!("No policy can be compared in {measure}."));
    }
    sentences.push(invariants(main));
    sentences.join(" ")
}

fn whole(&(mean, low, high): &Ratio) -> Option<(f64, Option<f64>, Option<f64>)> {
    Some((mean?, low, high))
}

fn against(
    policy: &str,
    baseline: &str,
    measure: &str,
    (mean, low, high): (f64, Option<f64>, Option<f64>),
) -> String {
    let times = format!("{} times its {measure}", short(mean));
    let (Some(low), Some(high)) = (low, high) else {
        return format!(
            "{policy} has {} (one run, no interval).",
            times.replace("its", &format!("{baseline}'s"))
        );
    };
    let interval = format!("95 % interval {} to {}", short(low), short(high));
    let better = match metrics::find(measure).map(|kind| kind.better) {
        Some(Better::More) => Some(mean > 1.0),
        Some(Better::Less) => Some(mean < 1.0),
        _ => None,
    };
    if low <= 1.0 && high >= 1.0 {
        return format!("{policy} cannot be told from {baseline}: {times} ({interval}).");
    }
    if (mean - 1.0).abs() < SLIGHT {
        return format!("{policy} is within half a percent of {baseline}: {times} ({interval}).");
    }
    match better {
        Some(true) => format!("{policy} is better than {baseline}: {times} ({interval})."),
        Some(false) => format!("{policy} is worse than {baseline}: {times} ({interval})."),
        None => format!("{policy} differs from {baseline}: {times} ({interval})."),
    }
}

/// Of a sweep.
pub(super) fn of_sweep(main: &Value, swept: &Swept) -> String {
    let (measure, baseline) = (text(main, "measure"), text(main, "baseline"));
    let mut sentences = Vec::new();
    for (policy, ratios) in swept.ratios.iter().filter(|(policy, _)| **policy != baseline) {
        let known = ratios.iter().zip(&swept.points);
        let mut known: Vec<(f64, &str)> =
            known.filter_map(|(ratio, point)| Some(((*ratio)?.0?, point.label.as_str()))).collect();
        known.sort_by(|one, other| one.0.total_cmp(&other.0));
        if let (Some((low, at_low)), Some((high, at_high))) = (known.first(), known.last()) {
            let (low, high) = (short(*low), short(*high));
            sentences.push(format!(
                "{policy} has from {low} ({at_low}) to {high} ({at_high}) times the {measure} of {baseline}."
            ));
        }
    }
    if sentences.is_empty() {
        sentences.push(format!("{} points.", swept.points.len()));
    }
    sentences.join(" ")
}

/// Of an anatomy alone.
pub(super) fn of_anatomy(object: &Value) -> String {
    let median = |policy: &Value| {
        let list = if policy["faults"].is_array() { "faults" } else { "picked" };
        let own = policy[list].as_array()?.iter().find(|own| own["pick"] == "median")?;
        let ms = own["latency_ps"].as_f64()? * 1e-9;
        Some(format!("{} ms under {}", short(ms), text(policy, "policy")))
    };
    let policies = object["policies"].as_array().into_iter().flatten();
    let medians: Vec<String> = policies.filter_map(median).collect();
    match medians.is_empty() {
        true => "Nothing was picked.".to_owned(),
        false => format!("The median took {}.", medians.join(", ")),
    }
}

fn invariants(main: &Value) -> String {
    let policies = main["policies"].as_array().into_iter().flatten();
    let findings = policies.flat_map(|policy| policy["findings"].as_array().into_iter().flatten());
    let broken: Vec<&str> = findings
        .filter(|one| one["verdict"] == "violation")
        .filter_map(|one| one["invariant"].as_str())
        .collect();
    match broken.is_empty() {
        true => "No invariant was broken.".to_owned(),
        false => format!("Invariants were broken: {}.", broken.join(", ")),
    }
}

/// Three or four digits.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => crate::format::significant(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_is_what_the_metric_says_also_of_one_virtual_machine_or_group() {
        let said = |measure: &str| against("halt", "sync", measure, (1.2, Some(1.1), Some(1.3)));
        for measure in
            ["completion_time", "completion_time[clone-1]", "request_latency_p99[server]"]
        {
            assert!(said(measure).starts_with("halt is worse than sync"), "{}", said(measure));
        }
        assert!(said("work_total[web]").starts_with("halt is better than sync"));
        assert!(said("events").starts_with("halt differs from sync"));
    }
}
