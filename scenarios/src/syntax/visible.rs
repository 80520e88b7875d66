//! Text that a terminal shows as it is. Bytes that would move its cursor, change its colours or
//! turn its direction of writing are written out.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

/// The text with every character that a terminal would act on written as `\u001b`, which is also
/// what JSON calls it. Ends of lines and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    let acts = |(at, c): (usize, char)| is_acted_on(c) && !ends_line(text, at, c);
    if !text.char_indices().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        if acts((at, c)) { out.push_str(&written_out(c)) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// A carriage return before a newline.
fn ends_line(text: &str, at: usize, c: char) -> bool {
    c == '\r' && text[at + 1..].starts_with('\n')
}

/// Controls but for newline and tab, and what turns or hides text.
fn is_acted_on(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || (c.is_control() && !matches!(c, '\n' | '\t'))
}

fn written_out(c: char) -> String {
    let mut out = String::new();
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
    out
}

/// A character as it is shown, and how many columns it takes. A tab counts as the most it can take.
fn shown(c: char) -> (Cow<'static, str>, usize) {
    match c {
        '\t' => (Cow::Borrowed("\t"), 8),
        c if is_acted_on(c) || c == '\n' => {
            let text = written_out(c);
            let width = text.len();
            (Cow::Owned(text), width)
        }
        c => (Cow::Owned(c.to_string()), c.width().unwrap_or(1)),
    }
}

/// What stands where a line was cut.
const CUT: &str = "...";

/// A line of a file and what is marked in it, cut to `room` columns around the beginning of the mark:
/// the line, and below it spaces and carets.
pub(crate) fn excerpt(line: &str, marked: std::ops::Range<usize>, room: usize) -> (String, String) {
    let cells: Vec<(usize, Cow<'static, str>, usize)> = line
        .char_indices()
        .map(|(at, c)| {
            let (text, width) = shown(c);
            (at, text, width)
        })
        .collect();
    let first = cells.iter().position(|(at, ..)| *at >= marked.start).unwrap_or(cells.len());
    let (from, to) = window(&cells.iter().map(|cell| cell.2).collect::<Vec<_>>(), first, room);
    let (mut text, mut below) = (String::new(), String::new());
    if from > 0 {
        text.push_str(CUT);
        below.push_str("   ");
    }
    let mut carets = 0;
    for (at, cell, width) in &cells[from..to] {
        text.push_str(cell);
        match *at {
            // Tabs stay tabs, so that the caret stands under the place whatever a tab's width.
            at if at < marked.start && cell == "\t" => below.push('\t'),
            at if at < marked.start => below.push_str(&" ".repeat(*width)),
            at if at < marked.end && cell == "\t" => carets += 1,
            at if at < marked.end => carets += width,
            _ => {}
        }
    }
    if to < cells.len() {
        text.push_str(CUT);
    }
    below.push_str(&"^".repeat(carets.max(1)));
    (text, below)
}

/// Which characters of these widths are shown: all, or as many as fit around `at`, which stands in
/// the first third.
fn window(widths: &[usize], at: usize, room: usize) -> (usize, usize) {
    if widths.iter().sum::<usize>() <= room {
        return (0, widths.len());
    }
    let (mut from, mut before) = (at.min(widths.len()), 0);
    while from > 0 && before + widths[from - 1] <= room / 3 {
        from -= 1;
        before += widths[from];
    }
    let fits = |from: usize| {
        let mut left = room - CUT.len() * (1 + usize::from(from > 0));
        let taken = widths[from..].iter().take_while(|&&width| {
            let fits = width <= left;
            left = left.saturating_sub(width);
            fits
        });
        from + taken.count()
    };
    let mut to = fits(from);
    // Near the end of a line there is room for more before it.
    if to == widths.len() {
        let mut left = room - CUT.len() - widths[from..].iter().sum::<usize>();
        while from > 0 && widths[from - 1] <= left {
            from -= 1;
            left -= widths[from];
        }
        to = widths.len();
    }
    (from, to)
}

/// A text of a message, cut in its middle when it is longer than anybody reads.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    let length = text.chars().count();
    if length <= most {
        return Cow::Borrowed(text);
    }
    let (begin, end) = (most * 2 / 3, most / 3);
    let first: String = text.chars().take(begin).collect();
    let last: String = text.chars().skip(length - end).collect();
    Cow::Owned(format!("{first}{CUT}{last}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_written_out() {
        for (text, expect) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("a\r\nb", "a\r\nb"),
            ("a\rb", "a\\u000db"),
            ("\u{1b}[31mred", "\\u001b[31mred"),
            ("\u{9b}2J\u{7f}\0\u{8}", "\\u009b2J\\u007f\\u0000\\u0008"),
            ("\u{202e}gpj\u{2066}\u{200b}", "\\u202egpj\\u2066\\u200b"),
            ("größe 大 e\u{301}", "größe 大 e\u{301}"),
        ] {
            assert_eq!(visible(text), expect);
        }
        let json = serde_json::json!({ "name": "\u{1b}\u{9b}\u{202e}" }).to_string();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&visible(&json)).ok(),
            serde_json::from_str(&json).ok()
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        let line = format!("{}WRONG{}", "a".repeat(500), "b".repeat(500));
        let (text, below) = excerpt(&line, 500..505, 60);
        assert!(text.starts_with("...aaa") && text.ends_with("bbb..."), "{text}");
        assert!(text.len() <= 60, "{text}");
        assert_eq!(&text[below.find('^').expect("marked")..below.len()], "WRONG");
        let (text, below) = excerpt("short", 1..3, 60);
        assert_eq!((text.as_str(), below.as_str()), ("short", " ^^"));
        let (text, below) = excerpt(&line, 1000..1005, 40);
        assert_eq!(text.len(), 40, "{text}");
        assert_eq!(below.trim_start().len(), 5);
    }

    #[test]
    fn wide_characters_and_tabs_keep_the_caret_right() {
        assert_eq!(excerpt("\t大x", 4..5, 60).1, "\t  ^");
        assert_eq!(excerpt("大", 0..3, 60).1, "^^");
        let (text, below) = excerpt("\u{1b}[0m bad", 5..8, 60);
        assert_eq!((text.as_str(), below.as_str()), ("\\u001b[0m bad", "          ^^^"));
        assert_eq!(excerpt("", 0..0, 60), (String::new(), "^".into()));
        assert_eq!(excerpt("end", 3..3, 60).1, "   ^");
    }

    proptest! {
        /// The caret stands under the first character that is marked, and nothing is too wide.
        #[test]
        fn carets_stand_under_their_mark(line in "[a-z大\u{1b}\u{301}{}\", ]{0,300}", at in 0_usize..300, room in 30_usize..100) {
            let places: Vec<usize> = line.char_indices().map(|(at, _)| at).collect();
            prop_assume!(!places.is_empty());
            let start = places[at % places.len()];
            let marked = line[start..].chars().next().map_or(start, |c| start + c.len_utf8());
            let (text, below) = excerpt(&line, start..marked, room);
            prop_assert!(text.width() <= room, "{text}");
            let column = below.find('^').unwrap_or(0);
            let (wanted, _) = shown(line[start..].chars().next().unwrap_or(' '));
            let mut seen = 0;
            let mut rest = text.as_str();
            while seen < column {
                let c = rest.chars().next().unwrap_or(' ');
                seen += c.width().unwrap_or(0);
                rest = &rest[c.len_utf8().min(rest.len())..];
            }
            // Marks without a width of their own stand behind what they belong to.
            let behind = rest.trim_start_matches('\u{301}');
            prop_assert!(rest.starts_with(&*wanted) || behind.starts_with(&*wanted), "{text}\n{below}");
        }
    }
}
