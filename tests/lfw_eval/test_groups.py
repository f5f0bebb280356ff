from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lfw_eval.all_pairs import exceedances
from lfw_eval.data import DataError
from lfw_eval.groups import Population, group_table, missed_by_person
from lfw_eval.metadata import NOT_STATED, read_metadata
from lfw_eval.results import GroupRate
from tests.lfw_eval.support import evaluate, write_tree


def rows(found: tuple[GroupRate, ...]) -> dict[tuple[str, str], GroupRate]:
    return {(row.group, row.other): row for row in found}


def test_rates_by_group_are_means_over_people_and_pairs_of_people() -> None:
    # Twelve women with 2 photos, twelve men with 3, and one person of a third group.
    rng = np.random.default_rng(0)
    photos = np.array([2] * 12 + [3] * 12 + [2])
    groups = np.array(["f"] * 12 + ["m"] * 12 + ["x"])
    owner = np.repeat(np.arange(25), photos)
    matrix = rng.normal(size=(len(owner), 3)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    scores = matrix @ matrix.T
    threshold = 0.5
    high = exceedances(matrix, owner, np.array([threshold]), people=25)
    mine = [scores[np.ix_(owner == i, owner == i)][np.triu_indices(photos[i], 1)] for i in range(25)]
    missed = missed_by_person(
        np.concatenate(mine),
        np.repeat(np.arange(25), [len(m) for m in mine]),
        np.zeros(25, dtype=int),
        [threshold],
    )
    population = Population(photos, photos, missed, {"sex": groups})
    table = group_table("a test", threshold, 0, population, high)

    fnmr, fmr, across = rows(table.fnmr), rows(table.fmr), rows(table.fmr_across)
    assert fnmr["m", "m"].rate.value == pytest.approx(np.mean([np.mean(m < threshold) for m in mine[12:24]]))
    assert fnmr["m", "m"].comparisons == 36

    def share(one: str, other: str) -> float:
        pairs = [
            (i, j) for i in range(25) for j in range(25) if i != j and (groups[i], groups[j]) == (one, other)
        ]
        return float(
            np.mean([np.mean(scores[np.ix_(owner == i, owner == j)] >= threshold) for i, j in pairs])
        )

    assert fmr["f", "f"].rate.value == pytest.approx(share("f", "f"))
    assert across["f", "m"].rate.value == pytest.approx(share("f", "m"))
    assert across["f", "m"].comparisons == 24 * 36
    for row in (fmr["f", "f"], across["f", "m"], fnmr["m", "m"]):
        assert row.enough
        assert row.rate.low < row.rate.value < row.rate.high
    # Too small to say anything, but there with its counts.
    assert not fnmr["x", "x"].enough
    assert not fmr["x", "x"].enough
    assert (fnmr["x", "x"].people, fnmr["x", "x"].photos, fmr["x", "x"].comparisons) == (1, 2, 0)


def test_a_photo_without_a_template_is_a_false_non_match_of_its_person() -> None:
    missed = missed_by_person(
        np.array([0.9, 0.1], dtype=np.float32), np.array([0, 0]), np.array([1, 2]), [0.5]
    )
    np.testing.assert_array_equal(missed, [[2], [2]])


def test_groups_of_a_tree_without_a_pair_list(tmp_path: Path) -> None:
    write_tree(tmp_path, pairs="")
    (tmp_path / "people.csv").write_text("person,sex\nBarack_Obama,male\nNobody,female\n")
    report = tmp_path / "r.html"
    done = evaluate("--data", tmp_path, "--metadata", tmp_path / "people.csv", "--json", "--report", report)
    assert done.exit_code == 0, done.output
    [result] = json.loads(done.stdout)["pipelines"]
    assert result["pair_list"] is None
    found = result["all_pairs"]
    assert (found["people"], found["mated_comparisons"], found["non_mated_comparisons"]) == (2, 1, 2)
    assert any("no photos of 'Nobody'" in note for note in found["notes"])
    assert any("too few" in note for note in found["notes"])
    for table in found["tables"]:
        assert {row["group"] for row in table["fnmr"]} == {"everybody", "male", NOT_STATED}
        assert not any(row["enough"] for row in table["fnmr"] + table["fmr"])
    assert "All photos with each other" in report.read_text()


def test_an_accuracy_needs_a_pair_list(tmp_path: Path) -> None:
    done = evaluate("--data", write_tree(tmp_path, pairs=""), "--fail-under", "99")
    assert done.exit_code == 1
    assert "pair list" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"name,sex\nA,f\n",
        b"person\nA\n",
        b"person,sex,sex\nA,f,f\n",
        b"person,\nA,f\n",
        b"person,sex\n\xff,f\n",
    ],
)
def test_a_file_without_the_columns_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "p.csv").write_bytes(text)
    with pytest.raises(DataError, match=r"p\.csv"):
        read_metadata(tmp_path / "p.csv", ["A"])


@pytest.mark.parametrize("line", ["A", "A,f,x", "B,f", "A,f\nA,m"])
def test_a_malformed_line_is_named_and_its_person_not_stated(tmp_path: Path, line: str) -> None:
    (tmp_path / "p.csv").write_text(f"\ufeffperson,sex\n{line}\n")
    found = read_metadata(tmp_path / "p.csv", ["A", "C"])
    assert len(found.problems) == 1
    assert found.problems[0].startswith("p.csv:")
    assert found.groups["sex"] == {"A": "f" if "m" in line else NOT_STATED, "C": NOT_STATED}
    with pytest.raises(DataError, match=r"p\.csv:"):
        read_metadata(tmp_path / "p.csv", ["A", "C"], strict=True)
