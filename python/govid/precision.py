"""Which precisions this machine computes in. What it only imitates it does not have."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import get_args

import msgspec

from govid import guard, profiles
from govid.config import Settings
from govid.errors import OperatorError, PrecisionUnavailable
from govid.profiles import Precision
from govid.runtime import embedder_runtime, openvino_session

# OpenVINO may compute bfloat16 in float32 where the CPU lacks it: slower, and with other scores.
_BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})
_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The instruction sets Linux names, of those that matter here; none where it does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return frozenset(flags) & (_BFLOAT16_FLAGS | _INT8_FLAGS)


def capabilities() -> frozenset[str]:
    """What OpenVINO says it does well on this CPU, such as ``BF16``; nothing where it is not installed."""
    if not openvino_session.installed():
        return frozenset()
    return frozenset(openvino_session.core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 itself and OpenVINO uses it."""
    return bool(cpu_flags() & _BFLOAT16_FLAGS) and "BF16" in capabilities()


def has_fast_int8() -> bool:
    """Whether the CPU multiplies and adds int8 in one instruction; without it int8 still saves memory."""
    return bool(cpu_flags() & _INT8_FLAGS)


def check(settings: Settings) -> None:
    """Refuse a precision that this installation or CPU would only imitate.

    Raises:
        PrecisionUnavailable: bfloat16 or int8 without OpenVINO, or bfloat16 on a CPU that lacks it; ``auto``.
        InvalidSettings, RuntimeMissing: see ``embedder_runtime``.
    """
    word = profiles.named_precision(settings)
    if embedder_runtime(settings) != "openvino" and word != "float32":
        # ONNX Runtime would run int8 slower than float32, and round so that scores differ by up to 0.014
        # from those of OpenVINO: one id, one arithmetic.
        raise PrecisionUnavailable(
            f"{word}: only OpenVINO computes in it, and here ONNX Runtime runs the embedders"
        )
    if word == "bfloat16" and not has_bfloat16():
        raise PrecisionUnavailable("bfloat16: this CPU has neither AMX-BF16 nor AVX512-BF16")


def available(settings: Settings) -> list[str]:
    """The precisions these settings could name on this machine, with models that lose nothing by it."""
    found = []
    for word in get_args(Precision):
        chosen = msgspec.structs.replace(settings, precision=word)
        try:
            check(chosen)
            guard.check(chosen)
        except OperatorError:
            continue
        found.append(word)
    return found


def advice(settings: Settings) -> list[str]:
    """What would make embedding faster on this machine, in words: the gain is for its operator to measure."""
    if settings.precision != "float32":
        return []
    possible = available(settings)
    said = []
    if "bfloat16" in possible:
        said.append(
            "this CPU multiplies bfloat16 itself: GOVID_PRECISION=bfloat16 embeds faster, with "
            "scores a little off those of float32 (docs/models.md); where somebody is enrolled, by "
            "`govid migrate`"
        )
    if "int8" in possible and has_fast_int8():
        said.append(
            "this CPU has VNNI: GOVID_PRECISION=int8 embeds faster, with scores a little off those of "
            "float32 (docs/models.md); where somebody is enrolled, by `govid migrate`"
        )
    if settings.runtime == "auto" and not openvino_session.installed() and platform.machine() == "x86_64":
        said.append("OpenVINO is not installed: `pip install openvino` brings the other precisions")
    return said
