"""A precision that costs accuracy, or of which nobody knows what it costs, decides nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from govid import Engine, Settings, guard, precision, profiles
from govid.doctor import examine
from govid.errors import InvalidSettings, PrecisionUnavailable
from govid.guard import Loss, file_name
from govid.migration.models import calibrations
from govid.runtime import openvino_session
from tests.govid.test_models import manifest, tiny_embedder

PAIRS = 2200
INT8 = Settings(precision="int8")


def loss_of(model_id: str, *, lost_pairs: int, **changes: object) -> Loss:
    """The record of a model that judges some pairs wrong which it judges right in float32."""
    right = 2194
    known = [Settings(profile=name) for name in ("fast", "high_assurance")]  # type: ignore[arg-type]
    plain = {
        model_of(msgspec.structs.replace(one, precision=word)): model_of(one)
        for one in known
        for word in ("int8", "bfloat16")
    }
    values: dict[str, object] = {
        "model_id": model_id, "float32_model_id": plain.get(model_id, "plain"),
        "data_set": "made up, pairsDevTrain.txt", "data_set_digest": "0" * 64,
        "created": "2026-11-26", "machine": "none", "pairs": PAIRS, "compared": PAIRS,
        "accuracy": (right - lost_pairs) / PAIRS, "float32_accuracy": right / PAIRS, **changes,
    }  # fmt: skip
    return msgspec.convert(values, Loss)


def model_of(settings: Settings) -> str:
    return profiles.active(settings)[0].model_id


def written(settings: Settings, content: bytes) -> Settings:
    """With a record of the operator's, which comes before the shipped one."""
    settings.calibrations_dir.mkdir(parents=True, exist_ok=True)
    (settings.calibrations_dir / file_name(model_of(settings))).write_bytes(content)
    return settings


@pytest.fixture
def eight(tmp_path: Path) -> Settings:
    return msgspec.structs.replace(INT8, data_dir=str(tmp_path / "var"))


@pytest.mark.parametrize("profile", ["fast", "high_assurance"])
@pytest.mark.parametrize("word", ["float32", "bfloat16", "int8"])
def test_what_is_shipped_passes(profile: str, word: str) -> None:
    guard.check(Settings(profile=profile, precision=word))  # type: ignore[arg-type]


@pytest.mark.parametrize(("lost", "passes"), [(-5, True), (0, True), (1, True), (2, False), (900, False)])
def test_one_pair_of_view_1_may_be_lost_and_two_may_not(eight: Settings, lost: int, passes: bool) -> None:
    written(eight, msgspec.json.encode(loss_of(model_of(eight), lost_pairs=lost)))
    if passes:
        guard.check(eight)
        return
    for use in (guard.check, calibrations):
        with pytest.raises(PrecisionUnavailable, match=r"0\.05% or more is refused"):
            use(eight)
    assert "int8" not in precision.available(eight)


def test_exactly_as_much_as_is_too_much_is_refused_whatever_floats_make_of_it() -> None:
    loss = loss_of("x", lost_pairs=0)
    for right in range(1, 2001):
        shares = {"pairs": 2000, "accuracy": (right - 1) / 2000, "float32_accuracy": right / 2000}
        assert msgspec.structs.replace(loss, **shares).too_much
        shares["accuracy"] = right / 2000
        assert not msgspec.structs.replace(loss, **shares).too_much


@pytest.mark.skipif(not openvino_session.installed(), reason="OpenVINO is not installed")
def test_nothing_starts_with_a_model_that_fails(settings: Settings) -> None:
    eight = msgspec.structs.replace(settings, precision="int8")
    written(eight, msgspec.json.encode(loss_of(model_of(eight), lost_pairs=2)))
    with pytest.raises(PrecisionUnavailable, match=r"99\.64% of 2,200 pairs"):
        Engine(eight)
    assert [said for said in examine(eight).problems if said.startswith("precision-unavailable")]
    with Engine(settings) as plain:
        assert plain.settings.precision == "float32"


def test_the_smaller_profile_of_a_larger_one_is_looked_at_too(eight: Settings) -> None:
    written(eight, msgspec.json.encode(loss_of(model_of(eight), lost_pairs=2)))
    with pytest.raises(PrecisionUnavailable, match="sface"):
        guard.check(msgspec.structs.replace(eight, profile="high_assurance"))


def test_what_nobody_measured_is_refused_with_the_command_that_does(eight: Settings, tmp_path: Path) -> None:
    own = str(manifest(tmp_path / "own", tiny_embedder()))
    half = msgspec.structs.replace(eight, embedder=own, precision="bfloat16")
    with pytest.raises(PrecisionUnavailable, match=r"tiny-1-.*python -m lfw_eval\.guard"):
        guard.check(half)
    guard.check(plain := msgspec.structs.replace(half, precision="float32"))
    loss = loss_of(model_of(half), lost_pairs=0, float32_model_id=model_of(plain))
    written(half, msgspec.json.encode(loss))
    guard.check(half)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b'{"model_id": "x"}',
        msgspec.json.encode(loss_of("another model", lost_pairs=0)),
        msgspec.json.encode(loss_of(model_of(INT8), lost_pairs=0, float32_model_id="another model")),
        # Of other pairs it says nothing.
        msgspec.json.encode(msgspec.structs.replace(loss_of("x", lost_pairs=0), data_set="lfw, pairs.txt")),
        msgspec.json.encode(msgspec.structs.replace(loss_of("x", lost_pairs=0), pairs=6000)),
        msgspec.json.encode(msgspec.structs.replace(loss_of("x", lost_pairs=0), compared=2201)),
        # Too few pairs show no loss, nor does a share beyond all of them.
        msgspec.json.encode(msgspec.structs.replace(loss_of("x", lost_pairs=0), compared=1999)),
        msgspec.json.encode(msgspec.structs.replace(loss_of("x", lost_pairs=0), accuracy=1.5)),
    ],
)
def test_a_record_that_is_none_is_an_error(eight: Settings, content: bytes) -> None:
    content = content.replace(b'"x"', msgspec.json.encode(model_of(eight)))
    with pytest.raises(InvalidSettings, match=r"loss\.json"):
        guard.check(written(eight, content))
