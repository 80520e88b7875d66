//! fio's JSON within a text: with lines of other programs around it, several times, cut off.

use serde_json::{Deserializer, Value};

use crate::logs::device::error::DeviceFitError;

/// What a text is.
pub(in crate::logs::device) enum Found {
    /// fio's result.
    Result(Box<Value>),
    /// Nothing of fio.
    Nothing,
}

/// The last whole result of fio in a text.
pub(in crate::logs::device) fn find(file: &str, text: &str) -> Result<Found, DeviceFitError> {
    // A trace may have many braces.
    if !speaks_of_fio(text) {
        return Ok(Found::Nothing);
    }
    match last_result(text) {
        Search::Result(value) => Ok(Found::Result(value)),
        found => {
            // fio prints what JSON does not know, and its own complaints into its output.
            if let Search::Result(value) = last_result(&mended(text)) {
                return Ok(Found::Result(value));
            }
            Err(refusal(file, text, found))
        }
    }
}

enum Search {
    Result(Box<Value>),
    /// The JSON that fio began ends too early, or is broken: on which line, and how.
    Broken {
        line: usize,
        truncated: bool,
        message: String,
    },
    None,
}

fn last_result(text: &str) -> Search {
    let mut found = Search::None;
    let (mut from, mut reached) = (0, 0);
    while let Some(at) = text[from..].find('{').map(|at| from + at) {
        let mut values = Deserializer::from_str(&text[at..]).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                from = at + values.byte_offset().max(1);
                if jobs(&value).is_some() {
                    found = Search::Result(Box::new(value));
                }
            }
            Some(Err(error)) => {
                from = at + 1;
                // What gets farthest before it breaks is what fio began; other braces are others'.
                let line = text[..at].matches('\n').count() + error.line();
                if !matches!(found, Search::Result(_)) && line > reached {
                    let truncated = error.is_eof();
                    reached = line;
                    found = Search::Broken { line, truncated, message: error.to_string() };
                }
            }
            None => break,
        }
    }
    found
}

/// The jobs of a result: fio's own, or those of its clients.
pub(super) fn jobs(value: &Value) -> Option<&Vec<Value>> {
    ["jobs", "client_stats"].iter().find_map(|name| value.get(name)?.as_array())
}

fn speaks_of_fio(text: &str) -> bool {
    ["\"fio version\"", "\"jobs\"", "\"client_stats\"", "\"jobname\""]
        .iter()
        .any(|word| text.contains(word))
}

/// The text without numbers that JSON has not, and without lines that fio wrote on the way.
fn mended(text: &str) -> String {
    let own = |line: &&str| !line.starts_with("fio: ") && !line.starts_with("fio-");
    let lines: Vec<String> = text.lines().filter(own).map(number_mended).collect();
    lines.join("\n")
}

/// A line whose value is no number (`-nan`, `inf`) has zero instead.
fn number_mended(line: &str) -> String {
    if let Some((name, value)) = line.rsplit_once(':') {
        let bare = value.trim().trim_end_matches(',');
        let word = bare.trim_start_matches(['-', '+']).to_ascii_lowercase();
        if matches!(word.as_str(), "nan" | "inf" | "infinity" | "nan(ind)") {
            return format!("{name}: 0{}", if value.trim_end().ends_with(',') { "," } else { "" });
        }
    }
    line.to_owned()
}

fn refusal(file: &str, text: &str, found: Search) -> DeviceFitError {
    let file = file.to_owned();
    match found {
        Search::Broken { line, truncated: false, message } => {
            DeviceFitError::Json { file, line, message }
        }
        Search::Broken { line, .. } => DeviceFitError::Truncated { file, line },
        _ => DeviceFitError::Truncated { file, line: text.lines().count() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str =
        "{\n \"fio version\" : \"fio-3.1\",\n \"jobs\" : [ { \"jobname\" : \"a\" } ]\n}";

    fn name(text: &str) -> String {
        match find("f", text) {
            Ok(Found::Result(value)) => {
                jobs(&value).unwrap()[0]["jobname"].as_str().unwrap().into()
            }
            Ok(Found::Nothing) => "nothing".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_result_is_found_wherever_it_stands() {
        assert_eq!(name(RESULT), "a");
        assert_eq!(name(&format!("a: (g=0): {{x\n3;fio-3.1;a;0\n{RESULT}\n\nRun status {{")), "a");
        let later = RESULT.replace("\"a\"", "\"b\"");
        assert_eq!(name(&format!("{RESULT}\n{later}\n")), "b");
        assert_eq!(name("{ \"other\": 1 }"), "nothing");
        let clients = RESULT.replace("jobs", "client_stats");
        assert_eq!(name(&clients), "a");
    }

    #[test]
    fn what_json_does_not_know_is_mended() {
        let odd = RESULT.replace("\"jobs\"", "\"bw_dev\" : -nan,\nfio: pid=1, err=5\n \"jobs\"");
        assert_eq!(name(&odd), "a");
    }

    #[test]
    fn what_is_cut_off_or_broken_is_told_with_its_line() {
        let cut = &RESULT[..RESULT.len() - 12];
        assert!(name(cut).contains("ends within fio's JSON, at line 3"), "{}", name(cut));
        let broken = RESULT.replace("[ {", "[ ! {");
        assert!(name(&broken).contains("`f`, line 3"), "{}", name(&broken));
    }
}
