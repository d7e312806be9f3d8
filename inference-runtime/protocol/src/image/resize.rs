//! Resizing with a triangle filter, as wide as the reduction: what Pillow calls bilinear and most models were trained with.
//!
//! Work and memory follow the larger of both pictures, whatever their proportions: the axis that leaves less to do goes first.

use super::samples::Samples;

/// `image` in another size.
pub(super) fn resize(image: &Samples, width: u32, height: u32) -> Vec<u8> {
    let from = Grid { width: image.width as usize, height: image.height as usize, channels: image.channels };
    let (width, height) = (width as usize, height as usize);
    let samples: Vec<f32> = image.samples.iter().map(|&s| f32::from(s)).collect();
    let resized = if width.max(from.width).saturating_mul(from.height) <= height.max(from.height).saturating_mul(from.width)
        && from.height.saturating_mul(width) <= from.width.saturating_mul(height)
    {
        let (samples, grid) = horizontal(&samples, from, width);
        vertical(&samples, grid, height).0
    } else {
        let (samples, grid) = vertical(&samples, from, height);
        horizontal(&samples, grid, width).0
    };
    resized.into_iter().map(|s| s.round() as u8).collect()
}

#[derive(Clone, Copy)]
struct Grid {
    width: usize,
    height: usize,
    channels: usize,
}

fn horizontal(samples: &[f32], from: Grid, width: usize) -> (Vec<f32>, Grid) {
    let to = Grid { width, ..from };
    let weights = weights(from.width, width);
    let mut out = Vec::with_capacity(to.width * to.height * to.channels);
    for row in samples.chunks_exact(from.width * from.channels) {
        for (start, weights) in &weights {
            for channel in 0..from.channels {
                let source = row.iter().skip(start * from.channels + channel).step_by(from.channels);
                out.push(source.zip(weights).map(|(s, w)| s * w).sum());
            }
        }
    }
    (out, to)
}

fn vertical(samples: &[f32], from: Grid, height: usize) -> (Vec<f32>, Grid) {
    let to = Grid { height, ..from };
    let line = from.width * from.channels;
    let mut out = vec![0.0; to.width * to.height * to.channels];
    for (target, (start, weights)) in out.chunks_exact_mut(line).zip(weights(from.height, height)) {
        for (source, weight) in samples.chunks_exact(line).skip(start).zip(weights) {
            for (t, s) in target.iter_mut().zip(source) {
                *t += s * weight;
            }
        }
    }
    (out, to)
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
