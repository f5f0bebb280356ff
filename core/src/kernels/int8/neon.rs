//! NEON: the products of 16 codes as i16, at most 2^14 and exact, added in pairs to 4 lanes of i32.

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vdupq_n_s32, vget_low_s8, vld1q_s8, vmull_high_s8, vmull_s8, vpadalq_s16,
    vpaddq_s32, vst1q_s32,
};

use super::{Int8Kernels, rows};
use crate::kernels::tiles::tiles;

pub(in crate::kernels) const KERNELS: Int8Kernels = Int8Kernels { rows, block, panel: None };

const LANES: usize = 16;
type Lanes = [i8; LANES];
type Sums = int32x4_t;

rows! { "neon", load and load_tail, load and load_tail }
tiles! { "neon", i8 => i32, 4 references, load and load_tail, load and load_tail }

#[inline]
#[target_feature(enable = "neon")]
fn zero() -> Sums {
    vdupq_n_s32(0)
}

#[inline]
#[target_feature(enable = "neon")]
fn start(_probe: &[i8]) -> Sums {
    zero()
}

#[inline]
#[target_feature(enable = "neon")]
fn load(lanes: &Lanes) -> int8x16_t {
    // SAFETY: the array reference grants 16 readable bytes.
    unsafe { vld1q_s8(lanes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn load_tail(row: &[i8]) -> int8x16_t {
    let tail = row.as_chunks::<LANES>().1;
    let mut padded = [0; LANES];
    padded[..tail.len()].copy_from_slice(tail);
    load(&padded)
}

#[inline]
#[target_feature(enable = "neon")]
fn add_products(sums: Sums, probe: int8x16_t, reference: int8x16_t) -> Sums {
    let lower = vmull_s8(vget_low_s8(probe), vget_low_s8(reference));
    vpadalq_s16(vpadalq_s16(sums, lower), vmull_high_s8(probe, reference))
}

#[inline]
#[target_feature(enable = "neon")]
fn add_squares(sums: Sums, row: int8x16_t) -> Sums {
    add_products(sums, row, row)
}

#[inline]
#[target_feature(enable = "neon")]
fn totals(sums: [Sums; PROBES]) -> [i32; PROBES] {
    let [a, b, c, d] = sums;
    let four = vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
    let mut totals = [0; PROBES];
    // SAFETY: the array holds 16 writable bytes.
    unsafe { vst1q_s32(totals.as_mut_ptr(), four) };
    totals
}
