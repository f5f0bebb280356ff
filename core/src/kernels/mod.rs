//! One table of kernels an instruction set; the best one is chosen once and kept.
//!
//! Kernels sum and scale, they judge nothing: the callers check finiteness and norms.

mod int8;
mod panel;
mod prefetch;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod rows;
pub(crate) mod scalar;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tiles;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod sixteen;
#[cfg(target_arch = "x86_64")]
mod transpose;

use std::sync::OnceLock;

use crate::error::CoreError;
use crate::walk::Group;
use int8::Int8Kernels;
pub use int8::MAX_CODES;
pub(crate) use int8::{CodePanel, SEVERAL};
pub(crate) use panel::{MANY, Panel};
pub(crate) use prefetch::prefetch_all;

/// The environment variable that forces an instruction set.
const VARIABLE: &str = "GOVID_ISA";

/// An instruction set with kernels in this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust in f64: the specification.
    Scalar,
    /// AVX2 with FMA, `x86_64`.
    Avx2,
    /// AVX2 with FMA, and AVX-VNNI for int8, `x86_64`.
    AvxVnni,
    /// AVX-512F, `x86_64`.
    Avx512,
    /// AVX-512F, and AVX-512 BW and VNNI for int8, `x86_64`.
    Avx512Vnni,
    /// The same, and AMX-INT8 for blocks of int8, `x86_64` on Linux.
    Amx,
    /// NEON, `aarch64`.
    Neon,
}

impl Isa {
    /// All of them, slowest first.
    pub const ALL: [Self; 7] = [
        Self::Scalar,
        Self::Neon,
        Self::Avx2,
        Self::AvxVnni,
        Self::Avx512,
        Self::Avx512Vnni,
        Self::Amx,
    ];

    /// The name, as `GOVID_ISA` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512 => "avx512",
            Self::Avx512Vnni => "avx512vnni",
            Self::Amx => "amx",
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
            Self::Avx2 if has_avx2() => Ok(&avx2::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni if has_avx2() && is_x86_feature_detected!("avxvnni") => {
                Ok(&avx2::WITH_VNNI)
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if has_avx512() => Ok(&avx512::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni if has_avx512_vnni() => Ok(&avx512::WITH_VNNI),
            #[cfg(target_arch = "x86_64")]
            Self::Amx if has_avx512_vnni() && int8::has_amx() => Ok(&avx512::WITH_AMX),
            #[cfg(target_arch = "aarch64")]
            Self::Neon if std::arch::is_aarch64_feature_detected!("neon") => Ok(&neon::KERNELS),
            isa => Err(CoreError::IsaUnavailable { isa }),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// The AVX-512 kernels finish their sums, and compare few probes, in AVX2, which every such CPU has.
#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    has_avx2() && is_x86_feature_detected!("avx512f")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512_vnni() -> bool {
    has_avx512() && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni")
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

/// Probe, 1 / its norm, references; for each row its score and its sum of squares.
type Rows = unsafe fn(&[f32], f64, &[f32], &mut [f32], &mut [f64]);

/// Probes, references, length of a row; the dot products of the first probe, of the second...
type Block = unsafe fn(&[f32], &[f32], usize, &mut [f32]);

/// The kernels of one instruction set. Only [`Isa::kernels`] hands one out, after it has asked
/// the CPU: that is what makes the calls below sound.
#[derive(Debug)]
pub struct Kernels {
    isa: Isa,
    pair: unsafe fn(&[f32], &[f32]) -> PairSums,
    rows: Rows,
    block: Block,
    panel: Option<panel::Scores>,
    square_sum: unsafe fn(&[f32]) -> f64,
    scale: unsafe fn(&mut [f32], f32),
    int8: Int8Kernels,
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

    /// For each row of `references`: its comparison score with `probe`, whose norm is
    /// 1 / `inverse_norm`, and its sum of squares, which says whether that score means anything.
    ///
    /// # Panics
    /// If the lengths do not fit each other, or `probe` is empty.
    #[inline]
    pub fn rows(
        &self,
        probe: &[f32],
        inverse_norm: f64,
        references: &[f32],
        scores: &mut [f32],
        squares: &mut [f64],
    ) {
        assert!(!probe.is_empty());
        assert_eq!(scores.len(), squares.len());
        assert_eq!(Some(references.len()), scores.len().checked_mul(probe.len()));
        // SAFETY: `Isa::kernels` asked the CPU before handing out self.
        unsafe { (self.rows)(probe, inverse_norm, references, scores, squares) }
    }

    /// The dot product of each probe with each reference: a row of `dots` for each probe.
    ///
    /// # Panics
    /// If the lengths do not fit each other, or `dimensions` is 0.
    #[inline]
    pub fn block(&self, probes: &[f32], references: &[f32], dimensions: usize, dots: &mut [f32]) {
        assert_block(probes, references, dimensions, dots);
        if !dots.is_empty() {
            // SAFETY: `Isa::kernels` asked the CPU before handing out self.
            unsafe { (self.block)(probes, references, dimensions, dots) }
        }
    }

    /// A panel for so many probes, if that is faster than [`Self::block`].
    pub(crate) fn panel_for(&self, probes: usize) -> Option<Panel> {
        (self.panel.is_some() && probes >= MANY).then(Panel::default)
    }

    /// Comparison scores of probes with references. Those of a probe begin `stride` after those of
    /// the one before. To the bit what [`Self::block`] leads to. A panel is for one operand of probes.
    ///
    /// # Panics
    /// If the lengths do not fit each other, or [`Self::panel_for`] gave no panel.
    pub(crate) fn panel(
        &self,
        panel: &mut Panel,
        dimensions: usize,
        probes: &Group<f32>,
        references: &Group<f32>,
        scores: &mut [f32],
        stride: usize,
    ) {
        assert_groups(dimensions, probes, references);
        let kernel = self.panel.expect("`panel_for` gave the panel");
        if !references.rows.is_empty() {
            // SAFETY: `Isa::kernels` asked the CPU before handing out self.
            unsafe { kernel(panel, dimensions, probes, references, scores, stride) }
        }
    }

    /// As [`Self::rows`], of int8 codes; all sums are exact, and a score is one of `block_int8`'s
    /// dot products, to the bit. It means nothing where the sum of squares is 0.
    ///
    /// # Panics
    /// If the lengths do not fit each other, or `probe` is empty or longer than [`MAX_CODES`].
    #[inline]
    pub fn rows_int8(
        &self,
        probe: &[i8],
        inverse_norm: f32,
        references: &[i8],
        scores: &mut [f32],
        squares: &mut [i32],
    ) {
        assert!((1..=MAX_CODES).contains(&probe.len()));
        assert_eq!(scores.len(), squares.len());
        assert_eq!(Some(references.len()), scores.len().checked_mul(probe.len()));
        // SAFETY: `Isa::kernels` asked the CPU before handing out self.
        unsafe { (self.int8.rows)(probe, inverse_norm, references, scores, squares) }
    }

    /// As [`Self::block`], of int8 codes; all sums are exact.
    ///
    /// # Panics
    /// If the lengths do not fit each other, or `dimensions` is 0 or more than [`MAX_CODES`].
    #[inline]
    pub fn block_int8(
        &self,
        probes: &[i8],
        references: &[i8],
        dimensions: usize,
        dots: &mut [i32],
    ) {
        assert!(dimensions <= MAX_CODES);
        assert_block(probes, references, dimensions, dots);
        if !dots.is_empty() {
            // SAFETY: `Isa::kernels` asked the CPU before handing out self.
            unsafe { (self.int8.block)(probes, references, dimensions, dots) }
        }
    }

    /// A panel for so many probes, if that is faster than [`Self::block_int8`].
    pub(crate) fn panel_int8_for(&self, probes: usize) -> Option<CodePanel> {
        (self.int8.panel.is_some() && probes >= SEVERAL).then(CodePanel::default)
    }

    /// As [`Self::panel`], of int8 codes; to the bit what [`Self::block_int8`] leads to.
    ///
    /// # Panics
    /// If the lengths do not fit each other, or [`Self::panel_int8_for`] gave no panel.
    pub(crate) fn panel_int8(
        &self,
        panel: &mut CodePanel,
        dimensions: usize,
        probes: &Group<i8>,
        references: &Group<i8>,
        scores: &mut [f32],
        stride: usize,
    ) {
        assert!((1..=MAX_CODES).contains(&dimensions) && !probes.rows.is_empty());
        assert_groups(dimensions, probes, references);
        let kernel = self.int8.panel.expect("`panel_int8_for` gave the panel");
        if !references.rows.is_empty() {
            // SAFETY: `Isa::kernels` asked the CPU before handing out self.
            unsafe { kernel(panel, dimensions, probes, references, scores, stride) }
        }
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

/// The score of a row from its sums. Rounding may carry parallel vectors a hair past 1.
#[inline]
fn to_score(dot: f64, square: f64, probe_inverse: f64) -> f32 {
    (dot * probe_inverse / square.sqrt()).clamp(-1.0, 1.0) as f32
}

/// What a panel relies on: each row has its norm.
fn assert_groups<T>(dimensions: usize, probes: &Group<T>, references: &Group<T>) {
    for group in [probes, references] {
        let expected = group.inverse_norms.len().checked_mul(dimensions);
        assert_eq!(expected, Some(group.rows.len()));
    }
}

/// The shapes of a block: what a kernel relies on.
#[inline]
fn assert_block<T, S>(probes: &[T], references: &[T], dimensions: usize, dots: &[S]) {
    assert!(probes.len().is_multiple_of(dimensions) && references.len().is_multiple_of(dimensions));
    let expected = (probes.len() / dimensions).checked_mul(references.len() / dimensions);
    assert_eq!(expected, Some(dots.len()));
}
