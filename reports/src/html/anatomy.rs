//! Anatomies of faults or requests: what the latency of each consists of.

use serde::Serialize;
use serde_json::Value;

use super::object::text;

/// Some faults or requests in parts.
#[derive(Serialize)]
pub(super) struct Anatomy {
    title: &'static str,
    note: &'static str,
    /// Names of the parts, in the order in which they come up.
    parts: Vec<String>,
    rows: Vec<Row>,
}

/// One of them; times are seconds.
#[derive(Serialize)]
struct Row {
    policy: String,
    pick: String,
    rank: u64,
    latency: f64,
    parts: Vec<Option<f64>>,
}

impl Anatomy {
    pub(super) fn of(object: &Value) -> Self {
        let requests = object["policies"][0]["picked"].is_array();
        let list = if requests { "picked" } else { "faults" };
        let policies = || object["policies"].as_array().into_iter().flatten();
        let picked = |policy: &Value| policy[list].as_array().cloned().unwrap_or_default();
        let seconds = |value: &Value| value.as_f64().map(|ps| ps * 1e-12);
        let mut parts: Vec<String> = Vec::new();
        for part in policies().flat_map(picked).flat_map(|own| parts_of(&own)) {
            if !parts.contains(&part.0) {
                parts.push(part.0);
            }
        }
        let row = |policy: &Value, own: &Value| {
            let has = parts_of(own);
            let part = |name: &String| {
                let part = has.iter().find(|(own, _)| own == name);
                part.and_then(|(_, value)| seconds(value))
            };
            Row {
                policy: text(policy, "policy"),
                pick: text(own, "pick"),
                rank: own["rank"].as_u64().unwrap_or(0),
                latency: seconds(&own["latency_ps"]).unwrap_or(0.0),
                parts: parts.iter().map(part).collect(),
            }
        };
        let rows = policies().flat_map(|policy| {
            picked(policy).iter().map(|own| row(policy, own)).collect::<Vec<_>>()
        });
        let rows = rows.collect();
        let (title, note) = match requests {
            true => ("Anatomy of requests", "Single requests, and what their latency consists of."),
            false => {
                ("Anatomy of faults", "Single major faults, and what their latency consists of.")
            }
        };
        Self { title, note, parts, rows }
    }
}

fn parts_of(own: &Value) -> Vec<(String, Value)> {
    let parts = own["parts"].as_array().into_iter().flatten();
    parts.map(|part| (text(part, "part"), part["ps"].clone())).collect()
}
