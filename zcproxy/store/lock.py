"""One process at a time: a lock that the operating system drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from zcproxy.errors import StoreError

__all__ = ["Lock"]


class Lock:
    """An exclusive lock on `path`, kept in the file `path` + `.lock` until `release`.

    The kernel holds it (`flock`), so it cannot outlive its process, however that ends; a lock file
    found without a holder is simply taken over.

    Raises: StoreError if another process, or this one, holds it, or if the folder is not writable.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.with_name(path.name + ".lock")
        try:
            while not (held := _acquire(self._file)):
                pass
        except BlockingIOError:
            holder = _holder(self._file)
            raise StoreError(
                f"{path} is in use by another run{holder}; wait for it, stop it, or choose another "
                "store with --store"
            ) from None
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}") from error
        self._descriptor = held

    def release(self) -> None:
        """Give the lock back and remove its file."""
        self._file.unlink(missing_ok=True)
        os.close(self._descriptor)


def _acquire(file: Path) -> int:
    """A locked descriptor of `file`, or 0 if its last holder removed it in the meantime."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _same(descriptor, file):
            os.close(descriptor)
            return 0
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _same(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(file))
    except FileNotFoundError:
        return False


def _holder(file: Path) -> str:
    try:
        number = file.read_text().strip()
    except OSError:
        return ""
    return f" (process {number})" if number else ""
