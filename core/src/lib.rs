//! The numbers of govid: checked, SIMD-accelerated comparison of face embeddings.
//!
//! Every public function checks lengths, finiteness and norms, and answers with a [`CoreError`]
//! that names the culprit. Nothing here knows Python except the `python` module.

mod check;
mod cosine;
mod error;
mod kernels;
mod normalize;
#[cfg(feature = "python")]
mod python;

pub use cosine::{cosine, cosine_many};
pub use error::{CoreError, Operand};
pub use kernels::{Isa, Kernels, PairSums};
pub use normalize::{l2_normalize, l2_normalize_rows};
