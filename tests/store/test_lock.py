"""The lock of a store: exclusive, and gone with its holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zcproxy.errors import StoreError
from zcproxy.store.lock import Lock

HOLDER = """
import sys, time
from pathlib import Path
from zcproxy.store.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("locked", flush=True)
time.sleep(600)
"""


def test_a_second_lock_is_refused_and_names_the_holder(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "store")
    with pytest.raises(StoreError, match=rf"in use by another run \(process {os.getpid()}\)"):
        Lock(tmp_path / "store")
    lock.release()


def test_other_paths_have_other_locks(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "first"), Lock(tmp_path / "second")
    first.release()
    second.release()


def test_release_lets_the_next_one_in_and_leaves_no_file(tmp_path: Path) -> None:
    Lock(tmp_path / "store").release()
    assert list(tmp_path.iterdir()) == []
    Lock(tmp_path / "store").release()


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "store")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(StoreError, match=rf"\(process {holder.pid}\)"):
            Lock(tmp_path / "store")
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    Lock(tmp_path / "store").release()


def test_a_lock_file_removed_in_the_meantime_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened just before its holder removed it: locking that file would exclude nobody."""
    file = tmp_path / "store.lock"
    opened = os.open
    removed = []

    def open_and_lose(path: Path, *flags: int) -> int:
        descriptor = opened(path, *flags)
        if not removed:
            removed.append(path)
            file.unlink()
        return descriptor

    monkeypatch.setattr(os, "open", open_and_lose)
    lock = Lock(tmp_path / "store")
    assert removed
    assert file.exists()
    with pytest.raises(StoreError, match="in use"):
        Lock(tmp_path / "store")
    lock.release()


def test_a_folder_that_cannot_be_written_is_one_line() -> None:
    with pytest.raises(StoreError, match=r"^/proc/store cannot be written: ") as caught:
        Lock(Path("/proc/store"))
    assert "\n" not in str(caught.value)
