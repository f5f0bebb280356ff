"""Each network alone, beside a matrix product of as many multiply-adds: what the processor could give."""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import PIL.Image
from numpy.typing import NDArray

from benchmarks import opencv_models, photos
from benchmarks.engines import opencv
from benchmarks.environment import MODELS
from benchmarks.harness import Call, Contender, Options, compare, main
from benchmarks.peers import SkippedError, peer
from benchmarks.results import Table
from govid.models import FR_FEATURE, FR_LANDMARK, SFACE, YUNET, ModelSpec, verified
from govid.precision import has_bfloat16
from govid.quantise import ranges
from govid.quantise.graph import quantised
from govid.runtime.onnx_session import OnnxSession
from govid.runtime.openvino_session import OpenVinoSession

# As a photo of 250 x 250 pixels meets them.
SHAPES = {
    SFACE: (1, 3, 112, 112),
    FR_FEATURE: (1, 3, 112, 112),
    FR_LANDMARK: (1, 1, 64, 64),
    YUNET: (1, 3, 192, 192),
}
_AS_GOVID = "as govid runs it"
_CLOSE = 1e-3
# The portrait is not aligned: eight bits follow it less closely than the crops their ranges come from.
_SAME_WAY = 0.9

Tensor = NDArray[np.float32]


def claim(options: Options) -> list[Table]:
    """Milliseconds of one inference on one thread."""
    return [_table(options, spec, shape) for spec, shape in SHAPES.items()]


def _table(options: Options, spec: ModelSpec, shape: tuple[int, ...]) -> Table:
    content = verified(spec, MODELS)
    tensor = _seen(spec, shape)
    count = multiply_adds(content, shape)
    worker = partial(Contender, work=2.0 * count)
    exact = _unoptimised(content, tensor)
    right = partial(_agrees, exact)
    onnx_runtime = worker(
        "govid, ONNX Runtime", _AS_GOVID, lambda: _onnx_runtime(spec, content, tensor), right
    )
    openvino = worker("govid, OpenVINO", _AS_GOVID, lambda: _openvino(spec, content, tensor), right)
    contenders = [onnx_runtime]
    if spec.kind == "embedder":
        direction = f"{_AS_GOVID}; checked by direction alone"
        contenders = [
            openvino,
            onnx_runtime,
            worker(
                "govid, OpenVINO int8",
                direction,
                lambda: _int8(spec, content, tensor),
                lambda out: _same_way(exact, out),
            ),
            worker(
                "govid, OpenVINO bfloat16",
                direction,
                lambda: _bfloat16(spec, content, tensor),
                lambda out: _same_way(exact, out),
            ),
        ]
    if spec is SFACE:
        plain = "cv2.dnn, plain float32 model"
        contenders.append(worker("OpenCV", plain, lambda: _opencv(tensor), lambda out: right([out])))
    side = round(math.cbrt(count))
    product = f"numpy @ of {side} x {side}, as many multiply-adds"
    contenders.append(
        worker("matrix product", product, lambda: _product(side), lambda out: bool((out == side).all()))
    )
    return compare(
        f"network_{spec.name}",
        f"{spec.name}, {count / 1e6:.3g} million multiply-adds",
        "ms",
        contenders,
        lambda _, ok: ok,
        options.pace,
        rate="GFLOP/s",
    )  # fmt: skip


def _seen(spec: ModelSpec, shape: tuple[int, ...]) -> Tensor:
    """A portrait in the size of the network: int8 has ranges for faces, not for noise."""
    _, channels, height, width = shape
    with PIL.Image.open(io.BytesIO(photos.samples()[0])) as portrait:
        pixels = np.asarray(portrait.convert("RGB").resize((width, height)))
    tensor: Tensor = (pixels.transpose(2, 0, 1)[None, :channels].astype(np.float32) - spec.mean) / spec.scale
    return np.ascontiguousarray(tensor, dtype=np.float32)


def multiply_adds(content: bytes, shape: tuple[int, ...]) -> int:
    """Of all convolutions and dense layers, for an input of that shape."""
    model = onnx.load_model_from_string(content)
    for dimension, size in zip(model.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dimension.dim_value = size
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    graph = onnx.shape_inference.infer_shapes(model).graph
    sizes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            total += math.prod(sizes[node.output[0]][1:]) * math.prod(weights[node.input[1]][1:])
        elif node.op_type == "Gemm":
            total += math.prod(weights[node.input[1]])
    return total


def _unoptimised(content: bytes, tensor: Tensor) -> Tensor:
    """What the graph says, computed without any rewriting."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    answer: Tensor = session.run(None, {session.get_inputs()[0].name: tensor})[0]
    return answer


def _agrees(exact: Tensor, answer: list[Tensor]) -> bool:
    return bool(np.abs(answer[0] - exact).max() <= _CLOSE * np.abs(exact).max())


def _same_way(exact: Tensor, answer: list[Tensor]) -> bool:
    a, b = exact.ravel(), answer[0].ravel()
    return bool(a @ b >= _SAME_WAY * np.linalg.norm(a) * np.linalg.norm(b))


def _onnx_runtime(spec: ModelSpec, content: bytes, tensor: Tensor) -> Call:
    session = OnnxSession(spec.name, content, providers=("CPUExecutionProvider",), threads=1)
    return partial(session.run, tensor)


def _openvino(spec: ModelSpec, content: bytes, tensor: Tensor) -> Call:
    peer("openvino")
    return partial(OpenVinoSession(spec.name, content, threads=1).run, tensor)


def _int8(spec: ModelSpec, content: bytes, tensor: Tensor) -> Call:
    peer("openvino")
    eight = quantised(content, ranges.shipped(spec).ranges)
    return partial(OpenVinoSession(spec.name, eight, threads=1).run, tensor)


def _bfloat16(spec: ModelSpec, content: bytes, tensor: Tensor) -> Call:
    peer("openvino")
    if not has_bfloat16():
        raise SkippedError("this CPU does not multiply bfloat16")
    return partial(OpenVinoSession(spec.name, content, threads=1, bfloat16=True).run, tensor)


def _opencv(tensor: Tensor) -> Call:
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="govid-bench-") as folder:
        opencv_models.write(Path(folder))
        network: Any = cv2.dnn.readNet(str(Path(folder) / opencv.RECOGNIZER))

    def forward() -> Any:  # noqa: ANN401
        network.setInput(tensor)
        return network.forward()

    return partial(forward)


def _product(side: int) -> Call:
    one = np.ones((side, side), dtype=np.float32)
    product: Callable[..., Any] = np.matmul
    return partial(product, one, one, out=np.empty_like(one))


if __name__ == "__main__":
    main(claim)
