from __future__ import annotations

import threading

import pytest

from govid.gallery.recent import RecentIds


def test_ids_are_kept_for_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("govid.gallery.recent.time.monotonic", lambda: now)
    recent = RecentIds(10)
    assert recent.note([3, 1]) == 2
    now = 108.0
    assert recent.note([2, 3]) == 1
    assert recent.ids().tolist() == [1, 2, 3]
    now = 111.0
    assert recent.ids().tolist() == [2, 3]
    now = 119.0
    assert recent.ids().tolist() == []


def test_no_thread_loses_what_another_notes() -> None:
    recent = RecentIds(1e6)

    def note(first: int) -> None:
        for i in range(first, first + 500):
            recent.note([i])
            recent.ids()

    threads = [threading.Thread(target=note, args=(first,)) for first in range(0, 2000, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recent.ids().tolist() == list(range(2000))
