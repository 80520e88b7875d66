//! Further mistakes of a file, so that they are told all at once.
//!
//! What a mistake is about is put right as far as one knows how (a name by the one that was likely meant), or
//! taken out, and the file is read again. Only what is told of another place that stands in the file itself
//! counts: what is missing now, or no longer goes together, is of our own making.

use std::ops::Range;

use crate::syntax::error::{Diagnostic, ScenarioError};
use crate::syntax::tree::{Document, Node, NodeValue};

/// Mistakes that are told at most.
const MOST: usize = 8;

/// The error with the further ones of its file.
pub(crate) fn with_further(
    doc: &Document,
    error: ScenarioError,
    read: impl Fn(&Document) -> Result<(), ScenarioError>,
) -> ScenarioError {
    let ScenarioError::Invalid(mut first) = error else { return error };
    let mut root = doc.root.clone();
    let mut last = (*first).clone();
    while first.more.len() + 1 < MOST && mend(&mut root, &last) {
        let next = doc.with_root(root.clone());
        let Err(ScenarioError::Invalid(found)) = read(&next) else { break };
        let known = |one: &Diagnostic| overlap(&one.span, &found.span);
        if known(&first) || first.more.iter().any(known) || found.source != first.source {
            break;
        }
        last = (*found).clone();
        first.more.push(last.clone());
    }
    ScenarioError::Invalid(first)
}

/// Whether one is a part of the other.
fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Puts right what a mistake is about, or takes it out. False where that is not a member of an object.
fn mend(root: &mut Node, mistake: &Diagnostic) -> bool {
    let NodeValue::Object(members) = &mut root.value else {
        let NodeValue::Array(items) = &mut root.value else { return false };
        return items.iter_mut().any(|item| holds(&item.span, mistake) && mend(item, mistake));
    };
    let inside = |span: &Range<usize>| holds(span, mistake);
    for at in 0..members.len() {
        let member = &mut members[at];
        if inside(&member.name_span) {
            let meant = meant(mistake).filter(|meant| members.iter().all(|it| it.name != *meant));
            match meant {
                Some(meant) => members[at].name = meant,
                None => drop(members.remove(at)),
            }
            return true;
        }
        if inside(&member.value.span) {
            if !mend(&mut member.value, mistake) {
                members.remove(at);
            }
            return true;
        }
    }
    false
}

fn holds(span: &Range<usize>, mistake: &Diagnostic) -> bool {
    span.start <= mistake.span.start && mistake.span.end <= span.end && !mistake.span.is_empty()
}

/// The name that was likely meant, as the help says it.
fn meant(mistake: &Diagnostic) -> Option<String> {
    let help = mistake.help.as_deref()?.strip_prefix("did you mean `")?;
    Some(help.split_once('`')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::scenario::library;
    use crate::scenario::resolve::Scenario;

    /// Fields in which mistakes are told, of the smoke scenario with pieces of its text replaced.
    fn told(edits: &[(&str, &str)]) -> Vec<String> {
        let mut text = library::find("smoke").expect("it is built in").text.to_owned();
        for (from, to) in edits {
            assert!(text.contains(from), "no {from}");
            text = text.replacen(from, to, 1);
        }
        let error = Scenario::from_str("file", &text).expect_err("it is wrong");
        let first = error.diagnostic().expect("of the file");
        let rendered = error.render();
        let all: Vec<_> = std::iter::once(first).chain(&first.more).collect();
        for one in &all {
            assert!(rendered.contains(&one.message), "{rendered}");
        }
        all.iter().map(|one| one.field.clone()).collect()
    }

    #[test]
    fn mistakes_at_several_places_are_told_at_once() {
        let found = told(&[
            ("\"cpus\": 6", "\"cpuss\": 6"),
            ("\"read_ahead\": 8", "\"read_ahead\": 7"),
            ("\"seed\": 1", "\"sead\": 1"),
            ("\"replications\": 2", "\"replications\": 0"),
        ]);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found.iter().any(|field| field == "host.swap.read_ahead"), "{found:?}");
    }

    /// A required field that is wrong is not told as missing as well.
    #[test]
    fn what_follows_from_a_mistake_is_not_told() {
        assert_eq!(told(&[("\"vcpus\": 4", "\"vcpus\": 0")]).len(), 1);
        assert_eq!(told(&[("\"memory\": \"64MiB\"", "\"memory\": \"64 parsecs\"")]).len(), 1);
        assert_eq!(told(&[("\"name\": \"array\"", "\"name\": \"a b\"")]).len(), 1);
    }

    #[test]
    fn mistakes_in_lists_are_found_too() {
        let found = told(&[
            ("\"pattern\": \"uniform\"", "\"patern\": \"uniform\""),
            ("\"per_second\": 1000000000", "\"per_secnd\": 1000000000"),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
