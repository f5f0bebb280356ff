//! Search: the pairs whose comparison score reaches a threshold, and for each probe the highest.
//!
//! Scores are those of `cosine_block` and `cosine_block_int8`, to the bit, and are forgotten at once:
//! memory grows with what is returned, not with the number of pairs.

mod above;
mod nearest;

pub use above::{Pairs, above, above_int8};
pub use nearest::{Nearest, nearest, nearest_int8};

use crate::error::{CoreError, Operand};

/// Scores that are compared with the bound before anyone looks at one of them.
const AT_ONCE: usize = 16;

/// The least score that reaches the threshold.
fn least_score(threshold: f64) -> Result<f32, CoreError> {
    if !threshold.is_finite() {
        let operand = Operand::Threshold;
        return Err(CoreError::NonFinite { operand, row: 0, index: 0 });
    }
    let near = threshold as f32;
    Ok(if f64::from(near) < threshold { near.next_up() } else { near })
}

/// Calls `take` with the place and value of each score of at least `least`, which `take` gives anew.
#[inline]
fn reaching(scores: &[f32], mut least: f32, mut take: impl FnMut(usize, f32) -> f32) {
    let mut look = |first: usize, scores: &[f32]| {
        // Not `any`, which would look at them one by one.
        if scores.iter().fold(0, |any, score| any | i32::from(*score >= least)) != 0 {
            for (i, score) in scores.iter().enumerate() {
                if *score >= least {
                    least = take(first + i, *score);
                }
            }
        }
    };
    let (groups, rest) = scores.as_chunks::<AT_ONCE>();
    for (i, group) in groups.iter().enumerate() {
        look(i * AT_ONCE, group);
    }
    look(groups.len() * AT_ONCE, rest);
}
