"""Putting tables together, and the compact file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zcproxy import spaces
from zcproxy.errors import DataError, InputError
from zcproxy.tables import Column, finish, read, write
from zcproxy.tables.frame import columns_of, from_trials

ALL = spaces.get("nasbench201").architectures()
A, B, C = ALL[7], ALL[3], ALL[15_000]


def small(**changes: object) -> pd.DataFrame:
    content: dict[str, object] = {"architecture": [A, B], "cifar10_test_200": [91.5, 80.25]}
    return pd.DataFrame(content | changes)


def test_finish_orders_and_describes() -> None:
    table = finish(small(note=["a", "b"]), "nasbench201")
    assert list(table.columns) == ["architecture", "index", "cifar10_test_200", "note"]
    assert table["architecture"].tolist() == [B, A]
    assert table["index"].tolist() == [3, 7]
    assert table["cifar10_test_200"].tolist() == [80.25, 91.5]
    assert table.attrs["space"] == "nasbench201"
    assert columns_of(table) == {"cifar10_test_200": Column("cifar10", "test", 200)}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"architecture": [A, A]}, "twice"),
        ({"architecture": [A, "nonsense"]}, "'nonsense' is no architecture of nasbench201"),
        ({"cifar10_test_200": [91.5, 100.5]}, "100.5 .* not a percentage"),
        ({"cifar10_test_200": [-0.5, 9.0]}, "-0.5 .* not a percentage"),
        ({"cifar10_test_200": [np.inf, 9.0]}, "inf .* not a percentage"),
        ({"cifar10_test_200": ["a", "b"]}, "no numbers in column"),
    ],
)
def test_wrong_frames(changes: dict[str, object], told: str) -> None:
    with pytest.raises(DataError, match=told):
        finish(small(**changes), "nasbench201")


def test_a_table_needs_rows_and_accuracies() -> None:
    with pytest.raises(DataError, match="no rows"):
        finish(small().head(0), "nasbench201")
    with pytest.raises(DataError, match="at least one accuracy column"):
        finish(small()[["architecture"]], "nasbench201")


def test_from_trials_averages_the_seeds_there_are() -> None:
    one, two = (Column("cifar10", "test", 200, seed) for seed in (1, 2))
    other = Column("cifar10", "test", 12, 1)
    table = from_trials(
        [(A, one, 90.0), (A, two, 91.0), (B, two, 50.0), (C, other, 7)], "digits201"
    )
    assert table["architecture"].tolist() == [B, A, C]
    np.testing.assert_array_equal(table["cifar10_test_200"], [50.0, 90.5, np.nan])
    np.testing.assert_array_equal(table["cifar10_test_200_seed1"], [np.nan, 90.0, np.nan])
    np.testing.assert_array_equal(table["cifar10_test_12"], [np.nan, np.nan, 7.0])
    assert columns_of(table)["cifar10_test_200_seed2"] == two
    assert table.attrs["space"] == "digits201"


def test_from_trials_refuses_doubles_and_nothing() -> None:
    column = Column("cifar10", "test", 200, 1)
    with pytest.raises(InputError, match="two trainings"):
        from_trials([(A, column, 1.0), (A, column, 2.0)], "nasbench201")
    with pytest.raises(DataError, match="no accuracies"):
        from_trials([], "nasbench201")


def test_written_and_read_alike(tmp_path: Path) -> None:
    table = finish(small(cifar10_test_200=[np.nan, 1 / 3]), "nasbench201")
    path = write(table, tmp_path / "new folder" / "t.parquet")
    again = read(path)
    pd.testing.assert_frame_equal(again, table)
    assert again.attrs == table.attrs
    assert [p.name for p in path.parent.iterdir()] == ["t.parquet"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(finish(small(), "nasbench201"), tmp_path / "t.parquet")
    before = path.read_bytes()

    def full(table: object, where: str, **options: object) -> None:
        Path(where).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(DataError, match="No space left on device"):
        write(finish(small(), "nasbench201"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


def test_unreadable_files(tmp_path: Path) -> None:
    path = write(finish(small(), "nasbench201"), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="no file"):
        read(tmp_path / "absent.parquet")
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a whole Parquet file"):
        read(cut)
    foreign = tmp_path / "foreign.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(foreign)
    with pytest.raises(DataError, match="no table of zcproxy"):
        read(foreign)


def test_a_bad_value_in_a_file_is_found_when_read(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = write(finish(small(), "nasbench201"), tmp_path / "t.parquet")
    table = pq.read_table(path)
    wrong = table.set_column(2, "cifar10_test_200", [[50.0, 101.0]])
    pq.write_table(wrong.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(DataError, match="101.0"):
        read(path)
