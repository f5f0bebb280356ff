from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

import govid
from govid.faces import FacePipeline
from lfw_eval.cache import cache_file, load, pipeline_code
from lfw_eval.data import DataError
from lfw_eval.embeddings import embed_all
from tests.support import BIDEN, OBAMA


def test_the_cache_answers_only_for_the_same_photo(faces: FacePipeline, tmp_path: Path) -> None:
    photo, broken, cache = tmp_path / "a.jpg", tmp_path / "b.jpg", tmp_path / "cache"
    photo.write_bytes(BIDEN)
    broken.write_bytes(b"broken")
    first = embed_all(faces, [photo, broken], cache, progress=False)
    again = embed_all(faces, [photo, broken], cache, progress=False)
    assert (first.fresh, again.fresh) == (2, 0)
    np.testing.assert_array_equal(first.by_photo[photo], again.by_photo[photo])
    assert first.quality == again.quality
    assert first.quality[photo]
    assert first.failures == again.failures == {broken: "photo-not-an-image"}
    with pytest.raises(DataError, match=r"b\.jpg"):
        embed_all(faces, [photo, broken], cache, progress=False, strict=True)
    photo.write_bytes(OBAMA)
    assert embed_all(faces, [photo], cache, progress=False).fresh == 1


def test_only_the_owner_may_read_the_cache(faces: FacePipeline, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(BIDEN)
    embed_all(faces, [tmp_path / "a.jpg"], tmp_path / "new" / "cache", progress=False)
    assert stat.S_IMODE((tmp_path / "new" / "cache").stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"{}"])
def test_a_damaged_cache_is_made_anew(faces: FacePipeline, tmp_path: Path, content: bytes) -> None:
    file = cache_file(tmp_path, faces)
    file.write_bytes(content)
    assert load(file, faces.dimension) == {}


def test_a_change_of_any_stage_makes_another_cache() -> None:
    root = Path(govid.__file__).parent
    # Of a package, its name: a stage may be a file or a folder.
    names = {file.relative_to(root).parts[0].removesuffix(".py") for file in pipeline_code()}
    assert {"faces", "decode", "detect", "align", "quality", "embed", "models", "config"} <= names
    assert not {"errors", "guard", "policy", "pipeline", "calibration"} & names
