"""Public files that zcproxy can fetch, each pinned to what it must be.

The files of images are pinned by the SHA-256 of the file. The table of test accuracies is pinned
by a Git commit in its address and by the SHA-256 of its content: of every architecture with its
three accuracies to four decimals, in the official order. The hash of its bytes was not available
when this was written; the content was, from an independent copy whose six decimals determine these
four (no value lies nearer than 5e-6 to a rounding boundary).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zcproxy import folders
from zcproxy.errors import DataError, ZcproxyError, unknown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["REMOTES", "Remote", "content_sha256", "fetch"]

Progress = Callable[[int, int], None]

_SECONDS = 30  # without a byte before a connection counts as dropped
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Remote:
    """A public file: where it is, where it goes below the data folder, and its SHA-256.

    `sha256` is of the file's bytes, `content` of the table in it (`content_sha256`).
    """

    name: str
    url: str
    file: str
    size: str
    about: str
    sha256: str | None = None
    content: str | None = None


REMOTES = {
    remote.name: remote
    for remote in (
        Remote(
            "cifar10",
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "cifar10/cifar-10-python.tar.gz",
            "170 MB",
            "official CIFAR-10 images",
            sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        ),
        Remote(
            "cifar100",
            "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            "cifar100/cifar-100-python.tar.gz",
            "169 MB",
            "official CIFAR-100 images",
            sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        ),
        Remote(
            "mnist",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
            "mnist/mnist.npz",
            "11 MB",
            "MNIST images, as one file of arrays",
            sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        ),
        Remote(
            "nasbench201",
            "https://raw.githubusercontent.com/v-tao/nats-bench-landscape/"
            "b307ae5fe6e8d7043cd4fe7d1c3532288271adb7/nats_bench.csv",
            "tables/nasbench201.parquet",
            "3 MB",
            "test accuracies after 200 epochs of all 15,625 architectures (NATS-Bench v1.0)",
            content="2fd1b6f0c9923b2fce885dbdbfd2f3d31e3fb25b7386644b3e41b7300c590a90",
        ),
    )
}


def fetch(
    name: str,
    base: str | None = None,
    again: bool = False,
    progress: Progress = lambda done, total: None,
) -> tuple[Path, bool]:
    """Download a public file into the data folder and check it.

    The file appears at its place only when it is whole and right.

    Args:
        name: a key of `REMOTES`.
        base: address of the folder to take the file from instead of the public one.
        again: download even if the right file is here.
        progress: called with the bytes received and the total (0 if unknown).

    Returns: the path, and whether anything was downloaded.
    Raises: InputError for an unknown name; DataError, in one sentence, if there is no network, the
        connection drops, the server refuses, the file is not the expected one, or the folder
        cannot be written.
    """
    if name not in REMOTES:
        raise unknown("file to fetch", name, REMOTES, "zcproxy data list shows all")
    remote = REMOTES[name]
    place = folders.home() / remote.file
    if not again and _is_right(place, remote):
        return place, False
    url = remote.url if base is None else f"{base.rstrip('/')}/{Path(remote.url).name}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetch-") as folder:
            part = Path(folder) / Path(remote.url).name
            with _otherwise(remote, place):
                _download(url, part, progress)
            _finish(part, remote, url)
            os.replace(part, place)
    except OSError as problem:
        raise DataError(
            f"cannot write {place}: {problem.strerror or problem}; set {folders.VARIABLE} to a "
            "folder that can be written"
        ) from problem
    return place, True


def content_sha256(table: pd.DataFrame) -> str:
    """SHA-256 of a table's content, whatever file it came from.

    Lines `architecture,accuracy,accuracy,...` in the official order, accuracies to four decimals
    in the order of the column names.
    """
    columns = sorted(table.attrs["columns"])
    rows = zip(table["architecture"], *(table[name] for name in columns), strict=True)
    digest = hashlib.sha256()
    for architecture, *accuracies in rows:
        numbers = ",".join(f"{accuracy:.4f}" for accuracy in accuracies)
        digest.update(f"{architecture},{numbers}\n".encode())
    return digest.hexdigest()


def _is_right(place: Path, remote: Remote) -> bool:
    """Whether the file is here and whole; a wrong one is fetched again."""
    if not place.is_file():
        return False
    if remote.sha256 is not None:
        return _file_sha256(place) == remote.sha256
    from zcproxy.tables import read

    try:
        read(place)
    except DataError:
        return False
    return True


@contextmanager
def _otherwise(remote: Remote, place: Path) -> Iterator[None]:
    """Say what to do with a file that was downloaded by hand."""
    try:
        yield
    except DataError as problem:
        use = f"put it at {place}"
        if remote.sha256 is None:
            use = f"run zcproxy data import {Path(remote.url).name}"
        raise DataError(f"{problem} (or download {remote.url} by hand and {use})") from problem


def _download(url: str, part: Path, progress: Progress) -> None:
    """Bring `url` to `part`; every way the network can fail becomes one sentence."""
    from pooch import HTTPDownloader
    from requests import exceptions as failed

    try:
        bar = _Bar(progress)
        HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_SECONDS)(url, str(part), None)
    except failed.HTTPError as problem:
        if problem.response is not None:
            problem.response.close()  # pooch leaves it open
        answer = str(problem).partition(" for url")[0]
        raise DataError(f"cannot download {url}: the server answered {answer}") from problem
    except (failed.ChunkedEncodingError, failed.ContentDecodingError) as problem:
        raise DataError(
            f"the connection broke off while downloading {url}; nothing was kept, try again"
        ) from problem
    except failed.Timeout as problem:
        raise DataError(f"{url} did not answer for {_SECONDS} s; try again later") from problem
    except failed.RequestException as problem:
        raise DataError(f"cannot reach {url}; is there a network connection?") from problem


def _finish(part: Path, remote: Remote, url: str) -> None:
    """Check the downloaded file; a CSV becomes a table in the compact form, in place."""
    if remote.sha256 is not None:
        _same(_file_sha256(part), remote.sha256, url)
        return
    from zcproxy.tables import delimited, write

    try:
        table = delimited.read(part, space=remote.name).frame
    except ZcproxyError as problem:
        raise DataError(f"{url} did not send the expected table: {problem}") from problem
    _same(content_sha256(table), remote.content, url)
    write(table, part)


def _same(found: str, expected: str | None, url: str) -> None:
    if found != expected:
        raise DataError(
            f"what {url} sent is not the expected file (checksum {found[:12]}..., expected "
            f"{str(expected)[:12]}...); nothing was kept, try again later"
        )


def _file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _Bar:
    """What pooch expects of a progress bar, handed on as plain numbers."""

    def __init__(self, progress: Progress) -> None:
        self.total = 0
        self._done = 0
        self._progress = progress

    def update(self, more: int) -> None:
        self._done += more
        self._progress(min(self._done, self.total) if self.total else self._done, self.total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """Nothing to close: the caller owns the bar."""
