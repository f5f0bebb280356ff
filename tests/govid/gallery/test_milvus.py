"""What needs no cluster; ``tests/cluster`` has the rest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from govid import Settings
from govid.errors import InvalidSettings
from govid.gallery.milvus import MilvusGallery, collection_name


def test_a_collection_belongs_to_one_model_and_one_store() -> None:
    names = {
        collection_name(model, store)
        for model in ("sface-2021dec", "sface 2021dec", "a" * 300, "人" * 40, "a; drop", "")
        for store in ("one", "two")
    }
    assert len(names) == 12
    assert all(re.fullmatch(r"govid_[0-9A-Za-z_]{1,90}", name) for name in names)


def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    settings = Settings(gallery_url="http://127.0.0.1:1", gallery_token_file=str(tmp_path / "missing"))
    with pytest.raises(InvalidSettings, match="gallery_token_file"):
        MilvusGallery(settings, 129, "govid_x", lambda _: {})


def test_few_are_compared_without_the_cluster() -> None:
    rows = np.eye(4, dtype=np.float32)
    gallery = MilvusGallery(
        Settings(gallery_url="http://127.0.0.1:1"),
        4,
        "govid_x",
        lambda ids: {i: rows[i] for i in ids if i < 3},
    )
    within = np.array([1, 2, 3], dtype=np.int64)
    ((first, *_),) = gallery.search(rows[2][None], 5, threshold=0.5, within=within)
    assert first == (2, 1.0)


@pytest.mark.parametrize(("module", "found"), [("govid.gallery.milvus", 0), ("pymilvus", 1)])
def test_no_file_gets_into_the_environment(module: str, found: int, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GOVID_FROM_A_FILE=1\n")
    code = f"import os, sys, {module}; sys.exit('GOVID_FROM_A_FILE' in os.environ)"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHON_DOTENV_DISABLED"}
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path, env=clean)
    assert done.returncode == found


def test_the_client_is_imported_only_where_there_is_a_cluster() -> None:
    code = "import govid.pipeline, govid.cli, sys; sys.exit('pymilvus' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
