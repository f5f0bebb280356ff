"""FAISS, with threads that sleep while they wait.

By default those of OpenMP spin: on two cores that others use, too, an index of 12,000 references took 3 to
18 s to build, and 0.5 to 0.7 s with this. The variable is read when the library is loaded; an operator's
own value stays. It is loaded when an index is first built or read: 12 MiB that small galleries spare.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class _Faiss:
    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - its stubs know half of it
        return getattr(importlib.import_module("faiss"), name)


faiss: Any = _Faiss()
