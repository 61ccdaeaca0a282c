"""Where tables are looked for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import zcproxy
from zcproxy import spaces, tables
from zcproxy.errors import DataError, InputError

A, B = spaces.get("nasbench201").architectures()[:2]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("ZCPROXY_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def put(root: Path, accuracy: float, name: str = "nasbench201") -> Path:
    frame = pd.DataFrame({"architecture": [A, B], "cifar10_test_200": [accuracy, 50.0]})
    return tables.write(tables.finish(frame, "nasbench201"), root / "tables" / f"{name}.parquet")


def put_raw(root: Path, accuracy: float) -> Path:
    path = root / "nasbench201" / "accuracies.csv.gz"
    path.parent.mkdir(parents=True)
    frame = pd.DataFrame({"arch_str": [A, B], "c10_test_acc_200": [accuracy, 50.0]})
    frame.to_csv(path, index=False)
    return path


def test_the_order_of_places(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "zcproxy"
    expected = []
    for accuracy, place in ((4.0, cache), (3.0, folder)):
        put_raw(place, accuracy)
        expected.append((accuracy, tables.load("nasbench201")["cifar10_test_200"][0]))
        put(place, accuracy - 0.5)
        expected.append((accuracy - 0.5, tables.load("nasbench201")["cifar10_test_200"][0]))
    assert [one for one, _ in expected] == [two for _, two in expected]


def test_a_table_by_path(folder: Path) -> None:
    assert tables.load(str(put(folder, 7.0)))["cifar10_test_200"][0] == 7.0
    assert tables.load(str(put_raw(folder, 8.0)))["cifar10_test_200"][0] == 8.0
    with pytest.raises(DataError, match="no file"):
        tables.load(str(folder / "absent.parquet"))


def test_missing_and_unknown_tables(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        zcproxy.table("nasbench201")
    for text in (str(folder), "zcproxy data fetch nasbench201", "zcproxy data import"):
        assert text in str(caught.value)
    with pytest.raises(InputError, match="did you mean 'nasbench201'"):
        tables.load("nasbench210")
    with pytest.raises(InputError, match="no name of a table"):
        tables.load("../nasbench201")


@pytest.mark.parametrize("wrong", [None, 3, ["nasbench201"]])
def test_what_is_neither_name_nor_path_is_refused(folder: Path, wrong: Any) -> None:
    with pytest.raises(InputError, match="a table is named by a string, such as 'digits201', not"):
        zcproxy.table(wrong)


def test_a_damaged_table_says_how_it_is_mended(folder: Path) -> None:
    put_raw(folder, 8.0).write_bytes(b"\x1f\x8b")
    for look in (tables.load, tables.find):
        with pytest.raises(DataError, match=r"accuracies\.csv\.gz .*fetch nasbench201") as caught:
            look("nasbench201")
        assert "\n" not in str(caught.value)
    put(folder, 7.0, "mine").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"mine\.parquet .*data import FILE --overwrite"):
        tables.load("mine")


def test_available_names_rows_and_columns(folder: Path) -> None:
    path = put(folder, 7.0, "mine")
    raw = put_raw(folder, 8.0)
    found = {table.name: table for table in tables.available()}
    assert (found["mine"].path, found["mine"].rows, found["mine"].space) == (path, 2, "nasbench201")
    assert found["nasbench201"].path == raw
    assert found["nasbench201"].columns["cifar10_test_200"]["epochs"] == 200
    assert {"digits201", "mine", "nasbench201"} == set(tables.names())
    path.write_bytes(b"no parquet")
    with pytest.raises(DataError, match="mine.parquet"):
        tables.available()


def test_tables_need_no_torch(folder: Path) -> None:
    put_raw(folder, 8.0)
    code = "import sys, zcproxy; zcproxy.table('nasbench201'); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_shared_table_read_on_the_fly(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    (folder / "nasbench201").mkdir(parents=True)
    shutil.copy(shared_data / "nasbench201" / "accuracies.csv.gz", folder / "nasbench201")
    table = zcproxy.table("nasbench201")
    assert len(table) == 15_625
    assert table["cifar10_test_200"].max() == pytest.approx(94.373333)
