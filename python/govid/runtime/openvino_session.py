"""OpenVINO on the CPU. It is imported only when it computes: without it, ONNX Runtime does everything."""

from __future__ import annotations

import importlib.util
import sys
import threading
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govid import cores
from govid.errors import ModelUnusable, RuntimeMissing
from govid.types import Tensor

# OpenVINO's Python module fills a static table at its first tensor and may wait for the interpreter there:
# two threads that meet at that point hold what the other needs, for ever. Seen twice in some 20 runs. The
# first tensor of each session is therefore made while it is built, and one session is built at a time.
_first = threading.Lock()
_CONVERTER = "openvino.tools.ovc"


def installed() -> bool:
    """Whether OpenVINO can be imported; does not import it."""
    return importlib.util.find_spec("openvino") is not None


@cache
def core() -> Any:  # noqa: ANN401 - OpenVINO comes without usable types
    """The one OpenVINO runtime of this process. It keeps no cache on disk and asks no network.

    Raises:
        RuntimeMissing: OpenVINO is not installed, or does not load on this machine.
    """
    # Its converter of foreign models imports a telemetry that writes an identity into the home folder and
    # looks up a host of Google's, on import alone. OpenVINO does without where the converter is missing.
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]
    try:
        import openvino  # noqa: PLC0415 - a tenth of a second and 15 MB that not everyone pays
    except ImportError as error:
        raise RuntimeMissing(f"openvino: {error}") from None
    finally:
        del sys.modules[_CONVERTER]
    return openvino.Core()


class OpenVinoSession:
    """A session of OpenVINO with one input, for batches of one."""

    def __init__(self, name: str, content: bytes, *, threads: int, bfloat16: bool = False) -> None:
        """Load a model.

        Args:
            threads: threads inside one inference.
            bfloat16: multiply in bfloat16. The caller has asked ``precision`` whether this CPU can.

        Raises:
            RuntimeMissing: OpenVINO is not installed.
            ModelUnusable: OpenVINO refuses the graph, or it has not exactly one input of four axes.
        """
        runtime = core()
        # A stream computes one request at a time: with only one, the server's threads would queue for it.
        # Streams share the weights; each further one costs a few megabytes.
        streams = max(1, cores.available() // threads)
        options = {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams * threads,
            "ENABLE_CPU_PINNING": False,  # several workers on a machine must not meet on one core
            # Said even where it is float32: on a CPU with AMX the default is bfloat16, and on ARM float16.
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "CACHE_DIR": "",
        }
        with _first:
            try:
                model = runtime.read_model(content)
                self._input_shape = _shape(name, model)
                shape = (1, *(int(side) for side in self._input_shape[1:]))
                model.reshape(list(shape))
                self._compiled: Any = runtime.compile_model(model, "CPU", options)
                self._output_names = tuple(output.any_name for output in self._compiled.outputs)
                self._local = threading.local()
                self.run(np.zeros(shape, dtype=np.float32))
            except RuntimeError as error:
                raise ModelUnusable(f"{name}: OpenVINO refuses it: {error}") from error

    @property
    def input_shape(self) -> tuple[int | str | None, ...]:
        return self._input_shape

    @property
    def output_names(self) -> tuple[str, ...]:
        return self._output_names

    def run(self, tensor: Tensor) -> list[NDArray[np.float32]]:
        request: _Request | None = getattr(self._local, "request", None)
        if request is None:
            # It holds the tensors of one inference: each thread has its own.
            request = self._local.request = _Request(self._compiled)
        return request.run(tensor)


class _Request:
    """A request and its tensors, bound once: to hand them over at each call costs more than to copy them."""

    def __init__(self, compiled: Any) -> None:  # noqa: ANN401
        import openvino  # noqa: PLC0415 - ``core`` has imported it before

        def bound(port: Any, bind: Any) -> NDArray[np.float32]:  # noqa: ANN401
            array = np.zeros(tuple(port.shape), dtype=np.float32)
            bind(openvino.Tensor(array, shared_memory=True))
            return array

        self._request = compiled.create_infer_request()
        self._input = bound(compiled.inputs[0], self._request.set_input_tensor)
        self._outputs = [
            bound(port, partial(self._request.set_output_tensor, index))
            for index, port in enumerate(compiled.outputs)
        ]

    def run(self, tensor: Tensor) -> list[NDArray[np.float32]]:
        if tensor.shape != self._input.shape:
            raise ValueError(f"input is {list(tensor.shape)}, needs {list(self._input.shape)}")
        self._input[...] = tensor
        self._request.infer(share_outputs=True)
        return [output.copy() for output in self._outputs]


def _shape(name: str, model: Any) -> tuple[int | str, ...]:  # noqa: ANN401
    """The shape of the only input, with ``n`` for a free batch.

    Raises:
        ModelUnusable: there is another number of inputs, or more is free than the batch.
    """
    if len(model.inputs) != 1:
        raise ModelUnusable(f"{name}: has {len(model.inputs)} inputs, needs one")
    shape = model.inputs[0].partial_shape
    if shape.rank.is_dynamic or any(axis.is_dynamic for axis in list(shape)[1:]):
        raise ModelUnusable(f"{name}: input is {shape}, needs [n, channels, height, width]")
    first, *rest = list(shape)
    return ("n" if first.is_dynamic else first.get_length(), *(axis.get_length() for axis in rest))
