"""A large picture through YuNet band by band, where most of its memory is needed.

Its first layers halve the picture three times, and what they pass on is most of what it takes: 60 to 180 MiB
for 1,280 x 1,280 pixels, by how much the sizes of the pictures vary. A row of theirs depends on a few rows of
the picture, so that bands with some rows more on either side give the same numbers, bit by bit, in a third of
the memory and, with warmer caches, in less time. What is behind sees the whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from govid import cores
from govid.runtime.onnx_session import OnnxSession
from govid.types import Tensor

_MOST_PIXELS = 640 * 640
"""Up to here the whole network runs at once."""
_ROWS = 64
# The layers in front halve three times. Backwards from there: a halving doubles, a convolution of three rows
# adds one; 19 rows on either side, in whole strides.
_STRIDE = 8
_MORE = 24


class BandedSession:
    """YuNet in ONNX Runtime; large pictures in bands."""

    def __init__(self, content: bytes, load: Callable[[bytes], OnnxSession]) -> None:
        """Load the model.

        Raises:
            ProviderMissing, ModelUnusable: as ``load`` does.
        """
        self._content, self._load = content, load
        self._whole = load(content)
        self._parts: tuple[OnnxSession, OnnxSession] | None = None
        self._splitting = threading.Lock()
        # No more than every other core: an ordinary photo is found in a smaller view, and does not wait.
        self._room = threading.BoundedSemaphore(max(1, cores.available() // 2))

    @property
    def input_shape(self) -> tuple[int | str | None, ...]:
        return self._whole.input_shape

    @property
    def output_names(self) -> tuple[str, ...]:
        return self._whole.output_names

    def run(self, tensor: Tensor) -> list[NDArray[np.float32]]:
        height, width = tensor.shape[2:]
        if height * width <= _MOST_PIXELS:
            return self._whole.run(tensor)
        with self._room:
            return self._in_bands(tensor, height, width, *self._split())

    def _in_bands(
        self, tensor: Tensor, height: int, width: int, front: OnnxSession, behind: OnnxSession
    ) -> list[NDArray[np.float32]]:
        seen: NDArray[np.float32] | None = None
        for top in range(0, height, _ROWS):
            first, last = max(0, top - _MORE), min(height, top + _ROWS + _MORE)
            band = front.run(tensor[:, :, first:last])[0]
            if seen is None:
                seen = np.empty((1, band.shape[1], height // _STRIDE, width // _STRIDE), np.float32)
            rows = slice(top // _STRIDE, min(top + _ROWS, height) // _STRIDE)
            start = (top - first) // _STRIDE
            seen[:, :, rows] = band[:, :, start : start + rows.stop - rows.start]
        assert seen is not None
        return behind.run(seen)

    def _split(self) -> tuple[OnnxSession, OnnxSession]:
        with self._splitting:
            if self._parts is None:
                front, behind = split(self._content)
                self._parts = self._load(front), self._load(behind)
            return self._parts


def split(content: bytes) -> tuple[bytes, bytes]:
    """The layers up to the second pooling, and those behind it, as two models."""
    import onnx  # noqa: PLC0415 - a twentieth of a second, for the first large picture without a face

    model = onnx.load_model_from_string(content)
    nodes, weights, outputs = list(model.graph.node), list(model.graph.initializer), list(model.graph.output)
    end = [n for n, node in enumerate(nodes) if node.op_type == "MaxPool"][1] + 1
    between = onnx.helper.make_tensor_value_info(nodes[end - 1].output[0], onnx.TensorProto.FLOAT, None)
    parts = []
    for part, inputs, gives in (
        (nodes[:end], list(model.graph.input), [between]),
        (nodes[end:], [between], outputs),
    ):
        used = {name for node in part for name in node.input}
        graph = onnx.helper.make_graph(
            part, model.graph.name, inputs, gives, [weight for weight in weights if weight.name in used]
        )
        made = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
        parts.append(made.SerializeToString())
    return parts[0], parts[1]
