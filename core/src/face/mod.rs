//! What is counted of a face between the networks: small sums over a few thousand pixels or points.
//!
//! In Python each of them is a dozen calls on small arrays, and a call costs more than its sum.

mod detail;
mod detections;
mod light;
mod pose;
mod similarity;

pub use detail::{block_steps, blur_loss};
pub use detections::{DETECTION, Heads, STRIDES, View, detections};
pub use light::{LEVELS, luminance_histogram};
pub use pose::{Angles, Shape, head_pose};
pub use similarity::{Point, Similarity};
