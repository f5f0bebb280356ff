//! Panels by AMX: a tile register holds 64 codes of sixteen rows, and one instruction multiplies
//! sixteen probes with a panel of references. Rust has no stable name for these instructions yet.

use core::arch::asm;
use core::arch::x86_64::{_mm512_cvtepi32_ps, _mm512_load_si512, _mm512_setzero_si512};
use std::sync::OnceLock;

use super::{CodePanel, LANES, PANELS, ROWS, Words, interleave, load_inverses, vnni};
use crate::kernels::sixteen::write_scores;
use crate::kernels::tiles::prefetch_next;
use crate::walk::Group;

/// Probes for which tiles of sixteen pay; VNNI is faster with fewer.
const MANY: usize = 12;

/// Whether this CPU has AMX for int8, and the system lets this process use it.
pub(in crate::kernels) fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| cfg!(target_os = "linux") && has_tiles() && may_use_tiles())
}

/// Intel SDM, CPUID leaf 7: EDX bit 24 is AMX-TILE, bit 25 AMX-INT8. In XCR0 bits 17 and 18 say that
/// the system saves the tiles.
fn has_tiles() -> bool {
    use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
    const TILE_AND_INT8: u32 = 0b11 << 24;
    const SAVED: u64 = 0b11 << 17;
    if !is_x86_feature_detected!("xsave") {
        return false;
    }
    #[allow(unused_unsafe, reason = "asking the CPU is safe from Rust 1.94 on")]
    // SAFETY: CPUID is part of x86_64, and XGETBV of XSAVE.
    unsafe {
        __cpuid(0).eax >= 7
            && __cpuid_count(7, 0).edx & TILE_AND_INT8 == TILE_AND_INT8
            && _xgetbv(0) & SAVED == SAVED
    }
}

/// Linux keeps tiles for those processes alone that ask it to: `arch_prctl(ARCH_REQ_XCOMP_PERM,
/// XFEATURE_XTILEDATA)`, see Documentation/arch/x86/xstate.rst. Asking twice does no harm.
fn may_use_tiles() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST: u64 = 0x1023;
    const TILES: u64 = 18;
    let result: i64;
    // SAFETY: this call reads and writes no memory of ours; `syscall` spoils rcx and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") REQUEST,
            in("rsi") TILES,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// 64 codes of a probe, or its sums with a panel.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line<T, const N: usize>([T; N]);

/// Some probes, prepared: strips of sixteen, of each 64 codes of all rows, then the next 64. Zeros
/// stand behind the last code of a row, and for rows that are not there.
#[derive(Debug, Default)]
pub(super) struct Probes(Vec<Tile>);

/// 64 codes of sixteen probes.
type Tile = [Line<i8, LANES>; ROWS];

impl Probes {
    fn prepare(&mut self, rows: &[i8], dimensions: usize) {
        let steps = dimensions.div_ceil(LANES);
        let strips = (rows.len() / dimensions).div_ceil(ROWS);
        self.0.clear();
        self.0.resize(strips * steps, [Line([0; LANES]); ROWS]);
        let strips = self.0.chunks_exact_mut(steps);
        for (strip, rows) in strips.zip(rows.chunks(ROWS * dimensions)) {
            for (i, row) in rows.chunks_exact(dimensions).enumerate() {
                for (tile, codes) in strip.iter_mut().zip(row.chunks(LANES)) {
                    tile[i].0[..codes.len()].copy_from_slice(codes);
                }
            }
        }
    }
}

/// For each panel the sums of a strip of probes.
type Sums = [[Line<i32, ROWS>; ROWS]; PANELS];

/// As [`crate::kernels::int8::Scores`].
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(in crate::kernels::int8) fn scores(
    panel: &mut CodePanel,
    dimensions: usize,
    probes: &Group<i8>,
    references: &Group<i8>,
    scores: &mut [f32],
    stride: usize,
) {
    if probes.inverse_norms.len() < MANY {
        return vnni::scores(panel, dimensions, probes, references, scores, stride);
    }
    if panel.first != Some(probes.first) {
        panel.amx.prepare(probes.rows, dimensions);
        panel.first = Some(probes.first);
    }
    let steps = dimensions.div_ceil(LANES);
    let mut sums: Sums = [[Line([0; ROWS]); ROWS]; PANELS];
    // SAFETY: these kernels are chosen only where tiles are `available`.
    let tiles = unsafe { Tiles::configure() };
    let groups = references.rows.chunks(PANELS * ROWS * dimensions);
    let groups = groups.zip(references.inverse_norms.chunks(PANELS * ROWS));
    for (i, (rows, inverse_norms)) in groups.enumerate() {
        interleave::<false>(rows, dimensions, &mut panel.references);
        // Panels that are not there are multiplied, too, and nobody reads their sums.
        panel.references.resize(PANELS * steps, [_mm512_setzero_si512(); _]);
        let inverses = load_inverses(inverse_norms);
        let strips = panel.amx.0.chunks_exact(steps);
        let count = strips.len();
        for (s, (strip, probe_inverses)) in
            strips.zip(probes.inverse_norms.chunks(ROWS)).enumerate()
        {
            prefetch_next(rows, s, count);
            multiply(&tiles, strip, &panel.references, &mut sums);
            for (p, probe_inverse) in probe_inverses.iter().enumerate() {
                let first = (s * ROWS + p) * stride + i * PANELS * ROWS;
                let scores = &mut scores[first..][..inverse_norms.len()];
                for (j, scores) in scores.chunks_mut(ROWS).enumerate() {
                    // SAFETY: the array has 64 readable bytes, aligned to their number.
                    let dots = unsafe { _mm512_load_si512(sums[j][p].0.as_ptr().cast()) };
                    write_scores(_mm512_cvtepi32_ps(dots), *probe_inverse, inverses[j], scores);
                }
            }
        }
    }
}

/// The tile registers of this thread, configured; released at the end, so that the system need not
/// save them.
struct Tiles(());

impl Tiles {
    /// Sixteen rows of 64 bytes for each of the seven in use.
    ///
    /// # Safety
    /// Tiles are [`available`].
    #[inline]
    unsafe fn configure() -> Self {
        /// Intel SDM, LDTILECFG: palette 1, then bytes of a row for each register, and its rows.
        #[repr(C, align(64))]
        struct Configuration {
            palette: u8,
            start: u8,
            reserved: [u8; 14],
            bytes: [u16; 16],
            rows: [u8; 16],
        }
        static CONFIGURATION: Configuration = Configuration {
            palette: 1,
            start: 0,
            reserved: [0; 14],
            bytes: [64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            rows: [16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        };
        // SAFETY: the caller has asked for tiles; 64 bytes are read.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly));
        };
        Self(())
    }
}

impl Drop for Tiles {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `configure` needed the same of the CPU.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// The sums of a strip of probes with [`PANELS`] panels.
#[inline]
fn multiply(_configured: &Tiles, probes: &[Tile], references: &[Words], sums: &mut Sums) {
    let steps = probes.len();
    assert!(steps > 0 && references.len() == PANELS * steps);
    let (first, rest) = references.split_at(steps);
    let (second, third) = rest.split_at(steps);
    // SAFETY: the registers are configured. Each of `steps` turns reads 1024 bytes,
    // a tile, of each slice, which has as many; 3072 bytes of sums are written.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "2:",
            "tileloadd tmm3, [{probes} + {line}]",
            "tileloadd tmm4, [{first} + {line}]",
            "tileloadd tmm5, [{second} + {line}]",
            "tileloadd tmm6, [{third} + {line}]",
            "tdpbssd tmm0, tmm3, tmm4",
            "tdpbssd tmm1, tmm3, tmm5",
            "tdpbssd tmm2, tmm3, tmm6",
            "add {probes}, 1024",
            "add {first}, 1024",
            "add {second}, 1024",
            "add {third}, 1024",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {line}], tmm0",
            "tilestored [{sums} + {line} + 1024], tmm1",
            "tilestored [{sums} + {line} + 2048], tmm2",
            probes = inout(reg) probes.as_ptr() => _,
            first = inout(reg) first.as_ptr() => _,
            second = inout(reg) second.as_ptr() => _,
            third = inout(reg) third.as_ptr() => _,
            steps = inout(reg) steps => _,
            sums = in(reg) sums.as_mut_ptr(),
            line = in(reg) 64_usize,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _,
            options(nostack),
        );
    }
}
