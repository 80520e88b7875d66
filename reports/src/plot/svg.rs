//! A scene as SVG.

use plotters::backend::SVGBackend;

use super::error::PlotError;
use super::scene::{Joints, Scene};

/// Units of the drawing in one point: plotters places shapes on whole units.
const UNITS: u32 = 4;

/// The scene as the text of an SVG file.
pub(super) fn svg(scene: &Scene) -> Result<String, PlotError> {
    let (width, height) = scene.pixels(UNITS);
    let mut text = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut text, (width, height));
        scene
            .paint(&mut backend, UNITS, Joints::Backend)
            .map_err(|error| PlotError::Drawing(error.to_string()))?;
    }
    // The view box keeps the fine units; the picture itself has the size of the page.
    let fine = format!(r#"width="{width}" height="{height}""#);
    let page = format!(r#"width="{}" height="{}""#, width / UNITS, height / UNITS);
    Ok(text.replacen(&fine, &page, 1))
}
