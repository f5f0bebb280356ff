#!/bin/sh
# Everything `make test` checks, fastest first. Each runner prints its own closing lines.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
say() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }

say "format and lint"
ruff format --check .
ruff check .
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked --quiet -- -D warnings

say "types"
mypy
python -m mypy.stubtest govid._core

say "cargo tests"
cargo test --workspace --locked --quiet

say "Python tests"
pytest "$@"
