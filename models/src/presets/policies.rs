//! Policies by name: what scenarios compare.

use crate::apf::Defects;
use crate::apf::rules::{self, Release, ResolvedBy, Rules};
use crate::config::Policy;

/// A policy's name and what it means.
const POLICIES: [(&str, &str); 22] = [
    ("sync", "no asynchronous faults: the vCPU thread fetches the page itself"),
    ("halt", "the host of v7-2010 with a guest that is not told: the vCPU is halted meanwhile"),
    ("halt-v6.12", "the host of Linux 6.12 with a guest that is not told (`no-kvmapf`)"),
    ("apf-v5-2010", "the posted v5 series of July 2010: four workers, notices at the next entry"),
    ("apf-v7-2010", "the posted v7 series of October 2010, host and guest"),
    ("apf-v2.6.39", "as merged: the read starts at fault time"),
    ("apf-v4.13", "Linux 4.13: pages are not pinned, page ready ends HLT too"),
    ("apf-v5.3", "Linux 5.3: reads without read-ahead are waited for"),
    ("apf-v5.8", "a host of Linux 5.8, with a guest that takes its page ready interrupts"),
    ("apf-v5.9", "Linux 5.9: page ready only after not present, the work scheduled last"),
    ("apf-v5.13", "Linux 5.13: page ready only where the local APIC is on"),
    ("apf-v5.17", "Linux 5.17: no token is zero"),
    ("apf-v5.18", "Linux 5.18: no not present while the guest has paging off"),
    ("apf-v6.1", "Linux 6.1: the guest allocates dummies without its lock"),
    ("apf-v6.12", "Linux 6.12: the read starts at fault time again"),
    ("apf-v6.15", "Linux 6.15: any page ready uses a kick of another vCPU up"),
    ("apf-v6.19", "Linux 6.19: switching paging off drops nothing"),
    ("apf-v7.2", "Linux 7.2: a refused write of EN leaves the register as it was"),
    ("apf-v7.3", "Linux 7.3: the guest's page faults inside an NMI leave notices alone"),
    (
        "sync-user-exit",
        "the host of user-exit without asynchronous faults: the exit waits for the VMM",
    ),
    (
        "apf-user-exit",
        "proposed in 2026: a fault that the VMM answers leaves by an exit, and is answered later",
    ),
    ("apf-user-exitless", "proposed in 2026: the same, and the VMM reads of faults in a ring"),
];

/// Names of the built-in policies.
pub fn policy_names() -> Vec<&'static str> {
    POLICIES.iter().map(|&(name, _)| name).collect()
}

/// The built-in policies with a line about each.
pub fn policies() -> &'static [(&'static str, &'static str)] {
    &POLICIES
}

/// Which kernel release a policy is named after that is no generation of its own, as `apf-6.6` and
/// `halt-v6.12.95` are.
pub fn release(name: &str) -> Option<Release> {
    if policy_names().contains(&name) {
        return None;
    }
    let release = name.strip_prefix("apf-").or_else(|| name.strip_prefix("halt-"))?;
    let release = rules::release(release.strip_prefix('v').unwrap_or(release))?;
    (release.generation.rules().resolved_by == ResolvedBy::Kernel).then_some(release)
}

/// The built-in policy of that name, or that of a kernel release.
pub fn policy(name: &str) -> Option<Policy> {
    let build = |rules: Rules, host_async, guest_enabled| Policy {
        name: name.to_owned(),
        rules,
        host_async,
        guest_enabled,
        defects: Defects::none(),
    };
    match name {
        "sync" => Some(build(rules::generation("v7-2010")?, false, false)),
        "halt" => Some(build(rules::generation("v7-2010")?, true, false)),
        "sync-user-exit" => Some(build(rules::generation("user-exit")?, false, false)),
        "halt-v6.12" => Some(build(rules::generation("v6.12")?, true, false)),
        _ => {
            if let Some(release) = release(name) {
                return Some(build(release.rules(), true, name.starts_with("apf-")));
            }
            POLICIES.iter().find(|(known, _)| *known == name)?;
            Some(build(rules::generation(name.strip_prefix("apf-")?)?, true, true))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apf::rules::generations;

    #[test]
    fn every_named_policy_exists() {
        for name in policy_names() {
            assert_eq!(policy(name).map(|p| p.name).as_deref(), Some(name));
        }
        assert_eq!(policy("apf-v1"), None);
        assert_eq!(policy("v7-2010"), None);
    }

    #[test]
    fn a_policy_may_be_named_after_a_release() {
        let named = |name: &str| policy(name).map(|it| (it.rules.name, it.guest_enabled));
        assert_eq!(named("apf-6.1"), Some(("v6.1", true)));
        assert_eq!(named("apf-v6.6"), Some(("v6.1", true)));
        assert_eq!(named("halt-6.6"), Some(("v6.1", false)));
        assert_eq!(policy("apf-6.6").unwrap().name, "apf-6.6");
        assert!(release("apf-v6.1").is_none() && release("apf-6.1").is_some());
        for unknown in ["apf-2.6.38", "apf-9.1", "sync-6.1", "apf-v", "apf-user", "6.6"] {
            assert_eq!(named(unknown), None, "{unknown}");
        }
    }

    /// But for what is no kernel's own way, and the proposal in an older state.
    #[test]
    fn every_generation_is_a_policy() {
        for generation in generations() {
            let known = policy(&format!("apf-{}", generation.name)).is_some();
            let explored = ["user-uffd", "user-exitless-march"].contains(&generation.name);
            assert_eq!(known, !explored, "{}", generation.name);
        }
    }
}
