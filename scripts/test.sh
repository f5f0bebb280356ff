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
# The kernels of another processor compile where its standard library is installed, and run where an emulator is.
arm=aarch64-unknown-linux-gnu
if rustup target list --installed 2>/dev/null | grep -q $arm; then
    cargo clippy --workspace --locked --quiet --target $arm -- -D warnings
else
    echo "skipped: NEON kernels, rustup target add $arm compiles them"
fi

say "types"
mypy
python -m mypy.stubtest govid._core

say "cargo tests"
cargo test --workspace --locked --quiet
if rustup target list --installed 2>/dev/null | grep -q $arm &&
    command -v qemu-aarch64 >/dev/null && command -v aarch64-linux-gnu-gcc >/dev/null; then
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER='qemu-aarch64 -L /usr/aarch64-linux-gnu' \
        cargo test --workspace --locked --quiet --target $arm
else
    echo "skipped: NEON kernels, apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross runs them"
fi

say "Python tests"
# Half of their time is waiting for servers: one process a core, each with databases and servers of its own.
pytest --numprocesses auto --maxprocesses 4 --no-loadscope-reorder "$@"
