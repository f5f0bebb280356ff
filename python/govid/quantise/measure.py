"""Read the activation ranges of an embedder off crops. Only ``scripts/quantise.py`` needs it.

The range of a tensor is the mean, over the photos, of its least and greatest value on each: a single
outlier then does not take levels from all other values, and what lies beyond is cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from govid.quantise.graph import LAYERS, constants_of, folded, serialized


def layer_inputs(content: bytes) -> list[str]:
    """The tensors that convolutions and matrices read, in their order."""
    nodes = onnx.load_model_from_string(content).graph.node
    return list(dict.fromkeys(node.input[0] for node in nodes if node.op_type in LAYERS))


def with_outputs(content: bytes, names: list[str]) -> bytes:
    """The graph with batch normalisation folded, and inner tensors as its only outputs."""
    model = onnx.load_model_from_string(content)
    constants = constants_of(model)
    nodes = folded(list(model.graph.node), constants)
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names)
    return serialized(model, nodes, constants)


def bounds(content: bytes, names: list[str], tensors: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Least and greatest value of each tensor on each photo: (photos, names, 2).

    Args:
        tensors: (1, 3, 112, 112) float32, as the embedder takes them.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(
        with_outputs(content, names), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return np.array(
        [[(float(v.min()), float(v.max())) for v in session.run(None, {name: tensor})] for tensor in tensors]
    )
