//! Checksums of what is written to be read back: a number that was changed on the way is not
//! believed. They guard against accidents and careless edits; they are no signatures.

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

/// Name of the member that holds the checksum.
const MEMBER: &str = "checksum";
/// What stands between the content of a line and its checksum.
const BEFORE: &str = ",\"checksum\":\"";
const AFTER: &str = "\"}";
/// Hexadecimal digits of a checksum.
const DIGITS: usize = 32;

/// Why a checksum does not vouch for a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// There is none.
    #[error("it has no checksum")]
    Missing,
    /// It is that of another content.
    #[error("its checksum is that of another content: it was changed after it was written")]
    Wrong,
}

fn sum(context: &str, content: &str) -> String {
    format!("{:032x}", xxh3_128(format!("{context}\n{content}").as_bytes()))
}

/// An object on one line (`{...}`) with its checksum as the last member. The context is what the
/// line belongs to: it is part of the checksum and not of the line.
pub(crate) fn seal_line(context: &str, object: &str) -> String {
    let content = object.strip_suffix('}').unwrap_or(object);
    format!("{content}{BEFORE}{}{AFTER}", sum(context, content))
}

/// The checksum that a line has, whether it is right or not.
pub(crate) fn of_line(line: &str) -> Option<&str> {
    let (_, tail) = line.split_at_checked(line.len().checked_sub(DIGITS + AFTER.len())?)?;
    tail.strip_suffix(AFTER)
}

/// The object of a line whose checksum is right.
pub(crate) fn open_line(context: &str, line: &str) -> Result<String, ChecksumError> {
    let found = of_line(line).ok_or(ChecksumError::Missing)?;
    let rest = &line[..line.len() - DIGITS - AFTER.len()];
    let content = rest.strip_suffix(BEFORE).ok_or(ChecksumError::Missing)?;
    match sum(context, content) == found {
        true => Ok(format!("{content}}}")),
        false => Err(ChecksumError::Wrong),
    }
}

/// Gives an object its checksum, as the member `checksum`. What is no object stays as it is.
pub fn seal(value: &mut Value) {
    if let Value::Object(members) = value {
        members.remove(MEMBER);
        let sum = sum("", &Value::Object(members.clone()).to_string());
        members.insert(MEMBER.to_owned(), sum.into());
    }
}

/// Takes the checksum off an object and holds it against the rest. White space of the text that was
/// read makes no difference.
///
/// # Errors
/// When there is none, or it is that of another content.
pub fn unseal(value: &mut Value) -> Result<(), ChecksumError> {
    let Value::Object(members) = value else { return Err(ChecksumError::Missing) };
    let found = members.remove(MEMBER).ok_or(ChecksumError::Missing)?;
    let right = sum("", &Value::Object(members.clone()).to_string());
    if found.as_str() == Some(&right) { Ok(()) } else { Err(ChecksumError::Wrong) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_opened_in_its_own_context_only() {
        let line = seal_line("here", r#"{"a":1}"#);
        assert_eq!(open_line("here", &line), Ok(r#"{"a":1}"#.to_owned()));
        assert_eq!(open_line("there", &line), Err(ChecksumError::Wrong));
        assert_eq!(open_line("here", &line.replace(":1,", ":2,")), Err(ChecksumError::Wrong));
        for line in ["", "{}", r#"{"a":1}"#, "é", &line[1..line.len() - 1]] {
            assert_eq!(open_line("here", line), Err(ChecksumError::Missing), "{line}");
        }
    }

    #[test]
    fn an_object_may_be_laid_out_anew_and_not_changed() {
        let mut value = json!({ "b": [1, { "c": "x" }], "a": 7 });
        seal(&mut value);
        let mut again: Value = serde_json::from_str(&format!("{value:#}")).expect("JSON");
        assert_eq!(unseal(&mut again), Ok(()));
        assert_eq!(again, json!({ "b": [1, { "c": "x" }], "a": 7 }));
        assert_eq!(unseal(&mut again), Err(ChecksumError::Missing));
        value["a"] = 8.into();
        assert_eq!(unseal(&mut value), Err(ChecksumError::Wrong));
    }
}
