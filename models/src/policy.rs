//! Policies by name: what scenarios compare.

use crate::apf::rules::{self, Rules};
use crate::config::Policy;

/// A policy's name and what it means.
const POLICIES: [(&str, &str); 4] = [
    ("sync", "no asynchronous faults: the vCPU thread fetches the page itself"),
    ("halt", "the host of v7-2010 with a guest that is not told: the vCPU is halted meanwhile"),
    ("apf-v7-2010", "the posted v7 series of October 2010, host and guest"),
    ("apf-v2.6.39", "as merged: the read starts at fault time"),
];

/// Names of the built-in policies.
pub fn policy_names() -> Vec<&'static str> {
    POLICIES.iter().map(|&(name, _)| name).collect()
}

/// The built-in policies with a line about each.
pub fn policies() -> &'static [(&'static str, &'static str)] {
    &POLICIES
}

/// The built-in policy of that name.
pub fn policy(name: &str) -> Option<Policy> {
    let build = |rules: Rules, host_async, guest_enabled| Policy {
        name: name.to_owned(),
        rules,
        host_async,
        guest_enabled,
    };
    match name {
        "sync" => Some(build(rules::generation("v7-2010")?, false, false)),
        "halt" => Some(build(rules::generation("v7-2010")?, true, false)),
        _ => {
            POLICIES.iter().find(|(known, _)| *known == name)?;
            Some(build(rules::generation(name.strip_prefix("apf-")?)?, true, true))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_policy_exists() {
        for name in policy_names() {
            assert_eq!(policy(name).map(|p| p.name).as_deref(), Some(name));
        }
        assert_eq!(policy("apf-v1"), None);
        assert_eq!(policy("v7-2010"), None);
    }
}
