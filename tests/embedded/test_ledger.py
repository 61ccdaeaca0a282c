"""What is written to a ledger stays, and nothing else gets in."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from zcproxy.embedded.ledger import Ledger, Training
from zcproxy.errors import StoreError

KIND = {"space": "tiny", "recipe": {"epochs": 1, "rate": 0.1}}
ONE, TWO = Training("a", 0, 90.0625, 0.5), Training("a", 1, 100 / 3, 0.25)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "trainings.jsonl"


def filled(path: Path) -> None:
    with Ledger(path, KIND) as ledger:
        ledger.add(ONE)
        ledger.add(TWO)


def test_trainings_come_back_with_all_their_bits(path: Path) -> None:
    filled(path)
    with Ledger(path, KIND) as ledger:
        assert ledger.trainings == [ONE, TWO]


def test_a_torn_last_line_is_cut_off(path: Path) -> None:
    filled(path)
    whole = path.read_bytes()
    for size in range(whole.rindex(b"\n", 0, -1) + 1, len(whole)):
        path.write_bytes(whole[:size])
        with Ledger(path, KIND) as ledger:
            assert ledger.trainings == [ONE]
            ledger.add(TWO)
        assert path.read_bytes() == whole


def test_a_writer_killed_before_its_first_line_leaves_no_trace(path: Path) -> None:
    filled(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:10])
    filled(path)
    assert path.read_bytes() == whole


def test_another_recipe_is_refused_and_named(path: Path) -> None:
    filled(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"rate: 0\.1 there, 0\.2 now.*--store"):
        Ledger(path, {"space": "tiny", "recipe": {"epochs": 1, "rate": 0.2}})
    assert path.read_bytes() == before
    filled_again = Ledger(path, KIND)  # the refusal gave the lock back
    filled_again.close()


@pytest.mark.parametrize(
    "content", [b"hello\n", b"[1]\n", b'{"space": "tiny", "recipe": 1}\nno\n', b"\x00\xff\n"]
)
def test_other_files_are_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError):
        Ledger(path, KIND)
    assert path.read_bytes() == content


def test_lines_that_are_no_trainings_are_an_error(path: Path) -> None:
    filled(path)
    path.write_bytes(path.read_bytes() + b'{"architecture": "a"}\n')
    with pytest.raises(StoreError, match="is no file of trainings"):
        Ledger(path, KIND)


def test_two_writers_do_not_meet(path: Path) -> None:
    with Ledger(path, KIND), pytest.raises(StoreError, match="in use"):
        Ledger(path, KIND)


def test_a_full_disk_loses_only_the_line_that_did_not_fit(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Ledger(path, KIND) as ledger:
        ledger.add(ONE)
        before = path.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
        try:
            with pytest.raises(StoreError, match="cannot be read or written"):
                ledger.add(TWO)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == before
        ledger.add(TWO)
    with Ledger(path, KIND) as ledger:
        assert ledger.trainings == [ONE, TWO]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be"):
        Ledger(tmp_path, KIND)
