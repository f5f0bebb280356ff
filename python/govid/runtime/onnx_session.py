"""ONNX Runtime with exactly the providers asked for."""

from __future__ import annotations

import os
from typing import Any

# Its builds for Linux report to a host of Microsoft's and keep an identity and a queue in ~/.cache, from
# the import on. The variable is read there, and an operator's own value does not turn it on.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from govid.errors import ModelUnusable, ProviderMissing
from govid.runtime.prelu import without_prelu
from govid.types import Tensor


class OnnxSession:
    """A session of ONNX Runtime with one input."""

    def __init__(self, name: str, content: bytes, *, providers: tuple[str, ...], threads: int) -> None:
        """Load a model.

        Raises:
            ProviderMissing: a provider is not in this build of ONNX Runtime or did not start. There is
                no silent fall-back: a GPU host that answers from its CPU is a fault.
            ModelUnusable: ONNX Runtime refuses the graph, or it has not exactly one input.
        """
        missing = sorted(set(providers) - set(onnxruntime.get_available_providers()))
        if missing:
            raise ProviderMissing(
                f"{', '.join(missing)}: available are {', '.join(onnxruntime.get_available_providers())}"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Its arena keeps the largest tensors of every thread for good: 230 MiB after photos of many sizes.
        options.enable_cpu_mem_arena = False
        # Threads that spin while they wait would take the core from the next request.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if "CPUExecutionProvider" not in providers:
            # Not even a part of the graph may move to the CPU in silence.
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        try:
            if set(providers) == {"CPUExecutionProvider"}:
                content = without_prelu(content)
            self._session: Any = onnxruntime.InferenceSession(content, options, providers=list(providers))
        except Exception as error:
            raise ModelUnusable(f"{name}: ONNX Runtime refuses it: {error}") from error
        self._session.disable_fallback()
        live = self._session.get_providers()
        if not set(providers) <= set(live):
            raise ProviderMissing(f"{name}: asked for {', '.join(providers)}, started only {', '.join(live)}")
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise ModelUnusable(f"{name}: has {len(inputs)} inputs, needs one")
        self._input = inputs[0]
        self._output_names = tuple(output.name for output in self._session.get_outputs())

    @property
    def input_shape(self) -> tuple[int | str | None, ...]:
        return tuple(self._input.shape)

    @property
    def output_names(self) -> tuple[str, ...]:
        return self._output_names

    def run(self, tensor: Tensor) -> list[NDArray[np.float32]]:
        tensor = np.ascontiguousarray(tensor, dtype=np.float32)
        outputs: list[NDArray[np.float32]] = self._session.run(None, {self._input.name: tensor})
        return outputs
