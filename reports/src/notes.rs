//! What is degenerate about runs, as text and JSON.

use scenarios::Note;
use serde_json::{Value, json};

use crate::page::Piece;

/// A paragraph a note; nothing without any.
pub(crate) fn block(notes: &[Note]) -> Vec<Piece> {
    notes.iter().map(|note| paragraph(note, "")).collect()
}

fn paragraph(note: &Note, place: &str) -> Piece {
    let policy = note.policy.as_ref().map(|policy| format!(", {policy}")).unwrap_or_default();
    let text = format!("Note{place}{policy}: {}.", note.text);
    Piece::Text { text, first: 0, further: 2 }
}

/// The notes of several points: one of a kind and policy, with the places where it holds. The text
/// is that of the first.
pub(crate) fn at_points(word: &str, points: &[(&str, &[Note])]) -> Vec<Piece> {
    let mut found: Vec<(&Note, Vec<&str>)> = Vec::new();
    for (place, notes) in points {
        for note in *notes {
            let same = |(known, _): &&mut (&Note, Vec<&str>)| {
                known.kind == note.kind && known.policy == note.policy
            };
            match found.iter_mut().find(same) {
                Some((_, places)) => places.push(place),
                None => found.push((note, vec![place])),
            }
        }
    }
    let told = |(note, places): &(&Note, Vec<&str>)| {
        let more = match places.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        paragraph(note, &format!(" {word} {}{more}", places[0]))
    };
    found.iter().map(told).collect()
}

pub(crate) fn value(note: &Note) -> Value {
    json!({ "note": note.kind.name(), "policy": note.policy, "text": note.text })
}

#[cfg(test)]
mod tests {
    use scenarios::NoteKind;

    use super::*;
    use crate::page::Page;

    fn note(policy: Option<&str>) -> Note {
        let policy = policy.map(str::to_owned);
        Note { kind: NoteKind::NoFaults, policy, text: "no major fault".to_owned() }
    }

    #[test]
    fn notes_are_told_once_with_their_places() {
        let plain = |pieces: Vec<Piece>| Page::of([pieces]).plain();
        let (all, one) = ([note(None)], [note(Some("halt")), note(None)]);
        assert_eq!(plain(block(&one)), "Note, halt: no major fault.\nNote: no major fault.\n");
        assert_eq!(
            plain(at_points("at point", &[("0", &all), ("1", &[]), ("2", &one)])),
            "Note at point 0 and 1 more: no major fault.\nNote at point 2, halt: no major fault.\n"
        );
        assert_eq!(plain(at_points("at", &[])), "");
        assert_eq!(value(&one[0])["policy"], "halt");
        assert_eq!(value(&all[0])["policy"], Value::Null);
    }
}
