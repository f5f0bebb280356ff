"""``PRelu`` as ONNX Runtime's CPU likes it: ``(1 - a) relu(x) + a x`` with depthwise 1x1 convolutions.

They keep the blocked layout of its convolutions; its own PRelu does not, and took half of an embedding's
time. OpenVINO and GPUs run PRelu as part of the convolution before it and would only lose.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def without_prelu(content: bytes) -> bytes:
    """The same model without ``PRelu``; outputs differ by rounding. Other content is returned as it is.

    Raises:
        google.protobuf.message.DecodeError: ``content`` is no ONNX model.
    """
    if b"PRelu" not in content:
        return content
    import onnx  # noqa: PLC0415 - a tenth of a second, which OpenVINO spares

    model = onnx.load_model_from_string(content)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    kept: list[Any] = []
    for node in graph.node:
        slope = _by_channel(weights.get(node.input[1])) if node.op_type == "PRelu" else None
        if slope is not None:
            kept += _convolutions(node.input[0], node.output[0], len(slope))
            # Added to the graph, not rebuilt: its weights are tens of megabytes.
            graph.initializer.extend(
                onnx.numpy_helper.from_array(value, f"{node.output[0]}_{name}")
                for name, value in (("above", 1 - slope), ("slope", slope))
            )
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    rewritten: bytes = model.SerializeToString()
    return rewritten


def _by_channel(weights: Any) -> NDArray[np.float32] | None:  # noqa: ANN401 - protobuf types carry no stubs
    """Slopes of shape (channels, 1, 1, 1), where there is one per channel of a picture; other PRelu stays."""
    from onnx import numpy_helper  # noqa: PLC0415

    slope = None if weights is None else numpy_helper.to_array(weights)
    if slope is None or slope.dtype != np.float32 or slope.ndim != 3 or slope.shape[1:] != (1, 1):
        return None
    return slope.reshape(-1, 1, 1, 1) if len(slope) > 1 else None


def _convolutions(x: str, y: str, channels: int) -> list[Any]:
    from onnx import helper  # noqa: PLC0415

    depthwise: dict[str, Any] = {"group": channels, "kernel_shape": [1, 1]}
    return [
        helper.make_node("Relu", [x], [f"{y}_relu"]),
        helper.make_node("Conv", [f"{y}_relu", f"{y}_above"], [f"{y}_1"], **depthwise),
        helper.make_node("Conv", [x, f"{y}_slope"], [f"{y}_2"], **depthwise),
        helper.make_node("Add", [f"{y}_1", f"{y}_2"], [y]),
    ]
