//! What a figure draws, before anybody decides how: shapes in a plane of points (1/96 inch),
//! y downwards.
//!
//! A figure builds a scene once; [`svg`](super::svg) and [`bitmap`](super::bitmap) paint it. As
//! the scene is data, tests can hold that no text leaves the page or covers another.

use plotters::backend::DrawingBackend;
use plotters::style::{Color, RGBColor, ShapeStyle};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendTextStyle, DrawingErrorKind, FontFamily, FontStyle, FontTransform,
};

use super::font::{self, Weight};

/// Plotters counts a font's size with its line spacing; its SVG backend divides by this.
pub(super) const PLOTTERS_EM: f64 = 1.24;

/// A point of the plane.
pub(super) type Point = (f64, f64);

/// Which end of a text its position names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// One line of text. Its position is half the height of a small letter above the baseline.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) at: Point,
    pub(super) text: String,
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) align: Align,
    pub(super) color: RGBColor,
    /// Written upwards, for the title of a vertical axis.
    pub(super) upwards: bool,
}

impl Text {
    /// Black text of normal weight that begins at `at`.
    pub(super) fn new(at: Point, size: f64, text: impl Into<String>) -> Self {
        // Control characters are not allowed in SVG, and have no glyph.
        let text = text.into().replace(char::is_control, " ");
        let (weight, align) = (Weight::Normal, Align::Left);
        Self { at, text, size, weight, align, color: super::style::INK, upwards: false }
    }

    pub(super) fn bold(mut self) -> Self {
        self.weight = Weight::Bold;
        self
    }

    pub(super) fn align(mut self, align: Align) -> Self {
        self.align = align;
        self
    }

    pub(super) fn color(mut self, color: RGBColor) -> Self {
        self.color = color;
        self
    }

    pub(super) fn upwards(mut self) -> Self {
        self.upwards = true;
        self
    }

    /// The rectangle that the text covers: left, top, right, bottom.
    #[cfg(test)]
    pub(super) fn extent(&self) -> (f64, f64, f64, f64) {
        let width = font::width(&self.text, self.size, self.weight);
        let half = self.size / 2.0;
        let start = match self.align {
            Align::Left => 0.0,
            Align::Center => -width / 2.0,
            Align::Right => -width,
        };
        let (x, y) = self.at;
        if self.upwards {
            (x - half, y - start - width, x + half, y - start)
        } else {
            (x + start, y - half, x + start + width, y + half)
        }
    }
}

/// One thing to draw.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A filled rectangle between two corners.
    Rect { from: Point, to: Point, fill: RGBColor },
    /// A line through points.
    Line { points: Vec<Point>, width: f64, color: RGBColor },
    /// A filled polygon.
    Polygon { points: Vec<Point>, fill: RGBColor },
    /// A filled circle.
    Circle { center: Point, radius: f64, fill: RGBColor },
    /// Text.
    Text(Text),
}

/// A page of shapes, painted in order.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) shapes: Vec<Shape>,
}

impl Scene {
    /// An empty page. The height may be set when the content is known.
    pub(super) fn new(width: f64) -> Self {
        Self { width, height: 0.0, shapes: Vec::new() }
    }

    pub(super) fn push(&mut self, shape: Shape) {
        self.shapes.push(shape);
    }

    pub(super) fn text(&mut self, text: Text) {
        self.shapes.push(Shape::Text(text));
    }

    pub(super) fn line(&mut self, points: Vec<Point>, width: f64, color: RGBColor) {
        self.shapes.push(Shape::Line { points, width, color });
    }

    /// The size in the painter's pixels.
    pub(super) fn pixels(&self, scale: u32) -> (u32, u32) {
        let pixels = |points: f64| (points * f64::from(scale)).round().clamp(1.0, 20_000.0) as u32;
        (pixels(self.width), pixels(self.height))
    }

    /// Paints on a backend with `scale` pixels a point.
    pub(super) fn paint<B: DrawingBackend>(
        &self,
        backend: &mut B,
        scale: u32,
        joints: Joints,
    ) -> Result<(), DrawingErrorKind<B::ErrorType>> {
        let (width, height) = self.pixels(scale);
        let white = ShapeStyle::from(&plotters::style::WHITE).filled();
        backend.draw_rect((0, 0), (width as i32, height as i32), &white, true)?;
        let painter = Painter { scale: f64::from(scale), joints };
        for shape in &self.shapes {
            painter.paint(backend, shape)?;
        }
        backend.present()
    }
}

/// How the parts of a line are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joints {
    /// The backend draws the whole line.
    Backend,
    /// Each part is drawn by itself: plotters' own bitmaps have spikes where a wide line turns.
    Parts,
}

struct Painter {
    scale: f64,
    joints: Joints,
}

impl Painter {
    fn pixel(&self, (x, y): Point) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn length(&self, points: f64) -> u32 {
        (points * self.scale).round().max(1.0) as u32
    }

    fn paint<B: DrawingBackend>(
        &self,
        backend: &mut B,
        shape: &Shape,
    ) -> Result<(), DrawingErrorKind<B::ErrorType>> {
        match shape {
            Shape::Rect { from, to, fill } => {
                let style = ShapeStyle::from(fill).filled();
                backend.draw_rect(self.pixel(*from), self.pixel(*to), &style, true)
            }
            Shape::Line { points, width, color } => {
                let style = ShapeStyle::from(color).stroke_width(self.length(*width));
                let pixels: Vec<_> = points.iter().map(|point| self.pixel(*point)).collect();
                match self.joints {
                    Joints::Backend => backend.draw_path(pixels, &style),
                    Joints::Parts => pixels
                        .windows(2)
                        .try_for_each(|part| backend.draw_path(part.iter().copied(), &style)),
                }
            }
            Shape::Polygon { points, fill } => {
                let style = ShapeStyle::from(fill).filled();
                let pixels: Vec<_> = points.iter().map(|point| self.pixel(*point)).collect();
                backend.fill_polygon(pixels, &style)
            }
            Shape::Circle { center, radius, fill } => {
                let style = ShapeStyle::from(fill).filled();
                backend.draw_circle(self.pixel(*center), self.length(*radius), &style, true)
            }
            Shape::Text(text) => {
                let style = PaintedText { text, scale: self.scale };
                backend.draw_text(&text.text, &style, self.pixel(text.at))
            }
        }
    }
}

/// A text in the terms of a plotters backend.
struct PaintedText<'a> {
    text: &'a Text,
    scale: f64,
}

impl BackendTextStyle for PaintedText<'_> {
    type FontError = std::convert::Infallible;

    fn color(&self) -> BackendColor {
        self.text.color.to_backend_color()
    }

    fn size(&self) -> f64 {
        self.text.size * self.scale * PLOTTERS_EM
    }

    fn transform(&self) -> FontTransform {
        if self.text.upwards { FontTransform::Rotate270 } else { FontTransform::None }
    }

    fn style(&self) -> FontStyle {
        match self.text.weight {
            Weight::Normal => FontStyle::Normal,
            Weight::Bold => FontStyle::Bold,
        }
    }

    fn anchor(&self) -> Pos {
        let horizontal = match self.text.align {
            Align::Left => HPos::Left,
            Align::Center => HPos::Center,
            Align::Right => HPos::Right,
        };
        Pos::new(horizontal, VPos::Center)
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::SansSerif
    }

    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Self::FontError> {
        let width = font::width(text, self.text.size * self.scale, self.text.weight);
        Ok(((0, 0), (width.ceil() as i32, (self.text.size * self.scale).ceil() as i32)))
    }

    fn draw<E, DrawFunc: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (left, top): (i32, i32),
        mut draw: DrawFunc,
    ) -> Result<Result<(), E>, Self::FontError> {
        let size = self.text.size * self.scale;
        let color = self.color();
        let mut failure = Ok(());
        font::rasterize(text, size, self.text.weight, |x, y, coverage| {
            if failure.is_ok() {
                let pixel = BackendColor { alpha: color.alpha * coverage, ..color };
                failure = draw(left + x, top + y, pixel);
            }
        });
        Ok(failure)
    }
}
