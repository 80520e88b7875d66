//! A scene as PNG.

use plotters::backend::BitMapBackend;

use super::error::PlotError;
use super::scene::{Joints, Scene};

/// Pixels of the picture in one point: 192 dots an inch, sharp on paper of usual width.
const PIXELS: u32 = 2;
/// The picture is painted this many times larger and averaged, which smooths every edge.
const OVERSAMPLING: u32 = 3;
/// Bytes a pixel.
const CHANNELS: usize = 3;

/// The scene as the bytes of a PNG file.
pub(super) fn png(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    let (width, height) = scene.pixels(PIXELS);
    let (fine_width, fine_height) = (width * OVERSAMPLING, height * OVERSAMPLING);
    let mut fine = vec![255; fine_width as usize * fine_height as usize * CHANNELS];
    {
        let mut backend = BitMapBackend::with_buffer(&mut fine, (fine_width, fine_height));
        scene
            .paint(&mut backend, PIXELS * OVERSAMPLING, Joints::Parts)
            .map_err(|error| PlotError::Drawing(error.to_string()))?;
    }
    encode(&average(&fine, width, height), width, height)
}

/// Each pixel is the mean of a square of fine ones.
fn average(fine: &[u8], width: u32, height: u32) -> Vec<u8> {
    let (width, height, side) = (width as usize, height as usize, OVERSAMPLING as usize);
    let row = width * side * CHANNELS;
    let mut picture = Vec::with_capacity(width * height * CHANNELS);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..CHANNELS {
                let mut sum = 0;
                for dy in 0..side {
                    let start = (y * side + dy) * row + x * side * CHANNELS + channel;
                    let line = fine[start..].iter().step_by(CHANNELS).take(side);
                    sum += line.map(|&value| usize::from(value)).sum::<usize>();
                }
                let mean = (sum + side * side / 2) / (side * side);
                picture.push(u8::try_from(mean).unwrap_or(u8::MAX));
            }
        }
    }
    picture
}

fn encode(picture: &[u8], width: u32, height: u32) -> Result<Vec<u8>, PlotError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let per_metre = Some(PIXELS * 96 * 10_000 / 254);
    encoder.set_pixel_dims(per_metre.map(|dots| png::PixelDimensions {
        xppu: dots,
        yppu: dots,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().map_err(PlotError::Encoding)?;
    writer.write_image_data(picture).map_err(PlotError::Encoding)?;
    writer.finish().map_err(PlotError::Encoding)?;
    Ok(bytes)
}
