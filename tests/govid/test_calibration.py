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
    assert TABLE.fmr_at(0.51) == (1e-6, True)
    assert TABLE.fmr_at(0.5) == (pytest.approx(1e-6), False)


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
