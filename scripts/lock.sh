#!/bin/sh
# Pin every dependency with digests, for each supported Python and platform: `make lock`.
# dev is resolved first; runtime and gpu are subsets of it, so that what is tested is what runs, and bench adds
# the peers to it, so that what is measured is what is tested.
set -eu
cd "$(dirname "$0")/.."
# openvino-telemetry stays out: OpenVINO does without it, and govid never lets it be imported.
compile() {
    out=$1
    shift
    uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate --no-emit-package openvino-telemetry --extra build "$@" -o "requirements/$out"
}
compile dev.lock --extra dev --extra postgresql --extra cluster --extra otel
compile runtime.lock --constraint requirements/dev.lock
compile cluster.lock --constraint requirements/dev.lock --extra cluster
# onnxruntime-gpu brings the same import name as onnxruntime, which therefore must stay out.
compile gpu.lock --constraint requirements/dev.lock --extra gpu --no-emit-package onnxruntime
# What the container holds: a server for several machines, with traces.
compile container.lock --constraint requirements/dev.lock --extra postgresql --extra otel
compile bench.lock --constraint requirements/dev.lock --extra dev --extra postgresql --extra cluster --extra otel --extra bench
