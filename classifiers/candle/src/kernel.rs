//! Element-wise steps of the encoder, in place, written so that the compiler can vectorise them.

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, bail};

/// Partial sums in a row; floats are only added in parallel when the code says so.
const LANES: usize = 16;

/// Adds a bias to every row.
pub(crate) struct AddBias<'a>(pub(crate) &'a [f32]);

/// Adds a bias to every row and applies the Gaussian error linear unit.
pub(crate) struct AddBiasGelu<'a>(pub(crate) &'a [f32]);

/// Makes every row of this width a probability distribution.
pub(crate) struct Softmax(pub(crate) usize);

/// Adds a bias to every row and normalises it.
pub(crate) struct AddBiasNorm<'a> {
    pub(crate) bias: &'a [f32],
    pub(crate) norm: &'a Norm,
}

/// Layer normalisation.
pub(crate) struct Norm {
    pub(crate) gain: Vec<f32>,
    pub(crate) offset: Vec<f32>,
    pub(crate) epsilon: f32,
}

impl InplaceOp1 for AddBias<'_> {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        for row in rows(storage, layout, self.0.len())? {
            for (x, bias) in row.iter_mut().zip(self.0) {
                *x += bias;
            }
        }
        Ok(())
    }
}

impl InplaceOp1 for AddBiasGelu<'_> {
    fn name(&self) -> &'static str {
        "add-bias-gelu"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        for row in rows(storage, layout, self.0.len())? {
            for (x, bias) in row.iter_mut().zip(self.0) {
                *x = gelu(*x + bias);
            }
        }
        Ok(())
    }
}

impl InplaceOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        for row in rows(storage, layout, self.0)? {
            let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for x in row.iter_mut() {
                *x = exp(*x - highest);
            }
            let share = 1.0 / sum(row, |x| x);
            for x in row.iter_mut() {
                *x *= share;
            }
        }
        Ok(())
    }
}

impl InplaceOp1 for AddBiasNorm<'_> {
    fn name(&self) -> &'static str {
        "add-bias-norm"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        for row in rows(storage, layout, self.bias.len())? {
            for (x, bias) in row.iter_mut().zip(self.bias) {
                *x += bias;
            }
            normalise(row, self.norm);
        }
        Ok(())
    }
}

/// Mean and variance in two passes: one pass over squares cancels too many digits.
#[allow(
    clippy::cast_precision_loss,
    reason = "a row has some hundred elements"
)]
fn normalise(row: &mut [f32], norm: &Norm) {
    let width = row.len() as f32;
    let mean = sum(row, |x| x) / width;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / width;
    let scale = 1.0 / (variance + norm.epsilon).sqrt();
    for ((x, gain), offset) in row.iter_mut().zip(&norm.gain).zip(&norm.offset) {
        *x = (*x - mean) * scale * gain + offset;
    }
}

/// The rows of a contiguous f32 tensor.
fn rows<'a>(
    storage: &'a mut CpuStorage,
    layout: &Layout,
    width: usize,
) -> Result<std::slice::ChunksExactMut<'a, f32>> {
    let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
    else {
        bail!("expected contiguous f32 values")
    };
    match values.get_mut(start..end) {
        Some(values) if width > 0 && values.len().is_multiple_of(width) => {
            Ok(values.chunks_exact_mut(width))
        }
        _ => bail!("expected rows of {width}"),
    }
}

#[inline]
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut partial = [0.0_f32; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (total, x) in partial.iter_mut().zip(chunk) {
            *total += term(*x);
        }
    }
    partial.iter().sum::<f32>() + rest.iter().map(|x| term(*x)).sum::<f32>()
}

/// `x * Phi(x)` with the error function after Abramowitz and Stegun, 7.1.26 (error below 1.5e-7).
#[inline]
fn gelu(x: f32) -> f32 {
    const P: f32 = 0.327_591_1;
    const A: [f32; 5] = [
        0.254_829_6,
        -0.284_496_72,
        1.421_413_8,
        -1.453_152_1,
        1.061_405_4,
    ];
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + P * z);
    let poly = t * (A[0] + t * (A[1] + t * (A[2] + t * (A[3] + t * A[4]))));
    // Half of the complementary error function: the tail of the normal distribution beyond |x|.
    let tail = 0.5 * poly * exp(-z * z);
    x * if x < 0.0 { tail } else { 1.0 - tail }
}

/// `e^x` for `x <= 0`, to about one unit in the last place; below -87 it is zero or next to it.
#[inline]
fn exp(x: f32) -> f32 {
    /// Adding it leaves the nearest integer in the low bits of the mantissa.
    const SHIFT: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.max(-87.0);
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let whole = shifted - SHIFT;
    let r = (x - whole * LN2_HIGH) - whole * LN2_LOW;
    // The series of e^r for |r| <= ln(2) / 2, to the seventh power.
    let poly = 1.0 / 5040.0;
    let poly = poly * r + 1.0 / 720.0;
    let poly = poly * r + 1.0 / 120.0;
    let poly = poly * r + 1.0 / 24.0;
    let poly = poly * r + 1.0 / 6.0;
    let poly = poly * r + 0.5;
    let poly = poly * r + 1.0;
    let poly = poly * r + 1.0;
    // Adds the integer to the exponent.
    f32::from_bits(poly.to_bits().wrapping_add(shifted.to_bits() << 23))
}

#[cfg(test)]
mod tests;
