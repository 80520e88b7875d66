//! Text as shapes, from the embedded fonts.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, GlyphId, PxScale, point};

/// How heavy a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Running text.
    Normal,
    /// Titles.
    Bold,
}

const NORMAL_FILE: &[u8] = include_bytes!("../../fonts/DejaVuSans.subset.ttf");
const BOLD_FILE: &[u8] = include_bytes!("../../fonts/DejaVuSans-Bold.subset.ttf");

/// The font files, and what their family is called.
#[cfg(feature = "pdf")]
pub(super) const FILES: [&[u8]; 2] = [NORMAL_FILE, BOLD_FILE];
#[cfg(feature = "pdf")]
pub(super) const FAMILY: &str = "DejaVu Sans";

static NORMAL: LazyLock<FontRef<'static>> = LazyLock::new(|| embedded(NORMAL_FILE));
static BOLD: LazyLock<FontRef<'static>> = LazyLock::new(|| embedded(BOLD_FILE));

fn embedded(bytes: &'static [u8]) -> FontRef<'static> {
    match FontRef::try_from_slice(bytes) {
        Ok(font) => font,
        Err(error) => unreachable!("an embedded font is unreadable: {error}"),
    }
}

fn font(weight: Weight) -> &'static FontRef<'static> {
    match weight {
        Weight::Normal => &NORMAL,
        Weight::Bold => &BOLD,
    }
}

/// Height of a small letter in parts of the em (DejaVu Sans: 1120 of 2048).
const X_HEIGHT: f32 = 0.547;

/// The width of a line of text whose em is `size`.
pub(super) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    layout(text, size as f32, weight).1.into()
}

/// Calls `pixel(x, y, coverage)` for each pixel that a line of text touches. The text begins at
/// x = 0; y = 0 is the top of a box one em high whose middle is the middle of the small letters.
pub(super) fn rasterize(
    text: &str,
    size: f64,
    weight: Weight,
    mut pixel: impl FnMut(i32, i32, f64),
) {
    let size = size as f32;
    let baseline = size / 2.0 + size * X_HEIGHT / 2.0;
    for mut glyph in layout(text, size, weight).0 {
        glyph.position.y = baseline;
        if glyph.id == MISSING {
            let font = font(weight);
            let units = font.units_per_em().unwrap_or(2048.0);
            let width = font.h_advance_unscaled(MISSING) * size / units;
            empty_box(glyph.position.x, width, (baseline - CAPITAL * size, baseline), &mut pixel);
            continue;
        }
        let Some(outline) = font(weight).outline_glyph(glyph) else {
            continue;
        };
        let corner = outline.px_bounds().min;
        outline.draw(|x, y, coverage| {
            let coverage = f64::from(coverage.clamp(0.0, 1.0));
            if coverage > 0.0 {
                pixel(corner.x as i32 + x as i32, corner.y as i32 + y as i32, coverage);
            }
        });
    }
}

/// What stands for a character that the font does not have.
const MISSING: GlyphId = GlyphId(0);
/// Height of a capital letter in parts of the em (DejaVu Sans: 1493 of 2048).
const CAPITAL: f32 = 0.729;

/// Marks the place of a character without a shape, so that nobody takes it for a blank.
fn empty_box(x: f32, width: f32, (top, bottom): (f32, f32), pixel: &mut impl FnMut(i32, i32, f64)) {
    let whole = |place: f32| place.round() as i32;
    let (left, right) = (whole(x + 0.1 * width), whole(x + 0.9 * width) - 1);
    let (top, bottom) = (whole(top), whole(bottom) - 1);
    for y in top..=bottom {
        for x in left..=right {
            if x == left || x == right || y == top || y == bottom {
                pixel(x, y, 1.0);
            }
        }
    }
}

/// The glyphs of a line with their places on the baseline y = 0, and the width of the line.
fn layout(text: &str, size: f32, weight: Weight) -> (Vec<Glyph>, f32) {
    let font = font(weight);
    let units = font.units_per_em().unwrap_or(2048.0);
    // ab_glyph measures a scale from the ascender to the descender, typographers by the em.
    let scale = PxScale::from(size * font.height_unscaled() / units);
    let pixels_a_unit = size / units;
    let (mut glyphs, mut x, mut previous) = (Vec::new(), 0.0, None);
    for character in text.chars() {
        let id = font.glyph_id(character);
        if let Some(previous) = previous {
            x += font.kern_unscaled(previous, id) * pixels_a_unit;
        }
        glyphs.push(id.with_scale_and_position(scale, point(x, 0.0)));
        x += font.h_advance_unscaled(id) * pixels_a_unit;
        previous = Some(id);
    }
    (glyphs, x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_font_lacks_is_marked() {
        let pixels = |text: &str| {
            let mut count = 0;
            rasterize(text, 12.0, Weight::Normal, |_, _, _| count += 1);
            count
        };
        assert_eq!(pixels(" "), 0);
        for text in ["\u{4e2d}", "\u{1f600}"] {
            assert!(pixels(text) > 8, "{text}");
            assert!(width(text, 12.0, Weight::Normal) > 4.0, "{text}");
        }
    }
}
