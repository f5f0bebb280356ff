//! The numbers of govid: checked, SIMD-accelerated comparison of face embeddings.
//!
//! Every public function checks lengths, finiteness and norms, and answers with a [`CoreError`]
//! that names the culprit. Nothing here knows Python except the `python` module.

mod block;
mod check;
mod cosine;
mod error;
pub mod face;
mod int8;
mod kernels;
mod normalize;
#[cfg(feature = "python")]
mod python;
mod quantize;
mod search;
mod walk;

pub use block::cosine_block;
pub use cosine::{cosine, cosine_many};
pub use error::{CoreError, Operand};
pub use int8::{cosine_block_int8, cosine_many_int8};
pub use kernels::{Isa, Kernels, MAX_CODES, PairSums};
pub use normalize::{l2_normalize, l2_normalize_rows};
pub use quantize::quantize_rows;
pub use search::{Nearest, Pairs, above, above_int8, nearest, nearest_int8};
