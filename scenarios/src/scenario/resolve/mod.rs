//! From a file as it is written to a scenario that makes sense: presets looked up, defaults filled
//! in, every value checked. What comes out can be run.
//!
//! Errors name the place of the value that is wrong, or, where a value is left out, the place of
//! the object that it is missing from.

mod device;
mod disturbance;
mod guest;
mod host;
mod policy;
mod program;
mod sched;
mod ticks;
mod workload;

use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use models::base::ids::PAGE_SIZE;
use models::config::{MachineConfig, Policy};
use sim_core::SimDuration;

pub(crate) use self::host::KERNELS as HOST_KERNELS;
use crate::run::results::Published;
use crate::scenario::canonical;
use crate::scenario::expect::{self, Expectation};
use crate::scenario::file::{PublishedFile, ScenarioFile};
use crate::scenario::library;
use crate::syntax::error::{MAX_FILE_BYTES, ScenarioError, help_for_unknown};
use crate::syntax::tree::{Document, FieldPath};
use crate::syntax::units::Bytes;

/// The version of the file format that this program reads.
pub const FORMAT: u64 = 1;
/// Most replications of a scenario.
pub const MAX_REPLICATIONS: u32 = 10_000;
/// Longest measured time, and longest warm-up.
pub const MAX_DURATION: SimDuration = SimDuration::from_secs(24 * 60 * 60);
/// Largest memory of a guest.
pub const MAX_MEMORY: Bytes = Bytes(1 << 40);

const MAX_NAME: usize = 64;
const MAX_TITLE: usize = 200;
/// Longest time that a parameter of a scheduler or device may have.
const MAX_SPAN: SimDuration = SimDuration::from_secs(100);

/// A scenario that was checked and can be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Short name.
    pub name: String,
    /// One line that says which question it answers.
    pub title: String,
    /// The machine and its workload.
    pub machine: MachineConfig,
    /// What is compared, in order; never empty.
    pub policies: Vec<Policy>,
    /// Name of the policy that the others are compared with; one of `policies`.
    pub baseline: String,
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
    /// The text that it was read from, for replay files.
    pub text: Arc<str>,
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
        let root = At { doc, path: FieldPath::default() };
        check_format(&root)?;
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
                if let Some((message, help)) =
                    policy::without_memory(&policy, &self.machine.workload)
                {
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

    /// Names what is simulated: XXH3 (128 bits, hexadecimal) over the canonical form of machine,
    /// workload, policies, times and number of replications. Comments, the order of fields, the
    /// title and defaults written out make no difference; neither does the seed, which is named
    /// beside the hash wherever results are.
    pub fn hash(&self) -> String {
        canonical::scenario_hash(self)
    }
}

/// Name and text of a scenario file, by path, or of a built-in scenario.
pub(crate) fn source(path_or_name: &str) -> Result<(String, Cow<'static, str>), ScenarioError> {
    let path = Path::new(path_or_name);
    let built_in = library::find(path_or_name);
    match built_in {
        // A bare name is meant as a built-in scenario when there is only a directory of it.
        Some(entry) if !path.exists() || path.is_dir() => {
            Ok((entry.name.into(), entry.text.into()))
        }
        _ if path.exists() => Ok((path_or_name.into(), read(path)?.into())),
        _ => {
            let names: Vec<&str> = library::all().iter().map(|entry| entry.name).collect();
            let help = help_for_unknown(path_or_name, &names);
            Err(ScenarioError::NotFound { name: path_or_name.into(), help })
        }
    }
}

/// The tree of a scenario's text.
pub(crate) fn document(file: &str, text: &str) -> Result<Document, ScenarioError> {
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(ScenarioError::TooLarge { path: file.into(), bytes: text.len() as u64 });
    }
    Document::parse(file, text)
}

/// A value of the file: the place that errors about it point to.
#[derive(Clone)]
pub(crate) struct At<'a> {
    pub(crate) doc: &'a Document,
    pub(crate) path: FieldPath,
}

impl At<'_> {
    pub(crate) fn field(&self, name: &str) -> Self {
        Self { doc: self.doc, path: self.path.field(name) }
    }

    pub(crate) fn index(&self, at: usize) -> Self {
        Self { doc: self.doc, path: self.path.index(at) }
    }

    pub(crate) fn fail(
        &self,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> ScenarioError {
        let node = self.doc.nearest(&self.path);
        self.doc.error(node.span.clone(), &self.path, message, Some(help.into()))
    }

    /// The number, when it lies in the range.
    fn number<T: TryFrom<u64>>(
        &self,
        value: u64,
        range: RangeInclusive<u64>,
    ) -> Result<T, ScenarioError> {
        let (low, high) = (range.start(), range.end());
        match T::try_from(value) {
            Ok(number) if range.contains(&value) => Ok(number),
            _ => {
                Err(self.fail(format!("{value} is out of range"), format!("from {low} to {high}")))
            }
        }
    }

    /// The size in pages, when it is whole pages.
    fn pages(&self, size: Bytes) -> Result<u64, ScenarioError> {
        if !size.0.is_multiple_of(PAGE_SIZE) {
            let help = format!("a multiple of {}", Bytes(PAGE_SIZE));
            return Err(self.fail(format!("{size} is not a whole number of pages"), help));
        }
        if size > MAX_MEMORY {
            let help = format!("at most {MAX_MEMORY}");
            return Err(self.fail(format!("{size} is more than is supported"), help));
        }
        Ok(size.0 / PAGE_SIZE)
    }

    /// The span, when it lies in the range.
    fn span(
        &self,
        span: SimDuration,
        range: RangeInclusive<SimDuration>,
    ) -> Result<SimDuration, ScenarioError> {
        if range.contains(&span) {
            return Ok(span);
        }
        let told = |span: SimDuration| match span.is_zero() {
            true => "0s".into(),
            false => span.to_string(),
        };
        let help = format!("from {} to {}", told(*range.start()), told(*range.end()));
        Err(self.fail(format!("{} is out of range", told(span)), help))
    }

    /// A time that a part of the machine takes: not zero, and not absurd.
    fn some_time(&self, span: SimDuration) -> Result<SimDuration, ScenarioError> {
        self.span(span, SimDuration::from_ps(1)..=MAX_SPAN)
    }

    pub(crate) fn unknown(&self, what: &str, name: &str, valid: &[&str]) -> ScenarioError {
        self.fail(format!("there is no {what} `{name}`"), help_for_unknown(name, valid))
    }

    /// A name that may stand in a file name.
    pub(crate) fn name(&self, name: &str) -> Result<String, ScenarioError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = (1..=MAX_NAME).contains(&name.len()) && name.chars().all(plain);
        if !fits || name.starts_with('.') {
            let help = format!(
                "letters, digits, `-`, `_` and `.`, at most {MAX_NAME}, not beginning with `.`"
            );
            return Err(self.fail(format!("`{name}` is not a name"), help));
        }
        Ok(name.into())
    }

    /// Names that must differ; `field` is where each element has its name.
    pub(crate) fn distinct<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        field: Option<&str>,
    ) -> Result<(), ScenarioError> {
        let mut seen = std::collections::BTreeMap::new();
        for (index, name) in names.into_iter().enumerate() {
            if let Some(first) = seen.insert(name, index) {
                let here = self.index(index);
                let here = field.map_or(here.clone(), |field| here.field(field));
                let first = self.index(first).path;
                let help = format!("`{first}` has that name already");
                return Err(here.fail(format!("the name `{name}` is given twice"), help));
            }
        }
        Ok(())
    }
}

pub(crate) fn check_format(root: &At<'_>) -> Result<(), ScenarioError> {
    use crate::syntax::tree::NodeValue;
    let Some(node) = root.doc.root.get("format") else { return Ok(()) };
    match &node.value {
        NodeValue::Number(text) if text != &FORMAT.to_string() => Err(root.field("format").fail(
            format!("format {text} is not supported"),
            format!("this version of apfsim reads format {FORMAT}"),
        )),
        // Anything else that is wrong is told with its type.
        _ => Ok(()),
    }
}

fn scenario(root: &At<'_>, file: ScenarioFile) -> Result<Scenario, ScenarioError> {
    let name = root.field("name").name(&file.name)?;
    let title = title(&root.field("title"), &file.title)?;
    let host_at = root.field("host");
    let guest_at = root.field("guest");
    let guest = guest::guest(&guest_at, &file.guest)?;
    let workload = workload::workload(&root.field("workload"), &file.workload, &guest)?;
    let host = host::host(&host_at, &file.host, &guest)?;
    host::fits(&host_at, &host, &guest, &workload)?;
    let cpu = host::cpu(&host_at, &file.host)?;
    ticks::fit(root, &host, &guest, &cpu)?;
    let policies = policy::policies(&root.field("policies"), &file.policies)?;
    for (index, one) in policies.iter().enumerate() {
        if let Some((message, help)) = policy::without_memory(one, &workload) {
            return Err(root.field("policies").index(index).fail(message, help));
        }
    }
    let baseline = baseline(&root.field("baseline"), file.baseline.as_deref(), &policies)?;
    let shortest = SimDuration::from_ps(1);
    let duration = root.field("duration").span(file.duration.0, shortest..=MAX_DURATION)?;
    let warmup = file.warmup.map_or(SimDuration::ZERO, |warmup| warmup.0);
    let warmup = root.field("warmup").span(warmup, SimDuration::ZERO..=MAX_DURATION)?;
    let disturbances_at = root.field("disturbances");
    let end = duration + warmup;
    let disturbances =
        disturbance::disturbances(&disturbances_at, &file.disturbances, &guest, end)?;
    let replications = root
        .field("replications")
        .number(file.replications.unwrap_or(1).into(), 1..=MAX_REPLICATIONS.into())?;
    let published = file.published.into_iter().enumerate();
    let published = published
        .map(|(index, line)| published_line(&root.field("published").index(index), line, &policies))
        .collect::<Result<_, _>>()?;
    let expect = expectations(&root.field("expect"), &file.expect, &policies)?;
    Ok(Scenario {
        name,
        title,
        machine: MachineConfig { cpu, host, guest, workload, disturbances },
        policies,
        baseline,
        duration,
        warmup,
        seed: file.seed.unwrap_or(1),
        replications,
        published,
        expect,
        text: Arc::clone(&root.doc.text),
    })
}

pub(crate) fn title(at: &At<'_>, title: &str) -> Result<String, ScenarioError> {
    let title = title.trim();
    let one_line = !title.chars().any(char::is_control);
    if !(1..=MAX_TITLE).contains(&title.chars().count()) || !one_line {
        let help = format!("one line of at most {MAX_TITLE} characters");
        return Err(at.fail("this is not a title", help));
    }
    Ok(title.into())
}

fn baseline(at: &At<'_>, name: Option<&str>, policies: &[Policy]) -> Result<String, ScenarioError> {
    let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
    let name = name.unwrap_or(names[0]);
    if !names.contains(&name) {
        let help = help_for_unknown(name, &names);
        return Err(at.fail(format!("the baseline `{name}` is not among the policies"), help));
    }
    Ok(name.into())
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
) -> Result<Vec<Expectation>, ScenarioError> {
    let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
    let read = |(index, line): (usize, &String)| {
        expect::parse(line, &names).map_err(|error| at.index(index).fail(error.message, error.help))
    };
    lines.iter().enumerate().map(read).collect()
}

pub(crate) fn read(path: &Path) -> Result<String, ScenarioError> {
    let fail = |source| ScenarioError::Read { path: path.into(), source };
    let mut file = File::open(path).map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    if meta.is_dir() {
        return Err(ScenarioError::Directory(path.into()));
    }
    // A pipe has no length, so the limit is also held while reading.
    let mut bytes = Vec::new();
    file.by_ref().take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let bytes = meta.len().max(bytes.len() as u64);
        return Err(ScenarioError::TooLarge { path: path.into(), bytes });
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count();
        ScenarioError::NotUtf8 { path: path.into(), offset, line }
    })
}

#[cfg(test)]
mod tests;
