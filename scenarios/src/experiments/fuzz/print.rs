//! A scenario's tree as text that people read: fields in the order of the documentation, what fits
//! on a line on a line.

use serde_json::{Map, Value};

const WIDTH: usize = 96;

/// Fields that come first, in this order; the others follow by name.
const ORDER: [&str; 29] = [
    "$schema",
    "format",
    "name",
    "title",
    "host",
    "guest",
    "workload",
    "disturbances",
    "policies",
    "baseline",
    "duration",
    "warmup",
    "op",
    "preset",
    "kind",
    "cpu",
    "cpus",
    "vcpus",
    "memory",
    "memory_limit",
    "regions",
    "tasks",
    "region",
    "size",
    "role",
    "count",
    "at",
    "cost",
    "span",
];

/// The text, with a newline at the end.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, 0, &mut out);
    out.push('\n');
    out
}

/// Writes a value that begins in column `column` of a line that is indented by `indent`.
fn write(value: &Value, indent: usize, column: usize, out: &mut String) {
    let flat = flat(value);
    let outermost = indent == 0 && value.is_object();
    if !outermost && column + flat.len() < WIDTH {
        out.push_str(&flat);
        return;
    }
    let inner = indent + 2;
    match value {
        Value::Object(object) => {
            out.push('{');
            for (index, (name, value)) in sorted(object).into_iter().enumerate() {
                begin(index, inner, out);
                let name = format!("{}: ", Value::from(name));
                out.push_str(&name);
                write(value, inner, inner + name.len() + 1, out);
            }
            end('}', indent, out);
        }
        Value::Array(array) => {
            out.push('[');
            for (index, value) in array.iter().enumerate() {
                begin(index, inner, out);
                write(value, inner, inner + 1, out);
            }
            end(']', indent, out);
        }
        _ => out.push_str(&flat),
    }
}

fn begin(index: usize, indent: usize, out: &mut String) {
    out.push_str(if index == 0 { "\n" } else { ",\n" });
    out.push_str(&" ".repeat(indent));
}

fn end(bracket: char, indent: usize, out: &mut String) {
    out.push('\n');
    out.push_str(&" ".repeat(indent));
    out.push(bracket);
}

/// On one line.
fn flat(value: &Value) -> String {
    match value {
        Value::Object(object) if object.is_empty() => "{}".to_owned(),
        Value::Object(object) => {
            let fields = sorted(object).into_iter();
            let fields =
                fields.map(|(name, value)| format!("{}: {}", Value::from(name), flat(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Array(array) => {
            let values: Vec<_> = array.iter().map(flat).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}

fn sorted(object: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut fields: Vec<_> = object.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let rank = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    fields.sort_by_key(|(name, _)| (rank(name), *name));
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let value = json!({
            "workload": { "tasks": vec![json!({ "name": "a\"b", "count": [1, 2, 3] }); 5] },
            "format": 1, "empty": {}, "none": []
        });
        let text = text(&value);
        assert!(text.starts_with("{\n  \"format\": 1,\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH + 1), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
    }
}
