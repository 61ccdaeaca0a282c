"""The store: nothing lost, nothing double, and one clear line for every bad file."""

from __future__ import annotations

import dataclasses
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from zcproxy.configuration import Configuration
from zcproxy.errors import StoreError
from zcproxy.store import Row, Store

CONFIGURATION = Configuration(
    space="digits201", dataset="digits", batch_sha256="00", shape=(1, 8, 8), classes=10
)
VERSIONS = {"zcproxy": "0.1.0", "torch": "2.13.0"}
ROWS = [
    Row("a=conv3x3(x); out=a", "snip", 0.1 + 0.2, seconds=0.25),
    Row("out=0", "snip", None, "disconnected", "no path", 0.5),
    Row("out=0", "synflow", 5e-324),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


def filled(path: Path) -> Path:
    """A closed store with ROWS."""
    with Store.open(path, CONFIGURATION) as store:
        store.add(ROWS, VERSIONS)
    return path


def test_rows_come_back_bit_by_bit(path: Path) -> None:
    values = [0.1, 1 / 3, 5e-324, -1.7976931348623157e308, 1e60, 0.0, 2**53 + 1.0]
    rows = [Row(f"n{i}", "snip", value) for i, value in enumerate(values)]
    with Store.open(path, CONFIGURATION) as store:
        store.add(rows, VERSIONS)
    with Store.read(path) as store:
        found = [row.value for row in store.rows()]
    assert [value.hex() for value in found if value is not None] == [v.hex() for v in values]


def test_a_store_is_resumed_with_all_it_had(path: Path) -> None:
    filled(path)
    with Store.open(path, CONFIGURATION) as store:
        assert store.rows() == ROWS
        assert store.done() == {
            "a=conv3x3(x); out=a": {"snip"},
            "out=0": {"snip", "synflow"},
        }
        assert store.configuration == CONFIGURATION


def test_closing_leaves_one_file(path: Path) -> None:
    filled(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_second_row_of_a_network_and_proxy_is_refused_and_changes_nothing(path: Path) -> None:
    filled(path)
    new = Row("new", "snip", 1.0)
    with Store.open(path, CONFIGURATION) as store:
        with pytest.raises(StoreError, match="UNIQUE"):
            store.add([new, dataclasses.replace(ROWS[0], value=9.0, seconds=9.0)], VERSIONS)
        assert store.rows() == ROWS
        store.add([new], VERSIONS)
        assert len(store.rows()) == len(ROWS) + 1


def test_forgotten_rows_are_gone_and_no_others(path: Path) -> None:
    filled(path)
    with Store.open(path, CONFIGURATION) as store:
        store.forget([("out=0", "snip")])
        assert store.rows() == [ROWS[0], ROWS[2]]


def test_every_version_is_kept_once(path: Path) -> None:
    later = {**VERSIONS, "torch": "2.14.0"}
    with Store.open(path, CONFIGURATION) as store:
        store.add(ROWS[:1], VERSIONS)
        store.add(ROWS[1:2], VERSIONS)
        store.add(ROWS[2:], later)
        assert store.versions() == [VERSIONS, later]
    with sqlite3.connect(path) as connection:
        query = "SELECT proxy, text FROM scores JOIN versions ON versions = id WHERE network = ?"
        found = dict(connection.execute(query, ("out=0",)).fetchall())
    connection.close()
    assert "2.13.0" in found["snip"]
    assert "2.14.0" in found["synflow"]


def test_what_was_asked_for_is_the_union_in_its_order(path: Path) -> None:
    with Store.open(path, CONFIGURATION) as store:
        assert store.requested() == ([], [])
        store.request(["b", "a"], ["snip"])
        store.request(["c", "a"], ["plain", "snip"])
    with Store.read(path) as store:
        assert store.requested() == (["b", "a", "c"], ["snip", "plain"])


def test_an_older_store_stays_without_what_was_asked_for(path: Path) -> None:
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE requested")
    connection.close()
    with Store.open(path, CONFIGURATION) as store:
        store.request(["a"], ["snip"])
        assert store.requested() is None
        assert store.rows() == ROWS


def test_a_request_is_kept_whole_or_not_at_all(path: Path) -> None:
    with Store.open(path, CONFIGURATION) as store:
        store.request(["a"], ["snip"])
        ((pages,),) = store._connection.execute("PRAGMA page_count").fetchall()
        store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(StoreError, match="disk is full"):
            store.request(["x" * 50 + str(number) for number in range(1000)], ["plain"])
        assert store.requested() == (["a"], ["snip"])


@pytest.mark.parametrize(
    ("value", "failure"), [(None, None), (1.0, "error"), (float("nan"), None), (float("inf"), None)]
)
def test_a_row_is_a_finite_value_or_a_failure(value: float | None, failure: str | None) -> None:
    with pytest.raises(ValueError, match="snip"):
        Row("n", "snip", value, failure)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("protocol", "abdelfattah2021"),
        ("protocol_revision", 2),
        ("batch_sha256", "11"),
        ("seed", 7),
    ],
)
def test_another_configuration_is_refused_by_field(path: Path, field: str, value: object) -> None:
    filled(path)
    other = dataclasses.replace(CONFIGURATION, **{field: value})
    with pytest.raises(StoreError, match=f"another configuration.*{field}: {value}, not ") as error:
        Store.open(path, other)
    named = [f.name for f in dataclasses.fields(other) if f"{f.name}: " in str(error.value)]
    assert named == [field]
    Store.open(path, CONFIGURATION).close()  # the refused one left no lock behind


def test_two_writers_are_refused_but_a_reader_sees_what_is_there(path: Path) -> None:
    with Store.open(path, CONFIGURATION) as writer:
        writer.add(ROWS[:1], VERSIONS)
        with pytest.raises(StoreError, match="in use"):
            Store.open(path, CONFIGURATION)
        with Store.read(path) as reader:
            assert reader.rows() == ROWS[:1]
            writer.add(ROWS[1:], VERSIONS)
            assert reader.rows() == ROWS
            with pytest.raises(StoreError, match="read-only"):
                reader.add([Row("new", "snip", 1.0)], VERSIONS)


def test_a_reader_needs_a_store(path: Path) -> None:
    with pytest.raises(StoreError, match="no store at"):
        Store.read(path)
    assert not path.exists()
    path.touch()
    with pytest.raises(StoreError, match="empty"):
        Store.read(path)


def damaged(path: Path, how: str) -> None:
    """Spoil a good store, or put something else in its place."""
    filled(path)
    content = path.read_bytes()
    if how == "text":
        path.write_text("architecture,snip\n" * 100)
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "page overwritten":
        path.write_bytes(content[:4096] + b"\xff" * 4096 + content[8192:])
    elif how == "other program":
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE scores (a)")
        connection.close()
    elif how == "future version":
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
    elif how == "settings edited":
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE configuration SET fields = replace(fields, '64', '32')")
        connection.close()


BAD = {
    "text": "not a store of scores",
    "truncated": "damaged",
    "page overwritten": "damaged",
    "other program": "no store of scores",
    "future version": "store version 99",
    "settings edited": "settings do not match their key",
}


@pytest.mark.parametrize("how", sorted(BAD))
@pytest.mark.parametrize("way", ["open", "read"])
def test_a_bad_file_is_refused_in_one_line_and_left_alone(path: Path, how: str, way: str) -> None:
    damaged(path, how)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=BAD[how]) as caught:
        Store.open(path, CONFIGURATION) if way == "open" else Store.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    assert filled(path).stat().st_size > 0


@pytest.mark.parametrize(
    ("place", "message"),
    [("", "is a folder"), ("missing/run.sqlite", "no folder"), ("file/run.sqlite", "no folder")],
)
def test_a_bad_place_is_named(tmp_path: Path, place: str, message: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=message):
        Store.open(tmp_path / place, CONFIGURATION)


def test_a_folder_that_cannot_be_written_is_one_line() -> None:
    with pytest.raises(StoreError, match=r"^/proc/run\.sqlite cannot be written: "):
        Store.open("/proc/run.sqlite", CONFIGURATION)


def test_a_full_disk_is_one_line_and_loses_no_earlier_row(path: Path) -> None:
    filled(path)
    long = "x" * 100_000
    with Store.open(path, CONFIGURATION) as store:
        ((pages,),) = store._connection.execute("PRAGMA page_count").fetchall()
        store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(StoreError, match="disk is full") as caught:
            store.add(
                [Row("new", "snip", 1.0), Row("new", "synflow", None, "error", long)], VERSIONS
            )
        assert "\n" not in str(caught.value)
        assert store.rows() == ROWS
    with Store.open(path, CONFIGURATION) as store:
        assert store.rows() == ROWS
        store.add([Row("new", "snip", 1.0)], VERSIONS)


LIMITED = """
import sys
from zcproxy.errors import StoreError
sys.path.insert(0, sys.argv[2])
from test_database import CONFIGURATION, VERSIONS
from zcproxy.store import Row, Store
with Store.open(sys.argv[1], CONFIGURATION) as store:
    try:
        for number in range(10_000):
            store.add([Row(f"n{number}", "snip", float(number))], VERSIONS)
            print(number, flush=True)
    except StoreError as error:
        print(error)
"""


def run_here(code: str, path: Path, limit: int | None = None) -> subprocess.Popen[str]:
    """Run code in a child process that may write files of at most `limit` bytes."""

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=limited,
    )


def test_a_file_that_may_not_grow_is_one_line_and_keeps_what_was_told(path: Path) -> None:
    with run_here(LIMITED, path, limit=300_000) as child:
        *numbers, message = child.communicate()[0].splitlines()
    assert child.returncode == 0
    assert "disk full" in message
    assert 0 < len(numbers) < 10_000
    with Store.open(path, CONFIGURATION) as store:
        assert [row.value for row in store.rows()] == [
            float(number) for number in sorted(numbers, key=lambda n: f"n{n}")
        ]


def test_a_killed_writer_loses_no_row_it_had_written(path: Path) -> None:
    with run_here(LIMITED, path) as child:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(50)]
        os.kill(child.pid, signal.SIGKILL)
        told += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    with Store.open(path, CONFIGURATION) as store:
        found = {row.value for row in store.rows()}
    written = {float(line) for line in told if line.endswith("\n")}
    assert written <= found <= written | {max(written) + 1}
