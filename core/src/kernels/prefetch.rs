//! Asking memory for what will be read or written soon.

/// Bytes of a line of the cache.
pub(in crate::kernels) const LINE: usize = 64;

/// Asks for all lines of these elements.
#[inline]
pub(crate) fn prefetch_all<T>(elements: &[T]) {
    let first = elements.as_ptr();
    let before = first.addr() % LINE;
    for line in 0..(before + size_of_val(elements)).div_ceil(LINE) {
        prefetch(first.wrapping_byte_add(line * LINE).wrapping_byte_sub(before));
    }
}

/// Asks memory for a line, for the second cache. No address is wrong.
#[inline]
pub(in crate::kernels) fn prefetch<T>(line: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that a program can see, and no address makes it fault.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// The same, for the first cache.
#[inline]
pub(in crate::kernels) fn prefetch_first<T>(line: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as in `prefetch`.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
