from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.lfw_eval.support import evaluate, write_tree


def write_model(path: Path, *, side: int = 112, factor: float = 1.0) -> Path:
    """An embedder that averages the pixels of sixteen fields: (n, 3, side, side) to (n, 48)."""
    nodes = [
        helper.make_node(
            "AveragePool", ["photo"], ["pooled"], kernel_shape=[side // 4] * 2, strides=[side // 4] * 2
        ),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Mul", ["flat", "factor"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "fields",
        [helper.make_tensor_value_info("photo", TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 48])],
        [helper.make_tensor("factor", TensorProto.FLOAT, [1], np.array([factor], dtype=np.float32))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def test_a_local_model_stands_beside_a_profile(tmp_path: Path) -> None:
    model = write_model(tmp_path / "Mine v2.onnx")
    options = ("--dimension", "48", "--channels", "BGR", "--mean", "127.5", "--scale", "128", "--json")
    done = evaluate("--data", write_tree(tmp_path), "--compare", "fast", "--model", model, *options)
    assert done.exit_code == 0, done.output
    fast, mine = json.loads(done.stdout)["pipelines"]
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert (fast["label"], mine["label"]) == ("fast", "Mine v2.onnx")
    assert mine["model_id"] == f"mine_v2-local-{digest[:12]}"
    assert digest in mine["models"].values()
    # Means of fields know nobody: the pipelines differ.
    assert fast["pair_list"]["histogram"] != mine["pair_list"]["histogram"]


def test_a_model_may_state_its_dimension_itself(tmp_path: Path) -> None:
    model = write_model(tmp_path / "mine.onnx")
    done = evaluate("--data", write_tree(tmp_path), "--model", model, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["pipelines"][0]["label"] == "mine.onnx"


def test_a_registered_model_is_taken_by_its_name(tmp_path: Path) -> None:
    done = evaluate("--data", write_tree(tmp_path), "--model", "fr_feature", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["pipelines"][0]["model_id"].startswith("fr_feature-")


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = evaluate("--data", write_tree(tmp_path), "--model", "nowhere")
    assert done.exit_code == 1
    assert "registered models are sface, fr_feature" in done.stderr


@pytest.mark.parametrize(
    ("model", "dimension", "says"),
    [
        ({"side": 64}, 48, "input is ['n', 3, 64, 64]"),
        ({}, 47, "output is [[1, 48]]"),
        ({"factor": 0.0}, 48, "zero"),
        ({"factor": float("nan")}, 48, "finite"),
    ],
)
def test_a_model_that_is_no_embedder_is_refused_with_the_reason(
    tmp_path: Path, model: dict[str, float], dimension: int, says: str
) -> None:
    path = write_model(tmp_path / "bad.onnx", **model)  # type: ignore[arg-type]
    done = evaluate("--data", write_tree(tmp_path), "--model", path, "--dimension", str(dimension))
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert says in done.stderr


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    tree = write_tree(tmp_path)
    done = evaluate("--data", tree, "--model", tmp_path / "bad.onnx", "--dimension", "48")
    assert done.exit_code == 1
    assert "refuses it" in done.stderr
    assert "no ONNX model" in evaluate("--data", tree, "--model", tmp_path / "bad.onnx").stderr
