//! Whether the files of a folder of results are whole, and what they are.

use serde_json::Value;

/// What to do about a file of results that is damaged.
const AGAIN: &str = "give the command that filled the folder again, with the same `--out`: runs that are finished are kept";

/// What is wrong with a table, if anything is: every line of it has as many cells as the first one, and an end.
pub(super) fn wrong_in_table(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("it is empty".to_owned());
    }
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let titles = reader.headers().map_or(0, csv::StringRecord::len);
    for row in reader.records() {
        let Err(error) = row else { continue };
        let line = error.position().map_or(0, csv::Position::line);
        return Some(match error.kind() {
            csv::ErrorKind::UnequalLengths { len, .. } => {
                format!("line {line} has {len} of {titles} cells")
            }
            _ => format!("line {line} cannot be read"),
        });
    }
    (!text.ends_with('\n')).then(|| "its last line has no end".to_owned())
}

/// A file that is one JSON value.
pub(super) fn json(name: &str, text: &str) -> Result<Value, String> {
    let read = serde_json::from_str(text);
    let read = read.map_err(|error| format!("`{name}` is damaged: {error}; {AGAIN}"))?;
    result(name, read, |value| value)
}

/// The whole lines of a file that has a JSON value on each, and what to say of a last one that is not.
pub(super) fn json_lines(name: &str, text: &str) -> Result<(Vec<Value>, Option<String>), String> {
    let mut values = Vec::new();
    let count = text.lines().count();
    for (place, line) in text.lines().enumerate() {
        let number = place + 1;
        match serde_json::from_str(line) {
            Ok(value) => values.push(result(name, value, |line| &line["comparison"])?),
            // A writer that was killed leaves a last line without its end.
            Err(_) if number == count && number > 1 && !text.ends_with('\n') => {
                let told = format!("`{name}` ends in line {number}, which is left out; {AGAIN}");
                return Ok((values, Some(told)));
            }
            Err(error) => {
                let place = format!("line {number}, column {}", error.column());
                return Err(format!("`{name}` is damaged in {place}; {AGAIN}"));
            }
        }
    }
    match values.is_empty() {
        true => Err(format!("`{name}` is empty; {AGAIN}")),
        false => Ok((values, None)),
    }
}

/// The value, if results are in it.
fn result(name: &str, value: Value, inside: fn(&Value) -> &Value) -> Result<Value, String> {
    let own = inside(&value);
    let policies = own["policies"].as_array();
    match own["scenario"].is_string() && policies.is_some_and(|policies| !policies.is_empty()) {
        true => Ok(value),
        false => Err(format!(
            "`{name}` is none of this program: it has no `scenario` and no `policies`; name a folder that \
             `--out` of compare, run, sweep or anatomy has filled"
        )),
    }
}
