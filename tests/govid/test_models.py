from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from govid import models, pull
from govid.config import Settings
from govid.errors import (
    InvalidSettings,
    ModelDigestMismatch,
    ModelMissing,
    ModelSourceUnreachable,
    ModelUnusable,
    NotCalibrated,
    ProviderMissing,
)
from govid.faces import FacePipeline
from govid.pipeline import Engine
from govid.prepare import prepare
from govid.runtime.onnx_session import OnnxSession
from tests.support import MODELS, OBAMA, data_dir


def tiny_embedder(
    shape: tuple[object, ...] = ("n", 3, 112, 112), dimension: int = 8, weight: float | None = None
) -> bytes:
    """An ONNX embedder: random projection of the pooled picture; a constant weight makes it useless."""
    rng = np.random.default_rng(3)
    side = shape[2] if isinstance(shape[2], int) else 112
    matrix = rng.normal(size=(3 * (side // 8) ** 2, dimension)) if weight is None else np.full(
        (3 * (side // 8) ** 2, dimension), weight
    )  # fmt: skip
    nodes = [
        helper.make_node("AveragePool", ["data"], ["pooled"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", dimension])],
        [numpy_helper.from_array(matrix.astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def manifest(folder: Path, content: bytes, **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tiny.onnx").write_bytes(content)
    values: dict[str, object] = {
        "name": "tiny", "version": "1", "kind": "embedder", "digest": hashlib.sha256(content).hexdigest(),
        "licence": "Apache-2.0", "licence_note": "made by this test", "dimension": 8, "path": "tiny.onnx",
        "mean": 127.5, "scale": 128.0, **changes,
    }  # fmt: skip
    lines = [f"{k} = {v!r}" if not isinstance(v, str) else f'{k} = "{v}"' for k, v in values.items()]
    (folder / "tiny.toml").write_text("\n".join(lines))
    return folder / "tiny.toml"


def faces(tmp_path: Path, content: bytes, **changes: object) -> FacePipeline:
    folder = data_dir(tmp_path / "var")
    return FacePipeline(
        Settings(data_dir=str(folder), embedder=str(manifest(tmp_path / "m", content, **changes)))
    )


def test_the_shipped_files_have_their_digests() -> None:
    for spec in models.MANIFEST:
        models.verified(spec, MODELS)


def test_an_operators_embedder_serves_and_asks_for_its_calibration(tmp_path: Path) -> None:
    pipeline = faces(tmp_path, tiny_embedder())
    sample = pipeline.sample(OBAMA)
    assert sample.template.model_id.startswith("tiny-1-")
    assert sample.template.embedding.shape == (8,)
    settings = Settings(data_dir=str(tmp_path / "var"), embedder=str(tmp_path / "m" / "tiny.toml"))
    with pytest.raises(NotCalibrated):
        Engine(settings)


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        (tiny_embedder(shape=("n", 3, 96, 96)), {}),
        (tiny_embedder(dimension=9), {}),
        (tiny_embedder(weight=0.0), {}),
        (tiny_embedder(weight=float("nan")), {}),
        (b"this is no onnx file", {}),
    ],
    ids=["input shape", "output length", "zero output", "NaN output", "not ONNX"],
)
def test_an_unusable_embedder_is_refused_at_start(
    tmp_path: Path, content: bytes, changes: dict[str, object]
) -> None:
    with pytest.raises(ModelUnusable):
        faces(tmp_path, content, **changes)


def test_a_wrong_digest_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ModelDigestMismatch):
        faces(tmp_path, tiny_embedder(), digest="0" * 64)


def test_a_swapped_file_is_refused_at_start(tmp_path: Path) -> None:
    folder = data_dir(tmp_path / "var")
    file = models.SFACE.file(folder / "models")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()
    file.write_bytes(content)
    with pytest.raises(ModelDigestMismatch):
        FacePipeline(Settings(data_dir=str(folder)))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "detector"},
        {"dimension": 0},
        {"path": ""},
        {"digest": "x"},
        {"colour": "RGB"},
        {"scale": 0.0},
        {"norm_constant": 5.0},
        {"norm_floor": 11.5},
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidSettings, match=r"tiny\.toml"):
        models.embedder(str(manifest(tmp_path / "m", tiny_embedder(), **changes)))


def test_an_unknown_embedder_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="sface"):
        models.embedder("arcface")


def test_a_missing_provider_is_an_error_and_no_fall_back() -> None:
    with pytest.raises(ProviderMissing, match="CUDAExecutionProvider"):
        OnnxSession(
            "tiny", tiny_embedder(), providers=("CUDAExecutionProvider", "CPUExecutionProvider"), threads=1
        )


def test_a_model_is_pulled_from_a_folder_and_from_nowhere_else(tmp_path: Path) -> None:
    with pytest.raises(ModelSourceUnreachable):
        pull.pull((models.YUNET,), tmp_path / "models", folder=tmp_path)
    (tmp_path / "face_detection_yunet_2023mar_int8bq.onnx").write_bytes(b"something else")
    with pytest.raises(ModelDigestMismatch):
        pull.pull((models.YUNET,), tmp_path / "models", folder=tmp_path)
    with pytest.raises(ModelMissing):
        models.verified(models.YUNET, tmp_path / "models")
    # The prepared files of another machine will do.
    pull.pull(models.MANIFEST, tmp_path / "models", folder=MODELS)
    for spec in models.MANIFEST:
        models.verified(spec, tmp_path / "models")


def test_folding_gives_the_values_that_dequantising_gives() -> None:
    rng = np.random.default_rng(1)
    quantised = rng.integers(-128, 128, (6, 5), dtype=np.int8)
    scale, zero = rng.uniform(0.1, 1, (2, 5)).astype(np.float32), rng.integers(-5, 5, (2, 5), dtype=np.int8)
    graph = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w6"], axis=0, block_size=4),
            helper.make_node("Reshape", ["w6", "shape"], ["w"]),
            helper.make_node("MatMul", ["data", "w"], ["out"]),
        ],
        "quantised",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 15])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 2])],
        [
            numpy_helper.from_array(array, name)
            for name, array in {"q": quantised, "s": scale, "z": zero, "shape": np.array([15, 2])}.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    folded = prepare(model.SerializeToString(), free_axes=(0,))
    assert {node.op_type for node in onnx.load_model_from_string(folded).graph.node} == {"MatMul"}
    block = np.arange(6) // 4
    weight = ((quantised.astype(np.float32) - zero[block]) * scale[block]).reshape(15, 2)
    probe = rng.normal(size=(3, 15)).astype(np.float32)
    session = OnnxSession("folded", folded, providers=("CPUExecutionProvider",), threads=1)
    np.testing.assert_allclose(session.run(probe)[0], probe @ weight, rtol=1e-4)
