//! The batcher as its callers see it, on time that the tests control.

mod closing;
mod failing;
mod joining;
mod leaving;
mod simulation;
