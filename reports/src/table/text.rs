//! Text of tables: its width, and words wrapped to it.

/// No line is longer, but for the last one and names that are longer themselves.
pub const WIDTH: usize = 78;

/// Text broken between words, with indents for its first and for further lines, each line ended.
pub(crate) fn wrapped(text: &str, first: usize, further: usize) -> String {
    let mut out = " ".repeat(first);
    let (mut column, mut fresh) = (first, true);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !fresh && column + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(further));
            column = further;
        } else if !fresh {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        fresh = false;
    }
    out.push('\n');
    out
}

/// A name and what it stands for on a line each, set in columns after `indent` spaces. Long texts
/// go on below themselves.
pub fn listing(entries: &[(String, String)], indent: usize) -> String {
    let longest = entries.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let column = indent + longest + 2;
    let mut text = String::new();
    for (name, summary) in entries {
        let mut line = format!("{:indent$}{name:longest$} ", "");
        for word in summary.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH && line.trim() != name {
                text.push_str(line.trim_end());
                text.push('\n');
                line = " ".repeat(column - 1);
            }
            line.push(' ');
            line.push_str(word);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
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
