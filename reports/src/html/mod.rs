//! A folder of results as one page for a browser: `report.html`, which needs nothing but itself.
//!
//! The page is made of the files that are in the folder (`folder`), so that it can be made again
//! later, and of what other commands wrote into the same folder. Everything it shows is in it as JSON
//! (`data`), which a script turns into tables and plots; the plots are drawn by uPlot
//! (`reports/assets/uplot`, MIT licence).

mod anatomy;
mod comparison;
mod curves;
mod data;
mod folder;
mod object;
mod presets;
mod sweep;
pub(crate) mod verdict;
mod whole;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use self::data::Data;
use self::folder::Files;
pub use self::folder::SCENARIO;
use crate::write::{ReportError, write};

/// Name of the page in its folder.
pub const PAGE: &str = "report.html";
const TEMPLATE: &str = include_str!("../../assets/report.html");
const STYLE: &str = include_str!("../../assets/report.css");
const SCRIPT: &str = include_str!("../../assets/report.js");
const UPLOT: &str = include_str!("../../assets/uplot/uPlot.iife.min.js");
const UPLOT_STYLE: &str = include_str!("../../assets/uplot/uPlot.min.css");

/// Writes the page of a folder of results into the folder. What of the folder is damaged and left out is said too.
///
/// # Errors
/// When there are no results, when they are damaged, or when the page cannot be written.
pub fn write_page(folder: &Path) -> Result<(PathBuf, Vec<String>), ReportError> {
    let files = Files::read(folder)?;
    let data =
        Data::of(&files).map_err(|what| ReportError::Results { path: folder.to_owned(), what })?;
    let path = write(folder.join(PAGE), page(&data, &files).as_bytes())?;
    Ok((path, data.left_out))
}

/// The page.
fn page(data: &Data, files: &Files) -> String {
    // In a script nothing may look like its end.
    let json = crate::json::written(serde_json::to_string(data)).replace('<', "\\u003c");
    let facts = data
        .facts
        .iter()
        .map(|(name, value)| format!("<li><span>{}</span> {}</li>", escaped(name), escaped(value)));
    let pieces = [
        ("title", escaped(&data.title)),
        ("name", escaped(&data.name)),
        ("verdict", escaped(&data.verdict)),
        ("facts", facts.collect()),
        ("text", escaped(&files.texts())),
        ("footer", escaped(&data.footer)),
        ("style", STYLE.to_owned()),
        ("uplot-style", UPLOT_STYLE.to_owned()),
        ("uplot", UPLOT.to_owned()),
        ("script", SCRIPT.to_owned()),
        ("data", json),
    ];
    filled(TEMPLATE, &pieces)
}

/// The template with its places filled, each once; what is put in is not looked at again.
fn filled(template: &str, pieces: &[(&str, String)]) -> String {
    let mut page = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        page.push_str(before);
        let Some((name, behind)) = behind.split_once("}}") else { break };
        if let Some((_, piece)) = pieces.iter().find(|(own, _)| *own == name) {
            page.push_str(piece);
        }
        rest = behind;
    }
    page + rest
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
