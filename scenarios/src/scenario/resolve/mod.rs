//! From a file as it is written to a scenario that makes sense: presets looked up, defaults filled
//! in, every value checked. What comes out can be run.
//!
//! Errors name the place of the value that is wrong, or, where a value is left out, the place of
//! the object that it is missing from.

mod arrivals;
pub(crate) mod at;
mod balloon;
mod content;
mod cpu;
mod device;
mod discard;
mod disturbance;
mod guest;
mod host;
mod host_kernel;
mod images;
mod memory_control;
pub(crate) mod pace;
mod policy;
mod prefetch;
mod sched;
mod store;
mod ticks;
mod vms;
mod workload;
mod write_protect;
mod zswap;

use std::path::PathBuf;
use std::sync::Arc;

use models::config::{HostConfig, MachineConfig, Policy, VmConfig, Workload};
use models::trace::metrics::{self, WORK_TOTAL};
use sim_core::SimDuration;

use self::at::{At, check_format, title};
pub use self::at::{FORMAT, MAX_DURATION, MAX_MEMORY};
pub(in crate::scenario) use self::device::law::{law_line, number_law, time_law};
pub(crate) use self::device::{device_lines, device_of_text};
pub(crate) use self::guest::MAX_VCPUS;
pub use self::host_kernel::HostIdentity;
pub(in crate::scenario) use self::zswap::COMPRESSOR;
use crate::scenario::expect::{self, Claim, Expectation};
use crate::scenario::file::{PublishedFile, ScenarioFile};
use crate::scenario::named_files::folder_of;
use crate::scenario::published::Published;
use crate::scenario::source::{document, source};
use crate::syntax::error::{ScenarioError, help_for_unknown};
use crate::syntax::further::with_further;
use crate::syntax::tree::{Attached, Document, FieldPath};

/// Most replications of a scenario.
pub const MAX_REPLICATIONS: u32 = 10_000;

/// A scenario that was checked and can be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Short name.
    pub name: String,
    /// One line that says which question it answers.
    pub title: String,
    /// The machine and its workload.
    pub machine: MachineConfig,
    /// The processor preset that costs are taken from where the scenario says none itself.
    pub cpu_preset: String,
    /// Which kernel the host has.
    pub host_identity: HostIdentity,
    /// What is compared, in order; never empty.
    pub policies: Vec<Policy>,
    /// Name of the policy that the others are compared with; one of `policies`.
    pub baseline: String,
    /// The metric that policies are compared by first of all; its name is known.
    pub measure: String,
    /// Measured time of a run.
    pub duration: SimDuration,
    /// Time before it that is run and not measured.
    pub warmup: SimDuration,
    /// Seed of the whole scenario; see [`crate::run::plan::replication_seed`].
    pub seed: u64,
    /// Runs of each policy.
    pub replications: u32,
    /// Published results to be shown beside the simulated ones.
    pub published: Vec<Published>,
    /// What is expected of the results, with the file's own policies, seed and replications.
    pub expect: Vec<Expectation>,
    /// Lines of the file that expect something of policies which there are not since a command line chose others.
    pub left_out: Vec<String>,
    /// The text that it was read from, for replay files.
    pub text: Arc<str>,
    /// The folder from which paths of files in it are.
    pub folder: PathBuf,
    /// The preset files of devices that it names.
    pub device_files: Vec<Attached>,
}

/// What a command line may change in a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScenarioOverrides {
    /// Policies instead of the file's; empty to keep them.
    pub policies: Vec<String>,
    /// Another seed.
    pub seed: Option<u64>,
    /// Another number of replications.
    pub replications: Option<u32>,
}

impl Scenario {
    /// Loads a scenario by path, or a built-in one by name. A file wins over a built-in scenario of
    /// the same name.
    ///
    /// # Errors
    /// When there is none, when it cannot be read, or when its content is wrong.
    pub fn load(path_or_name: &str) -> Result<Self, ScenarioError> {
        let (file, text) = source(path_or_name)?;
        Self::from_str(&file, &text)
    }

    /// Reads a scenario from text; `file` is its name in messages.
    ///
    /// # Errors
    /// When the content is wrong.
    pub fn from_str(file: &str, text: &str) -> Result<Self, ScenarioError> {
        Self::from_document(&document(file, text)?)
    }

    /// The scenario that a tree of values describes.
    pub(crate) fn from_document(doc: &Document) -> Result<Self, ScenarioError> {
        let attached = device::file::attached(doc)?;
        if attached.is_empty() {
            return Self::checked(doc);
        }
        let mut doc = doc.with_root(doc.root.clone());
        doc.attached = attached;
        Self::checked(&doc)
    }

    /// As [`whole`](Self::whole); an error tells of all mistakes.
    fn checked(doc: &Document) -> Result<Self, ScenarioError> {
        Self::whole(doc)
            .map_err(|error| with_further(doc, error, |doc| Self::whole(doc).map(|_| ())))
    }

    /// The scenario of a tree with the file that it names.
    fn whole(doc: &Document) -> Result<Self, ScenarioError> {
        let root = At { doc, path: FieldPath::default() };
        check_format(&root)?;
        not_a_sweep(&root)?;
        let file = crate::syntax::de::from_document(doc)?;
        scenario(&root, file)
    }

    /// The scenario with changes from a command line. When the baseline is not among the new
    /// policies, the first of them becomes the baseline.
    ///
    /// # Errors
    /// When a policy is unknown or given twice, or the number of replications is not supported.
    pub fn with_overrides(mut self, overrides: &ScenarioOverrides) -> Result<Self, ScenarioError> {
        let fail = |message, help| Err(ScenarioError::Override { message, help });
        if !overrides.policies.is_empty() {
            let mut policies: Vec<Policy> = Vec::new();
            for name in &overrides.policies {
                let Some(policy) = policy::by_name(&self.policies, name) else {
                    let help = help_for_unknown(name, &policy::names(&self.policies));
                    return fail(format!("there is no policy `{name}`"), help);
                };
                if let Some((message, help)) = self.refuses(&policy) {
                    return fail(message, help);
                }
                if policies.iter().any(|known| known.name == policy.name) {
                    let message = format!("the policy `{name}` is given twice");
                    return fail(message, "name each policy once".into());
                }
                policies.push(policy);
            }
            if !policies.iter().any(|policy| policy.name == self.baseline) {
                self.baseline.clone_from(&policies[0].name);
            }
            self.policies = policies;
        }
        if let Some(seed) = overrides.seed {
            self.seed = seed;
        }
        if let Some(replications) = overrides.replications {
            if !(1..=MAX_REPLICATIONS).contains(&replications) {
                let message = format!("{replications} replications are not supported");
                return fail(message, format!("from 1 to {MAX_REPLICATIONS}"));
            }
            self.replications = replications;
        }
        Ok(self)
    }
}

impl Scenario {
    /// Why a policy cannot be compared on this machine, if it cannot: the message, and what would be right.
    fn refuses(&self, policy: &Policy) -> Option<(String, String)> {
        let host = &self.machine.host;
        let refused = disturbance::refuses(&self.machine.disturbances, policy)
            .or_else(|| balloon::refuses(host, policy))
            .or_else(|| write_protect::refuses(host, policy));
        if let Some(refused) = refused {
            return Some(refused);
        }
        let own = |vm: models::base::ids::VmId| {
            self.machine.vms.get(vm.index()).and_then(|named| named.policy.as_ref())
        };
        self.machine.vm_ids().find_map(|vm| match own(vm) {
            Some(own) => policy::two_hosts(own, policy),
            None => {
                let regions = &self.machine.workload.regions[self.machine.regions_of(vm)];
                policy::without_memory(policy, regions, &self.machine.host.stores)
            }
        })
    }
}

/// What is done to memory while guests run: limits, agents, `kswapd`, balloons, protection.
fn control_memory(
    root: &At<'_>,
    file: &ScenarioFile,
    (host, kernel): (&mut HostConfig, &str),
    vms: &vms::Vms<'_>,
    end: SimDuration,
) -> Result<(), ScenarioError> {
    let host_at = root.field("host");
    let limits_at = host_at.field("memory_limits");
    host.memory_control.limits =
        memory_control::limits(&limits_at, &file.host.memory_limits, vms, end)?;
    host.memory_control.highs = memory_control::highs(root, file, vms)?;
    memory_control::high_goes_with(root, host)?;
    let agents_at = host_at.field("proactive_reclaim");
    let agents = memory_control::proactive(&agents_at, &file.host.proactive_reclaim, vms)?;
    host.memory_control.proactive = agents;
    memory_control::proactive_goes_with(&agents_at, host)?;
    let kswapd_at = host_at.field("kswapd");
    let kswapd = memory_control::kswapd(&kswapd_at, file.host.kswapd.as_ref(), host, vms)?;
    host.memory_control.kswapd = kswapd;
    balloon::goes_with(&vms.balloons, host, end)?;
    host.memory_control.balloons = vms.balloons.iter().map(|(_, own)| own.clone()).collect();
    let protect_at = host_at.field("write_protect");
    let protections =
        write_protect::write_protect(&protect_at, &file.host.write_protect, vms, end)?;
    let of_host = (&*host, kernel);
    write_protect::goes_with(&protect_at, &protections, of_host, |vm| vms.regions_of(vm))?;
    host.memory_control.protections = protections;
    Ok(())
}

fn scenario(root: &At<'_>, file: ScenarioFile) -> Result<Scenario, ScenarioError> {
    let name = root.field("name").name(&file.name)?;
    let title = title(&root.field("title"), &file.title)?;
    let host_at = root.field("host");
    let stores = store::names(&host_at.field("stores"), &file.host.stores)?;
    let mut vms = vms::vms(root, &file, &stores)?;
    let (host, host_identity) =
        host::host(&host_at, &file.host, (vms.memory_pages(), vms.shared_pages()))?;
    vms.fit_beside_each_other(&host)?;
    let mut host = store::stores(root, &file, host, &mut vms)?;
    store::goes_with_kernel(&host_at.field("stores"), &file.host.stores, &host_identity.kernel)?;
    let shortest = SimDuration::from_ps(1);
    let duration = root.field("duration").span(file.duration.0, shortest..=MAX_DURATION)?;
    let warmup = file.warmup.map_or(SimDuration::ZERO, |warmup| warmup.0);
    let warmup = root.field("warmup").span(warmup, SimDuration::ZERO..=MAX_DURATION)?;
    let end = duration + warmup;
    control_memory(root, &file, (&mut host, &host_identity.kernel), &vms, end)?;
    host::fits(&host_at, &host, &vms.containers(&host))?;
    let cpu = cpu::cpu(&host_at, &file.host)?;
    for guest in vms.guests() {
        ticks::fit(root, &host, guest, &cpu)?;
    }
    let policies = policy::policies(&root.field("policies"), &file.policies)?;
    let chosen = &root.doc.chosen;
    let run = |(_, policy): &(usize, &Policy)| chosen.has(&policy.name);
    let run: Vec<(usize, &Policy)> = policies.iter().enumerate().filter(run).collect();
    vms.allow(&run, &host.stores)?;
    let baseline = baseline(&root.field("baseline"), file.baseline.as_deref(), &policies)?;
    let disturbances_at = root.field("disturbances");
    vms.fit_arrivals(end)?;
    let disturbances = disturbance::disturbances(
        &disturbances_at,
        &file.disturbances,
        &vms.for_disturbances(&host.stores),
        end,
    )?;
    let own_policies = vms.own_policies();
    for policy in run.iter().map(|(_, policy)| *policy).chain(own_policies) {
        if let Some((message, help)) = disturbance::refuses(&disturbances, policy) {
            return Err(disturbances_at.fail(message, help));
        }
        let refused = balloon::refuses(&host, policy);
        let refused = refused.or_else(|| write_protect::refuses(&host, policy));
        if let Some((message, help)) = refused {
            return Err(root.field("policies").fail(message, help));
        }
    }
    let programs_at = vms.programs_at();
    let (guests, vms, workload) = vms.into_parts();
    discard::goes_with_host(root, host.paging, &workload.tasks)?;
    let measure = measure(&root.field("measure"), file.measure.as_deref(), (&workload, &vms))?;
    let mut guests = guests.into_iter();
    let Some(guest) = guests.next() else { unreachable!("there is one at least") };
    let other_guests = guests.collect();
    let replications = root
        .field("replications")
        .number(file.replications.unwrap_or(1).into(), 1..=MAX_REPLICATIONS.into())?;
    let published = file.published.into_iter().enumerate();
    let published = published
        .map(|(index, line)| published_line(&root.field("published").index(index), line, &policies))
        .collect::<Result<_, _>>()?;
    let owners = (&workload, &vms[..]);
    let (expect, left_out) = expectations(&root.field("expect"), &file.expect, &policies, owners)?;
    let machine = MachineConfig { cpu, host, guest, other_guests, vms, workload, disturbances };
    pace::fit(&programs_at, &machine, end)?;
    Ok(Scenario {
        name,
        title,
        machine,
        cpu_preset: file.host.cpu.preset().to_owned(),
        host_identity,
        policies,
        baseline,
        measure,
        duration,
        warmup,
        seed: file.seed.unwrap_or(1),
        replications,
        published,
        expect,
        left_out,
        text: Arc::clone(&root.doc.text),
        folder: folder_of(&root.doc.file),
        device_files: root.doc.attached.clone(),
    })
}

/// A sweep file is taken for a scenario by who gives it to another command.
fn not_a_sweep(root: &At<'_>) -> Result<(), ScenarioError> {
    let has = |name: &str| root.doc.root.get(name).is_some();
    let Some(varied) = ["axes", "variations"].into_iter().find(|name| has(name)) else {
        return Ok(());
    };
    if has("host") || !has("scenario") {
        return Ok(());
    }
    let help = format!("`apfsim sweep {}`", root.doc.file);
    Err(root.field(varied).fail("this is a sweep, and no scenario", help))
}

fn baseline(at: &At<'_>, name: Option<&str>, policies: &[Policy]) -> Result<String, ScenarioError> {
    let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
    let name = name.unwrap_or(names[0]);
    if !names.contains(&name) && at.doc.chosen.others {
        return Ok(names[0].into());
    }
    if !names.contains(&name) {
        let help = help_for_unknown(name, &names);
        return Err(at.fail(format!("the baseline `{name}` is not among the policies"), help));
    }
    Ok(name.into())
}

/// The metric to compare by. One of a group, or of a virtual machine, is of one that there is.
fn measure(
    at: &At<'_>,
    name: Option<&str>,
    (workload, vms): (&Workload, &[VmConfig]),
) -> Result<String, ScenarioError> {
    let name = name.unwrap_or(WORK_TOTAL);
    if metrics::find(name).is_none() {
        return Err(at.unknown("metric", name, &metrics::names()));
    }
    known_owner(at, name, (workload, vms))?;
    Ok(name.into())
}

/// A metric of one group, as `request_rate[server]`, or of one virtual machine, as `work_total[web]`, is of one
/// that there is.
fn known_owner(
    at: &At<'_>,
    metric: &str,
    (workload, vms): (&Workload, &[VmConfig]),
) -> Result<(), ScenarioError> {
    let groups: Vec<&str> = workload.tasks.iter().map(|group| group.name.as_str()).collect();
    let vms: Vec<&str> = vms.iter().map(|vm| vm.name.as_str()).collect();
    let Some((kind, (_, whose))) = metrics::find(metric).zip(metric.split_once('[')) else {
        return Ok(());
    };
    if metrics::find_for(metric, &groups, &vms).is_some() {
        return Ok(());
    }
    let whose = whose.trim_end_matches(']');
    match (kind.by_group, kind.by_vm && !vms.is_empty()) {
        (true, false) => Err(at.unknown("group of tasks", whose, &groups)),
        (true, true) => {
            let valid = [vms, groups].concat();
            Err(at.unknown("virtual machine or group of tasks", whose, &valid))
        }
        (false, true) => Err(at.unknown("virtual machine", whose, &vms)),
        (false, false) => Err(at.unknown("metric", metric, &metrics::names())),
    }
}

fn published_line(
    at: &At<'_>,
    line: PublishedFile,
    own: &[Policy],
) -> Result<Published, ScenarioError> {
    let PublishedFile { policy, metric, mean, stderr, source } = line;
    if policy::by_name(own, &policy).is_none() {
        return Err(at.field("policy").unknown("policy", &policy, &policy::names(own)));
    }
    if metric.trim().is_empty() {
        return Err(at.field("metric").fail("the metric has no name", "such as \"work_total\""));
    }
    if stderr.is_some_and(|stderr| stderr < 0.0) {
        return Err(at.field("stderr").fail("a standard error is not negative", "0 or more"));
    }
    if source.trim().is_empty() {
        return Err(at.field("source").fail("the source is empty", "say where it was published"));
    }
    Ok(Published { policy, metric, mean, stderr, source })
}

fn expectations(
    at: &At<'_>,
    lines: &[String],
    policies: &[Policy],
    owners: (&Workload, &[VmConfig]),
) -> Result<(Vec<Expectation>, Vec<String>), ScenarioError> {
    let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
    let vms: Vec<&str> = owners.1.iter().map(|vm| vm.name.as_str()).collect();
    let (mut read, mut left_out) = (Vec::new(), Vec::new());
    for (index, line) in lines.iter().enumerate() {
        let at = at.index(index);
        let expectation = match expect::parse(line, &names, &vms) {
            Ok(expectation) => expectation,
            Err(error) if error.lacks_policy && at.doc.chosen.others => {
                left_out.push(line.clone());
                continue;
            }
            Err(error) => return Err(at.fail(error.message, error.help)),
        };
        if let Claim::Number { metric, .. } = &expectation.claim {
            known_owner(&at, metric, owners)?;
        }
        read.push(expectation);
    }
    Ok((read, left_out))
}

#[cfg(test)]
mod tests;
