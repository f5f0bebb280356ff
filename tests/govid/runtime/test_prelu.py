from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from govid.runtime.onnx_session import OnnxSession
from govid.runtime.prelu import without_prelu


def graph(shape: list[int], slope: NDArray[np.float32]) -> bytes:
    """A model that is one PRelu."""
    made = helper.make_graph(
        [helper.make_node("PRelu", ["x", "a"], ["y"])],
        "prelu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(slope, "a")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def nodes(content: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_model_from_string(content).graph.node]


def test_a_slope_per_channel_becomes_convolutions() -> None:
    slope = np.linspace(0, 1, 8, dtype=np.float32).reshape(8, 1, 1)
    assert "PRelu" not in nodes(without_prelu(graph([1, 8, 4, 4], slope)))


@pytest.mark.parametrize(
    ("shape", "slope"),
    [([1, 8, 4, 4], (8, 1, 1)), ([1, 8, 4, 4], (1,)), ([1, 8, 4, 4], (1, 1, 1)), ([1, 8], (8,))],
)
def test_any_prelu_gives_what_onnx_states(shape: list[int], slope: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    slopes = rng.random(slope, dtype=np.float32)
    x = rng.normal(size=shape).astype(np.float32)
    session = OnnxSession("p", graph(shape, slopes), providers=("CPUExecutionProvider",), threads=1)
    np.testing.assert_allclose(session.run(x)[0], np.where(x < 0, x * slopes, x), atol=1e-6)
