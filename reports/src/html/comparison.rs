//! A comparison, by policy and metric.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::object::text;

/// Mean and standard error.
pub(super) type Estimate = (Option<f64>, Option<f64>);
/// Mean of the ratios, and their interval.
pub(super) type Ratio = (Option<f64>, Option<f64>, Option<f64>);

/// A comparison.
#[derive(Serialize)]
pub(super) struct Compared {
    pub(super) values: BTreeMap<String, BTreeMap<String, Estimate>>,
    pub(super) ratios: BTreeMap<String, BTreeMap<String, Ratio>>,
    published: Value,
    tasks: BTreeMap<String, Value>,
}

impl Compared {
    pub(super) fn of(object: &Value) -> Self {
        let policies = || object["policies"].as_array().into_iter().flatten();
        let metrics = |policy: &Value| {
            let all = policy["metrics"].as_object().into_iter().flatten();
            all.map(|(name, one)| (name.clone(), (one["mean"].as_f64(), one["stderr"].as_f64())))
                .collect()
        };
        Self {
            values: policies().map(|own| (text(own, "policy"), metrics(own))).collect(),
            ratios: ratios(object),
            published: object["published"].clone(),
            tasks: policies().map(|own| (text(own, "policy"), own["per_task"].clone())).collect(),
        }
    }
}

/// The ratios of a comparison, by policy and metric.
pub(super) fn ratios(object: &Value) -> BTreeMap<String, BTreeMap<String, Ratio>> {
    let mut ratios: BTreeMap<String, BTreeMap<String, Ratio>> = BTreeMap::new();
    for one in object["ratios"].as_array().into_iter().flatten() {
        let interval = &one["ci95"];
        let ratio = (one["mean"].as_f64(), interval[0].as_f64(), interval[1].as_f64());
        ratios.entry(text(one, "policy")).or_default().insert(text(one, "metric"), ratio);
    }
    ratios
}
