//! From a sweep file, or a scenario and a command line, to numbered points.

use std::path::Path;
use std::sync::Arc;

use models::trace::metrics;

use super::axis::{Axis, AxisSpec, Variation};
use super::changes::{origin, settings};
use super::definition::{Laws, MAX_POINTS, Sweep, SweepOverrides};
use super::file::{AxisFile, SweepFile};
use super::point::{Base, Origin, Patch, Point};
use super::range::{Quantity, ends, spread};
use super::{collide, words};
use crate::scenario::library;
use crate::scenario::patch::Target;
use crate::scenario::resolve::ScenarioOverrides;
use crate::scenario::resolve::at::{self, At};
use crate::scenario::source::{document, source};
use crate::syntax::error::{ScenarioError, help_for_unknown};
use crate::syntax::tree::{Chosen, Document, FieldPath, Node, NodeValue};

/// The label of the point of a sweep of variations that has none.
const UNCHANGED: &str = "none";

/// A sweep whose points have not been made yet.
pub(super) struct Spec {
    name: String,
    title: String,
    base: Base,
    /// What every point has: first what a file says, then what a command line says.
    set: Vec<Patch>,
    axes: Vec<AxisSpec>,
    variations: Vec<Variation>,
    metrics: Vec<String>,
    laws: Option<Laws>,
    /// Whether the points are those of a file.
    is_file: bool,
}

impl Spec {
    pub(super) fn load(path_or_name: &str, chosen: &Chosen) -> Result<Self, ScenarioError> {
        let path = Path::new(path_or_name);
        if let Some(entry) = library::find_sweep(path_or_name).filter(|_| !path.is_file()) {
            return Self::from_text(entry.name, entry.text, chosen);
        }
        match source(path_or_name) {
            Ok((file, text)) => Self::from_text(&file, &text, chosen),
            Err(ScenarioError::NotFound { name, .. }) => {
                let all = library::all().iter().chain(library::sweeps());
                let names: Vec<&str> = all.map(|entry| entry.name).collect();
                let help = help_for_unknown(&name, &names);
                Err(ScenarioError::NotFound { name, help })
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn from_text(
        file: &str,
        text: &str,
        chosen: &Chosen,
    ) -> Result<Self, ScenarioError> {
        let mut doc = document(file, text)?;
        doc.chosen = chosen.clone();
        let of_sweeps = ["scenario", "axes", "variations"];
        if !of_sweeps.iter().any(|name| doc.root.get(name).is_some()) {
            return Self::of_scenario(doc);
        }
        let doc = Arc::new(doc);
        let root = At { doc: &doc, path: FieldPath::default() };
        at::check_format(&root)?;
        let file: SweepFile = crate::syntax::de::from_document(&doc)?;
        Self::of_file(&doc, &root, file)
    }

    /// A plain scenario; its axes come from the command line.
    fn of_scenario(doc: Document) -> Result<Self, ScenarioError> {
        let (base, plain) = Base::new(doc)?;
        Ok(Self {
            name: plain.name,
            title: plain.title,
            base,
            set: Vec::new(),
            axes: Vec::new(),
            variations: Vec::new(),
            metrics: Vec::new(),
            laws: None,
            is_file: false,
        })
    }

    fn of_file(doc: &Arc<Document>, root: &At<'_>, file: SweepFile) -> Result<Self, ScenarioError> {
        let name = root.field("name").name(&file.name)?;
        let title = at::title(&root.field("title"), &file.title)?;
        let (axes, variations) = match (&file.axes, &file.variations) {
            (Some(axes), None) if !axes.is_empty() => {
                let at = root.field("axes");
                let axis = |(place, axis)| axis_of(doc, &at.index(place), axis);
                (axes.iter().enumerate().map(axis).collect::<Result<_, _>>()?, Vec::new())
            }
            (None, Some(variations)) if !variations.is_empty() => {
                let at = root.field("variations");
                let names = variations.iter().map(|variation| variation.name.as_str());
                at.distinct(names, Some("name"))?;
                let variation = |(place, variation): (usize, &super::file::VariationFile)| {
                    let at = at.index(place);
                    let name = at::title(&at.field("name"), &variation.name)?;
                    if name == UNCHANGED {
                        let message = format!("`{UNCHANGED}` is the point without any variation");
                        return Err(at.field("name").fail(message, "another name"));
                    }
                    Ok(Variation { name, set: settings(doc, &at.field("set"))? })
                };
                (
                    Vec::new(),
                    variations.iter().enumerate().map(variation).collect::<Result<_, _>>()?,
                )
            }
            (Some(_), Some(_)) => {
                let at = root.field("variations");
                return Err(
                    at.fail("a sweep has axes or variations, not both", "remove one of them")
                );
            }
            _ => {
                let help =
                    "add `\"axes\": [{ \"field\": ..., \"values\": [...] }]`, or `variations`";
                return Err(root.fail("nothing is varied", help));
            }
        };
        let laws = file.laws.map(|laws| Laws { compute: laws.compute.0 });
        if laws.is_some_and(|laws| laws.compute.is_zero()) {
            let at = root.field("laws").field("compute");
            return Err(at.fail("the time must not be zero", "a time such as \"200us\""));
        }
        Ok(Self {
            name,
            title,
            base: base(doc, &root.field("scenario"), &file.scenario)?,
            set: settings(doc, &root.field("set"))?,
            axes,
            variations,
            metrics: metrics(&root.field("metrics"), file.metrics.unwrap_or_default())?,
            laws,
            is_file: true,
        })
    }

    /// Takes in what a command line says.
    pub(super) fn add(&mut self, overrides: &SweepOverrides) -> Result<(), ScenarioError> {
        let fail = |message: &str, help: &str| {
            Err(ScenarioError::Override { message: message.into(), help: help.into() })
        };
        if self.is_file && !overrides.axes.is_empty() {
            let help = "give the axes of a scenario, or change the sweep file";
            return fail("a sweep file has its own axes", help);
        }
        if !self.is_file && overrides.axes.is_empty() {
            let help = "give an axis, such as `--axis guest.hz=100,1000`, or name a sweep";
            return fail(&format!("`{}` is a scenario: nothing is varied", self.name), help);
        }
        for text in &overrides.axes {
            self.axes.push(words::axis(text)?);
        }
        for text in &overrides.set {
            self.set.push(words::setting(text)?);
        }
        if let Some(name) = overrides.metrics.iter().find(|name| metrics::find(name).is_none()) {
            let message = format!("there is no metric `{name}`");
            return fail(&message, &help_for_unknown(name, &metrics::names()));
        }
        if !overrides.metrics.is_empty() {
            self.metrics.clone_from(&overrides.metrics);
        }
        Ok(())
    }

    /// How many values each axis has.
    pub(super) fn axis_lengths(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.values.len()).collect()
    }

    /// Makes all points.
    pub(super) fn sweep(self, overrides: &ScenarioOverrides) -> Result<Sweep, ScenarioError> {
        let choices = self.choices()?;
        self.sweep_with(overrides, choices)
    }

    /// Makes some points of the grid, each given by the place of every axis's value.
    pub(super) fn sweep_of(
        self,
        overrides: &ScenarioOverrides,
        points: Vec<Vec<usize>>,
    ) -> Result<Sweep, ScenarioError> {
        let choices = points.into_iter().map(|values| self.choice(values)).collect();
        self.sweep_with(overrides, choices)
    }

    fn sweep_with(
        self,
        overrides: &ScenarioOverrides,
        choices: Vec<Choice>,
    ) -> Result<Sweep, ScenarioError> {
        collide::collisions(&self.base, &self.set, &self.axes, &self.variations)?;
        let mut points = Vec::new();
        // What is wrong with `set` is told of no point in particular.
        self.base.with(&self.set.iter().collect::<Vec<_>>(), "every point")?;
        for (number, choice) in (0..).zip(choices) {
            let Choice { label, values, own } = choice;
            let patches: Vec<&Patch> = self.set.iter().chain(&own).collect();
            let told = format!("point {number} ({label})");
            let scenario = self.base.point(&patches, own.len(), overrides, &told)?;
            let change = |patch: &Patch| (patch.target.text().to_owned(), patch.value.json());
            let changes = own.iter().map(change).collect();
            points.push(Point { number, label, values, changes, scenario });
        }
        collide::equal_points(&self.axes, &points)?;
        self.metrics.iter().try_for_each(|metric| owned(metric, &points))?;
        let Self { name, title, axes, metrics, laws, .. } = self;
        let axes = axes.into_iter().map(|axis| axis.axis).collect();
        Ok(Sweep { name, title, axes, points, metrics, laws })
    }

    fn choices(&self) -> Result<Vec<Choice>, ScenarioError> {
        if self.axes.is_empty() {
            let base = Choice { label: UNCHANGED.into(), values: Vec::new(), own: Vec::new() };
            let others = self.variations.iter().map(|variation| Choice {
                label: variation.name.clone(),
                values: Vec::new(),
                own: variation.set.clone(),
            });
            return Ok(std::iter::once(base).chain(others).collect());
        }
        let lengths = self.axes.iter().map(|axis| axis.values.len());
        let count = lengths.clone().try_fold(1_usize, usize::checked_mul);
        let Some(count) = count.filter(|count| *count <= MAX_POINTS) else {
            let whole = &self.axes[0].whole;
            let help = Some(format!("at most {MAX_POINTS}, the product of all axes"));
            return Err(whole.error("the sweep has too many points", help));
        };
        Ok((0..count).map(|number| self.grid_point(number)).collect())
    }

    /// The point of that number of the grid; the last axis changes fastest.
    fn grid_point(&self, number: usize) -> Choice {
        let (mut values, mut rest) = (vec![0; self.axes.len()], number);
        for (place, axis) in self.axes.iter().enumerate().rev() {
            values[place] = rest % axis.values.len();
            rest /= axis.values.len();
        }
        self.choice(values)
    }

    fn choice(&self, values: Vec<usize>) -> Choice {
        let (mut label, mut own) = (Vec::new(), Vec::new());
        for (axis, &value) in self.axes.iter().zip(&values) {
            label.push(format!("{} {}", axis.axis.name, axis.axis.values[value]));
            let (value, origin) = &axis.values[value];
            own.extend(axis.targets.iter().map(|(target, named)| Patch {
                target: target.clone(),
                named: named.clone(),
                value: value.clone(),
                origin: origin.clone(),
            }));
        }
        Choice { label: label.join(", "), values, own }
    }
}

/// What a point is made of.
struct Choice {
    label: String,
    values: Vec<usize>,
    own: Vec<Patch>,
}

/// The scenario that a sweep file names: beside the file, or built in.
fn base(doc: &Document, at: &At<'_>, name: &str) -> Result<Base, ScenarioError> {
    let folder = Path::new(&doc.file).parent().unwrap_or(Path::new(""));
    let beside = folder.join(name);
    let beside = if beside.is_file() { beside.to_string_lossy().into_owned() } else { name.into() };
    match Base::load_for(&beside, doc.chosen.clone()) {
        Err(ScenarioError::NotFound { help, .. }) => {
            let message = format!("there is no scenario file `{name}` and no built-in one");
            Err(at.fail(message, help))
        }
        loaded => loaded,
    }
}

/// A metric of a group of tasks or of a virtual machine, as `work_total[web]`, is of one that each point has.
fn owned(metric: &str, points: &[Point]) -> Result<(), ScenarioError> {
    let lacks = |point: &&Point| {
        let machine = &point.scenario.machine;
        let groups: Vec<&str> =
            machine.workload.tasks.iter().map(|group| group.name.as_str()).collect();
        let vms: Vec<&str> = machine.vms.iter().map(|vm| vm.name.as_str()).collect();
        metric.contains('[') && metrics::find_for(metric, &groups, &vms).is_none()
    };
    match points.iter().find(lacks) {
        None => Ok(()),
        Some(point) => Err(ScenarioError::Override {
            message: format!("there is no metric `{metric}` at point {} ({})", point.number, point.label),
            help: "name a group of tasks or a virtual machine in brackets, of a metric that is given for each \
                   (`apfsim metrics NAME`)"
                .into(),
        }),
    }
}

/// Names of metrics, each known and none twice.
fn metrics(at: &At<'_>, names: Vec<String>) -> Result<Vec<String>, ScenarioError> {
    at.distinct(names.iter().map(String::as_str), None)?;
    match names.iter().position(|name| metrics::find(name).is_none()) {
        Some(place) => Err(at.index(place).unknown("metric", &names[place], &metrics::names())),
        None => Ok(names),
    }
}

fn axis_of(doc: &Arc<Document>, at: &At<'_>, file: &AxisFile) -> Result<AxisSpec, ScenarioError> {
    let targets = targets(doc, at, file)?;
    let values = match (&file.values, &file.from, &file.to, file.steps) {
        (Some(_), None, None, None) => listed(doc, &at.field("values"))?,
        (None, Some(_), Some(_), Some(steps)) => ranged(doc, at, file, steps)?,
        _ => {
            let help = "either `values`, or `from`, `to` and `steps`";
            return Err(at.fail("this axis does not say which values it has", help));
        }
    };
    if file.values.is_some() && file.scale.is_some() {
        return Err(at.field("scale").fail("a list of values has no scale", "remove it"));
    }
    let name = file.name.as_deref().map(|name| at::title(&at.field("name"), name));
    let name = name.transpose()?;
    let plain: Vec<NodeValue> = values.iter().map(|(value, _)| value.clone()).collect();
    let whole = origin(doc, at.path.clone(), doc.nearest(&at.path).span.clone());
    Ok(AxisSpec { axis: Axis::new(name, &targets, &plain), targets, values, whole })
}

fn targets(
    doc: &Arc<Document>,
    at: &At<'_>,
    file: &AxisFile,
) -> Result<Vec<(Target, Origin)>, ScenarioError> {
    let parsed = |at: &At<'_>, text: &str| {
        let named = origin(doc, at.path.clone(), doc.nearest(&at.path).span.clone());
        let target = text.parse::<Target>().map_err(|error| named.path_error(error))?;
        Ok((target, named))
    };
    match (&file.field, &file.fields) {
        (Some(field), None) => Ok(vec![parsed(&at.field("field"), field)?]),
        (None, Some(fields)) if !fields.is_empty() => {
            let at = at.field("fields");
            let fields = fields.iter().enumerate();
            fields.map(|(place, field)| parsed(&at.index(place), field)).collect()
        }
        _ => {
            let help = "either `field` with a path, or `fields` with several";
            Err(at.fail("this axis does not say which field it varies", help))
        }
    }
}

fn listed(doc: &Arc<Document>, at: &At<'_>) -> Result<Vec<(NodeValue, Origin)>, ScenarioError> {
    let Some(Node { value: NodeValue::Array(items), .. }) = doc.at(&at.path) else {
        unreachable!("the deserializer took it for a list");
    };
    if items.is_empty() {
        return Err(at.fail("there is no value", "at least one"));
    }
    let value = |(place, item): (usize, &Node)| {
        (item.value.clone(), origin(doc, at.path.index(place), item.span.clone()))
    };
    Ok(items.iter().enumerate().map(value).collect())
}

fn ranged(
    doc: &Arc<Document>,
    at: &At<'_>,
    file: &AxisFile,
    steps: u64,
) -> Result<Vec<(NodeValue, Origin)>, ScenarioError> {
    let end = |name: &str| {
        let node = doc.nearest(&at.path.field(name));
        (&node.value, origin(doc, at.path.field(name), node.span.clone()))
    };
    let (from, first) = end("from");
    let (to, last) = end("to");
    let ends = ends(from, to).map_err(|error| last.path_error(error))?;
    let values = spread(ends, steps, file.scale.unwrap_or_default())
        .map_err(|error| end("steps").1.path_error(error))?;
    let count = values.len();
    let placed = |(place, value): (usize, Quantity)| {
        // What is wrong with a value is told of the end that is nearer.
        let origin = if place + 1 == count { &last } else { &first };
        (value.value(), origin.clone())
    };
    Ok(values.into_iter().enumerate().map(placed).collect())
}
