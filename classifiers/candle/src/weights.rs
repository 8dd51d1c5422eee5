//! Reading `model.safetensors`: names, shapes and the 8-bit format.

use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::{Dtype, SafeTensors};

use crate::LoadError;

/// The zero point of 8-bit weights: `w = (q - 128) * scale[row]`.
const ZERO_POINT: f32 = 128.0;

/// The tensors of a weights file.
pub(crate) struct Weights<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl<'a> Weights<'a> {
    pub(crate) fn parse(path: &'a Path, bytes: &'a [u8]) -> Result<Self, LoadError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| LoadError::Invalid {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        Ok(Self { path, tensors })
    }

    pub(crate) fn wrong(&self, tensor: &str, reason: impl Into<String>) -> LoadError {
        let (path, tensor) = (self.path.to_owned(), tensor.to_owned());
        LoadError::Tensor {
            path,
            tensor,
            reason: reason.into(),
        }
    }

    fn bytes(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8], LoadError> {
        let view = self
            .tensors
            .tensor(name)
            .map_err(|_unknown| self.wrong(name, "missing"))?;
        if view.dtype() != dtype || view.shape() != shape {
            let (found, has) = (view.dtype(), view.shape());
            let reason = format!("is {found:?} {has:?}, expected {dtype:?} {shape:?}");
            return Err(self.wrong(name, reason));
        }
        Ok(view.data())
    }

    /// A tensor stored as plain f32.
    pub(crate) fn plain(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let (words, _) = self.bytes(name, Dtype::F32, shape)?.as_chunks::<4>();
        let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        if values.iter().all(|value| value.is_finite()) {
            Ok(values)
        } else {
            Err(self.wrong(name, "holds a value that is no number"))
        }
    }

    /// A matrix stored with 8 bits per weight and a scale per row, expanded, row by row.
    pub(crate) fn matrix(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Vec<f32>, LoadError> {
        let scales = self.plain(&format!("{name}.scale"), &[rows])?;
        let quantised = self.bytes(&format!("{name}.q"), Dtype::U8, &[rows, columns])?;
        let mut out = Vec::with_capacity(quantised.len());
        for (row, scale) in quantised.chunks_exact(columns).zip(scales) {
            out.extend(row.iter().map(|q| (f32::from(*q) - ZERO_POINT) * scale));
        }
        Ok(out)
    }

    /// A tensor of these values.
    pub(crate) fn tensor(
        &self,
        name: &str,
        values: Vec<f32>,
        rows: usize,
        columns: usize,
    ) -> Result<Tensor, LoadError> {
        Tensor::from_vec(values, (rows, columns), &Device::Cpu)
            .map_err(|error| self.wrong(name, error.to_string()))
    }
}

/// The transpose of a matrix, contiguous: products read it in the order in which it lies.
pub(crate) fn transpose(matrix: &[f32], columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(matrix.len());
    for column in 0..columns {
        out.extend(matrix.iter().skip(column).step_by(columns.max(1)));
    }
    out
}
