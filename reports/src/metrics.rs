//! The list of metrics: what results name, what it means, and which way is better.

use models::trace::metrics::{Better, METRICS, MetricKind};
use serde_json::{Value, json};

use crate::table::text::listing;

/// A metric a paragraph: its name, its unit, which way is better, and its meaning.
pub fn table() -> String {
    let line = |kind: &MetricKind| {
        let better = better(kind, " is better");
        let better = if better.is_empty() { better } else { format!(", {better}") };
        (kind.name.to_owned(), format!("[{}{better}] {}", kind.unit.word(), kind.meaning))
    };
    listing(&METRICS.iter().map(line).collect::<Vec<_>>(), 0)
}

/// A row a metric, for the documentation.
pub fn markdown() -> String {
    let mut text = String::from(
        "| metric | unit | better | in tables | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for kind in METRICS {
        let MetricKind { name, label, meaning, .. } = kind;
        let (unit, better) = (kind.unit.word(), better(kind, ""));
        text.push_str(&format!("| `{name}` | {unit} | {better} | {label} | {meaning} |\n"));
    }
    text
}

fn better(kind: &MetricKind, after: &str) -> String {
    match kind.better {
        Better::Neither => String::new(),
        better => format!("{}{after}", better.word()),
    }
}

/// The list as JSON. `unit` is that of results; `kind` tells counts and shares apart.
pub fn object() -> String {
    let line = |kind: &MetricKind| {
        json!({
            "name": kind.name,
            "unit": kind.unit.name(),
            "kind": kind.unit.word(),
            "better": (kind.better != Better::Neither).then(|| kind.better.word()),
            "label": kind.label,
            "meaning": kind.meaning,
            "ratio": kind.ratio,
        })
    };
    format!("{:#}\n", Value::from_iter(METRICS.iter().map(line)))
}
