//! Resizing with a triangle filter, as wide as the reduction: what Pillow calls bilinear and most models were trained with.
//!
//! Work and memory follow the larger of both pictures, whatever their proportions: the axis that leaves less to do goes first.

use super::samples::Samples;

/// `image` in another size.
pub(super) fn resize(image: &Samples, width: u32, height: u32) -> Vec<u8> {
    let (width, height) = (width as usize, height as usize);
    match image.channels {
        1 => resize_pixels::<1>(image, width, height),
        _ => resize_pixels::<3>(image, width, height),
    }
}

fn resize_pixels<const N: usize>(image: &Samples, width: usize, height: usize) -> Vec<u8> {
    let (from_width, from_height) = (image.width as usize, image.height as usize);
    let pixels = image.samples.as_chunks::<N>().0;
    // What the second axis has to go through is what the first one leaves.
    let resized = if from_height.saturating_mul(width) < from_width.saturating_mul(height) {
        let narrow = horizontal(pixels, from_width, width);
        vertical(&narrow, width, from_height, height)
    } else {
        let low = vertical(pixels, from_width, from_height, height);
        horizontal(&low, from_width, width)
    };
    resized.into_iter().flatten().map(|sample| sample.round() as u8).collect()
}

/// Each line of `width` pixels becomes one of `to`.
fn horizontal<S: Copy + Into<f32>, const N: usize>(pixels: &[[S; N]], width: usize, to: usize) -> Vec<[f32; N]> {
    let weights = weights(width, to);
    let mut out = Vec::with_capacity(pixels.len() / width.max(1) * to);
    for line in pixels.chunks_exact(width) {
        for (start, weights) in &weights {
            let mut sum = [0.0; N];
            for (pixel, weight) in line.iter().skip(*start).zip(weights) {
                for (sum, &sample) in sum.iter_mut().zip(pixel) {
                    *sum += sample.into() * weight;
                }
            }
            out.push(sum);
        }
    }
    out
}

/// The `height` lines of `width` pixels become `to`.
fn vertical<S: Copy + Into<f32>, const N: usize>(pixels: &[[S; N]], width: usize, height: usize, to: usize) -> Vec<[f32; N]> {
    let mut out = vec![[0.0; N]; width * to];
    for (target, (start, weights)) in out.chunks_exact_mut(width).zip(weights(height, to)) {
        for (source, weight) in pixels.chunks_exact(width).skip(start).zip(weights) {
            for (sum, &sample) in target.as_flattened_mut().iter_mut().zip(source.as_flattened()) {
                *sum += sample.into() * weight;
            }
        }
    }
    out
}

/// For each of `to` samples: the first of the `from` samples that it is made of, and how much of each. The weights add up to one.
fn weights(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    (0..to)
        .map(|index| {
            let centre = (index as f64 + 0.5) * scale;
            let start = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize).min(from);
            let raw: Vec<f64> = (start..end).map(|x| (1.0 - ((x as f64 + 0.5 - centre) / reach).abs()).max(0.0)).collect();
            let sum: f64 = raw.iter().sum();
            (start, raw.into_iter().map(|w| (w / sum) as f32).collect())
        })
        .collect()
}
