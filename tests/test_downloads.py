"""Fetching from a local server that behaves, or does not."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest

from zcproxy import downloads, spaces, tables
from zcproxy.errors import DataError, InputError

IMAGES = bytes(range(256)) * 2000


class Handler(BaseHTTPRequestHandler):
    """Serves `files`; a body cut short has the length of the whole in its header."""

    files: ClassVar[dict[str, bytes]] = {}
    cut: int | None = None
    requests: int = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        body = self.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.cut])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def handler() -> type[Handler]:
    return type("Fresh", (Handler,), {"files": {}, "cut": None, "requests": 0})


@pytest.fixture
def server(handler: type[Handler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("ZCPROXY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pinned = replace(downloads.REMOTES["cifar10"], sha256=hashlib.sha256(IMAGES).hexdigest())
    monkeypatch.setitem(downloads.REMOTES, "cifar10", pinned)
    return tmp_path / "data"


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_right_file_arrives_once(server: str, handler: type[Handler], folder: Path) -> None:
    handler.files["/cifar-10-python.tar.gz"] = IMAGES
    seen: list[tuple[int, int]] = []
    path, new = downloads.fetch(
        "cifar10", base=server, progress=lambda done, total: seen.append((done, total))
    )
    assert (path, new) == (folder / "cifar10" / "cifar-10-python.tar.gz", True)
    assert path.read_bytes() == IMAGES
    assert seen[-1] == (len(IMAGES), len(IMAGES))
    assert files_in(folder) == ["cifar10/cifar-10-python.tar.gz"]
    assert downloads.fetch("cifar10", base=server) == (path, False)
    assert handler.requests == 1
    assert downloads.fetch("cifar10", base=server, again=True) == (path, True)
    assert handler.requests == 2


def test_a_damaged_file_is_replaced(server: str, handler: type[Handler], folder: Path) -> None:
    handler.files["/cifar-10-python.tar.gz"] = IMAGES
    place = folder / "cifar10" / "cifar-10-python.tar.gz"
    place.parent.mkdir(parents=True)
    place.write_bytes(IMAGES[:-1])
    assert downloads.fetch("cifar10", base=server) == (place, True)
    assert place.read_bytes() == IMAGES


@pytest.mark.parametrize(
    ("content", "cut", "told"),
    [
        (IMAGES, 100_000, "connection broke off"),
        (IMAGES, 0, "connection broke off"),
        (IMAGES[:-1], None, "checksum"),
        (IMAGES + b"x", None, "checksum"),
        (b"", None, "checksum"),
        (None, None, "404"),
    ],
)
def test_failures_are_one_line_and_keep_nothing(
    server: str,
    handler: type[Handler],
    folder: Path,
    content: bytes | None,
    cut: int | None,
    told: str,
) -> None:
    if content is not None:
        handler.files["/cifar-10-python.tar.gz"] = content
    handler.cut = cut
    with pytest.raises(DataError, match=told) as caught:
        downloads.fetch("cifar10", base=server)
    assert "\n" not in str(caught.value)
    assert server in str(caught.value)
    assert files_in(folder) == []


def test_no_network(folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = "cannot reach .* network connection.*by hand"
    with pytest.raises(DataError, match=told) as caught:
        downloads.fetch("cifar10", base=f"http://127.0.0.1:{port}")
    assert "\n" not in str(caught.value)
    assert files_in(folder) == []


def test_a_failed_fetch_keeps_what_was_there(
    server: str, handler: type[Handler], folder: Path
) -> None:
    place = folder / "cifar10" / "cifar-10-python.tar.gz"
    place.parent.mkdir(parents=True)
    place.write_bytes(IMAGES)
    handler.files["/cifar-10-python.tar.gz"] = b"other"
    with pytest.raises(DataError, match="checksum"):
        downloads.fetch("cifar10", base=server, again=True)
    assert place.read_bytes() == IMAGES


def test_a_folder_that_cannot_be_written(server: str, handler: type[Handler], folder: Path) -> None:
    handler.files["/cifar-10-python.tar.gz"] = IMAGES
    folder.write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot write .*ZCPROXY_DATA"):
        downloads.fetch("cifar10", base=server)


def test_unknown_names() -> None:
    with pytest.raises(InputError, match="did you mean 'cifar10'"):
        downloads.fetch("cifar")


def landscape(frame: pd.DataFrame) -> bytes:
    """The public CSV, made from the accuracies derived from it."""
    public = pd.DataFrame(
        {
            "CIFAR10TestAccuracy200Epochs": frame["cifar10_test_200"],
            "CIFAR100TestAccuracy200Epochs": frame["cifar100_test_200"],
            "ImageNetTestAccuracy200Epochs": frame["imagenet16-120_test_200"],
            "ArchitectureString": frame["architecture"],
            "UniqueString": "#+#+#",
        }
    )
    return public.to_csv(index=False).encode()


def test_the_public_accuracies_become_a_table(
    server: str, handler: type[Handler], folder: Path, shared_data: Path
) -> None:
    known = tables.load(str(shared_data / "nasbench201" / "accuracies.csv.gz"))
    handler.files["/nats_bench.csv"] = landscape(known)
    path, new = downloads.fetch("nasbench201", base=server)
    assert (path, new) == (folder / "tables" / "nasbench201.parquet", True)
    assert files_in(folder) == ["tables/nasbench201.parquet"]
    table = tables.load("nasbench201")
    assert list(table.columns[2:]) == [
        "cifar10_test_200",
        "cifar100_test_200",
        "imagenet16-120_test_200",
    ]
    assert table["cifar100_test_200"].tolist() == known["cifar100_test_200"].tolist()
    assert downloads.fetch("nasbench201", base=server) == (path, False)
    altered = known.copy()
    altered.loc[123, "cifar100_test_200"] += 0.0002
    handler.files["/nats_bench.csv"] = landscape(altered)
    with pytest.raises(DataError, match="checksum"):
        downloads.fetch("nasbench201", base=server, again=True)
    handler.files["/nats_bench.csv"] = landscape(known.iloc[:-1])
    with pytest.raises(DataError, match="checksum"):
        downloads.fetch("nasbench201", base=server, again=True)
    assert tables.load("nasbench201").equals(table)


def test_a_page_instead_of_the_table(server: str, handler: type[Handler], folder: Path) -> None:
    handler.files["/nats_bench.csv"] = b"<html>\n<p>log in, please</p>\n"
    with pytest.raises(DataError, match="did not send the expected table") as caught:
        downloads.fetch("nasbench201", base=server)
    assert "\n" not in str(caught.value)
    assert files_in(folder) == []


def test_the_content_hash_is_of_these_lines() -> None:
    space = spaces.get("nasbench201").architectures()
    frame = pd.DataFrame(
        {
            "architecture": [space[1], space[0]],
            "cifar10_test_200": [93.66000000000001, 85.86333333333334],
            "cifar100_test_200": [70.29333326822916, 52.913333294677734],
        }
    )
    lines = f"{space[0]},52.9133,85.8633\n{space[1]},70.2933,93.6600\n"
    table = tables.finish(frame, "nasbench201")
    assert downloads.content_sha256(table) == hashlib.sha256(lines.encode()).hexdigest()


def test_addresses_and_checksums_are_pinned() -> None:
    commit = "b307ae5fe6e8d7043cd4fe7d1c3532288271adb7"
    assert commit in downloads.REMOTES["nasbench201"].url
    for remote in downloads.REMOTES.values():
        assert remote.url.startswith("https://")
        assert len((remote.sha256 or "") + (remote.content or "")) == 64
