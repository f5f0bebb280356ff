"""An embedder with int8 arithmetic: the prepared graph with ``QuantizeLinear``/``DequantizeLinear`` pairs.

- Batch normalisation goes into the weights before them, so that the scale of a channel holds both.
- Weights are symmetric int8, a scale per output channel, in half of the range: on a CPU without VNNI two
  products of a full range overflow 16 bits and are cut there, and scores would depend on the machine.
- Activations are uint8 with one scale and zero point a tensor, from ``Ranges``.

The same bytes for the same model and ranges, on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from govid.quantise.ranges import Range, Ranges

# 255 * 64 * 2 < 2 ** 15: what VPMADDUBSW can add without cutting.
WEIGHT_LEVELS = 64
LAYERS = frozenset({"Conv", "Gemm"})

Constants = dict[str, NDArray[Any]]


def quantised(content: bytes, ranges: Ranges) -> bytes:
    """The graph with the layers that ``ranges`` names in int8.

    Args:
        content: a prepared embedder in float32.

    Returns:
        The serialized model.
    """
    model = onnx.load_model_from_string(content)
    constants = constants_of(model)
    nodes = folded(list(model.graph.node), constants)
    kept: list[Any] = []
    done: set[str] = set()
    for node in nodes:
        source = node.input[0] if node.op_type in LAYERS else ""
        if source in ranges.inputs:
            if source not in done:
                kept += _pair(source, ranges.inputs[source], constants)
                done.add(source)
            kept.append(_quantise_weights(node, constants, ranges.weight_levels))
            node.input[0] = f"{source}_int8"
        kept.append(node)
    return serialized(model, kept, constants, opset=13)


def constants_of(model: Any) -> Constants:  # noqa: ANN401 - protobuf types carry no stubs
    """The weights by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def serialized(model: Any, nodes: list[Any], constants: Constants, opset: int = 0) -> bytes:  # noqa: ANN401
    """The model with other nodes and weights; weights that no node reads are left out."""
    used = {name for node in nodes for name in node.input}
    weights = [
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in constants.items()
        if name in used
    ]
    for field, values in ((model.graph.node, nodes), (model.graph.initializer, weights)):
        del field[:]
        field.extend(values)
    for entry in model.opset_import:
        if entry.domain == "" and entry.version < opset:
            entry.version = opset  # scales by channel came with 13
    return bytes(model.SerializeToString(deterministic=True))


def folded(nodes: list[Any], constants: Constants) -> list[Any]:
    """The nodes with each batch normalisation of a layer's output multiplied into that layer."""
    readers: dict[str, int] = {}
    for node in nodes:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    layers = {node.output[0]: node for node in nodes if node.op_type in LAYERS}
    kept = []
    for node in nodes:
        layer = layers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if layer is None or readers[node.input[0]] > 1:
            kept.append(node)
            continue
        gamma, beta, mean, variance = (constants[name].astype(np.float64) for name in node.input[1:])
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
        factor = gamma / np.sqrt(variance + epsilon)
        weight = constants[layer.input[1]]
        bias = constants[layer.input[2]] if len(layer.input) > 2 else np.zeros(len(weight))
        names = (f"{node.output[0]}_weight", f"{node.output[0]}_bias")
        constants[names[0]] = (weight * factor.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.float32)
        constants[names[1]] = ((bias - mean) * factor + beta).astype(np.float32)
        inputs = [layer.input[0], *names]
        del layer.input[:]
        layer.input.extend(inputs)
        layer.output[0] = node.output[0]
    return kept


def _pair(source: str, bounds: Range, constants: Constants) -> list[Any]:
    # Zero must have a level of its own: it is what a convolution is padded with.
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
    scale = np.float32((high - low) / 255)
    names = [f"{source}_scale", f"{source}_zero"]
    constants[names[0]] = np.array(scale, dtype=np.float32)
    constants[names[1]] = np.array(np.clip(np.rint(-low / scale), 0, 255), dtype=np.uint8)
    return [
        helper.make_node("QuantizeLinear", [source, *names], [f"{source}_levels"]),
        helper.make_node("DequantizeLinear", [f"{source}_levels", *names], [f"{source}_int8"]),
    ]


def _quantise_weights(node: Any, constants: Constants, most: int) -> Any:  # noqa: ANN401
    """Put int8 in the place of the layer's weights; returns the node that turns them into numbers."""
    name = node.input[1]
    weight = constants[name]
    largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    # Some channels of fr_feature are as good as dead: their scale would not be a float any more.
    scale = np.maximum(largest / most, 1e-12).astype(np.float32)
    levels = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
    names = [f"{name}_levels", f"{name}_scale", f"{name}_zero"]
    constants[names[0]] = np.clip(levels, -most, most).astype(np.int8)
    constants[names[1]] = scale
    constants[names[2]] = np.zeros(len(weight), dtype=np.int8)
    node.input[1] = f"{name}_int8"
    return helper.make_node("DequantizeLinear", names, [f"{name}_int8"], axis=0)
