//! From a scenario that fails to the smallest one that still fails in the same way.
//!
//! Parts are left out, numbers and times halved, presets put in place of descriptions, one edit at a
//! time, and an edit is kept if the failure stays of its kind. Which edits are tried depends on the
//! scenario alone, and their number is bounded.

use serde_json::Value;
use sim_core::SimDuration;

/// The smallest scenario that was found, and the number of scenarios that were tried. `fails` gives
/// the scenario that was run, which may be shorter, if it still fails in the same way.
pub(super) fn shrink(
    value: Value,
    most: u32,
    fails: &mut dyn FnMut(&Value) -> Option<Value>,
) -> (Value, u32) {
    let mut shrinking = Shrinking { value, tries: 0, most, fails };
    loop {
        let before = shrinking.value.clone();
        for pass in PASSES {
            shrinking.pass(*pass);
        }
        if shrinking.value == before || shrinking.tries >= most {
            return (shrinking.value, shrinking.tries);
        }
    }
}

struct Shrinking<'a> {
    value: Value,
    tries: u32,
    most: u32,
    fails: &'a mut dyn FnMut(&Value) -> Option<Value>,
}

/// An edit of the value at a place, the name of whose field is given; none where it is not for such
/// values, or where it would change nothing. Of an edit with several forms, the number says which.
type Edit = fn(&str, &Value, usize) -> Option<Change>;

/// What is to be done at a place.
enum Change {
    Replace(Value),
    Remove,
}

/// The largest steps first.
const PASSES: &[Edit] = &[half_of_list, remove, simpler, smaller];

/// A way from the root to a value.
type Path = Vec<Step>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
}

impl Shrinking<'_> {
    /// Tries an edit at every place, from the outside to the inside.
    fn pass(&mut self, edit: Edit) {
        let mut at = 0;
        loop {
            let paths = paths(&self.value);
            let Some(path) = paths.get(at) else { return };
            if !self.edited(path, edit) {
                at += 1;
            }
        }
    }

    /// Whether an edit at a place was kept.
    fn edited(&mut self, path: &Path, edit: Edit) -> bool {
        for form in 0.. {
            let Some(value) = get(&self.value, path) else { return false };
            let Some(change) = edit(field_of(path), value, form) else { return false };
            if self.tries >= self.most {
                return false;
            }
            let mut candidate = self.value.clone();
            if !apply(&mut candidate, path, change) {
                return false;
            }
            self.tries += 1;
            if let Some(run) = (self.fails)(&candidate) {
                self.value = run;
                return true;
            }
        }
        false
    }
}

/// All places, each before what is inside it.
fn paths(value: &Value) -> Vec<Path> {
    let mut all = Vec::new();
    walk(value, &mut Vec::new(), &mut all);
    all
}

fn walk(value: &Value, path: &mut Path, all: &mut Vec<Path>) {
    all.push(path.clone());
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                path.push(Step::Field(name.clone()));
                walk(value, path, all);
                path.pop();
            }
        }
        Value::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                path.push(Step::Index(index));
                walk(value, path, all);
                path.pop();
            }
        }
        _ => {}
    }
}

fn get<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get(name),
        Step::Index(index) => value.get(index),
    })
}

/// The innermost name on the way.
fn field_of(path: &[Step]) -> &str {
    let names = path.iter().rev().filter_map(|step| match step {
        Step::Field(name) => Some(name.as_str()),
        Step::Index(_) => None,
    });
    names.into_iter().next().unwrap_or_default()
}

fn apply(value: &mut Value, path: &[Step], change: Change) -> bool {
    let Some((last, above)) = path.split_last() else { return false };
    let place = above.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get_mut(name),
        Step::Index(index) => value.get_mut(index),
    });
    match (place, last, change) {
        (Some(Value::Object(object)), Step::Field(name), Change::Remove) => {
            object.remove(name).is_some()
        }
        (Some(Value::Array(array)), Step::Index(index), Change::Remove) if *index < array.len() => {
            array.remove(*index);
            true
        }
        (Some(Value::Object(object)), Step::Field(name), Change::Replace(new)) => {
            object.insert(name.clone(), new).is_some()
        }
        (Some(Value::Array(array)), Step::Index(index), Change::Replace(new)) => {
            array.get_mut(*index).map(|old| *old = new).is_some()
        }
        _ => false,
    }
}

/// Leaves out one or the other half of a list.
fn half_of_list(_: &str, value: &Value, form: usize) -> Option<Change> {
    let list = value.as_array().filter(|list| list.len() > 2)?;
    let half = list.len() / 2;
    match form {
        0 => Some(Change::Replace(list[..half].into())),
        1 => Some(Change::Replace(list[half..].into())),
        _ => None,
    }
}

/// Leaves out a field or an element.
fn remove(_: &str, _: &Value, form: usize) -> Option<Change> {
    (form == 0).then_some(Change::Remove)
}

/// Words that make a scenario simpler, by field.
const USUAL: [(&str, &[&str]); 6] = [
    ("cpu", &["free", "westmere-2010"]),
    ("preset", &["free", "westmere-2010", "nvme-tlc-gen3"]),
    ("device", &["nvme-tlc-gen3"]),
    ("kernel", &["linux-2.6.36"]),
    ("pattern", &["uniform"]),
    ("policies", &["sync", "apf-v6.19"]),
];

/// A name in place of an object, a usual value in place of another one, what is inside an operation
/// in its place.
fn simpler(field: &str, value: &Value, form: usize) -> Option<Change> {
    let forms: Vec<Value> = match value {
        Value::Object(object) => {
            let names = ["preset", "base", "value", "mean", "median", "scale", "high"];
            let named = names.iter().filter_map(|name| object.get(*name).cloned());
            let body = object.get("body").and_then(Value::as_array).into_iter().flatten().cloned();
            named.chain(body).collect()
        }
        Value::Bool(true) => vec![Value::Bool(false)],
        Value::String(text) => {
            let words =
                USUAL.iter().find(|(known, _)| *known == field).map_or(&[][..], |known| known.1);
            let at = words.iter().position(|word| word == text).unwrap_or(words.len());
            words[..at].iter().map(|word| Value::from(*word)).collect()
        }
        _ => Vec::new(),
    };
    forms.into_iter().nth(form).map(Change::Replace)
}

/// A smaller number, size or time: the least that is allowed as a rule, a rounder one, the half.
fn smaller(_: &str, value: &Value, form: usize) -> Option<Change> {
    let forms: Vec<Value> = match value {
        Value::Number(number) => {
            let number = number.as_u64().filter(|number| *number > 0)?;
            fewer(number).into_iter().map(Value::from).collect()
        }
        Value::String(text) => {
            if let Ok(span) = text.parse::<SimDuration>() {
                let spans = fewer(span.as_ps()).into_iter().map(SimDuration::from_ps);
                spans.map(|span| Value::from(span.to_string())).collect()
            } else if let Some(kib) = kib(text) {
                let pages = fewer(kib / 4).into_iter();
                pages.map(|pages| Value::from(format!("{}KiB", pages * 4))).collect()
            } else {
                Vec::new()
            }
        }
        _ => Vec::new(),
    };
    forms.into_iter().nth(form).map(Change::Replace)
}

/// Smaller numbers, the smallest first.
fn fewer(number: u64) -> Vec<u64> {
    let digits = 10u64.pow(number.max(1).ilog10());
    let mut all = vec![0, 1, digits, number / 2, number - number % digits, number - number / 4];
    all.retain(|smaller| *smaller < number);
    all.sort_unstable();
    all.dedup();
    all
}

fn kib(text: &str) -> Option<u64> {
    let units = [("KiB", 1), ("MiB", 1024), ("GiB", 1024 * 1024)];
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A failure that needs two things in different places, one of them a number.
    #[test]
    fn what_a_failure_needs_is_kept_and_nothing_else() {
        let value = json!({
            "host": { "cpu": { "preset": "skylake-sp", "frequency": "3GHz" }, "cpus": 7 },
            "list": [1, 2, 3, { "op": "syscall", "body": [{ "op": "sleep", "span": "173us" }] }, 5],
            "duration": "90ms"
        });
        let mut fails = |candidate: &Value| {
            let cpus = candidate["host"]["cpus"].as_u64().unwrap_or(0);
            let sleeps = candidate["list"].to_string().contains("\"sleep\"");
            (cpus >= 3 && sleeps).then(|| candidate.clone())
        };
        let (smallest, tries) = shrink(value.clone(), 1000, &mut fails);
        assert_eq!(smallest, json!({ "host": { "cpus": 3 }, "list": [{ "op": "sleep" }] }));
        assert!(tries < 100, "{tries}");
        // The same again, and never more tries than allowed.
        assert_eq!(shrink(value.clone(), 1000, &mut fails), (smallest, tries));
        assert_eq!(shrink(value, 7, &mut fails).1, 7);
    }

    #[test]
    fn times_and_sizes_become_smaller() {
        let value = json!({ "span": "1234us", "size": "5MiB" });
        let mut fails = |candidate: &Value| {
            let span = candidate["span"].as_str()?.parse::<SimDuration>().ok()?;
            let size = kib(candidate["size"].as_str()?)?;
            (span >= SimDuration::from_us(100) && size >= 100).then(|| candidate.clone())
        };
        let (smallest, _) = shrink(value, 1000, &mut fails);
        assert_eq!(smallest, json!({ "span": "100us", "size": "100KiB" }));
    }
}
