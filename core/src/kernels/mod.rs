//! One table of kernels an instruction set; the best one is chosen once and kept.
//!
//! Kernels sum and scale, they judge nothing: the callers check finiteness and norms.

pub(crate) mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

use std::sync::OnceLock;

use crate::error::CoreError;

/// The environment variable that forces an instruction set.
const VARIABLE: &str = "GOVID_ISA";

/// An instruction set with kernels in this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust in f64: the specification.
    Scalar,
    /// AVX2 with FMA, `x86_64`.
    Avx2,
    /// AVX-512F, `x86_64`.
    Avx512,
    /// NEON, `aarch64`.
    Neon,
}

impl Isa {
    /// All of them, slowest first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// The name, as `GOVID_ISA` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    /// All names, for messages.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// The one that `name` names.
    ///
    /// # Errors
    /// `UnknownIsa`.
    pub fn named(name: &str) -> Result<Self, CoreError> {
        let known = Self::ALL.into_iter().find(|isa| isa.name() == name);
        known.ok_or_else(|| CoreError::UnknownIsa { received: name.to_owned() })
    }

    /// Whether this CPU has it.
    pub fn is_available(self) -> bool {
        self.kernels().is_ok()
    }

    /// Its kernels, if this CPU can run them. Tests and benches force an instruction set so.
    ///
    /// # Errors
    /// `IsaUnavailable`.
    pub fn kernels(self) -> Result<&'static Kernels, CoreError> {
        match self {
            Self::Scalar => Ok(&scalar::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") => {
                Ok(&avx2::KERNELS)
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if is_x86_feature_detected!("avx512f") => Ok(&avx512::KERNELS),
            #[cfg(target_arch = "aarch64")]
            Self::Neon if std::arch::is_aarch64_feature_detected!("neon") => Ok(&neon::KERNELS),
            isa => Err(CoreError::IsaUnavailable { isa }),
        }
    }
}

/// The three sums that make a cosine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairSums {
    /// Sum of `a[i] * b[i]`.
    pub dot: f64,
    /// Sum of `a[i] * a[i]`.
    pub aa: f64,
    /// Sum of `b[i] * b[i]`.
    pub bb: f64,
}

/// Probe, references; for each row its dot product and its sum of squares.
type Rows = unsafe fn(&[f32], &[f32], &mut [f64], &mut [f64]);

/// The kernels of one instruction set. Only [`Isa::kernels`] hands one out, after it has asked
/// the CPU: that is what makes the calls below sound.
#[derive(Debug)]
pub struct Kernels {
    isa: Isa,
    pair: unsafe fn(&[f32], &[f32]) -> PairSums,
    rows: Rows,
    square_sum: unsafe fn(&[f32]) -> f64,
    scale: unsafe fn(&mut [f32], f32),
}

impl Kernels {
    /// The kernels in use: those `GOVID_ISA` names, else the fastest on this CPU. Read once.
    ///
    /// # Errors
    /// `UnknownIsa`, `IsaUnavailable`: a wrong setting is never a silent change of speed.
    #[inline]
    pub fn active() -> Result<&'static Self, CoreError> {
        static ACTIVE: OnceLock<Result<&'static Kernels, CoreError>> = OnceLock::new();
        match ACTIVE.get_or_init(Self::choose) {
            Ok(kernels) => Ok(kernels),
            Err(error) => Err(error.clone()),
        }
    }

    #[cold]
    fn choose() -> Result<&'static Self, CoreError> {
        if let Some(name) = std::env::var_os(VARIABLE) {
            return Isa::named(&name.to_string_lossy())?.kernels();
        }
        let fastest = Isa::ALL.into_iter().rev().find_map(|isa| isa.kernels().ok());
        Ok(fastest.unwrap_or(&scalar::KERNELS))
    }

    /// The instruction set these kernels use.
    pub const fn isa(&self) -> Isa {
        self.isa
    }

    /// Dot product and both sums of squares in one pass.
    ///
    /// # Panics
    /// If the lengths differ.
    #[inline]
    pub fn pair(&self, a: &[f32], b: &[f32]) -> PairSums {
        assert_eq!(a.len(), b.len());
        // SAFETY: `Isa::kernels` asked the CPU before handing out self.
        unsafe { (self.pair)(a, b) }
    }

    /// For each row of `references`: its dot product with `probe`, and its sum of squares.
    ///
    /// # Panics
    /// If the lengths do not fit each other, or `probe` is empty.
    #[inline]
    pub fn rows(&self, probe: &[f32], references: &[f32], dots: &mut [f64], squares: &mut [f64]) {
        assert!(!probe.is_empty());
        assert_eq!(dots.len(), squares.len());
        assert_eq!(Some(references.len()), dots.len().checked_mul(probe.len()));
        // SAFETY: `Isa::kernels` asked the CPU before handing out self.
        unsafe { (self.rows)(probe, references, dots, squares) }
    }

    /// Sum of squares.
    #[inline]
    pub fn square_sum(&self, vector: &[f32]) -> f64 {
        // SAFETY: `Isa::kernels` asked the CPU before handing out self.
        unsafe { (self.square_sum)(vector) }
    }

    /// Multiplies every element by `factor`.
    #[inline]
    pub fn scale(&self, vector: &mut [f32], factor: f32) {
        // SAFETY: `Isa::kernels` asked the CPU before handing out self.
        unsafe { (self.scale)(vector, factor) }
    }
}
