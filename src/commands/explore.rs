//! `apfsim explore`: every schedule of a small world.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use models::apf::rules::{Mechanism, PARTS, Rules, SetError};
use models::apf::{Defect, Defects};
use models::base::invariant::InvariantId;
use models::explore::{Bounds, Budget, Disturbance, Explored, Setup, explore};
use reports::Report as _;
use reports::explored::{FORMAT, FindingKey, SearchReport, Vocabulary, other_world};
use scenarios::run::checksum;
use scenarios::zoo;
use scenarios::{FolderLock, explored_log, help_for_unknown, read_named, suggestion};
use serde_json::Value;

use super::common::{not_lost, print, tell, write};
use crate::cli::ExploreArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &ExploreArgs) -> Result<Outcome, CliError> {
    if args.list {
        print(&Vocabulary, args.format)?;
        return Ok(Outcome::Fine);
    }
    let setup = setup(args)?;
    let files: Vec<&Path> = args.out.iter().chain(&args.trace).map(PathBuf::as_path).collect();
    not_lost(args.out.as_deref(), args.overwrite)?;
    let _held = FolderLock::hold(None, &files)?;
    let known = args.baseline.as_deref().map(|path| baseline(path, &setup)).transpose()?;
    let (known, other_world) = known.unwrap_or_default();
    let bounds = bounds(args);
    let begun = Instant::now();
    let explored = explore(&setup, &bounds, None).map_err(|error| usage(error.to_string(), ""))?;
    if !args.quiet {
        output::note(&format!("{:.1} s", begun.elapsed().as_secs_f64()));
    }
    let result = SearchReport { setup: &setup, explored: &explored, known, other_world };
    print(&result, args.format)?;
    if !args.quiet {
        hints(args, &setup, &explored);
    }
    // After the result, which is worth having when the disk is full.
    if let Some(path) = &args.out {
        write(path, &result.object_file())?;
    }
    if let Some(path) = &args.trace {
        tell(&write_traces(path, &setup, &explored)?, args.quiet);
    }
    let new = explored.violations().any(|finding| !result.is_known(finding));
    Ok(if new { Outcome::Violation } else { Outcome::Fine })
}

/// Says what a search without a finding may have missed.
fn hints(args: &ExploreArgs, setup: &Setup, explored: &Explored) {
    let (cap, pages) = (setup.rules.cap, u32::from(setup.pages));
    if args.set.iter().any(|text| text.starts_with("cap=")) && cap > pages {
        output::note(&format!(
            "the cap of {cap} is never reached: a vCPU has an item for each of its pages at most (--pages {pages})"
        ));
    }
    if explored.violations().next().is_some() {
        return;
    }
    for entry in zoo::entries() {
        let asked = |variant: &&zoo::Variant| {
            variant.defects.iter().any(|defect| args.defects.iter().any(|it| it == defect.name()))
        };
        if let Some(variant) = entry.wrong.iter().find(asked) {
            output::note(&format!(
                "nothing was found in this world; `apfsim zoo {}` shows the mistake: {}, {}",
                entry.id,
                variant.name(),
                entry.exhibit.world()
            ));
        }
    }
}

/// Writes the way to each finding, and gives the files.
fn write_traces(
    named: &Path,
    setup: &Setup,
    explored: &Explored,
) -> Result<Vec<PathBuf>, CliError> {
    let mut written = Vec::new();
    let mut times: BTreeMap<InvariantId, u32> = BTreeMap::new();
    for finding in &explored.findings {
        let id = finding.kind.id;
        let number = times.entry(id).or_default();
        *number += 1;
        let path = match (explored.findings.len(), *number) {
            (1, _) => named.to_owned(),
            (_, 1) => marked(named, &id.to_string()),
            (_, number) => marked(named, &format!("{id}.{number}")),
        };
        let remark = format!(
            "run=explore policy={id} rules={} apfsim={}",
            setup.rules.name,
            env!("CARGO_PKG_VERSION")
        );
        let text = explored_log(&finding.trace, setup, &remark);
        write(&path, &text)?;
        written.push(path);
    }
    Ok(written)
}

/// A path with a mark before its extension.
fn marked(path: &Path, mark: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let cut = name.rfind('.').filter(|&at| at > 0).unwrap_or(name.len());
    let (stem, extension) = name.split_at(cut);
    path.with_file_name(format!("{stem}.{mark}{extension}"))
}

fn usage(what: String, help: &str) -> CliError {
    let help = if help.is_empty() { String::new() } else { format!("\n  help: {help}") };
    CliError::Explore(format!("{what}{help}"))
}

fn file_error(path: &Path, what: &str, source: io::Error) -> CliError {
    CliError::Explore(format!("cannot {what} {}: {source}", path.display()))
}

/// Help for a name out of a long list.
fn listed(name: &str, names: &[&str]) -> String {
    let all = "`apfsim explore --list` names them all";
    let near = suggestion(name, names);
    near.map_or_else(|| all.to_owned(), |near| format!("did you mean `{near}`? {all}"))
}

fn setup(args: &ExploreArgs) -> Result<Setup, CliError> {
    let usual = super::rules::rules_of(&args.rules)?;
    let mut rules = usual;
    for text in &args.set {
        setting(text, &mut rules)?;
    }
    if let Some(incompatible) = rules.incompatible() {
        return Err(usage(
            incompatible.to_string(),
            "set the other mechanism too, or begin elsewhere",
        ));
    }
    let (cap, ring) = (rules.cap, rules.ring);
    let mut defects = Defects::none();
    for name in &args.defects {
        let defect: Defect = name.parse().map_err(|error| {
            let names: Vec<&str> = Defect::ALL.iter().map(|defect| defect.name()).collect();
            usage(format!("{error}"), &listed(name, &names))
        })?;
        defects = defects.with(defect);
    }
    let mut budget = Budget::default();
    for text in &args.with {
        let (disturbance, times) = disturbance(text)?;
        budget = budget.with(disturbance, times);
    }
    let narrowed = Setup::new(rules, defects, args.token_bits);
    let asked = (cap != usual.cap).then_some(cap);
    let cap = args.cap.or(asked).unwrap_or(u32::from(args.pages));
    let asked = (ring != usual.ring).then_some(ring);
    let ring = asked.unwrap_or(narrowed.rules.ring);
    let setup = Setup {
        rules: Rules { cap, ring, ..narrowed.rules },
        vcpus: args.vcpus,
        whole: args.whole,
        tasks: args.tasks,
        pages: args.pages,
        notices: !args.no_notices,
        send_always: args.send_always,
        irqchip: !args.no_irqchip,
        shadow: args.shadow,
        budget,
        ..narrowed
    };
    Ok(match (args.first_vcpu, args.first_counter) {
        (None, None) => setup,
        (vcpu, counter) => setup.numbered_from(vcpu.unwrap_or(0), counter.unwrap_or(0)),
    })
}

fn bounds(args: &ExploreArgs) -> Bounds {
    let Bounds { depth, states, memory } = Bounds::default();
    Bounds {
        depth: args.depth.unwrap_or(depth),
        states: args.states.unwrap_or(states),
        memory: args.memory.map_or(memory, |mib| mib << 20),
    }
}

/// `cap=3`, `runnable=done-or-interrupt`.
fn setting(text: &str, rules: &mut Rules) -> Result<(), CliError> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        usage(format!("expected MECHANISM=VALUE, found `{text}`"), "write --set cap=16")
    })?;
    if name == Mechanism::Token.name() || PARTS.contains(&name) {
        let what = format!("`{name}` of a small world is not set like this");
        return Err(usage(what, "--token-bits N sets the bits of the counter"));
    }
    rules.set(name, value).map_err(|error| {
        let help = match &error {
            SetError::Mechanism { .. } => {
                let names: Vec<&str> = Mechanism::ALL.iter().map(|m| m.name()).collect();
                help_for_unknown(name, &names)
            }
            SetError::Value { valid, form, .. } if valid.is_empty() => format!("valid: {form}"),
            SetError::Value { valid, .. } => {
                let valid: Vec<&str> = valid.iter().map(String::as_str).collect();
                help_for_unknown(value, &valid)
            }
        };
        usage(error.to_string(), &help)
    })
}

/// `smi` or `smi=2`.
fn disturbance(text: &str) -> Result<(Disturbance, u8), CliError> {
    let (name, times) = text.split_once('=').unwrap_or((text, "1"));
    let disturbance = name.parse().map_err(|error| {
        let names: Vec<&str> = Disturbance::ALL.iter().map(|it| it.name()).collect();
        usage(format!("{error}"), &listed(name, &names))
    })?;
    match times.parse::<u8>() {
        Ok(times) if (1..=9).contains(&times) => Ok((disturbance, times)),
        _ => Err(usage(
            format!("`{text}` is not a valid bound"),
            "write --with DISTURBANCE=N, N from 1 to 9",
        )),
    }
}

/// Findings that are known: the result of a run with `--out`, and in what its world is another one; or the list
/// of findings in it, which says of no world.
fn baseline(path: &Path, setup: &Setup) -> Result<(Vec<FindingKey>, Vec<String>), CliError> {
    let text = read_named(path).map_err(|source| file_error(path, "read", source))?;
    let wrong = |what: &str| {
        let help = "write one with --out FILE, or a list of {\"rules\", \"invariant\", \"what\"}";
        usage(format!("{} is not a baseline file: {what}", path.display()), help)
    };
    let mut value: Value =
        serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
    if value.is_object() {
        match &value["format"] {
            format if *format == FORMAT => {}
            format => return Err(wrong(&format!("its format is {format}, and {FORMAT} is read"))),
        }
        checksum::unseal(&mut value).map_err(|error| wrong(&error.to_string()))?;
    }
    let differs = if value.is_object() { other_world(setup, &value) } else { Vec::new() };
    let list = value.get("findings").unwrap_or(&value);
    let list = list.as_array().ok_or_else(|| wrong("there is no list of findings"))?;
    let word = |finding: &Value, name: &str| finding[name].as_str().map(str::to_owned);
    let known = list
        .iter()
        .map(|finding| {
            let key = (word(finding, "rules"), word(finding, "invariant"), word(finding, "what"));
            match key {
                (Some(rules), Some(invariant), Some(what)) => Ok((rules, invariant, what)),
                _ => Err(wrong("a finding has no `rules`, `invariant` or `what`")),
            }
        })
        .collect::<Result<_, _>>()?;
    Ok((known, differs))
}
