"""``PRelu`` as ONNX Runtime's CPU likes it: ``(1 - a) relu(x) + a x`` with depthwise 1x1 convolutions.

They keep the blocked layout of its convolutions; its own PRelu does not, and took half of an embedding's
time. OpenVINO and GPUs run PRelu as part of the convolution before it and would only lose.
"""

from __future__ import annotations

from typing import Any

import numpy as np


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
        if node.op_type == "PRelu" and node.input[1] in weights:
            slope = onnx.numpy_helper.to_array(weights[node.input[1]]).astype(np.float32).reshape(-1, 1, 1, 1)
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


def _convolutions(x: str, y: str, channels: int) -> list[Any]:
    from onnx import helper  # noqa: PLC0415

    depthwise: dict[str, Any] = {"group": channels, "kernel_shape": [1, 1]}
    return [
        helper.make_node("Relu", [x], [f"{y}_relu"]),
        helper.make_node("Conv", [f"{y}_relu", f"{y}_above"], [f"{y}_1"], **depthwise),
        helper.make_node("Conv", [x, f"{y}_slope"], [f"{y}_2"], **depthwise),
        helper.make_node("Add", [f"{y}_1", f"{y}_2"], [y]),
    ]
