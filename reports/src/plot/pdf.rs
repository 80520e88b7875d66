//! A scene as PDF: its SVG, with letters of the embedded fonts as outlines.

use std::sync::{Arc, LazyLock};

use svg2pdf::usvg::{Options, Tree, fontdb};
use svg2pdf::{ConversionOptions, PageOptions};

use super::error::PlotError;
use super::font;
use super::scene::Scene;
use super::svg;

/// Only the embedded fonts, so that no file depends on the fonts of a machine.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    font::FILES.iter().for_each(|file| fonts.load_font_data(file.to_vec()));
    fonts.set_sans_serif_family(font::FAMILY);
    Arc::new(fonts)
});

/// The scene as the bytes of a PDF file.
pub(super) fn pdf(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    let options = Options {
        fontdb: Arc::clone(&FONTS),
        font_family: font::FAMILY.to_owned(),
        ..Options::default()
    };
    let failed = |what: String| PlotError::Pdf(what);
    let tree = Tree::from_str(&svg::svg(scene)?, &options).map_err(|it| failed(it.to_string()))?;
    // Embedded as fonts, the two would stand in the file in an order that differs from run to run.
    let conversion = ConversionOptions { embed_text: false, ..ConversionOptions::default() };
    svg2pdf::to_pdf(&tree, conversion, PageOptions::default()).map_err(|it| failed(it.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::of_comparison;
    use crate::fixture;

    #[test]
    fn a_pdf_has_one_page_and_no_fonts_and_is_the_same_every_time() {
        for figure in of_comparison(&fixture::natapov()) {
            let bytes = figure.pdf().unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(text.starts_with("%PDF-1.") && text.trim_end().ends_with("%%EOF"));
            assert_eq!(text.matches("/Type /Page\n").count(), 1, "{}", figure.name());
            assert!(!text.contains("DejaVuSans"), "{}", figure.name());
            assert_eq!(figure.pdf().unwrap(), bytes);
        }
    }
}
