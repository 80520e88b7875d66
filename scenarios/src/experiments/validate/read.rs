//! From the file of a published experiment to one that was checked.

use std::path::Path;
use std::sync::Arc;

use models::trace::metrics;

use super::definition::{Experiment, Kind, Measured, Parameter, Row, Setup, TOLERANCE};
use super::file::{
    BasisFile, ExperimentFile, KindFile, ParameterFile, RoleFile, RowFile, SetupFile,
};
use super::formula::{Formula, Setups};
use super::library;
use crate::experiments::sweep::{Base, Patch, Point, Sweep, SweepOverrides, settings};
use crate::scenario::library as scenario_library;
use crate::scenario::published::Published;
use crate::scenario::resolve::at::{At, check_format, title};
use crate::scenario::source::{document, read};
use crate::syntax::error::{ScenarioError, help_for_unknown};
use crate::syntax::tree::{Document, FieldPath, NodeValue};

impl Experiment {
    /// Loads an experiment by path, or a built-in one by name. A file wins over a built-in one.
    ///
    /// # Errors
    /// When there is none, when it cannot be read, or when its content, or that of a scenario of it,
    /// is wrong.
    pub fn load(path_or_name: &str) -> Result<Self, ScenarioError> {
        let path = Path::new(path_or_name);
        if path.is_file() {
            return Self::from_str(path_or_name, &read(path)?);
        }
        let Some(entry) = library::find(path_or_name) else {
            let names: Vec<&str> = library::all().iter().map(|entry| entry.name).collect();
            let help = help_for_unknown(path_or_name, &names);
            return Err(ScenarioError::Override {
                message: format!("there is no experiment `{path_or_name}`"),
                help,
            });
        };
        Self::from_str(entry.name, entry.text)
    }

    /// Reads an experiment from text; `file` is its name in messages.
    ///
    /// # Errors
    /// When the content is wrong.
    pub fn from_str(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let doc = Arc::new(document(file, text)?);
        let root = At { doc: &doc, path: FieldPath::default() };
        check_format(&root)?;
        let file: ExperimentFile = crate::syntax::de::from_document(&doc)?;
        experiment(&doc, &root, file)
    }
}

fn experiment(
    doc: &Arc<Document>,
    root: &At<'_>,
    file: ExperimentFile,
) -> Result<Experiment, ScenarioError> {
    let name = root.field("name").name(&file.name)?;
    let told = title(&root.field("title"), &file.title)?;
    if file.sources.is_empty() {
        let help = "a message id, an address or a paper";
        return Err(root.field("sources").fail("there is no source", help));
    }
    let setups = setups(doc, &root.field("setups"), &file.setups, &file.rows)?;
    let at = root.field("rows");
    if file.not_modelled.is_some() && !setups.is_empty() {
        let help = "leave out `not_modelled`, or give it to single rows";
        return Err(root.field("not_modelled").fail("an experiment with setups is run", help));
    }
    let whole = file.not_modelled.as_deref();
    let mut rows = Vec::new();
    for (place, row) in file.rows.iter().enumerate() {
        rows.extend(rows_of(&at.index(place), row, &setups, whole)?);
    }
    if rows.is_empty() {
        return Err(at.fail("there is no row", "at least one published number"));
    }
    let at = root.field("parameters");
    let parameter = |(place, one): (usize, &ParameterFile)| parameter(&at.index(place), one, &rows);
    let parameters = file.parameters.iter().enumerate().map(parameter).collect::<Result<_, _>>()?;
    let kind = match file.kind {
        None | Some(KindFile::Published) => Kind::Published,
        Some(KindFile::Measured) => Kind::Measured,
    };
    Ok(Experiment {
        name,
        title: told,
        sources: file.sources,
        kind,
        parameters,
        setups,
        rows,
        not_modelled: file.not_modelled,
        analysis: file.analysis,
        text: Arc::clone(&doc.text),
    })
}

/// What a setup is made of, so that later ones can be made of it.
struct Ground {
    name: String,
    base: Arc<Base>,
    patches: Vec<Patch>,
}

fn setups(
    doc: &Arc<Document>,
    at: &At<'_>,
    files: &[SetupFile],
    rows: &[RowFile],
) -> Result<Vec<Setup>, ScenarioError> {
    let mut grounds: Vec<Ground> = Vec::new();
    let mut setups: Vec<Setup> = Vec::new();
    for (at, file) in files.iter().enumerate().map(|(place, file)| (at.index(place), file)) {
        match (&file.sweep, &file.name, &file.scenario) {
            (Some(sweep), None, None) if file.set.is_empty() => {
                setups.extend(points(&at.field("sweep"), sweep, rows)?);
            }
            (None, Some(name), Some(_)) => {
                let name = at.field("name").name(name)?;
                let (base, mut patches) = ground(doc, &at.field("scenario"), &grounds)?;
                patches.extend(settings(doc, &at.field("set"))?);
                let (scenario, _) =
                    base.with(&patches.iter().collect::<Vec<_>>(), &format!("setup `{name}`"))?;
                setups.push(Setup { name: name.clone(), scenario });
                grounds.push(Ground { name, base, patches });
            }
            _ => {
                let help =
                    "either `name` and `scenario`, with `set` where it is changed, or `sweep`";
                return Err(at.fail("this setup does not say what is run", help));
            }
        }
        let twice = |place: usize| setups[..place].iter().any(|it| it.name == setups[place].name);
        if let Some(place) = (0..setups.len()).find(|&place| twice(place)) {
            let message = format!("the name `{}` is given twice", setups[place].name);
            return Err(at.fail(message, "name each setup once"));
        }
    }
    Ok(setups)
}

/// The points of a sweep that a formula asks for, as setups.
fn points(at: &At<'_>, sweep: &str, rows: &[RowFile]) -> Result<Vec<Setup>, ScenarioError> {
    if scenario_library::find_sweep(sweep).is_none() {
        let names: Vec<&str> = scenario_library::sweeps().iter().map(|it| it.name).collect();
        return Err(at.unknown("sweep", sweep, &names));
    }
    let sweep = Sweep::load(sweep, &SweepOverrides::default())?;
    let formulas = || rows.iter().filter_map(|row| row.measure.as_deref());
    let words = || formulas().flat_map(str::split_whitespace);
    let asked = |name: &str| {
        words().any(|word| {
            let place = word.split_once('@').map_or("", |(_, place)| place);
            place.split('/').next() == Some(name)
        })
    };
    let setup = |point: Point| Setup { name: slug(&point.label), scenario: point.scenario };
    Ok(sweep.points.into_iter().map(setup).filter(|setup| asked(&setup.name)).collect())
}

/// A label as a name.
fn slug(label: &str) -> String {
    let words = label.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

/// The scenario that a setup begins with: an earlier setup, a built-in scenario, or one in place.
fn ground(
    doc: &Arc<Document>,
    at: &At<'_>,
    grounds: &[Ground],
) -> Result<(Arc<Base>, Vec<Patch>), ScenarioError> {
    let node = doc.nearest(&at.path);
    match &node.value {
        NodeValue::String(name) => {
            if let Some(known) = grounds.iter().find(|known| known.name == *name) {
                return Ok((Arc::clone(&known.base), known.patches.clone()));
            }
            match Base::load(name) {
                Err(ScenarioError::NotFound { help, .. }) => {
                    let message =
                        format!("there is no setup `{name}` before this one and no such scenario");
                    Err(at.fail(message, help))
                }
                loaded => Ok((Arc::new(loaded?), Vec::new())),
            }
        }
        NodeValue::Object(_) => {
            let (file, text) = (doc.file.clone(), Arc::clone(&doc.text));
            let inner = Document::of(file, text, node.clone());
            Ok((Arc::new(Base::new(inner)?.0), Vec::new()))
        }
        _ => Err(crate::syntax::de::expected(doc, &at.path, "a name or a scenario")),
    }
}

fn parameter(at: &At<'_>, file: &ParameterFile, rows: &[Row]) -> Result<Parameter, ScenarioError> {
    let basis = match file.basis {
        BasisFile::Given => "given",
        BasisFile::Derived => "derived",
        BasisFile::Calibrated => "calibrated",
        BasisFile::Source => "source",
        BasisFile::Assumption => "assumption",
    };
    match (&file.row, file.basis) {
        (Some(label), BasisFile::Calibrated) => {
            if !rows.iter().any(|row| row.label == *label && row.calibration) {
                let message = format!("there is no row `{label}` with role `calibration`");
                return Err(at.field("row").fail(message, "the label of a row of this file"));
            }
        }
        (None, BasisFile::Calibrated) => {
            let help = "add `row`, the label of the row that it was taken from";
            return Err(at.fail("this parameter does not say from which row it is", help));
        }
        (Some(_), _) => {
            let help = "leave it out, or write `\"basis\": \"calibrated\"`";
            return Err(at.field("row").fail("only what is calibrated has a row", help));
        }
        (None, _) => {}
    }
    let explained = matches!(file.basis, BasisFile::Given | BasisFile::Calibrated);
    if !explained && file.note.is_none() {
        let help = "add `note`: the derivation, the source, or the range of the assumption";
        return Err(at.fail("this parameter does not say where it comes from", help));
    }
    let (what, value) = (file.what.clone(), file.value.clone());
    Ok(Parameter { what, value, basis, row: file.row.clone(), note: file.note.clone() })
}

fn rows_of(
    at: &At<'_>,
    file: &RowFile,
    setups: &[Setup],
    whole: Option<&str>,
) -> Result<Vec<Row>, ScenarioError> {
    match &file.published_of {
        Some(setup) => published(at, file, setup, setups),
        None if file.metrics.is_some() => {
            let help = "leave it out, or name a setup with `published_of`";
            Err(at.field("metrics").fail("only published values of a scenario are chosen so", help))
        }
        None => Ok(vec![row(at, file, setups, whole)?]),
    }
}

/// A row of its own.
fn row(
    at: &At<'_>,
    file: &RowFile,
    setups: &[Setup],
    whole: Option<&str>,
) -> Result<Row, ScenarioError> {
    let label =
        file.label.as_deref().ok_or_else(|| at.fail("this row has no label", "add `label`"))?;
    let published = file.published;
    let published =
        published.ok_or_else(|| at.fail("this row has no number", "add `published`"))?;
    let measured = match (&file.measure, file.not_modelled.as_deref().or(whole)) {
        (Some(text), None) => {
            let named: Setups<'_> =
                setups.iter().map(|setup| (setup.name.as_str(), &setup.scenario)).collect();
            let formula = Formula::parse(text, &named);
            Measured::By(formula.map_err(|it| at.field("measure").fail(it.message, it.help))?)
        }
        (None, Some(reason)) => Measured::NotModelled(reason.to_owned()),
        (Some(_), Some(_)) => {
            let help = "leave out `measure`, or `not_modelled`";
            return Err(at.fail("this row is measured and not modelled", help));
        }
        (None, None) => {
            let help = "add `measure`, or `not_modelled` with the reason";
            return Err(at.fail("this row does not say how it is measured", help));
        }
    };
    Ok(Row {
        label: title(&at.field("label"), label)?,
        published,
        stderr: stderr(at, file)?,
        unit: file.unit.clone().unwrap_or_default(),
        measured,
        tolerance: tolerance(at, file)?,
        effect: file.effect.unwrap_or(false),
        calibration: file.role == Some(RoleFile::Calibration),
    })
}

/// A row for each value that the scenario of a setup has under `published`.
fn published(
    at: &At<'_>,
    file: &RowFile,
    setup: &str,
    setups: &[Setup],
) -> Result<Vec<Row>, ScenarioError> {
    let Some(setup) = setups.iter().find(|known| known.name == setup) else {
        let names: Vec<&str> = setups.iter().map(|known| known.name.as_str()).collect();
        return Err(at.field("published_of").unknown("setup", setup, &names));
    };
    let own = [
        ("published", file.published.is_some()),
        ("stderr", file.stderr.is_some()),
        ("unit", file.unit.is_some()),
        ("measure", file.measure.is_some()),
        ("effect", file.effect.is_some()),
        ("not_modelled", file.not_modelled.is_some()),
    ];
    if let Some((name, _)) = own.into_iter().find(|(_, given)| *given) {
        let help = "leave it out: it follows from the scenario";
        return Err(at.field(name).fail("this row takes published values of a scenario", help));
    }
    let wanted = |value: &&Published| {
        file.metrics.as_ref().is_none_or(|names| names.contains(&value.metric))
    };
    let values: Vec<&Published> = setup.scenario.published.iter().filter(wanted).collect();
    if values.is_empty() {
        let message = format!("the scenario of `{}` has no such published value", setup.name);
        return Err(at.fail(message, "a scenario with `published`, and metrics that are there"));
    }
    let tolerance = tolerance(at, file)?;
    let row = |value: &Published| {
        let kind = metrics::find(&value.metric);
        let unit = kind.map_or("", |kind| kind.unit.name());
        let prefix = file.label.as_ref().map_or_else(String::new, |label| format!("{label}, "));
        Row {
            label: format!("{prefix}{}, {}", value.policy, value.metric),
            published: value.mean,
            stderr: value.stderr,
            unit: if unit == "1" { String::new() } else { unit.to_owned() },
            measured: Measured::By(Formula::of_metric(&value.metric, &setup.name, &value.policy)),
            tolerance,
            effect: false,
            calibration: file.role == Some(RoleFile::Calibration),
        }
    };
    Ok(values.into_iter().map(row).collect())
}

fn stderr(at: &At<'_>, file: &RowFile) -> Result<Option<f64>, ScenarioError> {
    match file.stderr {
        Some(error) if !(error.is_finite() && error >= 0.0) => {
            Err(at.field("stderr").fail(format!("{error} is no error"), "a number from 0 on"))
        }
        error => Ok(error),
    }
}

fn tolerance(at: &At<'_>, file: &RowFile) -> Result<f64, ScenarioError> {
    match file.tolerance {
        None => Ok(TOLERANCE),
        Some(percent) if (0.0..=20.0).contains(&percent) => Ok(percent / 100.0),
        Some(percent) => {
            let message = format!("{percent} is out of range");
            Err(at.field("tolerance").fail(message, "from 0 to 20, in percent"))
        }
    }
}
