from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from govid import Decision, Engine, Settings, profiles
from govid.errors import (
    InvalidSettings,
    NoComparableReference,
    ProfileUnavailable,
    TemplateImplausible,
    TemplateWrongModel,
)
from govid.faces import FacePipeline
from govid.profiles import HIGH_ASSURANCE
from govid.types import PackedTemplate
from tests import support
from tests.govid.migration.support import take_over
from tests.support import BIDEN, MODELS, OBAMA, OBAMA_LATER

HIGH = Settings(profile="high_assurance")


@pytest.fixture(scope="module")
def high() -> FacePipeline:
    return FacePipeline(Settings(data_dir=str(MODELS.parent), profile="high_assurance"))


@pytest.fixture
def high_engine(tmp_path: Path) -> Iterator[Engine]:
    folder = support.data_dir(tmp_path / "var")
    support.use_case(folder, "strict", 'profile = "high_assurance"\n')
    with Engine(Settings(data_dir=str(folder), profile="high_assurance")) as engine:
        yield engine


def test_the_weights_of_a_fusion_add_up_to_one() -> None:
    assert sum(part.weight for part in HIGH_ASSURANCE.parts) == pytest.approx(1)


def test_one_cosine_is_the_weighted_sum_of_the_parts(high: FacePipeline) -> None:
    first, second = (high.sample(photo).template.embedding for photo in (OBAMA, OBAMA_LATER))
    start, expected = 0, 0.0
    for part in HIGH_ASSURANCE.parts:
        a, b = (e[start : start + part.model.template_dimension].astype(np.float64) for e in (first, second))
        assert np.linalg.norm(a) ** 2 == pytest.approx(part.weight, abs=1e-5)
        expected += part.weight * float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        start += part.model.template_dimension
    assert float(first @ second) == pytest.approx(expected, abs=1e-5)


def test_the_fast_template_is_contained_in_the_fused_one(high: FacePipeline, faces: FacePipeline) -> None:
    wide = high.sample(OBAMA).template
    narrow = profiles.reduced(wide, faces.profile)
    assert narrow is not None
    np.testing.assert_allclose(narrow.embedding, faces.sample(OBAMA).template.embedding, atol=1e-5)
    assert profiles.reduced(narrow, high.profile) is None


def test_what_a_photo_gives_is_plausible_in_either_profile(high: FacePipeline) -> None:
    for profile in high.profiles.values():
        for photo in (OBAMA, BIDEN):
            profile.check(high.sample(photo, profile=profile).template.embedding)


@pytest.mark.parametrize("zeroed", [slice(0, 129), slice(129, 642)], ids=["first", "second"])
def test_a_fused_template_without_one_of_its_parts_is_refused(high: FacePipeline, zeroed: slice) -> None:
    vector = high.sample(OBAMA).template.embedding.copy()
    vector[zeroed] = 0
    with pytest.raises(TemplateImplausible):
        high.unpack(high.model_id, vector.tobytes())


@given(
    weight=st.sampled_from([0, 0.5, 0.755, 0.765, 1]),
    constants=st.lists(st.sampled_from([-0.1, 0, 0.1, 0.3, 0.345, 0.355]), min_size=2, max_size=2),
)
def test_one_template_is_as_plausible_as_among_many(weight: float, constants: list[float]) -> None:
    vector = np.zeros((1, HIGH_ASSURANCE.dimension), dtype=np.float32)
    start = 0
    for part, share, constant in zip(HIGH_ASSURANCE.parts, (weight, 1 - weight), constants, strict=True):
        end = start + part.model.template_dimension
        vector[0, end - 1] = constant * share**0.5
        vector[0, start] = max(0.0, share - vector[0, end - 1] ** 2) ** 0.5
        start = end
    (fault,) = HIGH_ASSURANCE.faults(vector)
    if fault is None:
        HIGH_ASSURANCE.check(vector[0])
    else:
        with pytest.raises(TemplateImplausible, match=re.escape(fault.detail)):
            HIGH_ASSURANCE.check(vector[0])


def test_any_change_of_a_fusion_changes_its_model_id() -> None:
    first, second = HIGH_ASSURANCE.parts
    changed = [
        (msgspec.structs.replace(first, weight=0.75), second),
        (first, msgspec.structs.replace(second, model=first.model)),
        (second, first),
    ]
    ids = {
        HIGH_ASSURANCE.model_id,
        *(msgspec.structs.replace(HIGH_ASSURANCE, parts=p).model_id for p in changed),
    }
    assert len(ids) == 4


def test_another_embedder_cannot_be_fused() -> None:
    with pytest.raises(InvalidSettings, match="high_assurance"):
        profiles.active(msgspec.structs.replace(HIGH, embedder="fr_feature"))


def test_a_use_case_chooses_the_profile(high_engine: Engine) -> None:
    high_engine.enrol("obama", OBAMA)
    quick = high_engine.verify("obama", OBAMA_LATER, use_case="hotel_checkin")
    strict = high_engine.verify("obama", OBAMA_LATER, use_case="strict")
    assert (quick.profile, strict.profile) == ("fast", "high_assurance")
    assert quick.model_id != strict.model_id
    assert quick.decision is strict.decision is Decision.MATCH
    assert high_engine.verify("obama", BIDEN, use_case="strict").decision is Decision.NON_MATCH
    assert high_engine.identify(OBAMA_LATER).candidates[0].subject_id == "obama"
    # A template is as good as its photo, in either profile.
    made = high_engine.embed(OBAMA_LATER)
    template = PackedTemplate(made.model_id, made.embedding)
    for use_case, expected in (("hotel_checkin", quick), ("strict", strict)):
        by_template = high_engine.verify("obama", template, use_case=use_case)
        assert by_template.score == pytest.approx(expected.score, abs=1e-5)


def test_a_use_case_is_refused_where_its_profile_does_not_run(settings: Settings) -> None:
    support.use_case(Path(settings.data_dir), "strict", 'profile = "high_assurance"\n')
    with Engine(settings) as engine:
        _refuse_what_needs_another_profile(engine)


def _refuse_what_needs_another_profile(engine: Engine) -> None:
    engine.enrol("obama", OBAMA)
    assert engine.verify("obama", OBAMA_LATER, use_case="hotel_checkin").profile == "fast"
    for call in (
        lambda: engine.verify("obama", OBAMA_LATER, use_case="strict"),
        lambda: engine.identify(OBAMA_LATER, use_case="strict"),
        lambda: engine.compare(OBAMA, OBAMA_LATER, use_case="strict"),
    ):
        with pytest.raises(ProfileUnavailable, match="high_assurance"):
            call()


def test_a_fast_template_never_stands_in_for_a_fused_one(high_engine: Engine) -> None:
    fast_id = high_engine._faces.profiles["fast"].model_id
    vector = np.full(129, 0.1, dtype=np.float32)
    template = PackedTemplate(fast_id, vector.tobytes())
    high_engine.enrol("obama", OBAMA)
    assert high_engine.verify("obama", template, use_case="hotel_checkin").decision is Decision.NON_MATCH
    with pytest.raises(TemplateWrongModel):
        high_engine.verify("obama", template, use_case="strict")


def test_references_from_before_the_switch_serve_only_the_fast_profile(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    support.use_case(folder, "strict", 'profile = "high_assurance"\n')
    fast, high = Settings(data_dir=str(folder)), Settings(data_dir=str(folder), profile="high_assurance")
    with Engine(fast) as before:
        before.enrol("obama", OBAMA)
    take_over(fast, high)
    with Engine(high) as after:
        assert after.verify("obama", OBAMA_LATER, use_case="hotel_checkin").decision is Decision.MATCH
        with pytest.raises(NoComparableReference):
            after.verify("obama", OBAMA_LATER, use_case="strict")
        after.add_reference("obama", OBAMA)
        assert after.verify("obama", OBAMA_LATER, use_case="strict").comparisons == 1


def test_references_serve_on_after_a_switch_back_and_what_does_not_is_said(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    support.use_case(folder, "strict", 'profile = "high_assurance"\n')
    fast, high = Settings(data_dir=str(folder)), Settings(data_dir=str(folder), profile="high_assurance")
    with Engine(high) as engine:
        engine.enrol("obama", OBAMA)
    take_over(high, fast)
    with Engine(fast) as engine:
        assert engine.verify("obama", OBAMA_LATER).decision is Decision.MATCH
        assert engine.identify(OBAMA_LATER).candidates[0].subject_id == "obama"
        assert engine.left_out == 0
        engine.enrol("biden", BIDEN)
    take_over(fast, high)
    with Engine(high) as engine:
        assert engine.left_out == 1
    from govid.doctor import examine

    assert any("1 references" in problem for problem in examine(high).problems)
