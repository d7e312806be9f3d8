//! An accelerator that is not there: one batch at a time, each taking a fixed time and a time per row.
//!
//! For tests and benches that need known service times inside this process. The answer `y` is the input `x`, so that an answer given to
//! the wrong caller is seen.

use std::thread;
use std::time::{Duration, Instant};

use forebay_protocol::{Dtype, InferRequest, ModelMetadata, Tensor, TensorSpec};

use crate::model::{Model, RunError};

/// How long before the end a run stops sleeping and spins: the kernel wakes a thread some 60 µs late, and more on a busy machine.
const SPUN: Duration = Duration::from_micros(300);

/// Service time of a batch: `base` and `per_row` for each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simulated {
    pub base: Duration,
    pub per_row: Duration,
    /// FP32 numbers in a row.
    pub columns: u32,
}

impl Simulated {
    /// How long a batch takes.
    pub fn service_time(&self, rows: usize) -> Duration {
        self.base.saturating_add(self.per_row.saturating_mul(u32::try_from(rows).unwrap_or(u32::MAX)))
    }

    pub(crate) fn metadata(&self, name: &str) -> ModelMetadata {
        let spec = |name: &str| TensorSpec { name: name.to_owned(), dtype: Dtype::Fp32, shape: vec![-1, i64::from(self.columns)] };
        ModelMetadata {
            name: name.to_owned(),
            versions: vec!["1".to_owned()],
            platform: "simulated".to_owned(),
            inputs: vec![spec("x")],
            outputs: vec![spec("y")],
        }
    }
}

impl Model for Simulated {
    fn run(&mut self, request: &InferRequest) -> Result<Vec<Tensor>, RunError> {
        let end = Instant::now() + self.service_time(request.rows());
        if let Some(asleep) = end.saturating_duration_since(Instant::now()).checked_sub(SPUN) {
            thread::sleep(asleep);
        }
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        Ok(request.inputs.iter().map(|input| input.tensor.clone().renamed("y")).collect())
    }
}
