//! In what two results of one run differ.

use models::machine::RunError;

use super::ran::Ran;
use crate::run::results::FindingVerdict;
use crate::run::stored::StoredRun;

/// What is different, if anything is: the first of digest, metrics, tasks, findings, latencies, beginning.
pub(super) fn difference(
    first: &Result<Ran, RunError>,
    second: &Result<(StoredRun, bool), RunError>,
) -> Option<String> {
    match (first, second) {
        (Ok(one), Ok((other, cut))) => results(&one.stored, other, one.cut || *cut),
        (Err(one), Err(other)) if one == other => None,
        (Err(one), Err(other)) => Some(format!("`{other}` instead of `{one}`")),
        (Ok(_), Err(other)) => Some(format!("`{other}` instead of a result")),
        (Err(one), Ok(_)) => Some(format!("a result instead of `{one}`")),
    }
}

fn results(one: &StoredRun, other: &StoredRun, cut: bool) -> Option<String> {
    if one.digest != other.digest {
        return Some(format!("digest {} instead of {}", other.digest, one.digest));
    }
    if one.metrics != other.metrics {
        let differs = one.metrics.iter().zip(&other.metrics).find(|(a, b)| a != b);
        return Some(match differs {
            Some((a, b)) => format!("{} is {} instead of {}", b.name, b.value, a.value),
            None => "other metrics are defined".to_owned(),
        });
    }
    if one.tasks != other.tasks {
        return Some("tasks have other times or other work".to_owned());
    }
    if !cut && one.findings != other.findings {
        let differs = one.findings.iter().zip(&other.findings).find(|(a, b)| a != b);
        if one.findings.len() == other.findings.len()
            && let Some((a, b)) = differs
        {
            return Some(format!("findings: {b:?} instead of {a:?}"));
        }
        let told = |run: &StoredRun| {
            let findings = run.findings.iter();
            let findings = findings.map(|f| format!("{} {:?} {}", f.invariant, f.verdict, f.count));
            findings.collect::<Vec<_>>().join(", ")
        };
        return Some(format!("findings [{}] instead of [{}]", told(other), told(one)));
    }
    if (&one.latency, &one.request_latency) != (&other.latency, &other.request_latency) {
        return Some("other latencies".to_owned());
    }
    (one.beginning != other.beginning)
        .then(|| format!("beginning {:?} instead of {:?}", other.beginning, one.beginning))
}

/// The violations of a run, in words.
pub(super) fn violations(run: &StoredRun) -> Vec<String> {
    let findings = run.findings.iter().filter(|f| f.verdict == FindingVerdict::Violation);
    findings.map(|finding| format!("{}: {}", finding.invariant, finding.message)).collect()
}
