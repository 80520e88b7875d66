//! Text of tables: its width, and words wrapped to it.

/// No line is longer, but for the last one and names that are longer themselves.
pub(super) const WIDTH: usize = 78;

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
