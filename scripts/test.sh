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
cargo clippy --workspace --locked --quiet --features python -- -D warnings
# The kernels of another processor at least compile, where its standard library is installed.
if rustup target list --installed 2>/dev/null | grep -q aarch64-unknown-linux-gnu; then
    cargo clippy --workspace --locked --quiet --target aarch64-unknown-linux-gnu -- -D warnings
else
    echo "skipped: NEON kernels, rustup target add aarch64-unknown-linux-gnu compiles them"
fi

say "types"
mypy
python -m mypy.stubtest govid._core

say "cargo tests"
cargo test --workspace --locked --quiet

say "Python tests"
# Half of their time is waiting for servers: one process a core, each with databases and servers of its own.
pytest --numprocesses auto --maxprocesses 4 --no-loadscope-reorder "$@"
