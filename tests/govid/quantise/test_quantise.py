from __future__ import annotations

import hashlib

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from govid import models
from govid.errors import PrecisionUnavailable
from govid.quantise.graph import WEIGHT_LEVELS, quantised
from govid.quantise.measure import bounds, layer_inputs
from govid.quantise.ranges import Ranges, shipped
from tests.support import MODELS

EMBEDDERS = [models.SFACE, models.FR_FEATURE]


def some_ranges(**inputs: tuple[float, float]) -> Ranges:
    return Ranges(
        model_id="m", model_digest="0" * 64, data_set="d", photos=1, photos_digest="0" * 64, method="none",
        created="2026-01-01", weight_levels=WEIGHT_LEVELS, inputs=inputs,
    )  # fmt: skip


def small_network() -> bytes:
    """A convolution, its batch normalisation, PRelu and a second convolution."""
    rng = np.random.default_rng(2)
    weights = {
        "w1": rng.normal(size=(4, 3, 3, 3)), "b1": rng.normal(size=4), "gamma": rng.uniform(0.5, 2, 4),
        "beta": rng.normal(size=4), "mean": rng.normal(size=4), "variance": rng.uniform(0.5, 2, 4),
        "slope": rng.uniform(-0.3, 0.5, (4, 1, 1)), "w2": rng.normal(size=(2, 4, 1, 1)),
    }  # fmt: skip
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w1", "b1"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("BatchNormalization", ["c", "gamma", "beta", "mean", "variance"], ["n"]),
            helper.make_node("PRelu", ["n", "slope"], ["p"]),
            helper.make_node("Conv", ["p", "w2"], ["y"]),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 8, 8])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    return bytes(model.SerializeToString())


def run(content: bytes, tensor: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    output: np.ndarray = session.run(None, {"x": tensor})[0]
    return output


def test_a_quantised_network_differs_by_its_steps_only() -> None:
    content = small_network()
    tensor = np.random.default_rng(3).uniform(-1, 1, (1, 3, 8, 8)).astype(np.float32)
    assert layer_inputs(content) == ["x", "p"]
    low_high = bounds(content, ["x", "p"], [tensor])[0]
    ranges = some_ranges(x=tuple(low_high[0]), p=tuple(low_high[1]))
    expected, found = run(content, tensor), run(quantised(content, ranges), tensor)
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert 0 < error < 0.03
    # Nothing named, nothing changed but the folding of the normalisation.
    np.testing.assert_allclose(run(quantised(content, some_ranges()), tensor), expected, atol=1e-4)


def test_weights_stay_in_the_half_of_int8_that_no_cpu_cuts() -> None:
    model = onnx.load_model_from_string(quantised(small_network(), some_ranges(x=(-1, 1), p=(-1, 5))))
    weights = [
        numpy_helper.to_array(t) for t in model.graph.initializer if t.data_type == TensorProto.INT8
        and t.name.endswith("_levels")
    ]  # fmt: skip
    assert len(weights) == 2
    assert all(np.abs(w.astype(int)).max() == WEIGHT_LEVELS for w in weights)
    assert 255 * WEIGHT_LEVELS * 2 < 2**15


def test_zero_keeps_a_level_of_its_own() -> None:
    # Padding is zero: a range beside it would move every border.
    model = onnx.load_model_from_string(quantised(small_network(), some_ranges(x=(0.5, 1.0))))
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    assert constants["x_zero"] == 0
    assert constants["x_scale"] == pytest.approx(1 / 255)


@pytest.mark.parametrize("spec", EMBEDDERS, ids=lambda spec: spec.name)
def test_shipped_ranges_fit_their_model_and_give_the_same_graph_each_time(spec: models.ModelSpec) -> None:
    content = models.verified(spec, MODELS)
    found = shipped(spec)
    assert list(found.ranges.inputs) == layer_inputs(content)
    assert all(low < high for low, high in found.ranges.inputs.values())
    assert "pairsDevTrain" in found.ranges.data_set
    first, second = (hashlib.sha256(quantised(content, found.ranges)).digest() for _ in range(2))
    assert first == second


def test_ranges_of_another_state_of_the_model_are_refused() -> None:
    changed = msgspec.structs.replace(models.SFACE, digest="0" * 64)
    with pytest.raises(PrecisionUnavailable, match="activation ranges are those of"):
        shipped(changed)
    with pytest.raises(PrecisionUnavailable, match="has no activation ranges"):
        shipped(msgspec.structs.replace(models.SFACE, name="other"))
