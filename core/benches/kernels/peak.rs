//! The peak rates of f32 and int8: multiplications with additions on registers, enough of them to
//! hide their latency.

/// Multiplications, each with an addition, of one run.
pub const PRODUCTS: u64 = 16 * 12 * STEPS;
pub const INT8_PRODUCTS: u64 = 4 * PRODUCTS;

/// Runs take some microseconds.
const STEPS: u64 = 1000;

/// A start value, which keeps the compiler from knowing the result.
pub type Run<T> = fn(T) -> T;

/// A run for each instruction set of this CPU.
pub fn available() -> Vec<(&'static str, Run<f32>)> {
    #[allow(unused_mut, reason = "other processors have no run")]
    let mut runs: Vec<(&'static str, Run<f32>)> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("fma") {
            // SAFETY: the CPU has FMA.
            runs.push(("avx2", |x| unsafe { x86::avx2(x) }));
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has AVX-512F.
            runs.push(("avx512", |x| unsafe { x86::avx512(x) }));
        }
    }
    runs
}

/// The same of int8. That of AMX, if the CPU has it, is higher.
pub fn available_int8() -> Vec<(&'static str, Run<i32>)> {
    #[allow(unused_mut, reason = "other processors have no run")]
    let mut runs: Vec<(&'static str, Run<i32>)> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
        // SAFETY: the CPU has AVX-512 VNNI.
        runs.push(("avx512vnni", |x| unsafe { x86::avx512vnni(x) }));
    }
    runs
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm256_add_ps, _mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps, _mm512_add_epi32,
        _mm512_add_ps, _mm512_cvtsi512_si32, _mm512_cvtss_f32, _mm512_dpbusd_epi32,
        _mm512_fmadd_ps, _mm512_set1_epi32, _mm512_set1_ps,
    };

    /// 12 sums of 8 lanes, twice a step.
    #[target_feature(enable = "avx,fma")]
    pub fn avx2(x: f32) -> f32 {
        let mut sums = [_mm256_set1_ps(x); 12];
        let x = sums[0];
        for i in 1..sums.len() {
            // Equal sums would be computed once.
            sums[i] = _mm256_add_ps(sums[i - 1], x);
        }
        for _ in 0..super::STEPS * 2 {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, x, x);
            }
        }
        _mm256_cvtss_f32(sums.into_iter().reduce(|a, b| _mm256_add_ps(a, b)).unwrap_or(x))
    }

    /// 12 sums of 16 lanes.
    #[target_feature(enable = "avx512f")]
    pub fn avx512(x: f32) -> f32 {
        let mut sums = [_mm512_set1_ps(x); 12];
        let x = sums[0];
        for i in 1..sums.len() {
            // Equal sums would be computed once.
            sums[i] = _mm512_add_ps(sums[i - 1], x);
        }
        for _ in 0..super::STEPS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, x, x);
            }
        }
        _mm512_cvtss_f32(sums.into_iter().reduce(|a, b| _mm512_add_ps(a, b)).unwrap_or(x))
    }

    /// 12 sums of 16 lanes, to each of which four products are added at once.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn avx512vnni(x: i32) -> i32 {
        let mut sums = [_mm512_set1_epi32(x); 12];
        let x = sums[0];
        for i in 1..sums.len() {
            sums[i] = _mm512_add_epi32(sums[i - 1], x);
        }
        for _ in 0..super::STEPS {
            for sum in &mut sums {
                // The sum takes part, so that no product can be computed once for all steps.
                *sum = _mm512_dpbusd_epi32(*sum, x, x);
            }
        }
        _mm512_cvtsi512_si32(sums.into_iter().reduce(|a, b| _mm512_add_epi32(a, b)).unwrap_or(x))
    }
}
