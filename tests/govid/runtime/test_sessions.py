from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from govid import _core, models
from govid.config import Settings
from govid.errors import InvalidSettings, ModelUnusable, RuntimeMissing
from govid.faces import FacePipeline
from govid.quantise import ranges
from govid.quantise.graph import quantised
from govid.runtime import embedder_runtime, openvino_session
from govid.runtime.onnx_session import OnnxSession
from govid.runtime.openvino_session import OpenVinoSession
from govid.runtime.prelu import without_prelu
from tests.support import MODELS, OBAMA, OBAMA_LATER

needs_openvino = pytest.mark.skipif(not openvino_session.installed(), reason="OpenVINO is not installed")
EMBEDDERS = [models.SFACE, models.FR_FEATURE]


@pytest.fixture
def hidden_openvino(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    openvino_session.core.cache_clear()
    monkeypatch.setitem(sys.modules, "openvino", None)
    yield
    openvino_session.core.cache_clear()


def tensors(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.uniform(-1, 1, (1, 3, 112, 112)).astype(np.float32) for _ in range(count)]


@needs_openvino
@pytest.mark.parametrize("spec", EMBEDDERS, ids=lambda spec: spec.name)
def test_both_runtimes_give_the_same_embedding(spec: models.ModelSpec) -> None:
    content = models.verified(spec, MODELS)
    ours = OpenVinoSession(spec.name, content, threads=1)
    other = OnnxSession(spec.name, content, providers=("CPUExecutionProvider",), threads=1)
    for tensor in tensors(3):
        (a,), (b,) = ours.run(tensor)[0], other.run(tensor)[0]
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) == pytest.approx(1, abs=1e-5)


@needs_openvino
def test_calls_from_many_threads_give_what_one_thread_gives() -> None:
    session = OpenVinoSession("fr", models.verified(models.FR_FEATURE, MODELS), threads=1)
    inputs = tensors(12)
    serial = [session.run(tensor)[0] for tensor in inputs]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(4):
            together = list(pool.map(lambda tensor: session.run(tensor)[0], inputs))
            for a, b in zip(serial, together, strict=True):
                np.testing.assert_array_equal(a, b)


@needs_openvino
@pytest.mark.skipif(_core.isa() != "amx", reason="the core compares without AMX here")
def test_openvino_and_the_core_do_not_disturb_each_others_tiles() -> None:
    content = quantised(models.verified(models.SFACE, MODELS), ranges.shipped(models.SFACE).ranges)
    session = OpenVinoSession("sface", content, threads=1)
    rows = _core.quantize(np.random.default_rng(3).normal(size=(200, 129)).astype(np.float32))
    (tensor,) = tensors(1)
    embedding, scores = session.run(tensor)[0], _core.cosine_block_int8(rows[:64], rows)
    with ThreadPoolExecutor(1) as pool:
        # A thread of its own, in which neither has set anything up.
        np.testing.assert_array_equal(pool.submit(_core.cosine_block_int8, rows[:64], rows).result(), scores)

    def in_turn(_: int) -> None:
        for _ in range(20):
            np.testing.assert_array_equal(session.run(tensor)[0], embedding)
            np.testing.assert_array_equal(_core.cosine_block_int8(rows[:64], rows), scores)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(in_turn, range(4)))


@needs_openvino
def test_what_was_returned_stays_as_it_is() -> None:
    session = OpenVinoSession("fr", models.verified(models.FR_FEATURE, MODELS), threads=1)
    first, second = tensors(2)
    kept = session.run(first)[0]
    copy = kept.copy()
    session.run(second)
    np.testing.assert_array_equal(kept, copy)


@needs_openvino
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 112, 1), (2, 3, 112, 112), (3, 112, 112)])
def test_a_tensor_of_another_shape_is_not_stretched_to_fit(shape: tuple[int, ...]) -> None:
    session = OpenVinoSession("fr", models.verified(models.FR_FEATURE, MODELS), threads=1)
    with pytest.raises(ValueError, match="input is"):
        session.run(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("runtime", ["auto", "onnxruntime"])
def test_no_runtime_leaves_a_trace_or_asks_the_network(tmp_path: Path, runtime: str) -> None:
    # Audit events show what Python asks for; a process of its own, because others import anything.
    code = (
        "import sys; asked = []; sys.addaudithook(lambda event, _: event.startswith('socket.') and "
        "asked.append(event)); from govid.config import load, Settings; "
        "from govid.faces import FacePipeline; FacePipeline(load(Settings)[0]); "
        "print(asked, [name for name in sys.modules if 'telemetry' in name])"
    )
    settings = {"GOVID_DATA_DIR": str(MODELS.parent), "GOVID_RUNTIME": runtime}
    inherited = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**inherited, **settings, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.strip() == "[] []"
    assert list(tmp_path.iterdir()) == []


@needs_openvino
def test_a_graph_openvino_cannot_read_is_refused() -> None:
    with pytest.raises(ModelUnusable, match="OpenVINO refuses it"):
        OpenVinoSession("bad", b"no model", threads=1)


@pytest.mark.parametrize("spec", EMBEDDERS, ids=lambda spec: spec.name)
def test_prepared_embedders_keep_prelu_and_onnx_runtimes_cpu_gets_convolutions(
    spec: models.ModelSpec,
) -> None:
    content = models.verified(spec, MODELS)

    def kinds(model: bytes) -> set[str]:
        return {node.op_type for node in onnx.load_model_from_string(model).graph.node}

    assert "PRelu" in kinds(content)
    rewritten = without_prelu(content)
    assert "PRelu" not in kinds(rewritten)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    plain = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    session = OnnxSession(spec.name, rewritten, providers=("CPUExecutionProvider",), threads=1)
    tensor = tensors(1)[0]
    expected = plain.run(None, {plain.get_inputs()[0].name: tensor})[0]
    np.testing.assert_allclose(session.run(tensor)[0], expected, atol=1e-5 * np.abs(expected).max())


@needs_openvino
def test_auto_takes_openvino_for_the_embedders_on_the_cpu() -> None:
    assert embedder_runtime(Settings()) == "openvino"
    assert embedder_runtime(Settings(runtime="onnxruntime")) == "onnxruntime"
    assert embedder_runtime(Settings(providers=("CUDAExecutionProvider",))) == "onnxruntime"


def test_without_openvino_onnx_runtime_embeds(hidden_openvino: None, faces: FacePipeline) -> None:
    settings = Settings(data_dir=str(MODELS.parent))
    assert embedder_runtime(settings) == "onnxruntime"
    alone = FacePipeline(settings)
    assert alone.model_id == faces.model_id
    for photo in (OBAMA, OBAMA_LATER):
        a, b = (pipeline.sample(photo).template.embedding for pipeline in (alone, faces))
        assert float(a @ b) == pytest.approx(1, abs=1e-5)


def test_openvino_asked_for_and_missing_is_an_error(hidden_openvino: None) -> None:
    with pytest.raises(RuntimeMissing, match="openvino"):
        FacePipeline(Settings(data_dir=str(MODELS.parent), runtime="openvino"))


def test_openvino_beside_a_gpu_provider_is_an_error() -> None:
    with pytest.raises(InvalidSettings, match="providers"):
        embedder_runtime(Settings(runtime="openvino", providers=("CUDAExecutionProvider",)))


@pytest.mark.skipif(
    "CUDAExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="this build of ONNX Runtime has no CUDA: make setup GPU=1",
)
def test_a_gpu_gives_the_same_templates(faces: FacePipeline) -> None:
    gpu = FacePipeline(Settings(data_dir=str(MODELS.parent), providers=("CUDAExecutionProvider",)))
    a, b = (pipeline.sample(OBAMA).template.embedding for pipeline in (gpu, faces))
    assert float(a @ b) == pytest.approx(1, abs=1e-3)
