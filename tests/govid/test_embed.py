from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from govid.embed import Network
from govid.errors import ModelUnusable
from govid.models import SFACE
from govid.types import Embedding

SPEC = msgspec.structs.replace(SFACE, dimension=8, norm_constant=5.0, norm_floor=11.5)
raw = arrays(np.float32, 8, elements=st.floats(-20, 20, width=32)).filter(lambda v: np.linalg.norm(v) > 1)


class Means:
    """A session that embeds a picture as the means of its rows, in groups of 14."""

    input_shape = ("n", 3, 112, 112)
    output_names = ("embedding",)

    def run(self, tensor: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return [tensor.mean(axis=(1, 3)).reshape(-1, 8, 14).mean(axis=2)]


def unit(embedding: Embedding, constant: float = 5.0, floor: float = 11.5) -> Embedding:
    spec = msgspec.structs.replace(SPEC, norm_constant=constant, norm_floor=floor)
    return Network(spec, Means()).unit(embedding)


@given(raw, raw)
def test_the_cosine_is_the_formula_of_the_docstring(a: Embedding, b: Embedding) -> None:
    expected = (np.vdot(a, b) + 25) / np.sqrt((np.vdot(a, a) + 25) * (np.vdot(b, b) + 25))
    assert float(unit(a, floor=0) @ unit(b, floor=0)) == pytest.approx(float(expected), abs=1e-5)


@given(raw)
def test_a_template_has_unit_norm_and_one_value_more(a: Embedding) -> None:
    made = unit(a)
    assert made.shape == (9,)
    assert made.dtype == np.float32
    assert float(np.linalg.norm(made)) == pytest.approx(1, abs=1e-5)


@given(raw, st.floats(0.01, 1))
def test_below_the_floor_the_norm_counts_no_further(a: Embedding, shrunk: float) -> None:
    faint = a * np.float32(11.5 / np.linalg.norm(a))
    np.testing.assert_allclose(unit(faint * np.float32(shrunk)), unit(faint), atol=1e-5)


@given(raw)
def test_without_a_constant_the_norm_is_left_out(a: Embedding) -> None:
    np.testing.assert_allclose(unit(a, constant=0), a / np.linalg.norm(a), atol=1e-5)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_constant_does_not_hide_an_output_without_direction(value: float) -> None:
    with pytest.raises(ModelUnusable):
        unit(np.full(8, value, dtype=np.float32))
