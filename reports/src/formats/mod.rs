//! The formats in which results are printed and written, one file a format. A further one takes a
//! file here and a place in [`FORMATS`].

mod csv;
mod format;
mod json;
mod markdown;
#[cfg(feature = "parquet")]
mod parquet;
mod picture;
mod text;

pub use self::format::{File, Format, FormatError};

/// Every format; the first is the default.
pub const FORMATS: &[&dyn Format] = &[
    &text::Text,
    &json::Json,
    &csv::Csv,
    &markdown::Markdown,
    &picture::SVG,
    &picture::PNG,
    #[cfg(feature = "pdf")]
    &picture::PDF,
    #[cfg(feature = "parquet")]
    &parquet::Parquet,
];

/// The format of that name.
pub fn find(name: &str) -> Option<&'static dyn Format> {
    let is_named = |format: &&dyn Format| format.name() == name || format.aliases().contains(&name);
    FORMATS.iter().copied().find(is_named)
}
