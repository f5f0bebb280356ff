//! Many probes times references, for vectors so wide that adding up their lanes would cost as much
//! as the products of a short row.
//!
//! The probes are packed, sixteen of them side by side to a line for each dimension: the sums of
//! sixteen pairs stand in the lanes of a vector. A reference is read as it lies, one element for
//! all lanes at a time.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

use crate::walk::Group;

/// Probes that are worth packing; fewer leave too many lanes empty.
pub(crate) const MANY: usize = 12;

/// Probes side by side.
#[cfg(target_arch = "x86_64")]
const PROBES: usize = 16;

/// One dimension of so many probes, or their sums with one reference. A load of all of it touches
/// one line of the cache.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([f32; PROBES]);

/// What a comparison keeps from one group of references to the next.
#[derive(Debug, Default)]
pub(crate) struct Panel {
    /// The first of the probes that are packed.
    #[cfg(target_arch = "x86_64")]
    first: Option<usize>,
    /// Strips of sixteen probes, a line for each dimension.
    #[cfg(target_arch = "x86_64")]
    lines: Vec<Line>,
    /// For each strip the sums with each reference of a group.
    #[cfg(target_arch = "x86_64")]
    sums: Vec<Line>,
}

/// Panel, length of a row, probes, references; the scores of each probe, so many after those of the
/// one before.
pub(super) type Scores = unsafe fn(&mut Panel, usize, &Group<f32>, &Group<f32>, &mut [f32], usize);
