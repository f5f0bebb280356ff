"""Every refusal: its slug, its fields and the argument at fault."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from govid import _core

Case = tuple[Callable[[], object], str, str, dict[str, int]]

PROBE = np.ones(4, np.float32)
BLOCK = np.ones((3, 4), np.float32)
SHARED = np.ones((4, 4), np.float32)
ZERO = np.zeros(4, np.float32)
EMPTY = np.empty(0, np.float32)
CODE = np.ones(4, np.int8)
CODES = np.ones((3, 4), np.int8)
LONG = np.ones((1, 2**17), np.int8)


def spoilt(value: float) -> NDArray[np.float32]:
    block = BLOCK.copy()
    block[2, 1] = value
    return block


def zero_row() -> NDArray[np.float32]:
    block = BLOCK.copy()
    block[1] = 0
    return block


PLACE = {"row": 2, "index": 1}
FIRST = {"row": 0, "index": 1}
ORIGIN = {"row": 0, "index": 0}

CASES: dict[str, Case] = {
    "empty a": (lambda: _core.cosine(EMPTY, EMPTY), "empty", "a", {}),
    "empty probe": (lambda: _core.cosine_many(EMPTY, BLOCK), "empty", "probe", {}),
    "empty x": (lambda: _core.l2_normalize(EMPTY), "empty", "x", {}),
    "empty rows": (lambda: _core.l2_normalize_inplace(BLOCK[:, :0].copy()), "empty", "x", {}),
    "lengths": (
        lambda: _core.cosine(PROBE, PROBE[:3]),
        "length-mismatch",
        "b",
        {"expected": 4, "received": 3},
    ),
    "columns": (
        lambda: _core.cosine_many(PROBE[:2], BLOCK),
        "length-mismatch",
        "references",
        {"expected": 2, "received": 4},
    ),
    "columns, no rows": (
        lambda: _core.cosine_many(PROBE[:2], BLOCK[:0]),
        "length-mismatch",
        "references",
        {"expected": 2, "received": 4},
    ),
    "out": (
        lambda: _core.cosine_many(PROBE, BLOCK, np.empty(2, np.float32)),
        "length-mismatch",
        "out",
        {"expected": 3, "received": 2},
    ),
    "NaN in a": (lambda: _core.cosine(spoilt(np.nan)[2], PROBE), "non-finite", "a", FIRST),
    "inf in b": (lambda: _core.cosine(PROBE, spoilt(np.inf)[2]), "non-finite", "b", FIRST),
    "NaN in probe": (
        lambda: _core.cosine_many(spoilt(np.nan)[2], BLOCK),
        "non-finite",
        "probe",
        FIRST,
    ),
    "NaN in references": (
        lambda: _core.cosine_many(PROBE, spoilt(np.nan)),
        "non-finite",
        "references",
        PLACE,
    ),
    "-inf in x": (lambda: _core.l2_normalize(spoilt(-np.inf)), "non-finite", "x", PLACE),
    "NaN in place": (
        lambda: _core.l2_normalize_inplace(spoilt(np.nan)),
        "non-finite",
        "x",
        PLACE,
    ),
    "zero a": (lambda: _core.cosine(ZERO, PROBE), "zero-norm", "a", {"row": 0}),
    "zero b": (lambda: _core.cosine(PROBE, ZERO), "zero-norm", "b", {"row": 0}),
    "zero probe": (lambda: _core.cosine_many(ZERO, BLOCK[:0]), "zero-norm", "probe", {"row": 0}),
    "zero reference": (
        lambda: _core.cosine_many(PROBE, zero_row()),
        "zero-norm",
        "references",
        {"row": 1},
    ),
    "zero x": (lambda: _core.l2_normalize(zero_row()), "zero-norm", "x", {"row": 1}),
    "empty probes": (lambda: _core.cosine_block(BLOCK[:, :0].copy(), BLOCK), "empty", "probes", {}),
    "empty code": (lambda: _core.cosine_many_int8(CODE[:0], CODES), "empty", "probe", {}),
    "empty to quantize": (lambda: _core.quantize(EMPTY), "empty", "x", {}),
    "columns of a block": (
        lambda: _core.cosine_block(SHARED[:, :1].copy(), BLOCK),
        "length-mismatch",
        "references",
        {"expected": 1, "received": 4},
    ),
    "rows of out": (
        lambda: _core.cosine_block(SHARED, BLOCK, np.empty((3, 4), np.float32)),
        "length-mismatch",
        "out",
        {"expected": 4, "received": 3},
    ),
    "columns of out": (
        lambda: _core.cosine_block_int8(CODES, CODES, np.empty((3, 4), np.float32)),
        "length-mismatch",
        "out",
        {"expected": 3, "received": 4},
    ),
    "long code": (
        lambda: _core.cosine_many_int8(LONG[0], LONG),
        "too-long",
        "probe",
        {"limit": 2**17 - 1, "received": 2**17},
    ),
    "long codes": (
        lambda: _core.cosine_block_int8(LONG, LONG),
        "too-long",
        "probes",
        {"limit": 2**17 - 1, "received": 2**17},
    ),
    "NaN in probes": (lambda: _core.cosine_block(spoilt(np.nan), BLOCK), "non-finite", "probes", PLACE),
    "inf in a block": (lambda: _core.cosine_block(BLOCK, spoilt(np.inf)), "non-finite", "references", PLACE),
    "NaN to quantize": (lambda: _core.quantize(spoilt(np.nan)), "non-finite", "x", PLACE),
    "zero in probes": (lambda: _core.cosine_block(zero_row(), BLOCK), "zero-norm", "probes", {"row": 1}),
    "zero in a block": (
        lambda: _core.cosine_block(BLOCK, zero_row()),
        "zero-norm",
        "references",
        {"row": 1},
    ),
    "zero to quantize": (lambda: _core.quantize(zero_row()), "zero-norm", "x", {"row": 1}),
    "zero code": (
        lambda: _core.cosine_many_int8(CODE, zero_row().astype(np.int8)),
        "zero-norm",
        "references",
        {"row": 1},
    ),
    "zero codes": (
        lambda: _core.cosine_block_int8(zero_row().astype(np.int8), CODES),
        "zero-norm",
        "probes",
        {"row": 1},
    ),
    "NaN threshold": (lambda: _core.nearest(BLOCK, BLOCK, 1, np.nan), "non-finite", "threshold", ORIGIN),
    "infinite threshold": (
        lambda: _core.above_int8(CODES, CODES, -np.inf, 9),
        "non-finite",
        "threshold",
        ORIGIN,
    ),
    "NaN to search": (lambda: _core.nearest(BLOCK, spoilt(np.nan), 1), "non-finite", "references", PLACE),
    "zero to search": (lambda: _core.above(zero_row(), BLOCK, 0, 9), "zero-norm", "probes", {"row": 1}),
    "zero codes to search": (
        lambda: _core.nearest_int8(CODES[:1], zero_row().astype(np.int8), 1),
        "zero-norm",
        "references",
        {"row": 1},
    ),
    "long codes to search": (
        lambda: _core.above_int8(LONG, LONG, 0, 9),
        "too-long",
        "probes",
        {"limit": 2**17 - 1, "received": 2**17},
    ),
    "columns to search": (
        lambda: _core.nearest(SHARED[:, :1].copy(), BLOCK, 1),
        "length-mismatch",
        "references",
        {"expected": 1, "received": 4},
    ),
    "many pairs": (lambda: _core.above(BLOCK, BLOCK, 0.5, 8), "too-many", "threshold", {"limit": 8}),
    "out in probes": (
        lambda: _core.cosine_block(SHARED[:2], BLOCK, SHARED.reshape(-1)[:6].reshape(2, 3)),
        "overlap",
        "probes",
        {},
    ),
    "out in codes": (
        lambda: _core.cosine_many_int8(CODE, SHARED.view(np.int8).reshape(-1, 4), SHARED.reshape(-1)),
        "overlap",
        "references",
        {},
    ),
    "out in references": (
        lambda: _core.cosine_many(PROBE, SHARED[:3], SHARED[1, :3]),
        "overlap",
        "references",
        {},
    ),
    "out in probe": (
        lambda: _core.cosine_many(SHARED[3], BLOCK, SHARED[3, 1:]),
        "overlap",
        "probe",
        {},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_numbers_are_a_core_error(name: str) -> None:
    call, slug, operand, fields = CASES[name]
    with pytest.raises(_core.CoreError) as caught:
        call()
    error = caught.value
    assert isinstance(error, ValueError)
    assert (error.slug, error.operand, error.fields) == (slug, operand, fields)
    assert operand in str(error)
    for value in fields.values():
        assert str(value) in str(error)


def test_every_slug_about_numbers_has_a_case() -> None:
    assert {slug for _, slug, _, _ in CASES.values()} == {
        "empty",
        "length-mismatch",
        "too-long",
        "non-finite",
        "zero-norm",
        "overlap",
        "too-many",
    }


def test_an_error_survives_pickling() -> None:
    with pytest.raises(_core.CoreError) as caught:
        _core.cosine(ZERO, PROBE)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(copy, _core.CoreError)
    assert (copy.slug, copy.fields, copy.operand) == ("zero-norm", {"row": 0}, "a")


def unaligned() -> NDArray[np.float32]:
    return np.frombuffer(b"\0" * 17, np.uint8)[1:].view(np.float32)


NOT_VECTORS: dict[str, tuple[object, str]] = {
    "list": ([1.0, 2.0], "list"),
    "None": (None, "NoneType"),
    "float64": (np.ones(4), "float64 array of shape [4]"),
    "int32": (np.ones(4, np.int32), "int32"),
    "float16": (np.ones(4, np.float16), "float16"),
    "big-endian": (np.ones(4, ">f4"), ">f4"),
    "object": (np.ones(4, object), "object"),
    "0-D": (np.array(1, np.float32), "shape []"),
    "2-D": (BLOCK, "shape [3, 4]"),
    "3-D": (np.ones((1, 2, 2), np.float32), "shape [1, 2, 2]"),
    "strided": (np.ones(8, np.float32)[::2], "not C-contiguous"),
    "reversed": (np.ones(4, np.float32)[::-1], "not C-contiguous"),
    "unaligned": (unaligned(), "not aligned"),
}


@pytest.mark.parametrize("name", NOT_VECTORS)
def test_a_wrong_array_is_a_type_error_that_names_it(name: str) -> None:
    value, received = NOT_VECTORS[name]
    wrong = cast("NDArray[np.float32]", value)
    calls: dict[str, Callable[[], object]] = {
        "a": lambda: _core.cosine(wrong, PROBE),
        "b": lambda: _core.cosine(PROBE, wrong),
        "probe": lambda: _core.cosine_many(wrong, BLOCK),
        "out": lambda: _core.cosine_many(PROBE, BLOCK, out=wrong),
    }
    if name == "None":
        del calls["out"]
    for operand, call in calls.items():
        with pytest.raises(TypeError) as caught:
            call()
        text = str(caught.value)
        assert text.startswith(f"{operand}: expected a 1-D C-contiguous")
        assert received in text.partition("received")[2]


@pytest.mark.parametrize("wrong", [np.asfortranarray(BLOCK), BLOCK.astype(np.float64), BLOCK[:, ::2]])
def test_a_wrong_matrix_is_a_type_error(wrong: NDArray[np.float32]) -> None:
    for call in (_core.l2_normalize, _core.l2_normalize_inplace):
        with pytest.raises(TypeError, match=r"x: expected a 1-D or 2-D C-contiguous"):
            call(wrong)
    with pytest.raises(TypeError, match=r"references: expected a 2-D C-contiguous"):
        _core.cosine_many(PROBE, wrong)


@pytest.mark.parametrize("wrong", [BLOCK, CODES[:, ::2], CODES.view(np.uint8), CODES.astype(np.int16)])
def test_wrong_codes_are_a_type_error(wrong: NDArray[np.int8]) -> None:
    with pytest.raises(TypeError, match=r"probe: expected a 1-D C-contiguous int8 array"):
        _core.cosine_many_int8(wrong, CODES)
    with pytest.raises(TypeError, match=r"probes: expected a 2-D C-contiguous int8 array"):
        _core.cosine_block_int8(wrong, CODES)
    with pytest.raises(TypeError, match=r"references: expected a 2-D C-contiguous int8 array"):
        _core.cosine_block_int8(CODES, wrong)


def test_codes_are_not_embeddings() -> None:
    codes = cast("NDArray[np.float32]", CODES)
    with pytest.raises(TypeError, match=r"probes: expected a 2-D C-contiguous float32 array, received int8"):
        _core.cosine_block(codes, BLOCK)
    with pytest.raises(TypeError, match=r"out: expected .* float32 array, received int8"):
        _core.cosine_block(BLOCK, BLOCK, codes)
    with pytest.raises(
        TypeError, match=r"x: expected a 1-D or 2-D C-contiguous float32 array, received int8"
    ):
        _core.quantize(codes)


def test_a_read_only_array_is_not_written() -> None:
    fixed = BLOCK.copy()
    fixed.flags.writeable = False
    with pytest.raises(TypeError, match=r"x: expected .* writeable .* received .* read-only"):
        _core.l2_normalize_inplace(fixed)
    with pytest.raises(TypeError, match=r"out: expected .* writeable .* received .* read-only"):
        _core.cosine_many(PROBE, BLOCK, out=fixed[0, :3])
    assert np.array_equal(fixed, BLOCK)
    # To read it is fine.
    assert _core.cosine(fixed[0], PROBE) == pytest.approx(1.0)


def test_rows_before_a_culprit_are_normalised_and_a_second_call_ends_the_work() -> None:
    block = zero_row()
    with pytest.raises(_core.CoreError):
        _core.l2_normalize_inplace(block)
    assert block.tolist() == [[0.5] * 4, [0.0] * 4, [1.0] * 4]
    block[1] = 1
    _core.l2_normalize_inplace(block)
    assert block.tolist() == [[0.5] * 4] * 3
