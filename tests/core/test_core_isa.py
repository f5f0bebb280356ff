"""Every SIMD path, forced by GOVID_ISA in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from govid import _core

ISAS = ["scalar", "neon", "avx2", "avxvnni", "avx512", "avx512vnni", "amx"]

COMPARE = """
import numpy as np
from govid import _core

rng = np.random.default_rng(0)
for length in (1, 15, 16, 17, 31, 32, 33, 127, 128, 129, 511, 512, 513):
    block = rng.normal(size=(40, length)).astype(np.float32)
    exact = block.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    assert np.allclose(_core.cosine_many(block[0], block), exact @ exact[0], rtol=0, atol=2e-6)
    assert abs(_core.cosine(block[0], block[1]) - exact[0] @ exact[1]) < 2e-6
    assert np.allclose(_core.l2_normalize(block), exact, rtol=0, atol=2e-6)
    assert np.allclose(_core.cosine_block(block, block), exact @ exact.T, rtol=0, atol=2e-6)
    codes = _core.quantize(block)
    whole = codes.astype(np.float64)
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    scores = _core.cosine_block_int8(codes, codes)
    assert np.allclose(scores, whole @ whole.T, rtol=0, atol=5e-7)
    assert np.array_equal(_core.cosine_many_int8(codes[0], codes), scores[0])
print(_core.isa())
"""

REFUSE = """
import numpy as np
from govid import _core

for call in (_core.isa, lambda: _core.cosine(np.ones(1, np.float32), np.ones(1, np.float32))):
    try:
        call()
    except _core.CoreError as error:
        print(error.slug, error.fields, error.operand)
"""


def run(script: str, isa: str) -> str:
    environment = {**os.environ, "GOVID_ISA": isa}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_fastest_is_in_use() -> None:
    assert _core.available_isas()[0] == "scalar"
    assert _core.isa() in _core.available_isas()
    if "GOVID_ISA" not in os.environ:
        assert _core.isa() == _core.available_isas()[-1]


@pytest.mark.parametrize("isa", ISAS)
def test_a_forced_isa_is_used_and_right(isa: str) -> None:
    if isa not in _core.available_isas():
        pytest.skip(f"this CPU has no {isa}")
    assert run(COMPARE, isa) == isa


@pytest.mark.parametrize("isa", sorted(set(ISAS) - set(_core.available_isas())))
def test_an_isa_the_cpu_lacks_is_refused(isa: str) -> None:
    assert run(REFUSE, isa).splitlines() == ["isa-unavailable {} None"] * 2


@pytest.mark.parametrize("isa", ["mmx", "AVX2", ""])
def test_an_unknown_isa_is_refused(isa: str) -> None:
    assert run(REFUSE, isa).splitlines() == ["unknown-isa {} None"] * 2
