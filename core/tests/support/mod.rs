//! What the tests of every instruction set share.
//!
//! One macro makes one module an instruction set. One that this build has no code for is
//! `ignored`; one that this CPU lacks says `skipped` on stderr.

use std::io::Write;

use govid_core::{Isa, Kernels};

/// These hug the widths of the vectors: 4, 8, 16 lanes, and four of each.
pub const LENGTHS: [usize; 14] = [0, 1, 15, 16, 17, 31, 32, 33, 127, 128, 129, 511, 512, 513];

pub fn scalar() -> &'static Kernels {
    Isa::Scalar.kernels().expect("scalar is always there")
}

/// Kernels of an instruction set; none, loudly, if this CPU lacks it.
pub fn kernels_or_skip(isa: Isa) -> Option<&'static Kernels> {
    let kernels = isa.kernels().ok();
    if kernels.is_none() {
        // Not eprintln!, which the test harness swallows when a test passes; one write, so that
        // tests side by side do not mix their lines.
        let line = format!("\nskipped: this CPU has no {}\n", isa.name());
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    kernels
}

/// Small integers: every sum is exact in f32, whatever its order.
pub fn integers(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7 + seed * 13 + i * i * 3) % 15) as f32 - 7.0).collect()
}

pub fn ramp(len: usize, seed: f32) -> Vec<f32> {
    (0..len).map(|i| ((i as f32).mul_add(0.37, seed)).sin() + 0.01).collect()
}

/// Makes a test of each function for each instruction set.
macro_rules! every_isa {
    ($($property:ident,)*) => {
        crate::support::every_isa! { @modules [$($property,)*]
            scalar: Scalar, all();
            avx2: Avx2, target_arch = "x86_64";
            avxvnni: AvxVnni, target_arch = "x86_64";
            avx512: Avx512, target_arch = "x86_64";
            avx512vnni: Avx512Vnni, target_arch = "x86_64";
            amx: Amx, target_arch = "x86_64";
            neon: Neon, target_arch = "aarch64";
        }
    };
    (@modules $properties:tt $($module:ident: $isa:ident, $arch:meta;)*) => {$(
        mod $module {
            crate::support::every_isa! { @tests $properties $isa, $arch }
        }
    )*};
    (@tests [$($property:ident,)*] $isa:ident, $arch:meta) => {$(
        #[test]
        #[cfg_attr(not($arch), ignore = "this build has no code for it")]
        fn $property() {
            if let Some(kernels) = crate::support::kernels_or_skip(govid_core::Isa::$isa) {
                super::$property(kernels);
            }
        }
    )*};
}
pub(crate) use every_isa;
