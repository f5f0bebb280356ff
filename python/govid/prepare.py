"""Rewrite a pulled ONNX graph, once, so that every runtime reads it. No value changes but by rounding.

- Block-quantised weights (``DequantizeLinear``, opset 21, ``block_size``, as OpenCV Zoo ships them) become
  constant float32: ONNX Runtime refuses such a graph or de-quantises at each call.
- Axes that the weights do not fix become free.

What only one runtime needs is done when that runtime loads the graph (``runtime/``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


def prepare(content: bytes, *, free_axes: tuple[int, ...]) -> bytes:
    """Return the same model in plain float32.

    Args:
        content: a serialized ONNX model.
        free_axes: axes of the input that become dynamic, none if the graph fixes them all; an axis of the
            outputs follows.

    Returns:
        The serialized model; the same bytes for the same input on every machine.
    """
    model = onnx.load_model_from_string(content)
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            constants[node.output[0]] = _dequantise(node, constants)
        elif node.op_type == "Reshape" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]].reshape(constants[node.input[1]])
        else:
            kept.append(node)

    used = {name for node in kept for name in node.input}
    inputs = [value for value in graph.input if value.name in used and value.name not in constants]
    weights = [
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in constants.items()
        if name in used
    ]
    for field, values in ((graph.node, kept), (graph.initializer, weights), (graph.input, inputs)):
        del field[:]
        field.extend(values)
    del graph.value_info[:]
    for value in graph.input:
        _free(value, free_axes)
    if free_axes:
        for value in graph.output:
            _free(value, (0,) if 0 in free_axes else (1,))
    folded: bytes = model.SerializeToString(deterministic=True)
    return folded


def _dequantise(node: Any, constants: dict[str, NDArray[Any]]) -> NDArray[np.float32]:  # noqa: ANN401
    quantised, scale, zero_point = (constants[name] for name in node.input)
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    axis, block = attributes["axis"], attributes["block_size"]
    # The last block may be longer than what is left of the axis.
    extent = tuple(slice(0, size) for size in quantised.shape)
    scale = np.repeat(scale, block, axis=axis)[extent]
    zero_point = np.repeat(zero_point, block, axis=axis)[extent]
    difference = quantised.astype(np.float32) - zero_point.astype(np.float32)
    weights: NDArray[np.float32] = (difference * scale).astype(np.float32)
    return weights


def _free(value: Any, axes: tuple[int, ...]) -> None:  # noqa: ANN401 - protobuf types carry no stubs
    for axis in axes:
        dimension = value.type.tensor_type.shape.dim[axis]
        dimension.ClearField("dim_value")
        dimension.dim_param = f"{value.name}_{axis}"
