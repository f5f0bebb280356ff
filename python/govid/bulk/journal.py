"""The result file: what became of each item, so that a second run of the same command goes on."""

from __future__ import annotations

import errno
import fcntl
import os
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec
import numpy as np

from govid.bulk import ItemResult, Outcome
from govid.errors import InvalidParameter, StorageFull

_BEGINNING = b'{"input":"'
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(ItemResult)


class Journal:
    """NDJSON of ``ItemResult``, appended and on disk when ``write`` returns. 8 bytes of memory an item."""

    def __init__(self, path: Path, source: str) -> None:
        """Open or create the file, for its owner only, and mend a line that a crash tore.

        Args:
            source: name of the import's source.

        Raises:
            InvalidParameter: it is no result file, one of another source, or in use.
        """
        self._path = path
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InvalidParameter(f"{path}: {error.strerror}") from None
        self._file: BinaryIO = os.fdopen(descriptor, "r+b")
        self.first_reference: int | None = None
        """Least id of the references that earlier runs stored."""
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InvalidParameter(f"{path}: another import writes to it") from None
            self._done = self._read(source)
        except BaseException:
            self._file.close()
            raise

    def done(self, key: int) -> bool:
        """Whether an earlier run brought this item to an end."""
        place = bisect_left(self._done, key)
        return place < len(self._done) and self._done[place] == key

    @property
    def earlier(self) -> int:
        """How many items earlier runs brought to an end."""
        return len(self._done)

    def write(self, results: Sequence[ItemResult]) -> None:
        """Append lines; on disk when this returns.

        Raises:
            StorageFull: the disk is full. Items that were stored are recognised in the next run.
        """
        try:
            self._file.write(_ENCODER.encode_lines(results))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StorageFull(f"{self._path}: no space for the results") from None
            raise

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # a full disk keeps a rest in the buffer: it was said, the next run mends it
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, source: str) -> array[int]:
        done = array("Q")
        whole = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                # Cut off only what this program can have written.
                if not (line.startswith(_BEGINNING) or _BEGINNING.startswith(line)):
                    raise InvalidParameter(f"{self._path}: not a result file of govid import")
                break
            try:
                result = _DECODER.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                raise InvalidParameter(f"{self._path}: not a result file of govid import") from None
            if result.input != source:
                raise InvalidParameter(f"{self._path}: holds the results of {result.input!r}, not {source!r}")
            if result.outcome is not Outcome.FAILED:
                done.append(result.key)
            if result.reference_id is not None:
                self.first_reference = min(self.first_reference or result.reference_id, result.reference_id)
            whole += len(line)
        self._file.seek(whole)
        self._file.truncate()
        return array("Q", np.unique(np.frombuffer(done, dtype=np.uint64)).tobytes() if done else b"")
