//! Policies by name, and custom ones: a built-in policy with other mechanisms and with defects.

use models::apf::rules::{
    GuestMemfd, Mechanism, PARTS, ResolvedBy, SetError, Setting, Workers, named_generation,
};
use models::apf::{Defect, Defects, Rules};
use models::base::ids::StoreId;
use models::config::{Policy, Region, RegionBacking, StoreConfig};
use models::presets::policies;

use super::at::At;
use crate::scenario::file::{PolicyFile, PolicyRef, SettingText};
use crate::syntax::error::{ScenarioError, help_for_unknown};

/// The policies of a scenario, in order.
pub(super) fn policies(at: &At<'_>, files: &[PolicyRef]) -> Result<Vec<Policy>, ScenarioError> {
    if files.is_empty() {
        let help = format!("name at least one of {}", policies::policy_names().join(", "));
        return Err(at.fail("there is no policy to run", help));
    }
    let mut policies: Vec<Policy> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let (here, policy) = policy(&at.index(index), file)?;
        if let Some(first) = policies.iter().position(|known| known.name == policy.name) {
            let help = format!("`{}` has that name already", at.index(first).path);
            return Err(here.fail(format!("the name `{}` is given twice", policy.name), help));
        }
        policies.push(policy);
    }
    Ok(policies)
}

/// A policy, and where its name is.
pub(super) fn policy<'a>(at: &At<'a>, file: &PolicyRef) -> Result<(At<'a>, Policy), ScenarioError> {
    Ok(match file {
        PolicyRef::Name(name) => (at.clone(), known(at, name)?),
        PolicyRef::Inline(file) => (at.field("name"), custom(at, file)?),
    })
}

/// Why one host cannot have two policies at once, if it cannot. Its kernel has one kind of workers, and
/// delivers page ready in one way.
pub(super) fn two_hosts(one: &Policy, other: &Policy) -> Option<(String, String)> {
    let kernel = |policy: &Policy| (policy.rules.workers, policy.rules.page_ready);
    let both = one.host_async && other.host_async;
    (both && kernel(one) != kernel(other)).then(|| {
        let message = format!(
            "`{}` and `{}` are of different kernels, and the host has one",
            one.name, other.name
        );
        (message, "policies with the same workers and page ready, or `sync`".to_owned())
    })
}

fn known(at: &At<'_>, name: &str) -> Result<Policy, ScenarioError> {
    policies::policy(name).ok_or_else(|| {
        let generation = name.strip_prefix("apf-").and_then(named_generation);
        generation.map_or_else(
            || at.unknown("policy", name, &policies::policy_names()),
            |generation| explored_only(at, name, generation.name),
        )
    })
}

/// A generation of which searches know and the machine does not: an older state of a proposal, or userfaultfd, which
/// every policy has where a store has a handler.
fn explored_only(at: &At<'_>, name: &str, generation: &str) -> ScenarioError {
    let message = format!("`{name}` cannot be run: no policy has this generation");
    let valid = policies::policy_names().join(", ");
    at.fail(message, format!("`apfsim explore --rules {generation}` searches it; valid: {valid}"))
}

/// A policy of the file's own.
fn custom(at: &At<'_>, file: &PolicyFile) -> Result<Policy, ScenarioError> {
    let name = at.field("name").name(&file.name)?;
    // One named after a kernel release may be the file's own.
    if policies::policy_names().contains(&name.as_str()) {
        let message = format!("`{name}` is a built-in policy");
        return Err(at.field("name").fail(message, "give the custom policy another name"));
    }
    let base = base(&at.field("base"), &file.base)?;
    let mut rules = base.rules;
    let set_at = at.field("set");
    for (name, value) in &file.set {
        set(&set_at.field(name), &mut rules, name, value)?;
    }
    if let Some(incompatible) = rules.incompatible() {
        let of_file = |setting: &Setting| {
            let name = setting.mechanism().name();
            let part = || PARTS.into_iter().find(|part| part.starts_with(name));
            let named = file.set.contains_key(name).then_some(name);
            named.or_else(|| part().filter(|part| file.set.contains_key(*part)))
        };
        let blamed = of_file(&incompatible.one).or_else(|| of_file(&incompatible.other));
        let place = blamed.map_or_else(|| set_at.clone(), |name| set_at.field(name));
        let help = "set the other mechanism too, or begin with another `base`";
        return Err(place.fail(incompatible.to_string(), help));
    }
    runnable(&set_at, &rules)?;
    let defects = defects(&at.field("defects"), &file.defects)?;
    Ok(Policy { name, rules, defects, ..base })
}

/// A built-in policy, or a generation, which stands for its policy.
fn base(at: &At<'_>, name: &str) -> Result<Policy, ScenarioError> {
    let of_generation = || policies::policy(&format!("apf-{name}"));
    match policies::policy(name).or_else(of_generation) {
        Some(policy) => Ok(policy),
        None => {
            let generation = named_generation(name.strip_prefix("apf-").unwrap_or(name));
            Err(generation.map_or_else(
                || at.unknown("policy", name, &policies::policy_names()),
                |generation| explored_only(at, name, generation.name),
            ))
        }
    }
}

fn set(
    at: &At<'_>,
    rules: &mut Rules,
    name: &str,
    value: &SettingText,
) -> Result<(), ScenarioError> {
    rules.set(name, &value.0).map_err(|error| {
        let message = error.to_string();
        let help = match &error {
            SetError::Mechanism { name } => {
                let names = Mechanism::ALL.iter().map(|mechanism| mechanism.name());
                let names: Vec<&str> = names.chain(PARTS).collect();
                help_for_unknown(name, &names)
            }
            SetError::Value { valid, form, .. } if valid.is_empty() => (*form).to_owned(),
            SetError::Value { value, valid, .. } => {
                let valid: Vec<&str> = valid.iter().map(String::as_str).collect();
                help_for_unknown(value, &valid)
            }
        };
        at.fail(message, help)
    })
}

/// What the machine has no parts for.
fn runnable(at: &At<'_>, rules: &Rules) -> Result<(), ScenarioError> {
    let at = at.field("resolved_by");
    match rules.resolved_by {
        ResolvedBy::Kernel => Ok(()),
        ResolvedBy::Exit | ResolvedBy::Ring if rules.workers == Workers::Workqueue => Ok(()),
        ResolvedBy::Exit | ResolvedBy::Ring => {
            let message = "faults that the VMM answers are of kernels with a workqueue";
            Err(at.fail(message, "`kernel`, or `\"base\": \"user-exit\"`"))
        }
        ResolvedBy::Userfaultfd => {
            let message = "userfaultfd is what every policy has for a store with a `handler`";
            Err(at.fail(
                message,
                "`kernel`; `apfsim explore --rules user-uffd` searches its protocol",
            ))
        }
    }
}

fn defects(at: &At<'_>, names: &[String]) -> Result<Defects, ScenarioError> {
    at.distinct(names.iter().map(String::as_str), None)?;
    let find = |(index, name): (usize, &String)| {
        let valid: Vec<&str> = Defect::ALL.iter().map(|defect| defect.name()).collect();
        name.parse().map_err(|_| at.index(index).unknown("defect", name, &valid))
    };
    let defects: Result<Vec<Defect>, _> = names.iter().enumerate().map(find).collect();
    Ok(defects?.into_iter().collect())
}

/// Why a policy cannot be run on this memory, if it cannot: the message, and what would be right.
pub(super) fn without_memory(
    policy: &Policy,
    regions: &[Region],
    stores: &[StoreConfig],
) -> Option<(String, String)> {
    if policy.rules.resolved_by == ResolvedBy::Ring
        && let Some(refused) = two_handlers(policy, regions, stores)
    {
        return Some(refused);
    }
    if policy.rules.vmm_answers()
        && let Some(refused) = poisons(policy, regions, stores)
    {
        return Some(refused);
    }
    let in_memfd = |region: &&Region| region.backing == RegionBacking::GuestMemfd;
    let region = regions.iter().find(in_memfd)?;
    let knows = !policy.host_async || policy.rules.guest_memfd != GuestMemfd::None;
    (!knows).then(|| {
        let message = format!(
            "the host of `{}` has no guest_memfd, in which the region `{}` is",
            policy.name, region.name
        );
        (message, "a generation since v6.12, or a region without `backing`".to_owned())
    })
}

/// What a VMM that answers faults does for a page that it does not get is its own: no kernel is asked.
fn poisons(
    policy: &Policy,
    regions: &[Region],
    stores: &[StoreConfig],
) -> Option<(String, String)> {
    let mut own = regions.iter().filter_map(|region| region.store);
    let store = own.find(|store| {
        stores[store.index()].handler.as_ref().is_some_and(|handler| !handler.poison.is_empty())
    })?;
    let message = format!(
        "under `{}` the VMM answers faults, and has no UFFDIO_POISON for pages that the store `{}` does not give",
        policy.name,
        stores[store.index()].name
    );
    Some((message, "another policy, or a handler without `poison`".to_owned()))
}

/// A vCPU has one ring of faults, which one handler reads.
fn two_handlers(
    policy: &Policy,
    regions: &[Region],
    stores: &[StoreConfig],
) -> Option<(String, String)> {
    let answers = |store: &StoreId| stores[store.index()].handler.is_some();
    let mut with = regions.iter().filter_map(|region| region.store).filter(answers);
    let first = with.next()?;
    let other = with.find(|store| *store != first)?;
    let message = format!(
        "under `{}` one handler reads the ring of a vCPU, and the stores `{}` and `{}` have one each",
        policy.name,
        stores[first.index()].name,
        stores[other.index()].name
    );
    Some((message, "one store with a handler for all regions, or `apf-user-exit`".to_owned()))
}

/// Names that a scenario can refer to: its own policies, then the built-in ones.
pub(super) fn by_name(own: &[Policy], name: &str) -> Option<Policy> {
    own.iter().find(|policy| policy.name == name).cloned().or_else(|| policies::policy(name))
}

/// All names that [`by_name`] knows.
pub(super) fn names(own: &[Policy]) -> Vec<&str> {
    let built_in = policies::policy_names();
    let own = own.iter().map(|policy| policy.name.as_str());
    let mut names: Vec<&str> = own.filter(|name| !built_in.contains(name)).collect();
    names.extend(built_in);
    names
}
