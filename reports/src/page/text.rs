//! Text of a fixed width.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// No line is longer, but for lines that are never broken and words that are longer themselves.
pub const WIDTH: usize = 78;

/// Text broken between words, with indents for its first and for further lines, each line ended.
pub(crate) fn wrapped(text: &str, first: usize, further: usize) -> String {
    filled(text, &" ".repeat(first), &" ".repeat(further))
}

fn filled(text: &str, first: &str, further: &str) -> String {
    let options = Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(further)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .break_words(false);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines = textwrap::wrap(&text, options);
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A name and what it stands for on a line each, set in columns after `indent` spaces. Long texts
/// go on below themselves.
pub(crate) fn listing(entries: &[(String, String)], indent: usize) -> String {
    let longest = entries.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let further = " ".repeat(indent + longest + 2);
    let entry = |(name, text): &(String, String)| {
        filled(text, &format!("{:indent$}{name:longest$}  ", ""), &further)
    };
    entries.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::listing;

    #[test]
    fn listings_are_aligned_and_wrapped() {
        let long = "word ".repeat(20);
        let entries = [("sync", "no async at all"), ("apf", long.as_str())]
            .map(|(name, summary)| (name.to_owned(), summary.to_owned()));
        let text = listing(&entries, 2);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  sync  no async at all");
        assert!(lines[1].starts_with("  apf   word word"));
        assert!(lines[2].starts_with("        word"));
        assert!(lines.iter().all(|line| line.len() <= 78));
    }
}
