//! The text of a scenario: a file, or one that is built in.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::scenario::library;
use crate::syntax::error::{MAX_FILE_BYTES, ScenarioError, help_for_unknown};
use crate::syntax::tree::Document;

/// What stands for standard input in the place of a path.
pub(crate) const STANDARD_INPUT: &str = "-";

/// Name and text of a scenario file, by path, or of a built-in scenario.
pub(crate) fn source(path_or_name: &str) -> Result<(String, Cow<'static, str>), ScenarioError> {
    if path_or_name == STANDARD_INPUT {
        return Ok(("standard input".into(), standard_input()?.into()));
    }
    let path = Path::new(path_or_name);
    let built_in = library::find(path_or_name);
    // A link to itself, or a folder that may not be looked into, is no name that is unknown.
    let there = path.try_exists();
    match (built_in, there) {
        // A bare name is meant as a built-in scenario when there is only a directory of it.
        (Some(entry), ref there) if !matches!(there, Ok(true)) || path.is_dir() => {
            Ok((entry.name.into(), entry.text.into()))
        }
        (_, Ok(true)) => Ok((path_or_name.into(), read(path)?.into())),
        (_, Err(source)) => Err(ScenarioError::Read { path: path.into(), source }),
        (_, Ok(false)) => {
            let names: Vec<&str> = library::all().iter().map(|entry| entry.name).collect();
            let help = match library::find_sweep(path_or_name) {
                Some(sweep) => format!("it is a sweep: `apfsim sweep {}`", sweep.name),
                None => help_for_unknown(path_or_name, &names),
            };
            Err(ScenarioError::NotFound { name: path_or_name.into(), help })
        }
    }
}

/// The text of standard input, which can be read once and may be asked for twice.
pub(crate) fn standard_input() -> Result<String, ScenarioError> {
    static TEXT: Mutex<Option<String>> = Mutex::new(None);
    let mut text = TEXT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = &*text {
        return Ok(text.clone());
    }
    let path = Path::new("standard input");
    Ok(text.insert(text_of(io::stdin().lock(), path, 0)?).clone())
}

/// The tree of a scenario's text.
pub(crate) fn document(file: &str, text: &str) -> Result<Document, ScenarioError> {
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(ScenarioError::TooLarge { path: file.into(), bytes: text.len() as u64 });
    }
    Document::parse(file, text)
}

pub(crate) fn read(path: &Path) -> Result<String, ScenarioError> {
    let fail = |source| ScenarioError::Read { path: path.into(), source };
    let mut file = File::open(path).map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    if meta.is_dir() {
        return Err(ScenarioError::Directory(path.into()));
    }
    text_of(&mut file, path, meta.len())
}

/// The text of a stream, which has so many bytes at least.
fn text_of(stream: impl Read, path: &Path, length: u64) -> Result<String, ScenarioError> {
    let fail = |source| ScenarioError::Read { path: path.into(), source };
    // A pipe has no length, so the limit is also held while reading.
    let mut bytes = Vec::new();
    stream.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let bytes = length.max(bytes.len() as u64);
        return Err(ScenarioError::TooLarge { path: path.into(), bytes });
    }
    let no_text = |bytes: &[u8], offset: usize| {
        let line = 1 + bytes[..offset].iter().filter(|byte| **byte == b'\n').count();
        ScenarioError::NotUtf8 { path: path.into(), offset, line }
    };
    // UTF-16 without a mark at its beginning is valid UTF-8, full of zeros.
    if let Some(offset) = bytes.iter().position(|byte| *byte == 0) {
        return Err(no_text(&bytes, offset));
    }
    String::from_utf8(bytes)
        .map_err(|error| no_text(error.as_bytes(), error.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_link_to_itself_is_no_unknown_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("loop");
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let path = path.to_str().unwrap();
        assert!(matches!(source(path), Err(ScenarioError::Read { .. })));
        assert!(matches!(source(&format!("{path}s")), Err(ScenarioError::NotFound { .. })));
    }
}
