"""What large photos leave in the heap goes back to the system.

In processes of their own: what they set would hold for the other tests, too.
"""

from __future__ import annotations

import subprocess
import sys

from tests.support import ROOT

PROGRAM = """
import ctypes
from server import memory
memory.give_back()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
residue, before = memory.Residue(), memory._resident()
blocks = []
for _ in range(200):
    blocks.append(libc.malloc(1 << 20))
    ctypes.memset(blocks[-1], 1, 1 << 20)
# Each tenth stays in use, so that the heap cannot shrink from its end.
for block in blocks[:-1]:
    if blocks.index(block) % 10:
        libc.free(block)
kept = memory._resident() - before
residue.give_back()
left = memory._resident() - before
print(kept >> 20, left >> 20)
"""


def ran(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )


def test_the_allocator_takes_its_options() -> None:
    done = ran("import logging; logging.basicConfig(); from server.memory import give_back; give_back()")
    assert done.stderr == ""


def test_what_lies_free_between_blocks_in_use_is_given_back() -> None:
    kept, left = map(int, ran(PROGRAM).stdout.split())
    assert kept > 150
    assert left < 50
