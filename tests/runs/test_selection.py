"""Which architectures: a file, or a sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from zcproxy import spaces
from zcproxy.errors import DataError, InputError
from zcproxy.runs.selection import from_file, sample

SPACE = spaces.get("digits201")
FIRST, SECOND = SPACE.architectures()[:2]


def test_a_sample_is_distinct_in_official_order_and_fixed_by_its_seed() -> None:
    drawn = sample(SPACE, 100, seed=1)
    order = {architecture: index for index, architecture in enumerate(SPACE.architectures())}
    indices = [order[architecture] for architecture in drawn]
    assert indices == sorted(set(indices))
    assert len(indices) == 100
    assert drawn == sample(SPACE, 100, seed=1)
    assert drawn != sample(SPACE, 100, seed=2)


def test_a_sample_of_everything_is_everything() -> None:
    assert sample(SPACE, 15_625) == SPACE.architectures()


@pytest.mark.parametrize("size", [0, 15_626])
def test_a_sample_of_too_many_or_none_is_refused(size: int) -> None:
    with pytest.raises(InputError, match="give 1 to 15625"):
        sample(SPACE, size)


def test_a_file_keeps_its_order_and_drops_what_repeats(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text(f"# mine\n{SECOND}\n\n  {FIRST}  \n{SECOND}\n")
    assert from_file(SPACE, file) == [SECOND, FIRST]


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text(f"{FIRST}\n\n|nor_conv_5x5~0|\n")
    with pytest.raises(InputError, match=r"names.txt, line 3: .*nor_conv_5x5"):
        from_file(SPACE, file)


def test_files_without_architectures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        from_file(SPACE, tmp_path / "missing.txt")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(DataError, match="names no architecture"):
        from_file(SPACE, tmp_path / "empty.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as text"):
        from_file(SPACE, tmp_path / "binary.txt")
