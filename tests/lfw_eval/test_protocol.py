from __future__ import annotations

from pathlib import Path

import pytest

from lfw_eval.data import DataError, DataSet
from lfw_eval.protocol import read_pairs


def read(folder: Path, text: str | bytes, *, strict: bool = False) -> list[tuple[bool, str]]:
    (folder / "pairs.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    pairs = read_pairs(folder / "pairs.txt", DataSet(folder, folder), strict=strict)
    return [(pair.mated, pair.problem) for pair in pairs]


@pytest.mark.parametrize(
    "text", ["", "ten\t300\n", "0\t0\n", "1\t1\nA\t1\t2\n", "1\t1\nA\t1\t2\nB\t1\t2\n", b"1\t1\n\xff\n"]
)
def test_a_list_whose_denominator_is_unsure_is_refused(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(DataError, match=r"pairs\.txt"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "line",
    [
        "A",
        "A\tB\t1\t2",
        "A\t0\t2",
        "A\t-1\t2",
        "A\t1\t1",
        "..\t1\t2",
        "A/../B\t1\t2",
        "A\t1\tA\t2",
        "A\t²\t1",
    ],
)
def test_a_malformed_line_is_kept_as_what_the_fold_lacks(tmp_path: Path, line: str) -> None:
    for text, mated in ((f"1\t1\n{line}\nB\t1\tC\t1\n", True), (f"1\t1\nB\t1\t2\n{line}\n", False)):
        pairs = read(tmp_path, text)
        assert sorted(kind for kind, _ in pairs) == [False, True]
        [(kind, problem)] = [pair for pair in pairs if pair[1]]
        assert kind is mated
        assert problem.startswith(f"pairs.txt:{2 if mated else 3}: ")
        with pytest.raises(DataError, match=r"pairs\.txt:"):
            read(tmp_path, text, strict=True)
