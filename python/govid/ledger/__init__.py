"""The audit as evidence: chained rows, a signed Merkle root over them, signed receipts of decisions."""
