from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from govid import calibration
from govid.errors import InvalidSettings, NotCalibrated
from govid.faces import FacePipeline
from tests.govid.test_policy import TABLE


def write(folder: Path, table: calibration.Calibration) -> None:
    (folder / "m.json").write_bytes(msgspec.json.encode(table))


def test_thresholds_and_rates_are_inverse_inside_the_table() -> None:
    for rate in (0.1, 0.05, 1e-3, 3e-5, 1e-6):
        threshold = TABLE.threshold(rate)
        assert threshold is not None
        assert TABLE.fmr_at(threshold).fmr == pytest.approx(rate)


def test_nothing_is_extrapolated() -> None:
    assert TABLE.threshold(9e-7) is None
    assert TABLE.fmr_at(0.51)[:2] == (1e-6, True)
    assert TABLE.fmr_at(0.5)[:2] == (pytest.approx(1e-6), False)


def test_the_upper_bound_goes_with_the_rate_and_ends_where_the_table_ends() -> None:
    table = msgspec.structs.replace(TABLE, fmr_upper=tuple(2 * rate for rate in TABLE.fmr))
    for score in (0.0, 0.13, 0.25, 0.5):
        rate, _, upper = table.fmr_at(score)
        assert upper == pytest.approx(2 * rate)
    assert table.fmr_at(0.9).upper == pytest.approx(2e-6)
    # Looser than the table begins, nothing is known.
    assert table.fmr_at(-0.01).upper == 1.0


def test_an_operators_table_comes_before_the_shipped_one(tmp_path: Path) -> None:
    write(tmp_path, TABLE)
    assert calibration.load("m", tmp_path, pipeline="p") == TABLE


def test_a_table_of_another_pipeline_or_model_is_refused(tmp_path: Path) -> None:
    write(tmp_path, TABLE)
    with pytest.raises(NotCalibrated):
        calibration.load("m", tmp_path, pipeline="other")
    with pytest.raises(NotCalibrated):
        calibration.load("unknown", tmp_path, pipeline="p")
    write(tmp_path, msgspec.structs.replace(TABLE, model_id="n"))
    with pytest.raises(InvalidSettings):
        calibration.load("m", tmp_path, pipeline="p")


@pytest.mark.parametrize(
    "change",
    [
        {"fmr": TABLE.fmr[::-1]},
        {"score": TABLE.score[::-1]},
        {"score": TABLE.score[:-1]},
        {"fmr": (2.0, *TABLE.fmr[1:])},
        {"fmr": (*TABLE.fmr[:-1], 0.0)},
        {"fmr_upper": TABLE.fmr_upper[:-1]},
        {"fmr_upper": TABLE.fmr_upper[::-1]},
        {"fmr_upper": tuple(rate / 2 for rate in TABLE.fmr)},
        {"fmr_upper": (1.5, *TABLE.fmr_upper[1:])},
    ],
)
def test_a_disordered_table_is_refused(tmp_path: Path, change: dict[str, tuple[float, ...]]) -> None:
    write(tmp_path, msgspec.structs.replace(TABLE, **change))
    with pytest.raises(InvalidSettings):
        calibration.load("m", tmp_path, pipeline="p")


def test_the_shipped_table_belongs_to_the_shipped_pipeline(faces: FacePipeline, tmp_path: Path) -> None:
    table = calibration.load(faces.model_id, tmp_path, pipeline=faces.name)
    assert table.non_mated_comparisons * table.lowest_fmr >= calibration.MIN_COMPARISONS_ABOVE
    assert table.lowest_fmr <= 1e-6
    assert f"{table.non_mated_comparisons:,}" in table.supports
    assert all(upper > rate for upper, rate in zip(table.fmr_upper, table.fmr, strict=True))
