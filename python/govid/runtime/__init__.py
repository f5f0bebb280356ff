"""What computes: the networks in ONNX Runtime or OpenVINO, and the core with its SIMD path."""

from __future__ import annotations

from govid import _core
from govid.config import Settings
from govid.errors import InvalidSettings
from govid.runtime import openvino_session
from govid.runtime.bands import BandedSession
from govid.runtime.onnx_session import OnnxSession
from govid.types import InferenceSession


def live_isa() -> str:
    """The instruction set the core computes with.

    Raises:
        InvalidSettings: ``GOVID_ISA`` names one that is unknown or that this CPU lacks.
    """
    try:
        return _core.isa()
    except _core.CoreError as error:
        raise InvalidSettings(f"GOVID_ISA: {error}") from None


def embedder_runtime(settings: Settings) -> str:
    """``openvino`` or ``onnxruntime``: what runs the embedders under these settings.

    Raises:
        InvalidSettings: OpenVINO is asked for beside a provider that is not the CPU.
        RuntimeMissing: it is asked for and not installed.
    """
    on_cpu = settings.providers == ("CPUExecutionProvider",)
    if settings.runtime == "openvino":
        if not on_cpu:
            raise InvalidSettings(
                f"runtime openvino computes on the CPU, providers are {', '.join(settings.providers)}: "
                "leave one of them at its default"
            )
        openvino_session.core()
        return "openvino"
    if settings.runtime == "auto" and on_cpu and openvino_session.installed():
        return "openvino"
    return "onnxruntime"


def onnx_session(name: str, content: bytes, settings: Settings) -> OnnxSession:
    """A session of ONNX Runtime under these settings.

    Raises:
        ProviderMissing, ModelUnusable: see ``OnnxSession``.
    """
    return OnnxSession(name, content, providers=settings.providers, threads=settings.inference_threads)


def detector_session(name: str, content: bytes, settings: Settings) -> InferenceSession:
    """YuNet under these settings, which on the CPU looks at large pictures band by band.

    Raises:
        ProviderMissing, ModelUnusable: see ``OnnxSession``.
    """
    if settings.providers != ("CPUExecutionProvider",):
        return onnx_session(name, content, settings)
    return BandedSession(content, lambda part: onnx_session(name, part, settings))


def embedder_session(name: str, content: bytes, settings: Settings) -> InferenceSession:
    """A session of the runtime that ``embedder_runtime`` names.

    Args:
        content: the graph, already in the precision of the settings if that is int8.

    Raises:
        InvalidSettings, RuntimeMissing, ProviderMissing, ModelUnusable: see there.
    """
    if embedder_runtime(settings) == "onnxruntime":
        return onnx_session(name, content, settings)
    return openvino_session.OpenVinoSession(
        name, content, threads=settings.inference_threads, bfloat16=settings.precision == "bfloat16"
    )
