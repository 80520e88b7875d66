//! What the page's script is given.

use std::collections::BTreeMap;

use models::trace::metrics::{self, Better};
use serde::Serialize;
use serde_json::{Value, json};

use super::anatomy::Anatomy;
use super::comparison::Compared;
use super::curves::{self, Curves};
use super::folder::{Files, SCENARIO};
use super::object::{metric_names, names, text};
use super::presets::{Preset, presets_in};
use super::sweep::Swept;
use super::{verdict, whole};

/// The page has no more than this of files to be saved; a larger one is beside it.
const MOST_BYTES: usize = 2_000_000;
/// Nor more of pictures.
const MOST_PICTURES: usize = 1_200_000;

/// Everything on the page.
#[derive(Serialize)]
pub(super) struct Data {
    pub(super) title: String,
    pub(super) name: String,
    pub(super) verdict: String,
    #[serde(skip)]
    pub(super) facts: Vec<(&'static str, String)>,
    #[serde(skip)]
    pub(super) footer: String,
    pub(super) policies: Vec<String>,
    pub(super) baseline: String,
    pub(super) measure: String,
    pub(super) replications: u64,
    metrics: Vec<Metric>,
    comparison: Option<Compared>,
    latency: Option<BTreeMap<String, Curves>>,
    series: Option<BTreeMap<String, BTreeMap<&'static str, Vec<f64>>>>,
    sweep: Option<Swept>,
    anatomy: Option<Anatomy>,
    figures: Vec<Picture>,
    notes: Vec<Value>,
    findings: Vec<Value>,
    scenario: Option<Named>,
    presets: Vec<Preset>,
    files: Vec<Saved>,
    /// What of the folder is damaged, and not on the page.
    #[serde(skip)]
    pub(super) left_out: Vec<String>,
}

/// What is known of a metric.
#[derive(Serialize)]
struct Metric {
    name: String,
    unit: String,
    label: &'static str,
    meaning: &'static str,
    better: Option<&'static str>,
}

#[derive(Serialize)]
struct Picture {
    title: &'static str,
    name: &'static str,
    svg: String,
}

#[derive(Serialize)]
struct Named {
    name: &'static str,
    text: String,
}

/// A file; without text it is beside the page.
#[derive(Serialize)]
struct Saved {
    name: &'static str,
    text: Option<String>,
    bytes: usize,
}

impl Data {
    /// What is on the page of these files; otherwise what is wrong with them.
    pub(super) fn of(files: &Files) -> Result<Self, String> {
        let object = |name: &str| files.get(name).map(|text| whole::json(name, text)).transpose();
        let mut left_out = files.damaged().to_vec();
        let (lines, cut) = match files.get("sweep.jsonl") {
            Some(text) => whole::json_lines("sweep.jsonl", text)?,
            None => (Vec::new(), None),
        };
        left_out.extend(cut);
        let summary = object("summary.json")?;
        let anatomy = match object("anatomy.json").transpose() {
            None => object("requests.json").transpose(),
            some => some,
        };
        let anatomy = match anatomy.transpose() {
            // It only goes with them.
            Err(what) if summary.is_some() || !lines.is_empty() => {
                left_out.push(what);
                None
            }
            other => other?,
        };
        // What the policies, the baseline and so on are read from.
        let first = lines.first().map(|line| &line["comparison"]);
        let Some(main) = summary.as_ref().or(first).or(anatomy.as_ref()) else {
            return Err("there is nothing in their files".to_owned());
        };
        let compared = summary.as_ref().map(Compared::of);
        let swept = (!lines.is_empty()).then(|| Swept::of(&lines, files.get("runs.csv")));
        // Anatomies of another scenario are not those of this page.
        let anatomy = anatomy.as_ref().filter(|it| same_scenario(main, it));
        let policies = names(main, "policies", "policy");
        let metrics = metrics(main);
        let verdict = match (&compared, &swept, anatomy) {
            (Some(compared), ..) => verdict::of_comparison(main, compared),
            (None, Some(swept), _) => verdict::of_sweep(main, swept),
            (None, None, Some(anatomy)) => verdict::of_anatomy(anatomy),
            (None, None, None) => String::new(),
        };
        let of_policies = |list: &str| match &summary {
            Some(summary) => by_policy(summary, list),
            None => lines.iter().flat_map(|line| by_policy(&line["comparison"], list)).collect(),
        };
        let scenario = files.get(SCENARIO);
        Ok(Self {
            title: text(main, "title"),
            name: names_of(main, &lines),
            verdict,
            facts: facts(main, &lines),
            footer: footer(main, &lines),
            baseline: text(main, "baseline"),
            measure: text(main, "measure"),
            replications: main["replications"].as_u64().unwrap_or(1),
            metrics,
            latency: files.get("fault-latency.csv").map(curves::latencies),
            series: files.get("series.csv").map(curves::series),
            anatomy: anatomy.map(Anatomy::of),
            figures: pictures(files, anatomy.is_some()),
            notes: summary
                .iter()
                .flat_map(|it| it["notes"].as_array().cloned().unwrap_or_default())
                .chain(left_out.iter().map(|text| json!({ "text": text })))
                .collect(),
            left_out,
            findings: of_policies("findings"),
            presets: scenario.map(presets_in).unwrap_or_default(),
            scenario: scenario.map(|text| Named { name: SCENARIO, text: text.to_owned() }),
            files: saved(files),
            comparison: compared,
            sweep: swept,
            policies,
        })
    }
}

fn same_scenario(main: &Value, other: &Value) -> bool {
    // Policies and replications, which hashes are over, too, may differ.
    main["scenario"] == other["scenario"]
}

fn by_policy(comparison: &Value, list: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for policy in comparison["policies"].as_array().into_iter().flatten() {
        for entry in policy[list].as_array().into_iter().flatten() {
            let mut entry = entry.clone();
            entry["policy"] = policy["policy"].clone();
            all.push(entry);
        }
    }
    all
}

fn metrics(main: &Value) -> Vec<Metric> {
    let metric = |name: String| {
        let kind = metrics::find(&name);
        let better = kind.map(|kind| kind.better).filter(|better| *better != Better::Neither);
        Metric {
            unit: text(&main["policies"][0]["metrics"][&name], "unit"),
            label: kind.map_or("", |kind| kind.label),
            meaning: kind.map_or("", |kind| kind.meaning),
            better: better.map(Better::word),
            name,
        }
    };
    metric_names(main).into_iter().map(metric).collect()
}

fn names_of(main: &Value, lines: &[Value]) -> String {
    match lines.first() {
        Some(line) => {
            format!("sweep {} of scenario {}", text(line, "sweep"), text(main, "scenario"))
        }
        None => format!("scenario {}", text(main, "scenario")),
    }
}

fn facts(main: &Value, lines: &[Value]) -> Vec<(&'static str, String)> {
    let number = |name: &str| main[name].as_f64().map(|value| value.to_string());
    let mut facts = Vec::new();
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add("vCPUs", number("vcpus"));
    add("measured time", number("duration_s").map(|seconds| format!("{seconds} s")));
    add("runs of each policy", number("replications"));
    add("points", (!lines.is_empty()).then(|| lines.len().to_string()));
    add("baseline", main["baseline"].as_str().map(str::to_owned));
    add("seed", number("seed"));
    facts
}

fn footer(main: &Value, lines: &[Value]) -> String {
    let part = |name: &str, word: &str| {
        let value = text(main, name);
        if value.is_empty() { String::new() } else { format!(" · {word} {value}") }
    };
    let seed = main["seed"].as_u64().map_or(String::new(), |seed| format!(" · seed {seed}"));
    let digest = if lines.is_empty() { part("digest", "digest") } else { String::new() };
    format!(
        "apfsim {}{}{seed}{digest}. The same scenario, seed and version give the same digest.",
        text(main, "version"),
        part("scenario_hash", "scenario hash"),
    )
}

/// The picture of work is drawn by the script, and stands here only for what was published.
fn pictures(files: &Files, with_anatomy: bool) -> Vec<Picture> {
    let mut room = MOST_PICTURES;
    let mut pictures = Vec::new();
    for (title, name, svg) in files.pictures() {
        let wanted = with_anatomy || !name.starts_with("anatomy");
        if wanted && svg.len() <= room {
            room -= svg.len();
            pictures.push(Picture { title, name, svg: svg.to_owned() });
        }
    }
    pictures
}

fn saved(files: &Files) -> Vec<Saved> {
    let mut room = MOST_BYTES;
    let mut saved = Vec::new();
    for (name, text) in files.data() {
        let bytes = text.len();
        let fits = bytes <= room;
        room -= if fits { bytes } else { 0 };
        saved.push(Saved { name, text: fits.then(|| text.to_owned()), bytes });
    }
    saved
}
