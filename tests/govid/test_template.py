from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from govid import template
from govid.errors import InvalidTemplate, TemplateNotFinite
from govid.types import Template


def unpack(data: bytes, dimension: int = 16) -> Template:
    return template.unpack("m", data, {"m": dimension})


@given(arrays(np.float32, 16, elements=st.floats(-1, 1, width=32).filter(lambda v: abs(v) > 1e-3)))
def test_what_was_packed_comes_back(vector: np.ndarray) -> None:
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    back = unpack(template.pack(Template("m", unit)))
    np.testing.assert_allclose(back.embedding, unit, atol=1e-6)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_unit_template_or_a_typed_refusal(data: bytes) -> None:
    try:
        made = unpack(data)
    except InvalidTemplate:
        return
    assert abs(np.linalg.norm(made.embedding.astype(np.float64)) - 1) < 1e-5


@given(arrays(np.float32, 16, elements=st.sampled_from([0, 1, -2, 1e-30, 1e30, np.nan, np.inf])))
def test_one_template_is_judged_as_many_are(vector: np.ndarray) -> None:
    rows, (fault,) = template.unpack_many([vector.tobytes()], 16)
    if fault is None:
        np.testing.assert_array_equal(unpack(vector.tobytes()).embedding, rows[0])
    else:
        with pytest.raises(type(fault)):
            unpack(vector.tobytes())


def test_a_template_is_little_endian_float32() -> None:
    assert template.pack(Template("m", np.array([1, 0], dtype=np.float32))) == b"\0\0\x80\x3f\0\0\0\0"


def test_a_signalling_nan_is_refused_without_a_word() -> None:
    """Found by fuzzing: it raises the processor's flag, and numpy warned of it in the log."""
    with pytest.raises(TemplateNotFinite):
        unpack(b"\x01\0\x80\x7f" * 16)
