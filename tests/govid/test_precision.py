from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from govid import Decision, Engine, calibration, models, precision, profiles
from govid.config import Settings, load
from govid.doctor import examine
from govid.errors import (
    InvalidSettings,
    ModelNotServing,
    NoComparableReference,
    PrecisionUnavailable,
    TemplateWrongModel,
)
from govid.faces import FacePipeline
from govid.quantise.ranges import shipped
from govid.runtime import openvino_session
from tests import support
from tests.govid.migration.support import take_over
from tests.govid.test_models import manifest, tiny_embedder
from tests.support import BIDEN, MODELS, OBAMA, OBAMA_LATER

pytestmark = pytest.mark.skipif(not openvino_session.installed(), reason="OpenVINO is not installed")
INT8 = Settings(data_dir=str(MODELS.parent), precision="int8")


@pytest.fixture(scope="module")
def int8() -> FacePipeline:
    return FacePipeline(INT8)


def test_the_model_id_says_precision_and_ranges(int8: FacePipeline, faces: FacePipeline) -> None:
    assert int8.model_id == f"{faces.model_id}-int8-{shipped(models.SFACE).mark}"
    assert int8.sample(OBAMA).template.model_id == int8.model_id
    fused = {profiles.high_assurance(word).model_id for word in ("float32", "bfloat16", "int8")}
    assert len(fused) == 3
    assert profiles.high_assurance("float32") == profiles.HIGH_ASSURANCE


def test_int8_stays_near_float32(int8: FacePipeline, faces: FacePipeline) -> None:
    made = [
        [p.sample(photo).template.embedding for photo in (OBAMA, OBAMA_LATER, BIDEN)] for p in (int8, faces)
    ]
    for a, b in zip(*made, strict=True):
        assert 0.97 < float(a @ b) < 0.9999
    for i, j in ((0, 1), (0, 2), (1, 2)):
        here, there = (float(e[i] @ e[j]) for e in made)
        assert here == pytest.approx(there, abs=0.06)


def test_templates_of_another_precision_are_refused(int8: FacePipeline, faces: FacePipeline) -> None:
    template = faces.sample(OBAMA).template
    with pytest.raises(TemplateWrongModel):
        int8.unpack(template.model_id, template.embedding.tobytes())


def test_a_fused_template_serves_the_fast_profile_of_its_own_precision_only(int8: FacePipeline) -> None:
    high = FacePipeline(msgspec.structs.replace(INT8, profile="high_assurance"))
    wide = high.sample(OBAMA).template
    narrow = profiles.reduced(wide, high.profiles["fast"])
    assert narrow is not None
    assert narrow.model_id == int8.model_id
    other = profiles.active(Settings())[0]
    assert profiles.reduced(wide, other) is None


def test_another_precision_than_the_references_starts_only_after_a_migration(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    settings = Settings(data_dir=str(folder))
    with Engine(settings) as before:
        before.enrol("obama", OBAMA)
        table = calibration.load(before.model_id, settings.calibrations_dir, pipeline=before._faces.name)
    eight = msgspec.structs.replace(settings, precision="int8")
    # Any table will do here: it is the references that are looked at.
    name = profiles.active(eight)[0].model_id
    (folder / "calibrations").mkdir()
    (folder / "calibrations" / f"{name}.json").write_bytes(
        msgspec.json.encode(msgspec.structs.replace(table, model_id=name))
    )
    # It would find nobody, and enrol whom the servers in float32 do not find.
    with pytest.raises(ModelNotServing, match="GOVID_PROFILE=fast GOVID_PRECISION=float32"):
        Engine(eight)
    assert any(problem.startswith("model-not-serving") for problem in examine(eight).problems)
    take_over(settings, eight)
    with pytest.raises(ModelNotServing, match="GOVID_PRECISION=int8"):
        Engine(settings)
    with Engine(eight) as after:
        assert after.left_out == 1
        with pytest.raises(NoComparableReference):
            after.verify("obama", OBAMA_LATER)
        after.add_reference("obama", OBAMA)
        assert after.verify("obama", OBAMA_LATER).decision is Decision.MATCH
    assert any("1 references" in problem for problem in examine(eight).problems)


def test_a_precision_needs_openvino() -> None:
    for word in ("int8", "bfloat16"):
        with pytest.raises(PrecisionUnavailable, match="only OpenVINO"):
            FacePipeline(msgspec.structs.replace(INT8, precision=word, runtime="onnxruntime"))


def test_bfloat16_is_refused_where_the_cpu_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"avx512_vnni"}))
    with pytest.raises(PrecisionUnavailable, match="AMX-BF16"):
        FacePipeline(msgspec.structs.replace(INT8, precision="bfloat16"))


def test_bfloat16_is_refused_where_openvino_does_not_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"amx_bf16"}))
    monkeypatch.setattr(precision, "capabilities", lambda: frozenset({"FP32", "INT8"}))
    with pytest.raises(PrecisionUnavailable):
        precision.check(msgspec.structs.replace(INT8, precision="bfloat16"))
    monkeypatch.setattr(precision, "capabilities", lambda: frozenset({"FP32", "BF16"}))
    precision.check(msgspec.structs.replace(INT8, precision="bfloat16"))
    assert "GOVID_PRECISION=bfloat16" in " ".join(precision.advice(Settings()))


@pytest.mark.skipif(not precision.has_bfloat16(), reason="this CPU has neither AMX-BF16 nor AVX512-BF16")
def test_bfloat16_stays_near_float32(faces: FacePipeline) -> None:
    half = FacePipeline(msgspec.structs.replace(INT8, precision="bfloat16"))
    assert half.model_id == f"{faces.model_id}-bfloat16"
    a, b = (p.sample(OBAMA).template.embedding for p in (half, faces))
    assert 0.99 < float(a @ b) < 1 - 1e-7


def test_a_model_without_ranges_is_refused(tmp_path: Path) -> None:
    own = str(manifest(tmp_path / "m", tiny_embedder()))
    with pytest.raises(PrecisionUnavailable, match="tiny has no activation ranges"):
        FacePipeline(msgspec.structs.replace(INT8, embedder=own))


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="GOVID_PRECISION"):
        load(Settings, environment={"GOVID_PRECISION": "float16"})


def test_flags_are_read_from_the_system(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nflags\t\t: fpu avx2 amx_bf16 avx512_vnni\nflags : other\n")
    assert precision.cpu_flags(file) == {"amx_bf16", "avx512_vnni"}
    assert precision.cpu_flags(tmp_path / "none") == frozenset()


def test_doctor_names_runtime_and_precisions() -> None:
    report = examine(Settings(data_dir=str(MODELS.parent)))
    assert report.runtime == "openvino"
    assert report.precision == "float32"
    assert {"float32", "int8"} <= set(report.precisions_available)
