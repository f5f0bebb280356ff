//! What can be wrong with the numbers a caller hands over.

use std::fmt;

use crate::kernels::Isa;

/// The argument an error speaks of, by its public name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The vector or matrix to normalise.
    X,
    /// The first embedding of a 1:1 comparison.
    A,
    /// The second embedding of a 1:1 comparison.
    B,
    /// The embedding compared with a block of references.
    Probe,
    /// The embeddings compared with a block of references.
    Probes,
    /// The block of references.
    References,
    /// The caller's array for the comparison scores.
    Out,
    /// The least comparison score that a search returns.
    Threshold,
    /// What a detector says of its cells.
    Heads,
    /// Pixels.
    Picture,
    /// The pixels that count.
    Places,
    /// Points of a face, in a picture or in space.
    Points,
    /// The pseudo-inverse of points in space.
    Inverse,
    /// What each level of a colour adds to the luminance.
    Parts,
    /// The weights of a blur.
    Kernel,
}

impl Operand {
    /// The argument's name, as in the Python signatures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X => "x",
            Self::A => "a",
            Self::B => "b",
            Self::Probe => "probe",
            Self::Probes => "probes",
            Self::References => "references",
            Self::Out => "out",
            Self::Threshold => "threshold",
            Self::Heads => "heads",
            Self::Picture => "picture",
            Self::Places => "places",
            Self::Points => "points",
            Self::Inverse => "inverse",
            Self::Parts => "parts",
            Self::Kernel => "kernel",
        }
    }
}

/// A refusal, with the fields a caller needs to find the culprit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoreError {
    /// An embedding has no elements.
    Empty {
        /// The argument at fault.
        operand: Operand,
    },
    /// Two lengths that must agree differ.
    LengthMismatch {
        /// The argument at fault.
        operand: Operand,
        /// Elements (or rows, for `out`) that were needed.
        expected: usize,
        /// Elements (or rows, for `out`) that came.
        received: usize,
    },
    /// An embedding of int8 codes is longer than sums in i32 can hold.
    TooLong {
        /// The argument at fault.
        operand: Operand,
        /// The most codes a row may have.
        limit: usize,
        /// Codes that came.
        received: usize,
    },
    /// An element is NaN or infinite. A NaN score fails every `>=` and would read as `NON_MATCH`.
    NonFinite {
        /// The argument at fault.
        operand: Operand,
        /// Row of the first culprit; 0 for a single vector.
        row: usize,
        /// Its index within the row.
        index: usize,
    },
    /// A vector has no direction: all its elements are zero.
    ZeroNorm {
        /// The argument at fault.
        operand: Operand,
        /// Row of the first culprit; 0 for a single vector.
        row: usize,
    },
    /// `out` shares memory with an input. Only a foreign caller can do this; Rust's borrows forbid it.
    Overlap {
        /// The input that `out` overlaps.
        operand: Operand,
    },
    /// More pairs reach the threshold than the caller has memory for.
    TooMany {
        /// The argument at fault.
        operand: Operand,
        /// The most pairs that the caller takes.
        limit: usize,
    },
    /// `GOVID_ISA` names no instruction set that this crate knows.
    UnknownIsa {
        /// What it says.
        received: String,
    },
    /// The instruction set asked for is not on this CPU.
    IsaUnavailable {
        /// What was asked for.
        isa: Isa,
    },
}

impl CoreError {
    /// Every slug, in the order of the variants. Slugs are public and never change.
    pub const SLUGS: [&'static str; 9] = [
        "empty",
        "length-mismatch",
        "too-long",
        "non-finite",
        "zero-norm",
        "overlap",
        "too-many",
        "unknown-isa",
        "isa-unavailable",
    ];

    /// The stable name of this kind of error.
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Empty { .. } => Self::SLUGS[0],
            Self::LengthMismatch { .. } => Self::SLUGS[1],
            Self::TooLong { .. } => Self::SLUGS[2],
            Self::NonFinite { .. } => Self::SLUGS[3],
            Self::ZeroNorm { .. } => Self::SLUGS[4],
            Self::Overlap { .. } => Self::SLUGS[5],
            Self::TooMany { .. } => Self::SLUGS[6],
            Self::UnknownIsa { .. } => Self::SLUGS[7],
            Self::IsaUnavailable { .. } => Self::SLUGS[8],
        }
    }

    /// The argument at fault; none when the fault is in the settings.
    pub const fn operand(&self) -> Option<Operand> {
        match self {
            Self::Empty { operand }
            | Self::LengthMismatch { operand, .. }
            | Self::TooLong { operand, .. }
            | Self::NonFinite { operand, .. }
            | Self::ZeroNorm { operand, .. }
            | Self::Overlap { operand }
            | Self::TooMany { operand, .. } => Some(*operand),
            Self::UnknownIsa { .. } | Self::IsaUnavailable { .. } => None,
        }
    }

    /// The numeric fields by name.
    pub fn fields(&self) -> Vec<(&'static str, usize)> {
        match *self {
            Self::LengthMismatch { expected, received, .. } => {
                vec![("expected", expected), ("received", received)]
            }
            Self::TooLong { limit, received, .. } => vec![("limit", limit), ("received", received)],
            Self::NonFinite { row, index, .. } => vec![("row", row), ("index", index)],
            Self::ZeroNorm { row, .. } => vec![("row", row)],
            Self::TooMany { limit, .. } => vec![("limit", limit)],
            Self::Empty { .. }
            | Self::Overlap { .. }
            | Self::UnknownIsa { .. }
            | Self::IsaUnavailable { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { operand } => write!(f, "{}: has no elements", operand.name()),
            Self::LengthMismatch { operand, expected, received } => {
                write!(f, "{}: expected length {expected}, received {received}", operand.name())
            }
            Self::TooLong { operand, limit, received } => {
                write!(f, "{}: {received} codes a row, the limit is {limit}", operand.name())
            }
            Self::NonFinite { operand, row, index } => {
                write!(f, "{}: NaN or infinity at row {row}, index {index}", operand.name())
            }
            Self::ZeroNorm { operand, row } => {
                write!(f, "{}: row {row} is all zeros and has no direction", operand.name())
            }
            Self::Overlap { operand } => write!(f, "out: shares memory with {}", operand.name()),
            Self::TooMany { operand, limit } => {
                write!(f, "{}: more than {limit} pairs reach it, the limit", operand.name())
            }
            Self::UnknownIsa { received } => {
                write!(f, "GOVID_ISA: expected one of {}, received {received:?}", Isa::names())
            }
            Self::IsaUnavailable { isa } => {
                write!(f, "GOVID_ISA: {} is not available on this CPU; unset it", isa.name())
            }
        }
    }
}

impl std::error::Error for CoreError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of_each() -> Vec<CoreError> {
        let operand = Operand::Probe;
        vec![
            CoreError::Empty { operand },
            CoreError::LengthMismatch { operand, expected: 128, received: 512 },
            CoreError::TooLong { operand, limit: 131_071, received: 200_000 },
            CoreError::NonFinite { operand, row: 3, index: 7 },
            CoreError::ZeroNorm { operand, row: 5 },
            CoreError::Overlap { operand },
            CoreError::TooMany { operand: Operand::Threshold, limit: 1000 },
            CoreError::UnknownIsa { received: "mmx".into() },
            CoreError::IsaUnavailable { isa: Isa::Neon },
        ]
    }

    #[test]
    fn every_error_is_covered_and_says_what_it_holds() {
        let errors = one_of_each();
        let slugs: Vec<_> = errors.iter().map(CoreError::slug).collect();
        assert_eq!(slugs, CoreError::SLUGS);
        for error in &errors {
            let text = error.to_string();
            for (name, value) in error.fields() {
                assert!(text.contains(&value.to_string()), "{text:?} hides {name}");
            }
            if let Some(operand) = error.operand() {
                assert!(text.contains(operand.name()), "{text:?} hides the argument");
            }
        }
    }
}
